package mesh

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lorrent/lora/packet"
)

// Errors of Enqueue.
var (
	ErrFull      = errors.New("too many outgoing messages")
	ErrDuplicate = errors.New("message is under way already")
	ErrInvalid   = errors.New("message cannot travel")
)

// Message is something to send, sealed.
type Message struct {
	ID       packet.ID
	To       uint32
	Fragment bool
	Channel  uint8 // of a message for everyone
	Payload  []byte
	// Shares are what a message in fragments has instead of Payload: each sealed, the
	// i-th under the ID with i added to its sequence. Any Data of them are enough.
	Shares    [][]byte
	Data      int
	ExpiresAt time.Time
	// Attempts is how often it was sent before, in an earlier life of the process.
	Attempts int
}

// outgoing is a message until it is delivered or given up.
type outgoing struct {
	Message
	tries   int  // in this life
	revived int  // after so many of these the next came early: see revive
	earlier int  // attempts before it: relays take one of the same number for a repetition
	waiting bool // direct, sent, and not acknowledged since
	passed  bool // a neighbour has passed it on
	blind   bool // no way was known at the last attempt,
	aware   bool // though whom the receiver hears was
	// along is the way of the last attempt, once a neighbour has passed it on, and
	// asked whether that one was asked since what became of it.
	along *forward
	asked bool
	long  *long
}

// lane is the queue of messages for one receiver. Only its head moves.
type lane struct {
	to       uint32
	queue    []*outgoing
	due      time.Time // of the next attempt; zero while one is under way
	lastSent time.Time
}

const (
	floodEvery  = 3   // one attempt in so many floods, whatever ways are known
	unknownHops = 7   // how far an attempt floods when no way is known
	calmShare   = 0.1 // of the channel, up to which it is calm
	askAfter    = 2   // times a round trip
	newTries    = 3   // floods of a node that has just begun, before they become rare
)

// Enqueue takes a message over. It fails with ErrFull, ErrDuplicate or
// ErrInvalid; the message is then not held.
func (m *Mesh) Enqueue(msg Message, now time.Time) ([]Action, error) {
	if m.messages[msg.ID] != nil {
		return nil, ErrDuplicate
	}
	if len(m.messages) >= m.cfg.MaxMessages {
		return nil, ErrFull
	}
	if !msg.mayTravel() || msg.To == 0 || msg.To == m.cfg.NodeID {
		return nil, fmt.Errorf("%w: %d bytes, %d shares to %08x", ErrInvalid, len(msg.Payload), len(msg.Shares), msg.To)
	}
	o := &outgoing{Message: msg, earlier: msg.Attempts}
	m.messages[msg.ID] = o
	if len(msg.Shares) > 0 {
		m.addLong(o)
	} else if msg.To == packet.Broadcast {
		m.originate(o, now)
		return m.step(now), nil
	}
	l := m.lanes[msg.To]
	if l == nil {
		l = &lane{to: msg.To, due: now}
		m.lanes[msg.To] = l
	}
	l.queue = append(l.queue, o)
	return m.step(now), nil
}

// originate floods a message of this node for everyone.
func (m *Mesh) originate(o *outgoing, now time.Time) {
	p := Packet{Type: Flood, ID: o.ID, From: m.cfg.NodeID, To: packet.Broadcast, TTL: uint8(m.tuning.Hops - 1)}
	p.Fragment, p.Channel, p.Payload = o.Fragment, o.Channel, o.Payload
	m.launch(p, o, now)
}

// launch enters a packet of this node among the floods and queues it.
func (m *Mesh) launch(p Packet, o *outgoing, now time.Time) *flood {
	f := &flood{message: o, key: m.keyOf(&p), packet: p, first: now, ttl: p.TTL, own: true}
	if old := m.floods.all[f.key]; old != nil {
		if old.job != nil {
			m.drop(old.job)
		}
		m.floods.remove(old)
	}
	m.remember(f)
	m.relay(f, 0, now)
	return f
}

// attemptDue sends the heads of lanes whose time has come.
func (m *Mesh) attemptDue(now time.Time) {
	var due []*lane
	for _, l := range m.lanes {
		if !l.due.IsZero() && !l.due.After(now) {
			due = append(due, l)
		}
	}
	slices.SortFunc(due, func(a, b *lane) int { return a.due.Compare(b.due)*2 + compareNodes(a.to, b.to) })
	for _, l := range due {
		if o := l.queue[0]; o.along != nil {
			m.askAgain(l, o, now)
		} else {
			m.attempt(l, o, now)
		}
	}
}

func compareNodes(a, b uint32) int {
	if a < b {
		return -1
	}
	return 1
}

// attempt starts one attempt: along a way when one is known, now and then as a
// flood.
func (m *Mesh) attempt(l *lane, o *outgoing, now time.Time) {
	if o.long != nil {
		m.attemptLong(l, o, now)
		return
	}
	m.lose(o)
	l.due = time.Time{}
	p := Packet{
		Type: Routed, ID: o.ID, From: m.cfg.NodeID, To: o.To, Attempt: uint8((o.earlier + o.tries) % attempts),
		Fragment: o.Fragment, Payload: o.Payload,
	}
	way, known := m.way(Short(o.To), past{}, now)
	flooded := !known || o.tries%floodEvery == floodEvery-1 && m.load.share(now) < busyShare
	o.blind, o.along, o.asked = !known, nil, false
	o.aware = m.links.lists[Short(o.To)] != nil
	o.tries++
	if flooded {
		m.floodDirect(p, o, way.hops, now)
		return
	}
	p.TTL = uint8(min(2*way.hops+3, maxTTL))
	m.forwards.start(m, p, nobody, o, now)
}

// floodDirect floods a message for one node, as far as it should be.
func (m *Mesh) floodDirect(p Packet, o *outgoing, hops int, now time.Time) {
	p.Next, p.TTL = Anybody, uint8(min(hops+1, maxTTL))
	if hops == 0 {
		p.TTL = unknownHops
	}
	if o.tries > floodEvery {
		p.TTL = maxTTL
	}
	m.launch(p, o, now)
}

// sentMessage notes an attempt that is on its way over some hops and sets the
// time of the next one.
func (m *Mesh) sentMessage(o *outgoing, hops int, now time.Time) {
	l := m.lanes[o.To]
	if m.messages[o.ID] != o || l == nil || l.queue[0] != o {
		return // acknowledged while it was on the air
	}
	if !o.waiting {
		o.waiting = true
		o.Attempts++
		m.emit(StateChanged{ID: o.ID, State: Sent, Attempts: o.Attempts})
	}
	l.lastSent = now
	if o.long != nil {
		m.sentShare(l, o, now)
		return
	}
	l.due = now.Add(m.patience(o, hops, now))
}

// patience is how long an acknowledgement may take to come, doubled with every
// attempt but the first ones. Relays repeat what goes along a way; where the channel is
// busy they go on for long, and another attempt would take it from the first. Where no way
// was known, everyone in reach has had it, and another flood finds nobody else before
// something changes: see revive. A node that has just begun knows no ways yet, and tries
// more often.
func (m *Mesh) patience(o *outgoing, hops int, now time.Time) time.Duration {
	if o.blind && (o.tries >= newTries || !m.newcomer(now)) {
		rest := m.packets(blindPackets, blindLeast) << min(o.tries-1, blindDoubled)
		return rest + m.jitter(rest/2)
	}
	crawl := 1 + ackBusy*max(m.load.share(now)-ackCalm, 0)
	d := m.packets(ackPackets*crawl, ackLeast) + m.roundTrip(hops, now)
	most := max(d, maxBackoff)
	for i := 1; i < o.tries && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d + m.jitter(d/2)
}

// underWay is called when a neighbour has passed a message of this node on. An
// acknowledgement that got as far as that neighbour, and was lost from there, is
// repeated by nobody who is not asked: see askAgain. Sooner, or more often, it would be
// asked while the others still repeat theirs.
func (m *Mesh) underWay(f *forward, now time.Time) {
	o := f.source
	m.passedOn(o.ID)
	l := m.lanes[o.To]
	if o.long != nil || f.hops < 2 || o.asked || m.load.share(now) > calmShare {
		return
	}
	if l == nil || l.queue[0] != o || l.due.IsZero() {
		return
	}
	d := askAfter * m.roundTrip(f.hops, now)
	if at := now.Add(d + m.jitter(d/2)); at.Before(l.due) {
		l.due, o.along = at, f
	}
}

// askAgain sends the neighbour the same copy again. If it has the acknowledgement,
// it answers with that; if not, it says that it has the message, and does no more.
func (m *Mesh) askAgain(l *lane, o *outgoing, now time.Time) {
	f := o.along
	l.due, o.along = time.Time{}, nil
	o.asked = true
	f.done, f.tries = false, 0
	m.sendOn(f, 0, now)
}

// passedOn notes that a neighbour has passed a message of this node on.
func (m *Mesh) passedOn(id packet.ID) {
	if o := m.outgoing(id); o != nil && !o.passed && o.Attempts > 0 {
		o.passed = true
		m.emit(StateChanged{ID: o.ID, State: Relayed, Attempts: o.Attempts})
	}
}

// acknowledged ends a message that its receiver has confirmed.
func (m *Mesh) acknowledged(id packet.ID, now time.Time) {
	o := m.outgoing(id)
	if o == nil {
		return
	}
	attempts := o.Attempts
	if !o.waiting {
		attempts++ // the acknowledgement overtook Sent
	}
	m.release(o, now)
	m.emit(StateChanged{ID: o.ID, State: Delivered, Attempts: attempts, Done: true})
}

// lose counts an attempt whose acknowledgement did not come.
func (m *Mesh) lose(o *outgoing) {
	if o.waiting {
		o.waiting = false
		m.stats.Lost++
	}
}

// revive cuts a long pause short when the receiver is heard again, or heard of: once
// between two attempts that come by themselves, since one that is heard need not hear. Of a
// node whose neighbours are known only a way is news.
func (m *Mesh) revive(node uint32, now time.Time) {
	l := m.lanes[node]
	if l == nil || l.due.IsZero() || now.Sub(l.lastSent) < 2*time.Minute {
		return
	}
	o := l.queue[0]
	if o.revived > 0 && o.tries < o.revived+2 {
		return
	}
	if o.blind && o.aware {
		if _, known := m.way(Short(node), past{}, now); !known {
			return
		}
	}
	if soon := now.Add(5*time.Second + m.jitter(10*time.Second)); l.due.After(soon) {
		l.due, o.revived = soon, o.tries
	}
}

// expire gives up what is too old, except the packet on the air.
func (m *Mesh) expire(now time.Time) {
	var overdue []*outgoing
	for _, o := range m.messages {
		if !now.Before(o.ExpiresAt) && !m.carries(o) {
			overdue = append(overdue, o)
		}
	}
	slices.SortFunc(overdue, func(a, b *outgoing) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	for _, o := range overdue {
		m.lose(o)
		m.release(o, now)
		if o.To == packet.Broadcast && o.Attempts > 0 {
			m.emit(StateChanged{ID: o.ID, State: Sent, Attempts: o.Attempts, Done: true})
			continue
		}
		m.emit(StateChanged{ID: o.ID, State: Expired, Attempts: o.Attempts, Done: true})
	}
}

// release lets go of a message, and of all that carries it. A new head of its
// lane is sent at once.
func (m *Mesh) release(o *outgoing, now time.Time) {
	delete(m.messages, o.ID)
	m.stop(o.ID)
	m.releaseShares(o)
	l := m.lanes[o.To]
	if l == nil {
		return
	}
	i := slices.Index(l.queue, o)
	if i < 0 {
		return // for everyone, in one packet
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	if len(l.queue) == 0 {
		delete(m.lanes, l.to)
	} else if i == 0 {
		l.due = now
	}
}
