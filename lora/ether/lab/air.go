package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	capturedB   = 6.0 // by which one of two packets that overlap must lead
	senseddB    = 3.0 // below the sensitivity, a carrier is still sensed
	falselyBusy = 0.1 // share of carrier senses
)

// air is the channel that all nodes share.
type air struct {
	agenda *agenda
	preset Preset
	random *rand.Rand
	radios []radio
	since  time.Duration // from when on receptions are counted
	loss   float64       // share of receptions that fail, whatever else
	rssi   [][]float64   // [sender][receiver] in dBm

	hears  [][]int // by sender: who receives it
	senses [][]int // by sender: who senses it
}

// radio is one node's end of the air.
type radio struct {
	off       bool
	sending   *transmission
	receiving []*reception
	carriers  []*transmission // sensed and not ended

	// deliver takes a packet that was received; sent says that a transmission
	// has ended.
	deliver func(packet any, rssi float64)
	sent    func()

	log                []transmission // own, for the ledger
	heard              time.Duration  // airtime of what was received or collided
	received, collided int
}

// transmission is a packet on the air.
type transmission struct {
	from       int
	packet     any
	start, end time.Duration
}

// reception is a transmission as one receiver sees it.
type reception struct {
	*transmission
	rssi   float64
	to     int
	lost   bool
	absent bool // the receiver never saw it: it was off or transmitting
}

func newAir(a *agenda, preset Preset, rssi [][]float64, random *rand.Rand) *air {
	air := &air{agenda: a, preset: preset, random: random, rssi: rssi, radios: make([]radio, len(rssi))}
	air.hears, air.senses = make([][]int, len(rssi)), make([][]int, len(rssi))
	for i := range rssi {
		air.link(i)
	}
	return air
}

// link works out who hears node i.
func (a *air) link(i int) {
	a.hears[i], a.senses[i] = a.hears[i][:0:0], a.senses[i][:0:0]
	for j, power := range a.rssi[i] {
		if i == j || math.IsNaN(power) {
			continue
		}
		if power >= a.preset.SensitivitydBm {
			a.hears[i] = append(a.hears[i], j)
		}
		if power >= a.preset.SensitivitydBm-senseddB {
			a.senses[i] = append(a.senses[i], j)
		}
	}
}

// busy is a carrier sense at node i: a transmission younger than a slot is not
// seen, and an idle channel is sometimes taken for busy.
func (a *air) busy(i int) bool {
	if a.random.Float64() < falselyBusy {
		return true
	}
	r := &a.radios[i]
	if r.sending != nil {
		return true
	}
	for _, t := range r.carriers {
		if t.start+a.preset.slot() <= a.agenda.now {
			return true
		}
	}
	return false
}

// receiving is until when node i receives something, also what will turn out spoilt.
func (a *air) receiving(i int) (until time.Duration, ok bool) {
	for _, c := range a.radios[i].receiving {
		if !c.absent {
			until, ok = max(until, c.end), true
		}
	}
	return until, ok
}

// transmit puts a packet on the air now. Whoever calls has listened before.
func (a *air) transmit(i int, packet any, d time.Duration) {
	now := a.agenda.now
	t := &transmission{from: i, packet: packet, start: now, end: now + d}
	sender := &a.radios[i]
	sender.sending = t
	sender.log = append(sender.log, transmission{start: t.start, end: t.end})
	for _, r := range sender.receiving {
		r.lost, r.absent = true, true // half duplex
	}
	var receptions []*reception
	for _, j := range a.hears[i] {
		receptions = append(receptions, a.begin(t, j))
	}
	sensed := a.senses[i] // moves replace the slice and leave this one
	for _, j := range sensed {
		a.radios[j].carriers = append(a.radios[j].carriers, t)
	}
	a.agenda.after(d, func() { a.end(t, sensed, receptions) })
}

// begin lets a packet arrive at one receiver.
func (a *air) begin(t *transmission, to int) *reception {
	r := &a.radios[to]
	fresh := &reception{transmission: t, to: to, rssi: a.rssi[t.from][to]}
	if r.off || r.sending != nil {
		fresh.lost, fresh.absent = true, true
	}
	drowned := false // a packet lost from its start on harms no other
	for _, other := range r.receiving {
		switch lead := fresh.rssi - other.rssi; {
		case lead >= capturedB:
			other.lost = true
		case lead > -capturedB:
			other.lost, fresh.lost, drowned = true, true, true
		default:
			fresh.lost, drowned = true, true
		}
	}
	if !drowned {
		r.receiving = append(r.receiving, fresh)
	}
	return fresh
}

// end lets a transmission end everywhere.
func (a *air) end(t *transmission, sensed []int, receptions []*reception) {
	for _, j := range sensed {
		r := &a.radios[j]
		if k := slices.Index(r.carriers, t); k >= 0 {
			r.carriers = slices.Delete(r.carriers, k, k+1)
		}
	}
	for _, c := range receptions {
		r := &a.radios[c.to]
		if k := slices.Index(r.receiving, c); k >= 0 {
			r.receiving = slices.Delete(r.receiving, k, k+1)
		}
	}
	sender := &a.radios[t.from]
	if sender.sending == t {
		sender.sending = nil
	}
	for _, c := range receptions {
		r := &a.radios[c.to]
		if !c.absent {
			if t.start >= a.since {
				r.heard += t.end - t.start
			}
		}
		switch {
		case c.absent || r.off || a.loss > 0 && a.random.Float64() < a.loss:
		case c.lost:
			if t.start >= a.since {
				r.collided++
			}
		default:
			if t.start >= a.since {
				r.received++
			}
			r.deliver(t.packet, c.rssi)
		}
	}
	if !sender.off {
		sender.sent()
	}
}

// hourly is the most airtime that a node used in any hour.
func (r *radio) hourly() time.Duration {
	var most, sum time.Duration
	first := 0
	for _, t := range r.log {
		sum += t.end - t.start
		for r.log[first].end <= t.end-time.Hour {
			sum -= r.log[first].end - r.log[first].start
			first++
		}
		most = max(most, sum)
	}
	return most
}
