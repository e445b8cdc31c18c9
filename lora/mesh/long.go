package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

// Messages in fragments. Their shares leave one after the other, each hop by hop
// or as a flood like any packet, and never two of one message at a time: hearing
// a neighbour pass one on lets the next go, once that one is out of the way.
//
// For one node that makes rounds: all data shares when a way is known and nothing
// went before, else what the receiver says it lacks (Held), else a share or two that
// make it say that or acknowledge (see question).

const (
	maxShares   = 256
	longPackets = 48          // how long a share may wait for the air or a neighbour, and between rounds that the receiver asks for,
	longLeast   = time.Second // at least
	longMost    = 10 * time.Second
	stuckTwice  = 2 // shares in a row that no neighbour took end a round
)

// longPause is the pause of messages in fragments.
func (m *Mesh) longPause() time.Duration { return min(m.packets(longPackets, longLeast), longMost) }

// long is how far a message in fragments has come.
type long struct {
	queue    []int    // shares that are still to go in this round
	round    bool     // one is under way
	current  *forward // that was sent last, hop by hop
	hops     int      // that it goes, as far as known
	next     int      // the share that goes when nothing is heard,
	ask      int      // and the one after it that asks: see question
	sent     []int    // how often each share went
	silent   int      // rounds since the receiver was heard
	stuck    int      // shares in a row that no neighbour took
	answered time.Time
}

// mayTravel says whether a message is of a form that can be sent.
func (msg *Message) mayTravel() bool {
	fits := func(b []byte) bool { return len(b) > 0 && len(b) <= MaxPayload }
	if len(msg.Shares) == 0 {
		return fits(msg.Payload)
	}
	return msg.Data > 0 && msg.Data <= len(msg.Shares) && len(msg.Shares) <= maxShares &&
		!slices.ContainsFunc(msg.Shares, func(b []byte) bool { return !fits(b) })
}

// shareID is the ID of the packet that carries share i.
func (msg *Message) shareID(i int) packet.ID {
	id := msg.ID
	id.Sequence += uint32(i)
	return id
}

// addLong enters a message in fragments.
func (m *Mesh) addLong(o *outgoing) {
	o.long = &long{next: o.Data % len(o.Shares), sent: make([]int, len(o.Shares))}
	for i := range o.Shares {
		m.shares[o.shareID(i)] = o
	}
	if o.To == packet.Broadcast {
		o.long.start(len(o.Shares))
	}
}

// question are the shares of a round that is to bring an answer: the next one, and if
// after that others are to be expected, one after which they are not. To that its
// receiver says soon what it lacks; for those before it waits the longer the rarer
// they come.
func (o *outgoing) question() []int {
	g, last := o.long, o.Data-1
	shares := []int{g.next}
	if g.next < last {
		shares = append(shares, last+g.ask)
		g.ask = (g.ask + 1) % (len(o.Shares) - last)
	}
	g.next = (g.next + 1) % len(o.Shares)
	return shares
}

// start begins a round of the first n shares.
func (g *long) start(n int) {
	g.round, g.stuck = true, 0
	for i := range n {
		g.queue = append(g.queue, i)
	}
}

// outgoing finds a message of this node by its ID, or that of one of its shares.
func (m *Mesh) outgoing(id packet.ID) *outgoing {
	if o := m.messages[id]; o != nil {
		return o
	}
	return m.shares[id]
}

// payload is what the packet of that ID carries of the message.
func (o *outgoing) payload(id packet.ID) []byte {
	if i := int(id.Sequence) - int(o.ID.Sequence); o.long != nil && i >= 0 && i < len(o.Shares) {
		return o.Shares[i]
	}
	return o.Payload
}

// releaseShares ends all that carries shares of a message that is no longer held.
func (m *Mesh) releaseShares(o *outgoing) {
	for i := range o.Shares {
		delete(m.shares, o.shareID(i))
		m.stop(o.shareID(i))
	}
}

// attemptLong sends the next share, ends a round, or begins one.
func (m *Mesh) attemptLong(l *lane, o *outgoing, now time.Time) {
	g := o.long
	if m.shareUnderWay(o) {
		l.due = now.Add(m.longPause())
		return
	}
	if g.round && len(g.queue) == 0 {
		m.endRound(l, o, now)
		return
	}
	if !g.round {
		m.lose(o)
		o.tries++
		g.silent++
		_, known := m.way(Short(o.To), past{}, now)
		if known && o.tries == 1 && o.earlier == 0 {
			g.start(o.Data)
		} else {
			g.round, g.queue = true, o.question()
		}
	}
	i := g.queue[0]
	g.queue = g.queue[1:]
	l.due = now.Add(m.longPause())
	m.sendShare(o, i, now)
}

// sendShare starts share i on its way.
func (m *Mesh) sendShare(o *outgoing, i int, now time.Time) {
	g := o.long
	p := Packet{
		Type: Routed, ID: o.shareID(i), From: m.cfg.NodeID, To: o.To, Fragment: true, Channel: o.Channel, Payload: o.Shares[i],
	}
	g.current, g.hops = nil, 0
	if o.To == packet.Broadcast {
		p.Type, p.TTL = Flood, uint8(m.tuning.Hops-1)
		m.launch(p, o, now)
		return
	}
	p.Attempt = uint8((o.earlier + g.sent[i]) % attempts)
	g.sent[i]++
	way, known := m.way(Short(o.To), past{}, now)
	if !known {
		m.floodDirect(p, o, 0, now)
		return
	}
	p.TTL, g.hops = uint8(min(2*way.hops+3, maxTTL)), way.hops
	g.current = m.forwards.start(m, p, nobody, o, now)
}

// shareUnderWay says whether one waits for the air, or to be passed on.
func (m *Mesh) shareUnderWay(o *outgoing) bool {
	if g := o.long; g.current != nil && !g.current.done {
		return true
	}
	return m.carries(o) || slices.ContainsFunc(m.jobs, func(j *job) bool { return j.message == o })
}

// sentShare gives a share that was just sent time to be passed on, or to spread.
func (m *Mesh) sentShare(l *lane, o *outgoing, now time.Time) {
	if !o.long.round {
		return
	}
	l.due = now.Add(m.longPause()) // the forward has its own patience
	if o.long.current == nil {
		l.due = now.Add(m.checkDelay(now))
	}
}

// shareOver lets the next share go when a neighbour has passed one on: after the
// hops of that one which this node would disturb.
func (m *Mesh) shareOver(f *forward, now time.Time) {
	o := f.source
	if o.long == nil || o.long.current != f || m.messages[o.ID] != o {
		return
	}
	o.long.stuck = 0
	wait := m.cfg.Airtime(hopAckSize) + m.jitter(m.cfg.Airtime(ackSize))
	if f.hops > 1 {
		wait += m.cfg.Airtime(ackSize)
	}
	if f.hops > 2 {
		wait += m.cfg.Airtime(f.packet.Size())
	}
	m.lanes[o.To].due = now.Add(wait)
}

// shareStuck notes that no neighbour took a share.
func (m *Mesh) shareStuck(f *forward, now time.Time) {
	o := f.source
	if o == nil || o.long == nil || m.messages[o.ID] != o {
		return
	}
	l := m.lanes[o.To]
	if o.long.stuck++; o.long.stuck >= stuckTwice {
		m.endRound(l, o, now)
		return
	}
	l.due = now.Add(m.longPause())
}

// endRound waits for the receiver to say something; what is for everyone is done.
func (m *Mesh) endRound(l *lane, o *outgoing, now time.Time) {
	g := o.long
	g.round, g.queue, g.stuck = false, nil, 0
	if o.To == packet.Broadcast {
		o.Attempts++
		m.release(o, now)
		m.emit(StateChanged{ID: o.ID, State: Sent, Attempts: o.Attempts, Done: true})
		return
	}
	d := m.packets(ackPackets, ackLeast) + time.Duration(float64(4*m.cfg.Airtime(usualSize))*m.busy(now))*time.Duration(max(g.hops, 1))
	d = min(d<<min(max(g.silent-1, 0), 8), maxBackoff)
	l.due = now.Add(d + m.jitter(d/2))
}

// sentToChannel lets the next share of a message for everyone go, as soon as the
// neighbours have relayed one.
func (m *Mesh) sentToChannel(o *outgoing, over bool, now time.Time) {
	l := m.lanes[o.To]
	if l == nil || l.queue[0] != o {
		return
	}
	if l.due = now; !over {
		l.due = now.Add(m.checkDelay(now))
	}
}

// Held takes in what the receiver of a message says it has of it, share by share:
// what it lacks is sent. The caller has authenticated it.
func (m *Mesh) Held(from uint32, id packet.ID, has func(share int) bool, now time.Time) []Action {
	o := m.messages[id]
	if o == nil || o.long == nil || o.To != from || m.lanes[from].queue[0] != o {
		return m.step(now)
	}
	g := o.long
	var lacks []int
	for i := range o.Shares {
		if !has(i) {
			lacks = append(lacks, i)
		}
	}
	want := max(o.Data-(len(o.Shares)-len(lacks)), 0)
	g.silent = 0
	switch {
	case len(g.queue) > 0: // what went meanwhile it could not know
		g.queue = slices.DeleteFunc(g.queue, func(i int) bool { return !slices.Contains(lacks, i) })
	case want == 0 || now.Sub(g.answered) < m.longPause() && !g.answered.IsZero():
	default:
		m.lose(o)
		o.tries++
		g.answered = now
		g.round, g.queue, g.stuck = true, lacks[:want], 0
		m.lanes[from].due = now.Add(m.jitter(2 * m.cfg.Airtime(ackSize)))
	}
	return m.step(now)
}

// Tell sends a sealed packet to one node, once: it is neither repeated by this
// node nor acknowledged by that one, and does not wait for others.
func (m *Mesh) Tell(msg Message, now time.Time) []Action {
	p := Packet{Type: Routed, ID: msg.ID, From: m.cfg.NodeID, To: msg.To, Quiet: true, Payload: msg.Payload}
	if way, known := m.way(Short(msg.To), past{}, now); known {
		p.TTL = uint8(min(2*way.hops+3, maxTTL))
		m.forwards.start(m, p, nobody, nil, now)
	} else {
		p.Next, p.TTL = Anybody, unknownHops
		m.launch(p, nil, now)
	}
	return m.step(now)
}
