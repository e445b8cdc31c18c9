package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// Who hears a message for a next hop that it does not hear is silent while that one
// passes it on, and does not wait otherwise: for a next hop that it senses, for a
// receiver, which says nothing at once, and for one that talks without end.
func TestHush(t *testing.T) {
	const unheard = 0x55555555
	for _, c := range []struct {
		name     string
		next, to uint32
		endless  bool
		wait     bool
	}{
		{name: "a next hop that is not heard", next: unheard, to: far, wait: true},
		{name: "a next hop that is heard", next: third, to: far},
		{name: "the receiver", next: unheard, to: unheard},
		{name: "said by one that talks without end", next: unheard, to: far, endless: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.learn(third, third, here)
			if c.endless {
				n.talk(120)
			}
			n.takeSent()
			n.enqueue(ours(1, packet.Broadcast, time.Hour))
			if !c.endless && n.mesh.onAir == nil {
				t.Fatal("a message of this node does not wait for the channel")
			}
			p := theirs(9000, c.to, there)
			p.Next = Short(c.next)
			n.receive(p)
			if c.endless {
				if n.now.Before(n.mesh.hush) {
					t.Error("silent for one that talks without end")
				}
				return
			}
			if taken := n.cancelled > 0; taken != c.wait {
				t.Errorf("taken back from the board: %v, want %v", taken, c.wait)
			}
			if !c.wait {
				return
			}
			n.do(n.mesh.SendFailed(n.now))
			n.takeSent()
			n.pass(perByte(p.Size()))
			if sent := n.takeSent(); len(sent) != 0 {
				t.Errorf("sent %+v over what the next hop says", sent)
			}
			n.pass(2 * hushTurn)
			if sent := n.takeSent(); len(sent) != 1 || sent[0].From != here {
				t.Errorf("sent %+v after that, want the own message", sent)
			}
		})
	}
}

// Where everybody talks nobody is silent for others.
func TestHushOnAFullChannel(t *testing.T) {
	n := newNode(t, nil)
	n.takeSent()
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	n.mesh.load.heard(80*time.Second, n.now)
	p := theirs(9000, far, there)
	p.Next = Short(0x55555555)
	n.receive(p)
	if n.cancelled > 0 {
		t.Error("taken back from the board on a full channel")
	}
}

// Who has what a neighbour lacks is silent while another one answers it.
func TestHushForAnswers(t *testing.T) {
	for _, c := range []struct {
		name           string
		lacks, endless bool
		wait           bool
	}{
		{name: "lacks a message", lacks: true, wait: true},
		{name: "lacks nothing"},
		{name: "talks without end", lacks: true, endless: true},
	} {
		n, p := having(t)
		n.enqueue(ours(2, packet.Broadcast, time.Hour))
		pull := ask(far)
		if !c.lacks {
			pull.Have.add(p.ID)
		}
		if c.endless {
			n.mesh.links.heard[Short(third)].air.addOver(loadMemory, time.Minute, n.now)
			n.mesh.gap = n.now.Add(time.Minute) // it may speak all the same
		}
		n.receive(pull)
		if silent := n.now.Before(n.mesh.hush); silent != c.wait {
			t.Errorf("%s: silent %v, want %v", c.name, silent, c.wait)
		}
		if !c.wait {
			continue
		}
		n.do(n.mesh.SendFailed(n.now))
		n.takeSent()
		n.pass(perByte(bundleBytes))
		if sent := n.takeSent(); n.cancelled != 1 || len(sent) != 0 {
			t.Errorf("%s: sent %+v over the answer", c.name, sent)
		}
		n.pass(2 * hushTurn)
		if sent := items(n.takeSent()); len(sent) == 0 || sent[0].From != here {
			t.Errorf("%s: sent %+v after that, want the own message", c.name, sent)
		}
	}
}

// Who asks without end does not silence those who hear it.
func TestHushForAnswersEnds(t *testing.T) {
	n, _ := having(t)
	silent, all := 0, 60
	for range all {
		n.receive(ask(far))
		if n.now.Before(n.mesh.hush) {
			silent++
		}
		n.now = n.now.Add(time.Second)
	}
	if most := all/(1+hushRest) + 3; silent == 0 || silent > most {
		t.Errorf("silent in %d of %d seconds, want at most %d", silent, all, most)
	}
}

// What a silent node is asked to pass on it does not keep waiting.
func TestHushAnswers(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	n.learn(far, third, third)
	n.takeSent()
	p := theirs(1, far, there)
	p.Next = Short(0x55555555)
	n.receive(p)
	n.receive(theirs(2, far, there))
	n.pass(leapTurn)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 2 {
		t.Errorf("sent %+v, though asked to pass a message on", sent)
	}
}
