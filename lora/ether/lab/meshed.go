package lab

import (
	"math/rand/v2"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/fragment"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// meshed is a node that runs package mesh, with what stands between it and the
// air: a modem that listens before it talks, a duty ledger, and a host that
// stores messages and keeps them over a restart.
type meshed struct {
	world   *world
	node    int
	mesh    *mesh.Mesh
	airplan *airtime.Plan

	assembler *fragment.Assembler

	wake  time.Duration // when a tick is planned; 0 when none
	modem modem
	onAir *mesh.Transmit
	ended bool

	delivered map[packet.ID]bool // in this life
}

const (
	payloadBytes  = 40 + 8 // text and tag
	noiseFloordBm = -114   // of 250 kHz at a noise figure of 6 dB
)

// genesis is the time at which runs begin.
var genesis = time.Unix(1_700_000_000, 0)

// host is what a node keeps on disk.
type host struct {
	stored   map[packet.ID]bool
	outgoing map[packet.ID]*message
	sequence uint32
	plan     *airtime.Plan
	known    []mesh.Packet
	recent   []mesh.Heard
}

func (w *world) host(i int) *host {
	if w.hosts == nil {
		w.hosts = make([]*host, len(w.station))
	}
	if w.hosts[i] == nil {
		w.hosts[i] = &host{
			stored: make(map[packet.ID]bool), outgoing: make(map[packet.ID]*message), plan: w.newPlan(),
		}
	}
	return w.hosts[i]
}

// nodeID spreads nodes over the addresses.
func nodeID(i int) uint32 { return uint32(i+1)*0x9E3779B1 | 1<<30 }

func newMeshed(w *world, node int) station {
	random := rand.New(rand.NewPCG(w.random.Uint64(), uint64(node)))
	s := &meshed{world: w, node: node, airplan: w.host(node).plan, modem: w.newModem(node), delivered: make(map[packet.ID]bool)}
	s.assembler = fragment.NewAssembler(w.preset.timeOnAir(shareBytes + packet.MaxPacket - packet.MaxRoutedShare))
	s.mesh = mesh.New(mesh.Config{
		NodeID: nodeID(node), Epoch: uint16(random.Uint32()), Airtime: w.preset.timeOnAir, Budget: s.budget,
		Random: random, FloorSNRdB: w.preset.SensitivitydBm - noiseFloordBm, Tuning: w.Tuning, Known: w.host(node).known,
		Recent: w.host(node).recent,
	})
	return s
}

func (s *meshed) now() time.Time { return genesis.Add(s.world.agenda.now) }

func (s *meshed) start() {
	// Nodes are not turned on in the same instant.
	s.world.agenda.after(time.Duration(s.world.random.Float64()*float64(time.Second)), func() {
		if s.ended {
			return
		}
		s.do(s.mesh.Up(s.now()))
		for _, m := range s.world.messages {
			if id, ok := s.pending(m); ok {
				s.enqueue(id, m)
			}
		}
	})
}

// pending says whether a message of this node was not delivered before a restart.
func (s *meshed) pending(m *message) (packet.ID, bool) {
	if m.from != s.node || m.acked || m.to < 0 && m.onAir {
		return packet.ID{}, false
	}
	return m.id, s.world.host(s.node).outgoing[m.id] == m
}

func (s *meshed) stop() {
	s.ended = true
	s.modem.cancel()
	h := s.world.host(s.node)
	h.known, h.recent = s.mesh.Known(), s.mesh.Recent()
}

func (s *meshed) originate(m *message) {
	m.id = s.nextID(max(s.world.layout().Total, 1))
	s.world.byID[m.id] = m
	s.world.host(s.node).outgoing[m.id] = m
	s.enqueue(m.id, m)
}

// nextID is the first of the IDs of so many packets.
func (s *meshed) nextID(packets int) packet.ID {
	h := s.world.host(s.node)
	first := h.sequence + 1
	h.sequence += uint32(packets)
	return packet.ID{Source: nodeID(s.node), Epoch: 1, Sequence: first}
}

func (s *meshed) enqueue(id packet.ID, m *message) {
	to := packet.Broadcast
	if m.to >= 0 {
		to = nodeID(m.to)
	}
	msg := mesh.Message{ID: id, To: to, ExpiresAt: genesis.Add(m.at + 24*time.Hour), Attempts: m.attempts}
	s.content(m, &msg)
	actions, err := s.mesh.Enqueue(msg, s.now())
	if err == nil {
		s.do(actions)
	}
}

func (s *meshed) receive(p any, rssi float64) {
	if s.ended {
		return
	}
	s.do(s.mesh.Receive(*p.(*mesh.Packet), rssi, rssi-noiseFloordBm, s.now()))
}

// do carries actions out and plans the next tick.
func (s *meshed) do(actions []mesh.Action) {
	for len(actions) > 0 {
		action := actions[0]
		actions = actions[1:]
		switch a := action.(type) {
		case mesh.Transmit:
			s.offer(&a)
		case mesh.Cancel:
			if s.modem.cancel() { // the channel was not free yet
				actions = append(actions, s.mesh.SendFailed(s.now())...)
			}
		case mesh.Deliver:
			actions = append(actions, s.deliver(a)...)
		case mesh.StateChanged:
			s.stateChanged(a)
		}
	}
	s.plan()
}

func (s *meshed) plan() {
	at, ok := s.nextWake()
	if !ok {
		return
	}
	wake := max(at.Sub(genesis), s.world.agenda.now)
	if s.wake != 0 && s.wake <= wake {
		return
	}
	s.wake = wake
	s.world.agenda.after(wake-s.world.agenda.now, func() {
		if s.ended || s.wake != wake {
			return
		}
		s.wake = 0
		s.do(append(s.mesh.Tick(s.now()), s.askForShares()...))
	})
}

// newModem is the board of node i.
func (w *world) newModem(i int) modem {
	return modem{
		agenda: &w.agenda, draw: w.random.IntN, slot: boardSlot(w.preset.Params), sense: w.preset.slot(),
		receiving: func() (time.Duration, bool) { return w.air.receiving(i) },
		busy:      func() bool { return w.air.busy(i) },
	}
}

// offer lets the board send a packet as soon as the channel is free.
func (s *meshed) offer(t *mesh.Transmit) {
	s.modem.offer(t.Slots, func() {
		s.onAir = t
		s.world.transmit(s.node, &t.Packet, t.Airtime, kindOf(&t.Packet))
	}, func() { s.do(s.mesh.SendFailed(s.now())) })
}

func (s *meshed) sent() {
	if s.ended {
		return
	}
	s.record()
	s.do(s.mesh.Sent(s.now()))
}

// deliver takes a packet over that is for this node.
func (s *meshed) deliver(d mesh.Deliver) []mesh.Action {
	switch {
	case d.Packet.Fragment:
		return s.deliverShare(d)
	case d.Packet.Quiet:
		return s.acceptStatus(d)
	}
	s.show(d.Packet.ID, d.Repaired)
	return s.mesh.Stored(d.Packet.ID, s.now())
}

// show stores a message, or finds it stored before a restart.
func (s *meshed) show(id packet.ID, repaired bool) {
	h := s.world.host(s.node)
	if s.delivered[id] {
		s.world.duplicates++ // but for the store it would be shown twice
	}
	s.delivered[id] = true
	if !h.stored[id] {
		h.stored[id] = true
		s.world.shown(s.node, s.world.byID[id], repaired)
	}
}

func (s *meshed) stateChanged(c mesh.StateChanged) {
	m := s.world.byID[c.ID]
	if m == nil {
		return
	}
	m.onAir, m.attempts = true, c.Attempts
	switch c.State {
	case mesh.Delivered:
		s.world.acknowledged(m)
	case mesh.Expired:
		m.failed = true
	}
}

func kindOf(p *mesh.Packet) kind {
	switch p.Type {
	case mesh.Ack:
		return kindAck
	case mesh.Beacon:
		return kindBeacon
	case mesh.Pull:
		return kindRepair
	case mesh.Bundle:
		if first := kindOf(&p.Inner[0]); first != kindData {
			return first // the others go with it
		}
		for i := range p.Inner {
			if q := &p.Inner[i]; !q.Repair && q.Type != mesh.Pull && q.Type != mesh.Beacon {
				return kindData
			}
		}
		return kindRepair
	}
	return kindData
}

// meshedSpam is a fresh broadcast of a flooder.
func meshedSpam(w *world, node int) (any, int) {
	p := &mesh.Packet{
		Type: mesh.Flood, ID: packet.ID{Source: nodeID(node), Epoch: 2, Sequence: uint32(w.nextPacket())},
		From: nodeID(node), To: packet.Broadcast, Tx: mesh.Short(nodeID(node)), TTL: 3, Payload: make([]byte, payloadBytes),
	}
	return p, p.Size()
}
