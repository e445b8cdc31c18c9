package boardtest

import (
	"io"
	"testing"
	"time"

	"lorrent/lora/kiss"
	"lorrent/lora/rnode"
)

// RNodeBehaviour is how a board with RNode firmware deviates from what it
// should do. The zero value does not.
type RNodeBehaviour struct {
	Silent        bool            // reads, but answers and transmits nothing
	Swallow       bool            // takes packets, but never transmits
	Full          int             // says so many times that its queue is full
	Refuse        rnode.ErrorCode // answers packets with this error, if not 0
	Unreported    bool            // never reports airtime, as boards with an AVR
	PeriodicOnly  bool            // reports airtime once a second only
	Unprovisioned bool            // its radio stays off
	MaxPowerDBm   byte            // more is clamped, if not 0
	Halves        bool            // writes everything in two pieces
}

// RNode is a board with RNode firmware, as 1.86 does things: a queue, reports
// of airtime in two windows, echoes. Its methods may be called at any time.
type RNode struct {
	wire
	onTransmit func(packet []byte)

	// guarded by mu
	behaviour RNodeBehaviour
	radio     map[rnode.Command]uint32
	on        bool
	asked     map[rnode.Command]int
	spent     map[int64]time.Duration // time on air by window of 7.5 s
	onAir     time.Duration           // of a packet
	busy      bool                    // transmitting: the firmware does nothing else then
	backlog   []rnode.Frame           // what came meanwhile
}

// Window is how long one of the two windows of reported airtime is.
const Window = 7500 * time.Millisecond

// NewRNode is New for a board with RNode firmware. Packets, in onTransmit and
// Deliver, are without the link byte. onAir is how long each takes.
func NewRNode(t testing.TB, onAir time.Duration, onTransmit func(packet []byte)) *RNode {
	t.Helper()
	b := NewDetachedRNode(onAir, onTransmit)
	b.openTerminal(t, b.Serve)
	return b
}

// NewDetachedRNode makes one without a link of its own, for Serve.
func NewDetachedRNode(onAir time.Duration, onTransmit func([]byte)) *RNode {
	return &RNode{
		onTransmit: onTransmit, onAir: onAir,
		radio: make(map[rnode.Command]uint32), asked: make(map[rnode.Command]int), spent: make(map[int64]time.Duration),
	}
}

// Behave changes how the board deviates.
func (b *RNode) Behave(how RNodeBehaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behaviour, b.halves = how, how.Halves
}

// Deliver makes the board hear a packet.
func (b *RNode) Deliver(packet []byte, rssidBm, snrdB float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.on {
		return
	}
	frames := rnode.Byte(rnode.CommandRSSI, byte(rssidBm+157)).Append(nil)
	frames = rnode.Byte(rnode.CommandSNR, byte(int8(snrdB*4))).Append(frames)
	b.write(rnode.Packet(packet).Append(frames))
}

// Reboot makes the board forget everything and say so.
func (b *RNode) Reboot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.restart()
}

// Forget is Reboot without a word.
func (b *RNode) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget()
}

func (b *RNode) forget() {
	clear(b.radio)
	clear(b.spent)
	b.on, b.backlog = false, nil
}

func (b *RNode) restart() {
	b.forget()
	b.write([]byte("ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n\xff\x00\xc0\xdb"))
	b.write(rnode.Byte(rnode.CommandReset, rnode.ResetByte).Append(nil))
}

// Radio tells a setting, and whether the radio is on.
func (b *RNode) Radio(c rnode.Command) (value uint32, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.radio[c], b.on
}

// Asked counts the frames of one command so far, silent or not.
func (b *RNode) Asked(c rnode.Command) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[c]
}

// Serve runs the board on a stream until it ends.
func (b *RNode) Serve(stream io.ReadWriter) {
	defer b.connect(stream)()
	ended := make(chan struct{})
	defer func() { <-ended }()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(ended)
		b.reportPeriodically(stop)
	}()
	frames := kiss.NewDecoder(stream)
	for {
		raw, err := frames.Next()
		if err != nil {
			return
		}
		if f, err := rnode.Parse(raw); err == nil {
			b.mu.Lock()
			b.handle(f)
			b.mu.Unlock()
		}
	}
}

// reportPeriodically reports once a second, not counting the time in which
// the firmware waits for the end of a transmission.
func (b *RNode) reportPeriodically(stop chan struct{}) {
	const step = 20 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	var idle time.Duration
	for {
		select {
		case <-ticker.C:
			b.mu.Lock()
			if !b.busy {
				idle += step
			}
			if idle >= time.Second {
				b.report()
				idle = 0
			}
			b.mu.Unlock()
		case <-stop:
			return
		}
	}
}

// report needs mu.
func (b *RNode) report() {
	if !b.on || b.behaviour.Unreported || b.behaviour.Silent {
		return
	}
	window := time.Now().UnixNano() / int64(Window)
	share := (b.spent[window] + b.spent[window-1]) * 10_000 / (2 * Window)
	body := []byte{byte(share >> 8), byte(share), 0, 0, 0, 0, 0, 0, 40, 40, 0xFF}
	b.write(rnode.Frame{Command: rnode.CommandChannel, Body: body}.Append(nil))
}

// handle needs mu.
func (b *RNode) handle(f rnode.Frame) {
	b.asked[f.Command]++
	switch {
	case b.behaviour.Silent:
	case b.busy:
		b.backlog = append(b.backlog, f)
	case f.Command == rnode.CommandData:
		b.queue(f.Body)
	case f.Command == rnode.CommandReset:
		b.restart()
	default:
		if answer, ok := b.answer(f); ok {
			b.write(answer.Append(nil))
		}
	}
}

func (b *RNode) queue(packet []byte) {
	switch {
	case b.behaviour.Refuse != 0:
		b.write(rnode.Byte(rnode.CommandError, byte(b.behaviour.Refuse)).Append(nil))
	case !b.on:
		b.write(rnode.Byte(rnode.CommandError, byte(rnode.ErrorTxFailed)).Append(nil))
	case !b.behaviour.Swallow:
		b.busy = true
		b.running.Add(1)
		time.AfterFunc(b.onAir, func() {
			defer b.running.Done()
			b.transmitted(packet)
		})
	}
}

// transmitted ends a transmission.
func (b *RNode) transmitted(packet []byte) {
	if b.onTransmit != nil {
		b.onTransmit(packet)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy = false
	b.spent[time.Now().UnixNano()/int64(Window)] += b.onAir
	if !b.behaviour.PeriodicOnly {
		b.report()
	}
	for len(b.backlog) > 0 && !b.busy {
		f := b.backlog[0]
		b.backlog = b.backlog[1:]
		b.handle(f)
	}
}

// answer carries out a request. It needs mu.
func (b *RNode) answer(f rnode.Frame) (rnode.Frame, bool) {
	value := f.Value()
	switch f.Command {
	case rnode.CommandDetect:
		return rnode.Byte(f.Command, rnode.DetectReply), value == rnode.DetectRequest
	case rnode.CommandReady:
		if b.behaviour.Full > 0 {
			b.behaviour.Full--
			return rnode.Byte(f.Command, 0), true
		}
		return rnode.Byte(f.Command, 1), true
	case rnode.CommandRadioState:
		if value <= 1 {
			b.on = value == 1 && !b.behaviour.Unprovisioned
		}
		if b.on {
			return rnode.Byte(f.Command, 1), value <= 1 || value == rnode.Ask
		}
		return rnode.Byte(f.Command, 0), value <= 1 || value == rnode.Ask
	case rnode.CommandFrequency, rnode.CommandBandwidth:
		if value != 0 {
			b.radio[f.Command] = value
		}
		return rnode.Uint32(f.Command, b.radio[f.Command]), true
	case rnode.CommandTxPower:
		if highest := uint32(b.behaviour.MaxPowerDBm); value != rnode.Ask && highest > 0 {
			value = min(value, highest)
		}
		fallthrough
	case rnode.CommandSF, rnode.CommandCR, rnode.CommandPromisc:
		if value != rnode.Ask {
			b.radio[f.Command] = value
		}
		return rnode.Byte(f.Command, byte(b.radio[f.Command])), true
	case rnode.CommandShortLock, rnode.CommandLongLock:
		return f, true
	default:
		return rnode.Frame{}, false
	}
}
