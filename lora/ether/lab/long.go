package lab

import (
	"errors"
	"fmt"
	"time"

	"lorrent/lora/fragment"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// Messages too long for a packet, by package fragment as in the daemon: shares are
// cut, collected and asked for; only sealing is left out, but for its bytes.

const (
	wholeBytes = 228 // the longest text that goes whole
	shareBytes = 110 // the longest share
	tagBytes   = 8
)

// checkText refuses messages that no node could send.
func (cfg *Config) checkText() error {
	switch {
	case cfg.Text < 0 || cfg.Text > fragment.MaxBody:
		return fmt.Errorf("text of %d bytes: want 0 to %d", cfg.Text, fragment.MaxBody)
	case cfg.Text > 0 && cfg.Policy != "ours":
		return fmt.Errorf("text of %d bytes: only ours sends others than the usual", cfg.Text)
	case !(cfg.Loss >= 0 && cfg.Loss < 1):
		return fmt.Errorf("loss %v: want 0 to less than 1", cfg.Loss)
	}
	return nil
}

// layout is how texts are cut, zero when they go whole.
func (cfg *Config) layout() fragment.Layout {
	if cfg.Text <= wholeBytes {
		return fragment.Layout{}
	}
	l, _ := fragment.LayoutFor(cfg.Text, shareBytes) // checkText has
	return l
}

// textOf is what the user wrote: no two messages have the same.
func (w *world) textOf(m *message) []byte {
	text := fmt.Appendf(make([]byte, 0, w.Text+8), "%8d", m.number)
	for len(text) < w.Text {
		text = append(text, byte(len(text)*(m.number+1)>>3))
	}
	return text[:w.Text]
}

// content makes of a message what the mesh carries: the same bytes each time.
func (s *meshed) content(m *message, msg *mesh.Message) {
	l := s.world.layout()
	if l.Total == 0 {
		msg.Payload = make([]byte, max(s.world.Text+tagBytes, payloadBytes))
		return
	}
	shares, err := l.Encode(packet.PortText, s.world.textOf(m))
	if err != nil {
		panic(err) // checkText has
	}
	msg.Fragment, msg.Data = true, l.Data
	for i, share := range shares {
		sealed := append([]byte{byte(i), byte(l.Data)}, share...)
		msg.Shares = append(msg.Shares, append(sealed, make([]byte, tagBytes)...))
	}
}

// deliverShare collects a fragment, and shows the message that it was the last of.
func (s *meshed) deliverShare(d mesh.Deliver) []mesh.Action {
	p := &d.Packet
	body := p.Payload[2 : len(p.Payload)-tagBytes]
	id, err := packet.MessageID(p.ID, p.Payload[0])
	if err != nil {
		panic(err) // nodes count within one lane
	}
	if s.world.host(s.node).stored[id] {
		return s.mesh.Stored(p.ID, s.now())
	}
	key := fragment.Key{ID: id, Channel: p.Type != mesh.Routed}
	m, done, err := s.assembler.Add(key, fragment.Share{Index: p.Payload[0], Data: p.Payload[1], Body: body}, s.now())
	if errors.Is(err, fragment.ErrMixed) || done && string(m.Body) != string(s.world.textOf(s.world.byID[id])) {
		panic(fmt.Sprintf("message %v is not what was sent", id))
	}
	if !done {
		s.mesh.Ignored(p.ID)
		return nil
	}
	s.show(id, d.Repaired)
	return s.mesh.Stored(p.ID, s.now())
}

// askForShares tells sources what has come of their messages, when the rest stays
// away.
func (s *meshed) askForShares() (actions []mesh.Action) {
	for _, ask := range s.assembler.Due(s.now()) {
		status := append([]byte{byte(packet.PortFragmentStatus)}, fragment.AppendStatus(nil, ask.ID, ask.Held)...)
		actions = append(actions, s.mesh.Tell(mesh.Message{
			ID: s.nextID(1), To: ask.ID.Source, Payload: append(status, make([]byte, tagBytes)...),
		}, s.now())...)
	}
	return actions
}

// acceptStatus has the mesh send what the receiver of a message lacks.
func (s *meshed) acceptStatus(d mesh.Deliver) []mesh.Action {
	actions := s.mesh.Stored(d.Packet.ID, s.now())
	id, held, err := fragment.ParseStatus(d.Packet.Payload[1:len(d.Packet.Payload)-tagBytes], nodeID(s.node))
	if err != nil {
		panic(err)
	}
	return append(actions, s.mesh.Held(d.Packet.From, id, held.Has, s.now())...)
}

// nextWake is when the mesh, or what is held of messages, wants to go on.
func (s *meshed) nextWake() (at time.Time, ok bool) {
	at, ok = s.mesh.Wake()
	if ask, due := s.assembler.Wake(); due && (!ok || ask.Before(at)) {
		at, ok = ask, true
	}
	return at, ok
}
