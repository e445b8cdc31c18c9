package firmware

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/link"
)

// A packet that need not wait is on the air within a slot of the command.
func TestCommandToAir(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	radio := fast
	radio.SpreadingFactor = 9
	h := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(radio)
	const slot = 9 // ms: four symbols of 2.048 ms
	var took []int
	for id := range uint16(40) {
		before := h.clock()
		want[link.TxAnswer](h, link.Tx{ID: id, Slots: 1, Packet: []byte("x")})
		done := await(h, patience, func(d link.TxDone) bool { return d.ID == id })
		took = append(took, int(done.Begin-before))
	}
	slices.Sort(took)
	t.Logf("command to air, with a look at the channel of half a slot: %d ms at best, median %d ms; a slot is %d ms",
		took[0], took[len(took)/2], slot)
	if took[0] > slot { // the machine has other things to do at times
		t.Errorf("%d ms at best, want at most a slot of %d ms", took[0], slot)
	}
}

// The board takes four fifths of what a serial line at 921600 Bd carries.
func TestThroughput(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	h := attach(t, startNative(t, join(t, a, ether.Position{})))
	const line = 921600 / 10 // bytes a second: 8N1
	frame := link.Append(nil, link.Display{Kind: link.DisplayState, Text: bytes.Repeat([]byte("text "), 40)}, 77)
	began := time.Now()
	sent, answered := 0, 0
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for sent < 3*line || answered*len(frame) < sent {
		select {
		case <-pace.C:
			for sent < 3*line && sent < int(time.Since(began).Seconds()*line) {
				h.write(frame)
				sent += len(frame)
			}
		case f, ok := <-h.frames:
			if !ok {
				t.Fatal("link is closed")
			}
			if f.Type == link.TypeDisplay|link.Answered && f.Sequence == 77 {
				answered++
			}
		case <-time.After(patience):
			t.Fatalf("%d bytes sent, %d frames answered", sent, answered)
		}
	}
	rate := float64(answered*len(frame)) / time.Since(began).Seconds()
	t.Logf("%.0f bytes/s of %d: %.1f %%", rate, line, 100*rate/line)
	if rate < 0.8*line {
		t.Errorf("%.0f bytes/s, want 80 %% of %d", rate, line)
	}
}
