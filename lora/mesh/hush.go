package mesh

import "time"

const (
	// hushTurn is how long a neighbour that passes a packet on takes to begin.
	hushTurn = 150 * time.Millisecond
	// hushMost is the share of the channel, taken by all together, beyond which silence
	// holds up more than it spares.
	hushMost = 0.5
	// hushRest is for how many times as long as for one answer this node is not silent for
	// another: who asks without end would silence all who hear it.
	hushRest = 3
)

// hushFor keeps this node silent while p, heard here, is passed on by a node that is not:
// who sent p listens for that, and takes it for lost otherwise. Those who hear the next
// hop sense it. What waits at the board would begin at random, and is taken back.
func (m *Mesh) hushFor(p *Packet, now time.Time) {
	items := p.Inner
	if p.Type != Bundle {
		items = []Packet{*p}
	}
	size := 0
	for i := range items {
		if m.passedOnUnheard(&items[i]) {
			size += items[i].Size()
		}
	}
	if n := m.links.heard[p.Tx]; size == 0 || m.crowd(now) > hushMost || n != nil && n.endless(now) {
		return
	}
	m.hush = now.Add(hushTurn + m.cfg.Airtime(size))
	m.takeBack()
}

// hushForAnswer keeps this node silent while another one answers a neighbour that lacks
// something: who answers is perhaps not heard here.
func (m *Mesh) hushForAnswer(asker uint16, now time.Time) {
	answer := hushTurn + m.cfg.Airtime(bundleBytes)
	if n := m.links.heard[asker]; n == nil || n.endless(now) || now.Sub(m.hushed) < (1+hushRest)*answer {
		return
	}
	m.hushed = now
	m.keepFree(now.Add(answer))
}

// keepFree keeps the board free for an answer that is due soon.
func (m *Mesh) keepFree(until time.Time) {
	if m.hush.Before(until) {
		m.hush = until
	}
	m.takeBack()
}

// passedOnUnheard says whether a node that is not heard here passes p on at once.
func (m *Mesh) passedOnUnheard(p *Packet) bool {
	return p.Type == Routed && p.Next != Anybody && p.Next != m.short && p.Next != Short(p.To) && m.links.heard[p.Next] == nil
}

// held is until when packets that answer nobody wait for others; zero when they need not.
func (m *Mesh) held(now time.Time) time.Time {
	gap := m.gapless(now)
	if m.hush.After(now) && m.hush.After(gap) && !m.inGap(now) {
		return m.hush
	}
	return gap
}
