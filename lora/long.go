package lora

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"lorrent/lora/airtime"
	"lorrent/lora/fragment"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Messages that do not fit one packet: see "Long messages" in
// firmware/PROTOCOL.md. What is stored of one on its way out is the text and how
// it is cut, and of one on its way in nothing: after a restart its source is told
// what is missing.

const (
	// maxShare is the longest share: what takes longer on the air is hit more often.
	maxShare         = 110
	fragmentOverhead = packet.MaxPacket - packet.MaxRoutedShare
)

// room is how much goes into a packet: of a message as a whole, and of a share.
type room struct{ whole, share int }

func roomOf(maxPacket int) room {
	return room{
		whole: maxPacket - packet.RoutedOverhead,
		share: max(min(maxPacket-fragmentOverhead, maxShare), 0),
	}
}

// layout is how a message of that many bytes is cut, zero when it fits a packet.
// What takes more airtime than there is for it in its lifetime is refused.
func (b *Bridge) layout(to uint32, size int) (fragment.Layout, error) {
	if size <= b.room.whole {
		return fragment.Layout{}, nil
	}
	l, err := fragment.LayoutFor(size, b.room.share)
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrTooLong, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	packets, class := l.Data, airtime.ClassDirect
	if to == Broadcast {
		packets, class = l.Total, airtime.ClassChannel
	}
	share := (fragment.Overhead + size + l.Data - 1) / l.Data
	need := time.Duration(packets) * b.plan.TimeOnAir(share+fragmentOverhead)
	hours := max(b.cfg.MessageTTL.Hours()*b.radio.speedup, 1)
	if may := b.plan.BudgetOf(class); float64(need) > hours*float64(may) {
		return l, fmt.Errorf("%w: %d bytes take %v on the air, in %d packets; this node may send %v an hour, and the message expires after %v",
			ErrTooLong, size, need.Round(time.Second/10), packets, may.Round(time.Second/100), b.cfg.MessageTTL)
	}
	return l, nil
}

// sealShares makes of a stored message the fragments that the mesh carries: the
// same bytes each time. The caller holds mu.
func (b *Bridge) sealShares(id packet.ID, m storage.Message) (mesh.Message, error) {
	shares, err := fragment.Layout{Data: m.DataShares, Total: m.Shares}.Encode(packet.PortText, []byte(m.Text))
	if err != nil {
		return mesh.Message{}, err
	}
	if m.To != Broadcast {
		if err := b.rememberPeer(m.To); err != nil {
			return mesh.Message{}, err
		}
	}
	whole := mesh.Message{ID: id, To: m.To, Fragment: true, Data: m.DataShares}
	for i, share := range shares {
		payload := packet.Payload{Index: uint8(i), Data: uint8(m.DataShares), Body: share}
		var part mesh.Message
		if m.To == Broadcast {
			part, err = b.ring.SealChannel(shareID(id, i), m.Channel, payload)
		} else {
			part, err = b.ring.SealDirect(shareID(id, i), m.To, payload)
		}
		if err != nil {
			return mesh.Message{}, err
		}
		whole.Channel, whole.Shares = part.Channel, append(whole.Shares, part.Payload)
	}
	return whole, nil
}

func shareID(message packet.ID, i int) packet.ID {
	message.Sequence += uint32(i)
	return message
}

// deliverShare takes over a fragment: it waits for the others, or it was the last
// one that its message took. Of a message that is stored it is acknowledged.
func (b *Bridge) deliverShare(d mesh.Deliver) []mesh.Action {
	p := &d.Packet
	opened, id, err := b.openShare(p)
	if err != nil {
		b.ignore(p.ID, err)
		return nil
	}
	if b.cfg.Store.HasMessage(id.String()) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.mesh.Stored(p.ID, b.clock.now())
	}
	m, done, err := b.collect(p, opened, id)
	switch {
	case err != nil:
		b.ignore(p.ID, err)
		return nil
	case !done:
		return nil
	case m.Port != packet.PortText || !utf8.Valid(m.Body):
		b.ignore(p.ID, fmt.Errorf("%w: %d bytes on port %d", packet.ErrForeign, len(m.Body), m.Port))
		return nil
	}
	opened.Port, opened.Body = m.Port, m.Body
	return b.accept(d, opened, id)
}

func (b *Bridge) openShare(p *mesh.Packet) (keyring.Opened, packet.ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	opened, err := b.openMessage(p)
	if err != nil {
		return opened, packet.ID{}, err
	}
	id, err := packet.MessageID(p.ID, opened.Index)
	return opened, id, err
}

// collect adds a share to those that are held. The mesh may bring one that is held
// again, or another one under its ID.
func (b *Bridge) collect(p *mesh.Packet, opened keyring.Opened, id packet.ID) (fragment.Message, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := fragment.Key{ID: id, Channel: p.Type != mesh.Routed, Opened: opened.Channel}
	m, done, err := b.assembler.Add(key, fragment.Share{Index: opened.Index, Data: opened.Data, Body: opened.Body}, b.clock.now())
	if errors.Is(err, fragment.ErrMixed) {
		for i := range fragment.MaxShares { // neighbours may have better ones
			b.mesh.StoreFailed(shareID(id, i))
		}
	} else if !done {
		b.mesh.Ignored(p.ID)
	}
	return m, done, err
}

// ignore drops a packet that is no message of this node.
func (b *Bridge) ignore(id packet.ID, err error) {
	b.mu.Lock()
	b.mesh.Ignored(id)
	b.mu.Unlock()
	b.cfg.Log.Debug().Err(err).Stringer("id", id).Msg("message ignored")
}

// askForShares tells sources what has come of their messages, when the rest stays
// away. The caller holds mu.
func (b *Bridge) askForShares(now time.Time) (actions []mesh.Action) {
	if !b.up {
		return nil
	}
	for _, ask := range b.assembler.Due(now) {
		id, err := b.counter.Next(packet.LaneDirect, 1)
		if err != nil {
			b.noteFailure(fmt.Errorf("ask for the rest of message %v: %w", ask.ID, err))
			return actions
		}
		m, err := b.ring.SealQuiet(id, ask.ID.Source, packet.Payload{
			Port: packet.PortFragmentStatus, Body: fragment.AppendStatus(nil, ask.ID, ask.Held),
		})
		if err != nil {
			continue // its key was removed: nobody to ask
		}
		actions = append(actions, b.mesh.Tell(m, now)...)
	}
	return actions
}

// acceptStatus has the mesh send what the receiver of a message of ours lacks.
func (b *Bridge) acceptStatus(d mesh.Deliver, opened keyring.Opened) []mesh.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	actions := b.mesh.Stored(d.Packet.ID, now)
	id, held, err := fragment.ParseStatus(opened.Body, b.node)
	if err != nil {
		b.cfg.Log.Debug().Err(err).Stringer("id", d.Packet.ID).Msg("status ignored")
		return actions
	}
	return append(actions, b.mesh.Held(d.Packet.From, id, held.Has, now)...)
}
