package lab

import (
	"slices"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/mesh"
)

// oracle is a network that one mind runs, for a bound of what any protocol could
// do on the same air under the same law. It knows, at every instant and at no
// cost in airtime, who receives whom, who has which message, and what is on the
// air, also where a node moved to and when a flooder speaks. It needs no
// beacons, no acknowledgements, no repair requests and no carrier sense, never
// sends what nobody needs, and collides only where that costs less than it
// brings. What may be sent next is always that transmission which brings the most
// missing messages to nodes in a second of airtime, less what it spoils.
//
// It is greedy and does not know what will be written. A schedule made in
// hindsight might be better; one made by nodes that know only what they hear is
// not, which makes it a fair bound. That there is a way at all between two nodes
// (the columns reachable and bound) is the bound that nothing beats.
type oracle struct {
	world  *world
	active []*message
	held   map[*message][]bool
	ledger []*airtime.Ledger
	ahead  map[int]*outlook // direct: by receiver
	waking bool
}

// outlook is how many hops every node is from a receiver, as of a time.
type outlook struct {
	hops []int8
	at   time.Duration
}

const (
	oracleMost = 4                // messages in a packet
	oracleSpan = 15 * time.Minute // a broadcast is worth something
	oracleStep = 10 * time.Second // until it looks again when the law forbids
)

// subject is a node that does what the oracle says.
type subject struct {
	*oracle
	node int
}

// cargo is a packet of the oracle.
type cargo []*message

func newSubject(w *world, node int) station {
	if w.mind == nil {
		w.mind = &oracle{world: w, held: make(map[*message][]bool), ahead: make(map[int]*outlook)}
		for range w.station {
			limit := w.Duty
			if limit == 0 {
				limit = 1
			}
			w.mind.ledger = append(w.mind.ledger, airtime.NewLedger(limit))
		}
	}
	return subject{w.mind, node}
}

func (s subject) start() { s.decide() }
func (s subject) stop()  {}

func (s subject) originate(m *message) {
	s.active = append(s.active, m)
	s.held[m] = make([]bool, len(s.world.station))
	s.held[m][s.node] = true
	s.decide()
}

func (s subject) receive(packet any, _ float64) {
	load, _ := packet.(cargo) // else of a flooder
	for _, m := range load {
		held := s.held[m]
		if held == nil {
			continue // one that its receiver had before this copy came
		}
		held[s.node] = true
		if m.to < 0 || m.to == s.node {
			s.world.shown(s.node, m, false)
			s.world.acknowledged(m)
		}
	}
}

func (s subject) sent() { s.decide() }

// decide lets nodes speak as long as that is worth anything.
func (o *oracle) decide() {
	o.prune()
	for {
		best, bestLoad, most, forbidden := -1, cargo(nil), 0.0, false
		for u := range o.world.station {
			load, worth, barred := o.propose(u)
			forbidden = forbidden || barred
			if worth > most {
				best, bestLoad, most = u, load, worth
			}
		}
		if best >= 0 {
			d := o.airtime(len(bestLoad))
			// Now, since who is turned off meanwhile does not learn that it has sent.
			o.ledger[best].Record(genesis.Add(o.world.agenda.now+d), d)
			o.world.transmit(best, bestLoad, d, kindData)
			continue
		}
		if forbidden && !o.waking {
			o.waking = true
			o.world.agenda.after(oracleStep, func() { o.waking = false; o.decide() })
		}
		return
	}
}

// prune drops messages that everyone has, or that came too late.
func (o *oracle) prune() {
	w := o.world
	o.active = slices.DeleteFunc(o.active, func(m *message) bool {
		done := m.to < 0 && (len(m.seen) == len(w.station)-1 || w.agenda.now-m.at > oracleSpan) || m.to >= 0 && o.held[m][m.to]
		if done && m.to >= 0 {
			delete(o.held, m)
		}
		return done
	})
}

func (o *oracle) airtime(messages int) time.Duration {
	p := mesh.Packet{Type: mesh.Flood, Payload: make([]byte, payloadBytes)}
	if messages > 1 {
		p = mesh.Packet{Type: mesh.Bundle, Inner: slices.Repeat([]mesh.Packet{p}, messages)}
	}
	return o.world.preset.timeOnAir(p.Size())
}

// propose is the best that node u can send now, and what it is worth; barred
// says that only the law is against it.
func (o *oracle) propose(u int) (load cargo, worth float64, barred bool) {
	w := o.world
	r := &w.air.radios[u]
	if u == w.flooder || r.off || r.sending != nil {
		return nil, 0, false
	}
	harm := 0
	for _, c := range r.receiving {
		harm += o.needed(c)
	}
	var clean []int
	for _, v := range w.air.hears[u] {
		ok, spoils := o.clear(u, v)
		harm += spoils
		if ok {
			clean = append(clean, v)
		}
	}
	if len(clean) == 0 {
		return nil, 0, false
	}
	type option struct {
		m    *message
		gain int
	}
	var options []option
	for _, m := range o.active {
		held := o.held[m]
		if !held[u] {
			continue
		}
		gain := 0
		if m.to >= 0 {
			gain = o.progress(m, u, clean)
		} else {
			for _, v := range clean {
				if !held[v] {
					gain++
				}
			}
		}
		if gain > 0 {
			options = append(options, option{m, gain})
		}
	}
	slices.SortStableFunc(options, func(a, b option) int { return b.gain - a.gain })
	gain := 0
	for i, option := range options[:min(len(options), oracleMost)] {
		gain += option.gain
		if each := float64(gain-harm) / o.airtime(i+1).Seconds(); each > worth {
			load, worth = append(load[:0:0], load...), each
			for len(load) <= i {
				load = append(load, options[len(load)].m)
			}
		}
	}
	if load != nil {
		if ok, _ := o.ledger[u].Allow(genesis.Add(w.agenda.now), o.airtime(len(load))); !ok {
			return nil, 0, true
		}
	}
	return load, worth, false
}

// clear says whether v would receive a packet of u from its start to its end, and
// how many messages that v receives now would be spoilt.
func (o *oracle) clear(u, v int) (ok bool, spoils int) {
	w := o.world
	r := &w.air.radios[v]
	if r.off || r.sending != nil || v == w.flooder {
		return false, 0
	}
	power := w.air.rssi[u][v]
	ok = true
	for _, c := range r.receiving {
		ok = ok && power-c.rssi >= capturedB
		if power-c.rssi > -capturedB {
			spoils += o.needed(c)
		}
	}
	return ok && o.undisturbed(u, v), spoils
}

// undisturbed says whether the flooder lets v receive u: it does not speak while
// it senses u, and else it does before u has ended.
func (o *oracle) undisturbed(u, v int) bool {
	w := o.world
	if w.flooder < 0 || slices.Contains(w.air.senses[u], w.flooder) || !slices.Contains(w.air.hears[w.flooder], v) {
		return true
	}
	return w.air.rssi[u][v]-w.air.rssi[w.flooder][v] >= capturedB
}

// needed is how many messages a reception will bring that its receiver lacks.
func (o *oracle) needed(c *reception) (count int) {
	load, _ := c.packet.(cargo)
	if c.lost {
		return 0
	}
	for _, m := range load {
		if held := o.held[m]; held != nil && !held[c.to] && (m.to < 0 || !held[m.to]) {
			count++
		}
	}
	return count
}

// progress is 1 when one of these nodes is nearer to the receiver of m than any
// that holds it.
func (o *oracle) progress(m *message, u int, clean []int) int {
	hops := o.hopsTo(m.to)
	for v, held := range o.held[m] {
		if held && hops[v] >= 0 && hops[v] < hops[u] {
			return 0
		}
	}
	for _, v := range clean {
		if hops[v] >= 0 && (hops[u] < 0 || hops[v] < hops[u]) {
			return 1
		}
	}
	return 0
}

// hopsTo is how far every node is from a receiver, over links that the flooder
// leaves; -1 where there is no way.
func (o *oracle) hopsTo(to int) []int8 {
	now := o.world.agenda.now
	if a := o.ahead[to]; a != nil && now-a.at < oracleStep {
		return a.hops
	}
	n := len(o.world.station)
	hops := make([]int8, n)
	for i := range hops {
		hops[i] = -1
	}
	hops[to] = 0
	queue := []int{to}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for u := range n {
			if hops[u] < 0 && u != o.world.flooder && slices.Contains(o.world.air.hears[u], v) && o.undisturbed(u, v) {
				hops[u] = min(hops[v]+1, 126)
				queue = append(queue, u)
			}
		}
	}
	o.ahead[to] = &outlook{hops, now}
	return hops
}
