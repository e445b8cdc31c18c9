package mesh

import (
	"slices"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// settledDown is a node among neighbours that has asked and told for long, and now does so
// rarely.
func settledDown(t *testing.T, change func(*Config)) *node {
	n := newNode(t, change)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	for range 10 {
		n.pass(10 * time.Minute)
		n.learn(third, third, here, far)
	}
	n.sent = nil
	return n
}

// until lets time pass until a job of a priority waits.
func (n *node) until(p Priority) {
	n.t.Helper()
	for range 10_000 {
		if slices.ContainsFunc(n.mesh.jobs, func(j *job) bool { return j.priority == p }) {
			return
		}
		n.pass(time.Second)
	}
	n.t.Fatal("nothing waits")
}

// What is not urgent goes with the next packet, or alone after two minutes.
func TestGoesInCompany(t *testing.T) {
	for name, c := range map[string]struct {
		priority Priority
		want     Type
	}{"question": {PriorityRepair, Pull}, "beacon": {PriorityBeacon, Beacon}} {
		const alone = 0
		for _, to := range []uint32{alone, far, packet.Broadcast} {
			n := settledDown(t, nil)
			n.until(c.priority)
			n.sent = nil
			if to != alone {
				n.enqueue(ours(1, to, 10*time.Hour))
				n.pass(time.Second)
			}
			together := 0
			for _, p := range n.sent {
				for _, inner := range p.Inner {
					if inner.Type == c.want {
						together++
					}
				}
			}
			if (together != 0) != (to != alone) {
				t.Errorf("%s, message to %x: %d in company, sent %+v", name, to, together, n.sent)
			}
			n.pass(companyMost + time.Second)
			all := 0
			for _, p := range items(n.sent) {
				if p.Type == c.want {
					all++
				}
			}
			if all != 1 {
				t.Errorf("%s, message to %x: sent %d times", name, to, all)
			}
		}
	}
}

// On a busy channel nothing waits to make another packet longer.
func TestNoCompanyWhereBusy(t *testing.T) {
	n := settledDown(t, nil)
	n.mesh.load.heard(time.Minute, n.now)
	if got := n.mesh.awaitCompany(time.Minute, n.now); got != 0 {
		t.Errorf("waits %v", got)
	}
	n.mesh.load = load{}
	if got := n.mesh.awaitCompany(time.Hour, n.now); got != companyMost {
		t.Errorf("waits %v on a calm channel, want %v", got, companyMost)
	}
}

// Company opens no door: what the budget does not allow alone stays behind, and what it
// allows goes.
func TestCompanyWithinBudget(t *testing.T) {
	refused := false
	n := settledDown(t, func(c *Config) {
		c.Budget = func(tr Transmit, _ time.Time) time.Duration {
			if refused && tr.Priority == PriorityRepair {
				return time.Hour
			}
			return 0
		}
	})
	n.until(PriorityRepair)
	refused, n.sent = true, nil
	n.enqueue(ours(1, far, 10*time.Hour))
	n.pass(time.Second)
	if len(n.sent) != 1 || n.sent[0].Type != Routed {
		t.Errorf("sent %+v, want the message alone", n.sent)
	}
}

// Of questions one waits for the budget, and of beacons the latest.
func TestOneOfAKindWaits(t *testing.T) {
	refused := false
	n := settledDown(t, func(c *Config) {
		c.Budget = func(Transmit, time.Time) time.Duration {
			if refused {
				return time.Minute
			}
			return 0
		}
	})
	refused = true
	n.pass(5 * time.Hour)
	waits := make(map[Priority]int)
	for _, j := range n.mesh.jobs {
		waits[j.priority]++
	}
	if waits[PriorityRepair] != 1 || waits[PriorityBeacon] > 2 { // one for neighbours, one for everyone
		t.Errorf("by priority %v wait, want one question, and two beacons at most", waits)
	}
}

// Who is heard in company is heard.
func TestNodeHeardInBundle(t *testing.T) {
	n := newNode(t, nil)
	theirs := Packet{Type: Beacon, ID: packet.ID{Source: there, Epoch: 1, Sequence: 9}, From: there, To: packet.Broadcast}
	n.receive(Packet{Type: Bundle, To: packet.Broadcast, Tx: Short(there), Inner: []Packet{theirs}})
	if nodes := n.mesh.Nodes(); len(nodes) != 1 || nodes[0].ID != there {
		t.Errorf("heard %+v, want the node of the beacon", nodes)
	}
}

// A beacon of this node that comes back in a bundle tells it nothing.
func TestOwnBeaconInBundle(t *testing.T) {
	n := newNode(t, nil)
	own := Packet{Type: Beacon, ID: packet.ID{Source: here, Epoch: 1, Sequence: 99}, From: here, To: packet.Broadcast, TTL: 3, Heard: []Link{{ID: Short(far), Margin: 30}}}
	n.receive(Packet{Type: Bundle, To: packet.Broadcast, Tx: Short(third), Inner: []Packet{own}})
	if n.mesh.links.lists[Short(here)] != nil {
		t.Error("learned from itself whom it hears")
	}
}
