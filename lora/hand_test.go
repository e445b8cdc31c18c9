package lora

import (
	"context"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
)

// introduce lets stations know each other's keys, as contacts do.
func introduce(t *testing.T, stations ...*station) {
	t.Helper()
	for _, a := range stations {
		for _, b := range stations {
			if a != b {
				a.mu.Lock()
				err := a.remember(b.ring.Identity().Public())
				a.mu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// pair is two stations that know one another, not running, on an air of their own.
func pair(t *testing.T, cfg ether.Config) (air *ether.Air, a, b *station) {
	t.Helper()
	air = ether.NewAir(cfg)
	a, b = newStation(t, air, nil), newStation(t, air, nil)
	introduce(t, a, b)
	return air, a, b
}

// standingAt opens the radio of a station at a place.
func standingAt(air *ether.Air, at ether.Position) func(context.Context) (modem.Modem, func(context.Context), error) {
	return func(context.Context) (modem.Modem, func(context.Context), error) {
		return air.Join("sim", at), nil, nil
	}
}

// hand is a node that the test plays itself.
type hand struct {
	t     *testing.T
	port  *ether.Port
	ring  *keyring.Ring
	count uint32
	inner []mesh.Packet // of a bundle, not heard yet
}

// meetByHand is a station that runs on an air of its own, and a node that the test
// plays, and which it knows.
func meetByHand(t *testing.T) (air *ether.Air, s *station, p *hand) {
	t.Helper()
	air = ether.NewAir(ether.Config{Seed: 1})
	s = newStation(t, air, nil)
	s.run()
	p = joinByHand(t, air)
	p.meets(s)
	return air, s, p
}

// joinByHand puts a station on the air that the test plays itself.
func joinByHand(t *testing.T, air *ether.Air) *hand {
	t.Helper()
	h := &hand{t: t, port: air.Join("by hand", ether.Position{X: 300}), ring: keyring.New(packet.NewIdentity())}
	var cfg Config
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	if err := h.port.Configure(t.Context(), cfg.Settings); err != nil {
		t.Fatal(err)
	}
	if err := h.ring.Join("", []byte(packet.PublicSecret)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.port.Close() })
	return h
}

// meets lets the node and a station know each other.
func (h *hand) meets(s *station) {
	h.t.Helper()
	s.mu.Lock()
	err := s.remember(h.ring.Identity().Public())
	s.mu.Unlock()
	if err == nil {
		err = h.ring.Learn(s.ring.Identity().Public(), true)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hand) id() uint32 { return h.ring.Identity().NodeID() }

// text is a message of this node as it transmits it.
func (h *hand) text(to uint32, text string) mesh.Packet {
	h.t.Helper()
	h.count++
	payload := packet.Payload{Port: packet.PortText, Body: []byte(text)}
	p := mesh.Packet{Type: mesh.Routed, From: h.id(), To: to, Tx: packet.Short(h.id()), Next: packet.Short(to)}
	var m mesh.Message
	var err error
	if to == Broadcast {
		p.Type, p.Next = mesh.Flood, 0
		m, err = h.ring.SealChannel(packet.ID{Source: h.id(), Epoch: 3, Sequence: h.count}, "", payload)
	} else {
		m, err = h.ring.SealDirect(packet.ID{Source: h.id(), Epoch: 3, Sequence: 1<<23 | h.count}, to, payload)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	p.ID, p.Channel, p.Payload = m.ID, m.Channel, m.Payload
	return p
}

func (h *hand) send(p mesh.Packet) {
	h.t.Helper()
	b, err := mesh.Encode(&p)
	if err != nil {
		h.t.Fatal(err)
	}
	h.sendBytes(b)
}

func (h *hand) sendBytes(b []byte) {
	h.t.Helper()
	if err := h.port.Send(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
}

// hear returns the next packet that is none of those by which nodes keep track of
// one another, nil after a while without. Those of a bundle come one by one.
func (h *hand) hear() *mesh.Packet {
	h.t.Helper()
	if len(h.inner) > 0 {
		next := h.inner[0]
		h.inner = h.inner[1:]
		return &next
	}
	limited, cancel := context.WithTimeout(h.t.Context(), 8*time.Second)
	defer cancel()
	for {
		r, err := h.port.Receive(limited)
		if err != nil {
			return nil
		}
		p, err := mesh.Decode(r.Packet)
		if err != nil {
			h.t.Fatal(err)
		}
		if p.Type == mesh.Bundle && p.Inner[0].Type != mesh.Flood {
			h.inner = p.Inner[1:]
			return &p.Inner[0]
		}
		if p.Type != mesh.Beacon && p.Type != mesh.Pull {
			return &p
		}
	}
}
