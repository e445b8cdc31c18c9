package lora

import (
	"encoding/binary"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// read is what the node's user has read, as the node tells it.
func (h *hand) read(of packet.ID) mesh.Packet {
	h.t.Helper()
	h.count++
	body := binary.BigEndian.AppendUint16(nil, of.Epoch)
	body = append(body, byte(of.Sequence>>16), byte(of.Sequence>>8), byte(of.Sequence))
	m, err := h.ring.SealDirect(packet.ID{Source: h.id(), Epoch: 3, Sequence: 1<<23 | h.count}, of.Source, packet.Payload{Port: packet.PortRead, Body: body})
	if err != nil {
		h.t.Fatal(err)
	}
	return mesh.Packet{
		Type: mesh.Routed, ID: m.ID, From: h.id(), To: of.Source, Tx: packet.Short(h.id()), Next: packet.Short(of.Source), Payload: m.Payload,
	}
}

// What was read has come, whether or not its acknowledgement has: it is not sent
// again, and an acknowledgement that comes later takes nothing back.
func TestReadBeforeAcknowledged(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, s, p := meetByHand(t)
		s.send(p.id(), "hello")
		heard := p.hear()
		if heard == nil || heard.Type != mesh.Routed {
			t.Fatalf("heard %+v, want the message", heard)
		}
		p.send(p.read(heard.ID))
		await(t, time.Minute, "the mark", func() bool { return s.states()["read"] == 1 })
		ack := mesh.Packet{Type: mesh.Ack, ID: heard.ID, From: p.id(), To: s.node, Attempt: heard.Attempt, Tx: packet.Short(p.id()), Next: packet.Short(s.node)}
		p.send(ack)
		for next := p.hear(); next != nil; next = p.hear() {
			if next.Type == mesh.Routed {
				t.Errorf("sent again: %+v", next)
			}
		}
		if got := s.states(); got["read"] != 1 || s.Status().Queued != 0 || s.count("state read") != 1 {
			t.Errorf("states %v, %d queued, events %q", got, s.Status().Queued, s.published())
		}
	})
}

// A receiver's word that comes after hope was given up is taken.
func TestReadAfterExpired(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		s := newStation(t, air, func(c *Config) { c.MessageTTL = time.Minute })
		s.run()
		p := joinByHand(t, air)
		p.meets(s)
		s.send(p.id(), "hello")
		heard := p.hear()
		if heard == nil || heard.Type != mesh.Routed {
			t.Fatalf("heard %+v, want the message", heard)
		}
		await(t, time.Hour, "the end of hope", func() bool { return s.states()["expired"] == 1 })
		p.send(p.read(heard.ID))
		await(t, time.Minute, "the mark", func() bool { return s.states()["read"] == 1 })
	})
}
