package mesh

// A brief acknowledgement does not name its message: it goes to a neighbour that has
// sent that here, and finds it by the token. With another packet it takes 13 bytes
// instead of 22. Later copies are whole, for who has forgotten, and for relays without a
// host, which cannot tell a token.
const (
	briefTries = 4  // copies that are brief, to who has passed one on before; else the first
	mostUnread = 6  // brief ones in a row that a neighbour did not pass on, before it
	wholeFor   = 32 // gets as many whole ones, less these
)

// briefFor is how many copies of an acknowledgement to a neighbour are brief.
func (m *Mesh) briefFor(id uint16) int {
	n := m.links.heard[id]
	switch {
	case n == nil:
		return 1
	case n.unread >= mostUnread:
		n.unread = (n.unread + 1) % wholeFor
		return 0
	case n.reads:
		return briefTries
	}
	return 1
}

// unread counts an acknowledgement of which no brief copy was passed on.
func (m *Mesh) unread(f *forward) {
	if n := m.links.heard[f.next]; n != nil && f.brief > 0 && f.tries == f.brief {
		n.unread++
	}
}

// read notes that the next hop has passed on a brief acknowledgement.
func (m *Mesh) read(f *forward) {
	if n := m.links.heard[f.next]; n != nil && 0 < f.tries && f.tries <= f.brief {
		n.reads, n.unread = true, 0
	}
}

// recall names the message of a brief acknowledgement, if it came through here.
func (m *Mesh) recall(ack *Packet) bool {
	name := func(of *Packet) bool {
		if !m.answers(ack, of) {
			return false
		}
		ack.ID, ack.To, ack.Brief = of.ID, of.ID.Source, false
		return true
	}
	for i := len(m.forwards.order) - 1; i >= 0; i-- {
		if f := m.forwards.all[m.forwards.order[i]]; f != nil && name(&f.packet) {
			return true
		}
	}
	for i := len(m.floods.order) - 1; i >= 0; i-- {
		if f := m.floods.order[i]; f.key.kind == Routed && name(&f.packet) {
			return true
		}
	}
	return false
}

// answers says whether an acknowledgement is that of a message, or the same as another one.
func (m *Mesh) answers(ack, of *Packet) bool {
	switch {
	case m.cfg.Opens == nil:
		return ack.ID == of.ID
	case of.Type == Ack:
		return ack.Token == of.Token
	}
	return m.cfg.Opens(ack, of)
}
