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
	began, rate := time.Now(), 0.0
	sent, answered := 0, 0
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	// What the machine did not do while it had other things to do it may catch up with.
	for limit := 3 * line; sent < limit || answered*len(frame) < sent; {
		select {
		case <-pace.C:
			for sent < limit && sent < int(time.Since(began).Seconds()*line) {
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
			rate = float64(answered*len(frame)) / time.Since(began).Seconds()
			if answered*len(frame) >= limit && rate < 0.8*line && limit < 30*line {
				limit += line
			}
		case <-time.After(patience):
			t.Fatalf("%d bytes sent, %d frames answered", sent, answered)
		}
	}
	t.Logf("%.0f bytes/s of %d: %.1f %%", rate, line, 100*rate/line)
	if rate < 0.8*line {
		t.Errorf("%.0f bytes/s, want 80 %% of %d", rate, line)
	}
}
