package lab

import (
	"time"
)

// flooding is a node that floods with the rule and the contention constants of
// Meshtastic firmware 2.8, the baseline: every node relays what it hears for
// the first time after a delay that is shorter for weak signals, unless it
// hears the packet once more before; senders repeat until they hear a relay.
//
// It repeats what the published simulations did, their shortcuts included: a
// sender learns at once when a relay anywhere has heard another, and the relay
// of an acknowledgement no longer counts as one.
type flooding struct {
	world *world
	node  int

	queue   []*floodPacket
	holding bool            // the head of the queue waits for the channel
	heard   map[int]int     // copies received, by packet
	power   map[int]float64 // of the last copy
	relays  map[int]int     // packets of that number queued or sent here, not cancelled
	acked   map[int]bool    // direct messages answered
	airtime time.Duration   // own and heard
}

// floodPacket is one copy of a packet on its way.
type floodPacket struct {
	number   int // the same in all copies
	message  *message
	from, to int // of the message; to is everyone when negative
	hopsLeft int
	wantsAck bool
	answers  int // the number of the packet that it acknowledges, or -1
	bytes    int
}

const (
	floodHops      = 3 // relays
	floodRepeats   = 3
	contentionMin  = 3 // log2 of the smallest contention window
	contentionMax  = 8
	floodNoisedBm  = -119.25
	floodDataBytes = 56
	floodAckBytes  = 18
)

func newFlooding(w *world, node int) station {
	return &flooding{
		world: w, node: node, heard: make(map[int]int), power: make(map[int]float64),
		relays: make(map[int]int), acked: make(map[int]bool),
	}
}

func (f *flooding) start() {}
func (f *flooding) stop()  {}

func (f *flooding) originate(m *message) {
	p := &floodPacket{
		number: f.world.nextPacket(), message: m, from: m.from, to: m.to, hopsLeft: floodHops,
		wantsAck: true, answers: -1, bytes: floodDataBytes,
	}
	f.send(p)
	f.repeat(p, floodRepeats)
}

// repeat sends the packet again when nobody relayed it in time.
func (f *flooding) repeat(p *floodPacket, left int) {
	w := f.world
	slots := 1<<f.loadWindow() + 2*contentionMax + 1<<((contentionMin+contentionMax)/2)
	timeout := 2*w.preset.timeOnAir(p.bytes) + time.Duration(slots)*w.preset.slot() + 4500*time.Millisecond
	w.agenda.after(timeout, func() {
		if w.relayed[p.number] || left == 0 || w.station[f.node] != f {
			return
		}
		again := *p
		f.send(&again)
		f.repeat(p, left-1)
	})
}

func (f *flooding) send(p *floodPacket) {
	f.relays[p.number]++
	f.queue = append(f.queue, p)
	if !f.holding {
		f.next()
	}
}

// next brings the head of the queue to the air: a delay, then a carrier sense,
// and another delay while the channel is taken.
func (f *flooding) next() {
	f.holding = len(f.queue) > 0
	if !f.holding {
		return
	}
	p := f.queue[0]
	f.world.agenda.after(f.delay(p), func() { f.try(p) })
}

func (f *flooding) try(p *floodPacket) {
	if f.world.station[f.node] != f {
		return // rebooted
	}
	if f.world.air.busy(f.node) {
		f.world.agenda.after(f.delay(p), func() { f.try(p) })
		return
	}
	f.queue = f.queue[1:]
	if f.heard[p.number] > 1 {
		f.relays[p.number]--
		f.next()
		return
	}
	d := f.world.preset.timeOnAir(p.bytes)
	f.airtime += d
	kind := kindData
	if p.answers >= 0 {
		kind = kindAck
	}
	f.world.transmit(f.node, p, d, kind)
}

func (f *flooding) sent() { f.next() }

// delay is the contention of Meshtastic: relays wait longer when the signal was
// strong.
func (f *flooding) delay(p *floodPacket) time.Duration {
	slot := f.world.preset.slot()
	power, heard := f.power[p.number]
	if !heard {
		return time.Duration(f.world.random.IntN(1<<f.loadWindow())) * slot
	}
	const weakest, strongest = -20.0, 10.0
	snr := min(max(power-floodNoisedBm, weakest), strongest)
	window := int((snr-weakest)*(contentionMax-contentionMin)/(strongest-weakest) + contentionMin)
	return time.Duration(2*contentionMax+f.world.random.IntN(1<<window)) * slot
}

// loadWindow is the log2 of the contention window for own packets.
func (f *flooding) loadWindow() int {
	util := 0.0
	if now := f.world.agenda.now; now > 0 {
		util = min(float64(f.airtime)/float64(now), 1)
	}
	return int(util*(contentionMax-contentionMin) + contentionMin)
}

func (f *flooding) receive(packet any, rssi float64) {
	p := packet.(*floodPacket)
	w := f.world
	f.airtime += w.preset.timeOnAir(p.bytes)
	f.heard[p.number]++
	f.power[p.number] = rssi
	if p.answers < 0 {
		if p.to < 0 || p.to == f.node {
			w.shown(f.node, p.message, false)
		}
	} else if p.to == f.node {
		w.acknowledged(p.message)
	}
	if p.from == f.node {
		w.relayed[p.number] = true
		return
	}
	overheard := f.relays[p.number] > 0
	if overheard {
		w.relayed[p.number] = true
	}
	confirmed := p.answers >= 0 && p.to == f.node
	if confirmed {
		w.relayed[p.answers] = true
	}
	switch {
	case p.wantsAck && p.to == f.node && !f.acked[p.number]:
		f.acked[p.number] = true
		f.send(&floodPacket{
			number: w.nextPacket(), message: p.message, from: f.node, to: p.from, hopsLeft: floodHops,
			answers: p.number, bytes: floodAckBytes,
		})
	case p.to != f.node && !overheard && !confirmed && p.hopsLeft > 0:
		relay := *p
		relay.hopsLeft--
		f.send(&relay)
	}
}
