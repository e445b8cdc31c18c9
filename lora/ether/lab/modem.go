package lab

import (
	"time"

	"lorrent/lora/airtime"
)

// The back-off of a board: firmware/PROTOCOL.md, TX.
const (
	lastWindow  = 64
	slotSymbols = 4
	patience    = 2 * time.Minute
)

// modem is how a board gets one packet to the air. It waits some slots, then looks
// for a free channel; while that is taken it waits over twice as many. What the board
// receives it hears to the end first. A test compares it with firmware/core/transmitter.cpp.
type modem struct {
	agenda *agenda
	draw   func(below int) int
	slot   time.Duration
	sense  time.Duration // that a look takes
	// receiving says until when the radio receives, and busy what a look finds.
	receiving func() (until time.Duration, ok bool)
	busy      func() bool

	offered *offer // nil when nothing waits
}

// offer is a packet that waits for the channel.
type offer struct {
	window   int  // slots
	deferred bool // a wait ended during a reception
	send     func()
	fail     func() // the channel was never free
}

// boardSlot is the unit of the back-off, in whole milliseconds.
func boardSlot(p airtime.Params) time.Duration {
	return (slotSymbols*p.SymbolTime() + time.Millisecond - 1).Truncate(time.Millisecond)
}

// offer lets a packet wait for the channel, for the first time over so many slots.
func (m *modem) offer(slots int, send, fail func()) {
	o := &offer{window: slots, send: send, fail: fail}
	m.offered = o
	m.after(patience, o, func() { m.offered = nil; o.fail() })
	m.backOff(o)
}

// cancel takes back what waits, and says whether anything did.
func (m *modem) cancel() bool {
	waited := m.offered != nil
	m.offered = nil
	return waited
}

// after does something if the packet still waits by then.
func (m *modem) after(d time.Duration, o *offer, do func()) {
	m.agenda.after(d, func() {
		if m.offered == o {
			do()
		}
	})
}

func (m *modem) backOff(o *offer) {
	m.after(time.Duration(m.draw(o.window))*m.slot, o, func() { m.listen(o) })
}

func (o *offer) widen() { o.window = min(2*o.window, lastWindow) }

// listen looks for a free channel; a reception under way is enough of an answer.
func (m *modem) listen(o *offer) {
	until, ok := m.receiving()
	switch {
	case ok:
		if !o.deferred {
			o.widen()
		}
		o.deferred = true
		m.after(until-m.agenda.now, o, func() { m.listen(o) })
	case o.deferred: // the back-off begins when the reception has ended
		o.deferred = false
		m.backOff(o)
	default:
		m.after(m.sense, o, func() { m.listened(o) })
	}
}

func (m *modem) listened(o *offer) {
	if m.busy() {
		o.widen()
		m.backOff(o)
		return
	}
	m.offered = nil
	o.send()
}
