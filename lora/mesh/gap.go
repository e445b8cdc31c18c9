package mesh

import "time"

// Of what is said in range of a node that talks without end only that is heard which
// begins between two of its packets: it listens first, and waits. A packet that waits at
// random begins mostly together with one of its. So who hears it speaks right after one
// of its packets has ended, now and then, since others do as well.
const (
	gapSlots  = 2                     // over which a board spreads its wait: more last until it speaks again
	gapChance = 0.5                   // of using a gap
	gapTurn   = 20 * time.Millisecond // after the end of a packet, that the host may take
	gapWait   = 3 * time.Second       // for the end of a packet, before others are not waited for either
	captureB  = 6                     // dB by which a packet must lead to be received over another
	burstMost = 3                     // copies in a burst
	burstCalm = 0.3                   // share of the channel up to which there is room for bursts
)

// gapBegins is called at the end of a packet of a neighbour that talks without end. What
// waits at the board has missed the last gap, and would begin at random.
func (m *Mesh) gapBegins(n *neighbour, now time.Time) {
	if !n.told {
		n.told = true // those behind this node cannot hear it
		m.beacons.pause = m.tuning.BeaconLeast
		m.planBeacon(now)
	}
	if m.cfg.Random.Float64() < gapChance {
		m.gap = now.Add(gapTurn)
	}
	m.takeBack()
}

// inGap says whether this is the time to speak in range of one that talks without end.
func (m *Mesh) inGap(now time.Time) bool { return now.Before(m.gap) }

// gapless is until when packets that answer nobody wait for a gap; zero when they
// need none.
func (m *Mesh) gapless(now time.Time) (until time.Time) {
	if m.inGap(now) {
		return time.Time{}
	}
	for _, n := range m.links.heard {
		if at := n.last.Add(gapWait); at.After(now) && at.After(until) && n.endless(now) {
			until = at
		}
	}
	return until
}

// deafTo says whether node v, by its beacon, hears one that talks without end so well
// that it does not hear node u over it, while u does not hear that one and cannot know
// the gaps.
func (t *linkTable) deafTo(v, u uint16) bool {
	l := t.lists[v]
	if l == nil || !l.endless {
		return false
	}
	margin, _ := l.hearing(u)
	for _, loud := range l.hears {
		if loud.Endless && loud.ID != u && !t.hears(u, loud.ID) && int(margin) < int(loud.Margin)+captureB {
			return true
		}
	}
	return false
}

// deafListeners says whether somebody lacks f who is deaf to this node and to all who
// have sent it.
func (m *Mesh) deafListeners(f *flood) bool {
	for _, v := range m.links.audience() {
		if contains(f.holders, v) || !m.links.deafTo(v, m.short) {
			continue
		}
		served := false
		for _, u := range f.spoke {
			served = served || m.links.hears(v, u) && !m.links.deafTo(v, u)
		}
		if !served {
			return true
		}
	}
	return false
}

// burst sends what was relayed just now once more, at once, when somebody is deaf to
// it: one that talks without end and senses this node has waited for the first copy to
// end, and the next begins before it speaks again.
func (m *Mesh) burst(f *flood, now time.Time) {
	if f.sent >= burstMost || f.key.kind != Flood || m.fair.endless(f.account, now) || m.crowd(now) > burstCalm || !m.deafListeners(f) {
		return
	}
	m.relay(f, 0, now)
	f.job.answerUntil, f.job.first = now.Add(answerTurn), true
	f.job.needed = nil
	f.job.prepare = func(time.Time) (Packet, bool) { return m.relayed(f), true }
}
