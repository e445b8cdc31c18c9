package lora

import (
	"context"
	"fmt"
	"time"

	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// Ping is how a node answered.
type Ping struct {
	Node     uint32
	Took     time.Duration // until its acknowledgement came
	Attempts int           // times that it was sent
	Path     []Station     // the way to it, as far as this node knows
}

// Station is a node as a hop, known by its short id.
type Station struct {
	Short uint16
	Node  uint32 // when it is known which one that is, else 0
}

// maxPings bounds those under way.
const maxPings = 16

// Ping sends a node something that it acknowledges and shows to nobody, and
// waits for that, for as long as ctx lasts. A node whose key is not known is asked
// for it first.
func (b *Bridge) Ping(ctx context.Context, who string) (Ping, error) {
	public, err := b.keyOf(ctx, who)
	if err != nil {
		return Ping{}, err
	}
	node := public.NodeID()
	began, expires := time.Now(), time.Now().Add(5*time.Minute)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(expires) {
		expires = deadline
	}
	answer, id, err := b.startPing(node, expires)
	if err != nil {
		return Ping{}, err
	}
	b.wakeUp()
	defer func() {
		b.mu.Lock()
		delete(b.pings, id)
		b.mu.Unlock()
	}()
	select {
	case state := <-answer:
		if state.State != mesh.Delivered {
			return Ping{}, fmt.Errorf("%s does not answer, %d times on air: %w", FormatNodeID(node), state.Attempts, ErrSilent)
		}
		return Ping{Node: node, Took: time.Since(began), Attempts: state.Attempts, Path: b.Path(node)}, nil
	case <-ctx.Done():
		return Ping{}, fmt.Errorf("%s does not answer: %w", FormatNodeID(node), silent(ctx))
	}
}

// startPing has a ping sent by run.
func (b *Bridge) startPing(node uint32, expires time.Time) (<-chan mesh.StateChanged, packet.ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pings) >= maxPings {
		return nil, packet.ID{}, fmt.Errorf("%w: %d pings are under way", ErrFull, len(b.pings))
	}
	id, err := b.counter.Next(packet.LaneDirect, 1)
	if err != nil {
		return nil, packet.ID{}, err
	}
	m, err := b.ring.SealDirect(id, node, packet.Payload{Port: packet.PortPing})
	if err != nil {
		return nil, packet.ID{}, err
	}
	m.ExpiresAt = b.clock.at(expires)
	answer := make(chan mesh.StateChanged, 1)
	b.pings[id] = answer
	b.outbound = append(b.outbound, m)
	return answer, id, nil
}

// sendOutbound hands over what is sealed and not stored.
func (b *Bridge) sendOutbound() (actions []mesh.Action) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.outbound {
		more, err := b.mesh.Enqueue(m, b.clock.now())
		if err != nil {
			b.pinged(mesh.StateChanged{ID: m.ID, State: mesh.Expired, Done: true})
		}
		actions = append(actions, more...)
	}
	b.outbound = nil
	return actions
}

// pinged says whether a change is that of a ping. The caller holds mu.
func (b *Bridge) pinged(change mesh.StateChanged) bool {
	answer, ok := b.pings[change.ID]
	if ok && change.Done {
		answer <- change
		delete(b.pings, change.ID)
	}
	return ok
}

// Path is the way that a message to a node would take by what this one knows.
func (b *Bridge) Path(node uint32) []Station {
	b.mu.Lock()
	defer b.mu.Unlock()
	var path []Station
	for _, short := range b.mesh.Path(packet.Short(node), b.clock.now()) {
		path = append(path, b.station(short))
	}
	return path
}

// station finds the node of a short id, if one and only one is known that has
// it. The caller holds mu.
func (b *Bridge) station(short uint16) Station {
	found := make(map[uint32]bool)
	for node := range b.peers {
		found[node] = true
	}
	for node := range b.cards {
		found[node] = true
	}
	for _, n := range b.mesh.Nodes() {
		found[n.ID] = true
	}
	s := Station{Short: short}
	for node := range found {
		if packet.Short(node) != short {
			continue
		}
		if s.Node != 0 {
			return Station{Short: short}
		}
		s.Node = node
	}
	return s
}

// Neighbour is a node heard directly. Who it is is what it says; neither that
// nor the links are proven.
type Neighbour struct {
	Station
	LastHeard       time.Time
	MarginDB        int // above the weakest signal that is received, as it arrives here
	TheirMarginDB   int // and as we arrive there, when HearsUs
	HearsUs         bool
	Passes          float64 // share of what is sent to it that it passes on
	RSSIdBm, SNRdB  float64 // of its last packet, 0 when not known
	PacketsReceived uint64
}

// Route is the way to a node.
type Route struct {
	To, Next Station
	Hops     int
}

// Neighbours returns the nodes heard directly, best first.
func (b *Bridge) Neighbours() []Neighbour {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := make(map[uint32]mesh.Node)
	for _, n := range b.mesh.Nodes() {
		heard[n.ID] = n
	}
	var all []Neighbour
	for _, n := range b.mesh.Neighbours() {
		one := Neighbour{
			Station: b.station(n.ID), LastHeard: b.clock.back(n.LastHeard), MarginDB: n.MarginDB,
			TheirMarginDB: n.TheirMarginDB, HearsUs: n.HearsUs, Passes: n.Passes,
		}
		if h, ok := heard[one.Node]; ok {
			one.RSSIdBm, one.SNRdB, one.PacketsReceived = h.RSSIdBm, h.SNRdB, h.Packets
		}
		all = append(all, one)
	}
	return all
}

// Routes returns the ways that are known, nearest first.
func (b *Bridge) Routes() []Route {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Route
	for _, r := range b.mesh.Routes(b.clock.now()) {
		all = append(all, Route{To: b.station(r.To), Next: b.station(r.Next), Hops: r.Hops})
	}
	return all
}
