package mesh

import (
	"hash/maphash"
	"slices"
	"time"

	"lorrent/lora/packet"
)

const (
	maxHolders  = 48 // nodes remembered to have one
	originTries = 3  // of a source that hears nobody relay
	maxTTL      = 15
)

// floodKey names what spreads: a message or beacon, and which attempt at it.
type floodKey struct {
	kind    Type
	id      packet.ID
	attempt uint8
	// content tells a message for everyone from garbage under the same ID, which
	// anyone can transmit before the message comes.
	content uint64
}

// keyOf is the key of a packet that spreads.
func (m *Mesh) keyOf(p *Packet) floodKey {
	key := floodKey{kind: p.Type, id: p.ID, attempt: p.Attempt}
	if p.Type == Flood || p.Type == Card {
		var h maphash.Hash
		h.SetSeed(m.seed)
		h.WriteByte(p.Channel)
		if p.Fragment {
			h.WriteByte(1)
		}
		h.Write(p.Payload)
		key.content = h.Sum64()
	}
	return key
}

// flood is something on its way to everyone in reach.
type flood struct {
	key       floodKey
	account   uint32 // of its source, as known when it came
	packet    Packet // as relayed, but for Tx and TTL
	ttl       uint8  // relays left to this node
	first     time.Time
	own       bool
	message   *outgoing       // own messages
	holders   []uint16        // who has it: they sent it, or said so
	spoke     []uint16        // of those, who sent it: it may have reached their listeners
	spokeAt   []time.Duration // the last time, after first
	copies    int
	sent      int
	confirmed bool      // own: a neighbour relayed it
	done      bool      // the receiver has it: nobody needs to relay
	check     time.Time // when to see whether it needs another transmission; zero when not
	job       *job
	onAir     bool
	judged    uint64    // in which round of fill
	verdict   bool      // it was found wanted
	last      time.Time // it was sent; zero when not yet
}

// receiveFlood takes in a copy of a message for everyone.
func (m *Mesh) receiveFlood(p Packet, r reception) {
	f, fresh := m.copy(p, r)
	if fresh && !f.own {
		if p.Repair {
			m.pulls.got++
		}
		m.deliver(p, r)
		m.pullNews(r.now)
	} else {
		m.stats.Duplicates++
	}
	m.consider(f, r.now)
}

// floodOf finds what spreads. An attempt at a message for one node that spread long
// ago it forgets: see Mesh.rested.
func (m *Mesh) floodOf(key floodKey, now time.Time) *flood {
	f := m.floods.all[key]
	if f != nil && (key.kind == Routed || key.kind == Ack) && f.message == nil && f.job == nil && !f.onAir &&
		m.rested(f.first, now) && m.rested(f.last, now) {
		m.floods.remove(f)
		return nil
	}
	return f
}

// copy notes a copy of something that spreads.
func (m *Mesh) copy(p Packet, r reception) (f *flood, fresh bool) {
	key := m.keyOf(&p)
	f = m.floodOf(key, r.now)
	if f == nil {
		fresh = true
		f = &flood{key: key, packet: p, first: r.now, ttl: p.TTL, own: p.From == m.cfg.NodeID}
		f.holds(Short(p.From))
		m.remember(f)
		if key.kind == Flood && !f.own && !p.Repair {
			m.fair.says(f.account, p.Fragment, m.cfg.Airtime(p.Size()), r.now)
		}
	}
	f.ttl = max(f.ttl, p.TTL)
	f.copies++
	f.confirmed = true
	f.holds(p.Tx)
	if i := slices.Index(f.spoke, p.Tx); i >= 0 {
		f.spokeAt[i] = r.now.Sub(f.first)
	} else if len(f.spoke) < maxHolders {
		f.spoke, f.spokeAt = append(f.spoke, p.Tx), append(f.spokeAt, r.now.Sub(f.first))
	}
	return f, fresh
}

func (f *flood) holds(id uint16) {
	if !contains(f.holders, id) && len(f.holders) < maxHolders {
		f.holders = append(f.holders, id)
	}
}

// lacks takes back what an earlier filter said by mistake: one finds what it
// was not given now and then. Who has sent f has it, though its filter may be too
// young to say so.
func (f *flood) lacks(id uint16) {
	if i := slices.Index(f.holders, id); i >= 0 && !contains(f.spoke, id) {
		f.holders = slices.Delete(f.holders, i, i+1)
	}
}

// wanted says whether f is worth a transmission.
func (m *Mesh) wanted(f *flood, now time.Time) bool {
	if m.filling == 0 || f.judged != m.filling {
		f.judged, f.verdict = m.filling, !f.done && (m.tuning.relays(m.scene(f, now)) || m.ashore(f, now))
	}
	return f.verdict
}

// scene is what this node knows of f. It holds until the next call. Of a message for
// everyone it counts who can bring it to a listener from this side, and as many again from
// others: at a way between two parts of the network those on the far side lack it as well.
func (m *Mesh) scene(f *flood, now time.Time) *scene {
	m.work.weighed++
	s := &m.sketch
	*s = scene{
		load: m.crowd(now), own: f.own, confirmed: f.confirmed, tries: originTries, copies: f.copies, sent: f.sent,
		listeners: s.listeners[:0], beyond: s.beyond[:0],
	}
	calm := f.key.kind == Flood && s.load <= sureCalm // beacons, and floods for one node, are too many
	for _, v := range m.links.circled() {
		l := listener{ways: v.list.degree(), has: contains(f.holders, v.id) || calm && m.links.departed(v.id, now)}
		if f.key.kind == Flood {
			l.ways = 2 * (1 + v.near)
		}
		if !l.has {
			l.copies = v.list.hearsOf(f.spoke, calm)
		}
		s.listeners = append(s.listeners, l)
	}
	if f.sent > 0 {
		m.lookBeyond(f, s)
	}
	return s
}

// lookBeyond adds to s who can have f only through a listener of this node that
// was not heard to relay it.
func (m *Mesh) lookBeyond(f *flood, s *scene) {
	clear(m.index)
	for _, v := range m.links.audience() {
		if contains(f.spoke, v) {
			continue
		}
		blind := m.links.heard[v] == nil
		for _, x := range m.links.listenersOf(v) {
			if i, ok := m.index[x]; ok {
				s.beyond[i].blind = s.beyond[i].blind || blind
			} else if x != m.short && !contains(f.holders, x) && !m.reached(f, x) {
				m.index[x] = len(s.beyond)
				s.beyond = append(s.beyond, beyond{ways: m.links.degree(x), blind: blind})
			}
		}
	}
}

// reached says whether node x hears this one, or one that sent f.
func (m *Mesh) reached(f *flood, x uint16) bool {
	if m.links.hears(x, m.short) {
		return true
	}
	for _, u := range f.spoke {
		if m.links.hears(x, u) {
			return true
		}
	}
	return false
}

// consider plans a relay of f if it needs one and has none.
func (m *Mesh) consider(f *flood, now time.Time) {
	if f.job != nil || f.onAir || f.sent > 0 || f.own || !m.wanted(f, now) || !m.fair.allows(m, f, now) {
		return
	}
	if f.ttl == 0 && (m.tuning.NoRepair || f.key.kind != Flood) || m.astray(f, now) {
		return
	}
	m.relay(f, m.relayDelay(f, now), now)
}

// astray says whether a message for one node cannot get there from here with the relays
// left to it, as far as is known.
func (m *Mesh) astray(f *flood, now time.Time) bool {
	if f.key.kind != Routed {
		return false
	}
	d, known := m.links.distances(Short(f.packet.To), now)[m.short]
	return known && d.hops > int(f.ttl)
}

// relayDelay is shorter the more a relay is worth.
func (m *Mesh) relayDelay(f *flood, now time.Time) time.Duration {
	unit := m.cfg.Airtime(usualSize)
	packets := m.tuning.Window + m.tuning.WindowLoad*m.load.share(now)
	if f.ttl == 0 {
		packets = 2*packets + 10
	}
	rank := m.tuning.rank(m.scene(f, now))
	window := time.Duration(packets * float64(unit))
	return time.Duration(rank*float64(window)/2) + m.jitter(window/2)
}

// usualSize is a packet with a text of usual length.
const usualSize = 64

// relay queues a transmission of f.
func (m *Mesh) relay(f *flood, delay time.Duration, now time.Time) {
	j := &job{priority: PriorityBroadcast, due: now.Add(delay), flood: f}
	if f.ttl == 0 && !f.own {
		j.priority = PriorityRepair
	}
	if f.key.kind == Beacon {
		j.priority = PriorityBeacon
	}
	if f.key.kind == Routed {
		j.priority = PriorityDirect
	}
	if f.key.kind == Ack {
		j.priority = PriorityAck
	}
	j.prepare = func(now time.Time) (Packet, bool) {
		if !m.wanted(f, now) || m.fair.mutes(m, f, now) {
			return Packet{}, false
		}
		return m.relayed(f), true
	}
	j.needed = func() bool { return m.wanted(f, m.load.at) }
	j.sent = func(now time.Time) {
		f.sent, f.last = f.sent+1, now
		m.sentFlood(f, false, now)
		m.fair.relayed(m.account(f.key.id.Source), m.cfg.Airtime(f.packet.Size()), now)
		if m.floods.all[f.key] == f {
			if f.check.IsZero() {
				m.floods.checks = append(m.floods.checks, f)
			}
			f.check = now.Add(m.checkDelay(now))
			m.burst(f, now)
		}
	}
	j.failed = func(now time.Time) {
		m.relay(f, m.relayDelay(f, now), now)
	}
	j.message = f.message
	f.job = j
	m.queue(j)
}

// sentFlood tells what became of a message of this node for everyone: it was
// sent, or it will not be sent again.
func (m *Mesh) sentFlood(f *flood, over bool, now time.Time) {
	o := f.message
	if o == nil || m.messages[o.ID] != o {
		return
	}
	if o.long != nil && o.To == packet.Broadcast {
		m.sentToChannel(o, over, now)
		return
	}
	if o.To != packet.Broadcast {
		if !over {
			m.sentMessage(o, int(f.packet.TTL), now)
		}
		return
	}
	if !over {
		o.Attempts++
	}
	done := over || f.sent >= originTries
	if done {
		delete(m.messages, o.ID)
	}
	m.emit(StateChanged{ID: o.ID, State: Sent, Attempts: o.Attempts, Done: done})
}

// relayed is the packet that this node sends of f.
func (m *Mesh) relayed(f *flood) Packet {
	p := f.packet
	if !f.own {
		p.TTL, p.Repair = max(f.ttl, 1)-1, f.ttl == 0
	}
	return p
}

// checkDelay is how long neighbours may take to relay.
func (m *Mesh) checkDelay(now time.Time) time.Duration {
	unit := m.cfg.Airtime(usualSize)
	packets := m.tuning.Window + m.tuning.WindowLoad*m.load.share(now)
	return time.Duration((packets+4)*float64(unit)) + m.jitter(2*unit)
}

// floodsDue sees whether what was sent needs another transmission.
func (m *Mesh) floodsDue(now time.Time) {
	var due []*flood
	m.floods.checks = slices.DeleteFunc(m.floods.checks, func(f *flood) bool {
		if f.check.After(now) {
			return false
		}
		f.check = time.Time{}
		due = append(due, f)
		return true
	})
	for _, f := range due {
		if f.job == nil && !f.onAir && f.repeats() && (f.sent < originTries || m.ashore(f, now)) && m.wanted(f, now) {
			m.relay(f, m.jitter(m.againSpread(f)), now)
		} else {
			m.sentFlood(f, true, now)
		}
	}
}

// repeats says whether f is sent again when those behind may lack it. What is for one
// node its source repeats.
func (f *flood) repeats() bool {
	return f.key.kind != Routed && f.key.kind != Ack || f.own && !f.confirmed
}

// enough is how many more copies make a relay of f needless where beacons tell
// nothing; 0 where they do. Acknowledgements have the ID of their message.
func (m *Mesh) enough(f *flood) int {
	if f.own || f.sent > 0 || f.key.kind != Flood && f.key.kind != Card || len(m.links.audience()) > 0 {
		return 0
	}
	return max(fallback-f.copies, 0)
}

// againSpread is over how long a second transmission of f is spread. Two nodes that
// do not hear each other, and whose floods met, would meet again in step.
func (m *Mesh) againSpread(f *flood) time.Duration {
	if f.own && !f.confirmed {
		return time.Duration(m.tuning.Window) * m.cfg.Airtime(f.packet.Size())
	}
	return m.cfg.Airtime(usualSize)
}
