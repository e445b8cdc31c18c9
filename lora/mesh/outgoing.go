package mesh

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"lorrent/lora/packet"
)

// Errors of Enqueue.
var (
	ErrFull      = errors.New("too many outgoing messages")
	ErrDuplicate = errors.New("message is under way already")
)

// Message is a text to send.
type Message struct {
	ID        packet.ID
	To        uint32
	Text      string
	ExpiresAt time.Time
	// Attempts is how often it was on the air before, in an earlier life of
	// the process.
	Attempts int
}

// outgoing is a message until it is delivered or given up.
type outgoing struct {
	Message
	bytes []byte
	tries int // in this life: attempts and failures, for the growing pause

	unanswered bool // direct, sent, and not acknowledged since
}

// lane is the queue of messages for one receiver. Only its head moves.
type lane struct {
	to       uint32
	queue    []*outgoing
	due      time.Time // when the head may go on the air next
	lastSent time.Time
}

// Enqueue takes a message over. It fails with ErrFull, with ErrDuplicate, and
// with packet.ErrInvalid on what cannot travel; the message is then not held.
func (m *Mesh) Enqueue(msg Message, now time.Time) ([]Action, error) {
	if _, ok := m.messages[msg.ID]; ok {
		return nil, ErrDuplicate
	}
	if len(m.messages) >= m.cfg.MaxMessages {
		return nil, ErrFull
	}
	b, err := packet.Encode(packet.NewText(msg.ID, msg.To, msg.Text))
	if err != nil {
		return nil, fmt.Errorf("enqueue message %s: %w", msg.ID, err)
	}
	l := m.lanes[msg.To]
	if l == nil {
		l = &lane{to: msg.To, due: now}
		m.lanes[msg.To] = l
	}
	l.queue = append(l.queue, &outgoing{Message: msg, bytes: b})
	m.messages[msg.ID] = struct{}{}
	return m.step(now), nil
}

// acknowledged ends the message that p confirms. Only its receiver may.
func (m *Mesh) acknowledged(p packet.Packet, now time.Time) {
	l := m.lanes[p.From]
	if l == nil {
		return
	}
	for _, o := range l.queue {
		if o.ID == p.ID && o.ID.Source == m.cfg.NodeID {
			attempts := o.Attempts
			if m.carries(o) {
				attempts++ // the acknowledgement overtook Sent
			}
			m.drop(l, o, now)
			m.emit(StateChanged{ID: o.ID, State: Delivered, Attempts: attempts, Done: true})
			return
		}
	}
}

// sentMessage notes an attempt and sets the time of the next one.
func (m *Mesh) sentMessage(o *outgoing, now time.Time) {
	l := m.lanes[o.To]
	if l == nil || len(l.queue) == 0 || l.queue[0] != o {
		return // acknowledged while it was on the air
	}
	o.Attempts++
	o.tries++
	l.lastSent = now
	o.unanswered = o.To != packet.Broadcast
	done := o.To == packet.Broadcast && o.tries >= m.cfg.Broadcasts
	m.emit(StateChanged{ID: o.ID, State: Sent, Attempts: o.Attempts, Done: done})
	if done {
		m.drop(l, o, now)
		return
	}
	l.due = now.Add(m.pause(o))
}

// failedMessage tries again later; the packet was not on the air.
func (m *Mesh) failedMessage(o *outgoing, now time.Time) {
	if l := m.lanes[o.To]; l != nil && len(l.queue) > 0 && l.queue[0] == o {
		o.tries++
		l.due = now.Add(m.pause(o))
	}
}

// replyTime is how long an acknowledgement may take to come: the receiver
// stores, lets one packet of any length pass, and answers.
func (m *Mesh) replyTime() time.Duration {
	return m.cfg.Turnaround + 2*m.cfg.Airtime(packet.AckSize) + m.cfg.Airtime(packet.MaxPacket)
}

// pause is the time between an attempt and the next: the reply time, doubled
// with every try, and up to half as much again by chance, so that two nodes
// that collided do not collide for ever.
func (m *Mesh) pause(o *outgoing) time.Duration {
	d := m.replyTime()
	for range o.tries - 1 {
		if d *= 2; d >= m.cfg.MaxBackoff {
			d = m.cfg.MaxBackoff
			break
		}
	}
	return d + m.jitter(d/2)
}

func (m *Mesh) jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(m.cfg.Random.Int64N(int64(most)))
}

// revive cuts a long pause short when its receiver is heard again.
func (m *Mesh) revive(node uint32, now time.Time) {
	const patience = 8 // reply times of silence; below that the pauses are short anyway
	l := m.lanes[node]
	if l == nil || len(l.queue) == 0 || m.carries(l.queue[0]) {
		return
	}
	reply := m.replyTime()
	if now.Sub(l.lastSent) > patience*reply && l.due.Sub(now) > 2*reply {
		l.due = now.Add(m.jitter(reply))
	}
}

// expire gives up what is too old, except the packet on the air.
func (m *Mesh) expire(now time.Time) {
	for _, l := range m.lanes {
		var overdue []*outgoing
		for _, o := range l.queue {
			if !now.Before(o.ExpiresAt) && !m.carries(o) {
				overdue = append(overdue, o)
			}
		}
		for _, o := range overdue {
			m.lose(o)
			m.drop(l, o, now)
			m.emit(m.expired(o))
		}
	}
}

// expired is the last word on a message whose time is over. A broadcast that
// was on the air at least once has done what it can: it stays sent.
func (m *Mesh) expired(o *outgoing) StateChanged {
	state := Expired
	if o.To == packet.Broadcast && o.Attempts > 0 {
		state = Sent
	}
	return StateChanged{ID: o.ID, State: state, Attempts: o.Attempts, Done: true}
}

// drop removes a message, and the lane with its last one. A new head may go on
// the air at once.
func (m *Mesh) drop(l *lane, o *outgoing, now time.Time) {
	i := slices.Index(l.queue, o)
	l.queue = slices.Delete(l.queue, i, i+1)
	delete(m.messages, o.ID)
	if len(l.queue) == 0 {
		delete(m.lanes, l.to)
	} else if i == 0 {
		l.due = now
	}
}
