package mesh

import (
	"errors"
	"testing"
	"time"

	"lorrent/lora/packet"
)

func TestAckMeansStored(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	p := theirs(1, here, there)
	n.receive(p)
	n.receive(p) // while it is being stored
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("acknowledged before it was stored: %+v", sent)
	}
	n.do(n.mesh.Stored(p.ID, n.now))
	n.pass(10 * time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || sent[0].Type != Ack || sent[0].ID != p.ID || sent[0].Next != Short(there) || sent[0].Hop {
		t.Fatalf("after the store: %+v, want an acknowledgement", sent)
	}
	p.Attempt = 1 // the acknowledgement was lost
	n.receive(p)
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack || sent[0].Attempt != 1 {
		t.Errorf("after the repetition: %+v, want an acknowledgement of attempt 1", sent)
	}
	if len(n.delivered) != 1 {
		t.Errorf("delivered %v, want it once", n.delivered)
	}
}

func TestStoreFailed(t *testing.T) {
	for _, to := range []uint32{here, packet.Broadcast} {
		n := newNode(t, nil)
		p := theirs(1, to, there)
		n.receive(p)
		n.mesh.StoreFailed(p.ID)
		n.receive(p)
		if len(n.delivered) != 2 {
			t.Errorf("to %08x: delivered %v, want a second try", to, n.delivered)
		}
	}
}

func TestExpiry(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Minute))
	n.mesh.Down()
	n.enqueue(ours(2, there, 2*time.Minute))
	n.pass(3 * time.Minute)
	n.wantStates("1 expired 0", "2 expired 0")
	if n.mesh.Len() != 0 {
		t.Errorf("%d held", n.mesh.Len())
	}
	n.takeSent()
	n.do(n.mesh.Up(n.now))
	n.pass(10 * time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
}

// A radio that goes away takes nothing with it.
func TestDown(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Hour))
	n.takeSent()
	n.mesh.Down()
	n.pass(time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("sent without a radio: %+v", sent)
	}
	n.do(n.mesh.Up(n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 1 {
		t.Errorf("sent with the radio back: %+v, want message 1", sent)
	}
}

func TestForgedAck(t *testing.T) {
	n := newNode(t, nil)
	m := ours(1, far, time.Hour)
	n.enqueue(m)
	n.pass(time.Second)
	n.states = nil
	for _, p := range []Packet{
		ackOf(m.ID, third, third),
		ackOf(packet.ID{Source: here, Epoch: 8, Sequence: 1}, far, far),
		{Type: Ack, Hop: true, ID: m.ID, From: far, To: here, Tx: Short(far), Next: Short(here)},
	} {
		n.receive(p)
	}
	for _, s := range n.states {
		if s.State == Delivered {
			t.Errorf("%+v", s)
		}
	}
}

func TestBudget(t *testing.T) {
	allowed := epoch.Add(time.Hour)
	n := newNode(t, func(c *Config) {
		c.Budget = func(tr Transmit, now time.Time) time.Duration {
			if tr.Priority == PriorityAck {
				return 0
			}
			return max(allowed.Sub(now), 0)
		}
	})
	n.learn(there, there, here)
	n.enqueue(ours(1, there, 2*time.Hour))
	p := theirs(1, here, there)
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	n.pass(59 * time.Minute)
	if len(n.sent) != 1 || n.sent[0].Type != Ack {
		t.Fatalf("sent %+v, want the acknowledgement alone", n.sent)
	}
	n.sent = nil
	n.pass(2 * time.Minute)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].ID.Sequence != 1 || sent[0].Type != Routed {
		t.Errorf("sent %+v with budget again, want the message", sent)
	}
}

func TestEnqueueRefuses(t *testing.T) {
	n := newNode(t, func(c *Config) { c.MaxMessages = 3 })
	long := ours(9, there, time.Hour)
	long.Payload = make([]byte, MaxPayload+1)
	if _, err := n.mesh.Enqueue(long, n.now); !errors.Is(err, ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
	for seq := range uint32(3) {
		n.enqueue(ours(seq+1, there, time.Hour))
	}
	if _, err := n.mesh.Enqueue(ours(3, there, time.Hour), n.now); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same again: %v", err)
	}
	if _, err := n.mesh.Enqueue(ours(4, there, time.Hour), n.now); !errors.Is(err, ErrFull) {
		t.Errorf("fourth of three: %v", err)
	}
}
