package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

// transmission is the packet on the air: an acknowledgement, or a message.
type transmission struct {
	message *outgoing // nil for an acknowledgement
}

// carries says whether o is on the air.
func (m *Mesh) carries(o *outgoing) bool { return m.onAir != nil && m.onAir.message == o }

// Sent says that the packet of the last Transmit has left the antenna.
func (m *Mesh) Sent(now time.Time) []Action {
	if done := m.onAir; done != nil {
		m.onAir = nil
		if done.message != nil {
			m.sentMessage(done.message, now)
		}
	}
	return m.step(now)
}

// SendFailed says that the packet of the last Transmit was not sent. A message
// is tried again after a pause; a lost acknowledgement is asked for again by
// the sender's next attempt.
func (m *Mesh) SendFailed(now time.Time) []Action {
	if done := m.onAir; done != nil {
		m.onAir = nil
		if done.message != nil {
			m.failedMessage(done.message, now)
		}
	}
	return m.step(now)
}

// queueAck asks for an acknowledgement, once. When too many wait it is left
// out: the sender repeats.
func (m *Mesh) queueAck(id packet.ID) {
	ack := packet.NewAck(id, m.cfg.NodeID)
	if len(m.acks) < maxAcks && !slices.Contains(m.acks, ack) {
		m.acks = append(m.acks, ack)
	}
}

// fill puts the next packet on the air if nothing is there and the budget
// allows it.
func (m *Mesh) fill(now time.Time) {
	m.blocked = time.Time{}
	if m.onAir != nil || !m.up {
		return
	}
	var (
		b        []byte
		message  *outgoing
		priority = PriorityAck
	)
	if len(m.acks) > 0 {
		b = m.encodeAck()
	} else if l := m.dueLane(now); l != nil {
		message = l.queue[0]
		b = message.bytes
		priority = lanePriority(l)
	}
	if b == nil {
		return
	}
	airtime := m.cfg.Airtime(len(b))
	if m.cfg.Budget != nil {
		if wait := m.cfg.Budget(airtime, priority, now); wait > 0 {
			m.blocked = now.Add(min(wait, time.Hour))
			return
		}
	}
	if message != nil {
		m.lose(message)
	} else {
		m.acks = slices.Delete(m.acks, 0, 1)
	}
	m.onAir = &transmission{message: message}
	m.emit(Transmit{Packet: b, Airtime: airtime, Priority: priority})
}

// encodeAck returns the bytes of the first acknowledgement waiting.
func (m *Mesh) encodeAck() []byte {
	b, err := packet.Encode(m.acks[0])
	if err != nil { // it answers a packet that Decode has checked
		panic("mesh: " + err.Error())
	}
	return b
}

// lose counts an attempt whose acknowledgement did not come.
func (m *Mesh) lose(o *outgoing) {
	if o.unanswered {
		o.unanswered = false
		m.stats.Lost++
	}
}

// dueLane is the lane whose head has waited longest for the air, direct texts
// before broadcasts.
func (m *Mesh) dueLane(now time.Time) *lane {
	var best *lane
	for _, l := range m.lanes {
		if l.due.After(now) {
			continue
		}
		if best == nil || before(l, best) {
			best = l
		}
	}
	return best
}

// before orders lanes for the air.
func before(a, b *lane) bool {
	if pa, pb := lanePriority(a), lanePriority(b); pa != pb {
		return pa < pb
	}
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return a.to < b.to
}

func lanePriority(l *lane) Priority {
	if l.to == packet.Broadcast {
		return PriorityBroadcast
	}
	return PriorityDirect
}
