package lora

import (
	"errors"
	"fmt"
	"math"
	"time"

	"lorrent/daemon/event"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// receive takes in what the modem heard. What is not a packet of ours is
// counted, and that is all.
func (b *Bridge) receive(r modem.Received) []mesh.Action {
	p, err := mesh.Decode(r.Packet)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		err = b.claim(&p, r)
	}
	if err != nil {
		b.counters.bad++
		b.cfg.Log.Debug().Err(err).Int("bytes", len(r.Packet)).Msg("packet ignored")
		return nil
	}
	claimed := p.Inner[:0]
	for _, inner := range p.Inner {
		if b.claim(&inner, r) == nil {
			claimed = append(claimed, inner)
		}
	}
	p.Inner = claimed
	b.counters.received++
	return b.mesh.Receive(p, finite(r.RSSIdBm), finite(r.SNRdB), b.clock.now())
}

// claim takes a direct message with our short id as ours, if our key opens it.
// Of an unknown sender it asks who that is, and keeps the message until it
// knows; one of another node with the same short id goes on. Anything else it
// leaves as it is. The caller holds mu.
func (b *Bridge) claim(p *mesh.Packet, r modem.Received) error {
	if p.Type != mesh.Routed || uint16(p.To) != b.short() || p.From == b.node {
		return nil
	}
	err := b.ring.Claim(p)
	switch {
	case err == nil:
		b.knowsUs(p.From)
	case errors.Is(err, keyring.ErrUnknown):
		b.ask(p.From)
		b.keepUnopened(p, finite(r.RSSIdBm), finite(r.SNRdB))
		if p.Next == mesh.Anybody {
			return nil
		}
	case errors.Is(err, packet.ErrForged) && p.Next == mesh.Anybody:
		b.counters.forged++
		return nil
	case errors.Is(err, packet.ErrForged):
		b.counters.forged++
	}
	return err
}

// deliver takes over what the mesh brings: a card, or a message.
func (b *Bridge) deliver(d mesh.Deliver) []mesh.Action {
	if d.Packet.Type == mesh.Card {
		return b.deliverCard(&d.Packet)
	}
	if d.Packet.Fragment {
		return b.deliverShare(d)
	}
	b.mu.Lock()
	opened, err := b.openMessage(&d.Packet)
	if err != nil {
		// Of a channel that is not ours, a forgery, or something for a later
		// version: the next one under this ID may be better.
		b.mesh.Ignored(d.Packet.ID)
		b.mu.Unlock()
		b.cfg.Log.Debug().Err(err).Stringer("id", d.Packet.ID).Msg("message ignored")
		return nil
	}
	if opened.Port == packet.PortPing {
		defer b.mu.Unlock()
		return b.mesh.Stored(d.Packet.ID, b.clock.now())
	}
	b.mu.Unlock()
	switch opened.Port {
	case packet.PortRead:
		return b.acceptRead(d, opened)
	case packet.PortFragmentStatus:
		return b.acceptStatus(d, opened)
	}
	return b.accept(d, opened, d.Packet.ID)
}

// openMessage opens a message and says whether it is of a kind that we know. The
// caller holds mu.
func (b *Bridge) openMessage(p *mesh.Packet) (keyring.Opened, error) {
	open := b.ring.OpenChannel
	if p.Type == mesh.Routed {
		open = b.ring.OpenDirect
	}
	opened, err := open(p)
	if err != nil {
		return opened, err
	}
	switch {
	case p.Fragment, opened.Port == packet.PortText:
	case p.Type == mesh.Routed && (opened.Port == packet.PortPing || opened.Port == packet.PortRead || opened.Port == packet.PortFragmentStatus):
	default:
		return opened, fmt.Errorf("%w: port %d", packet.ErrForeign, opened.Port)
	}
	return opened, nil
}

// accept stores a text, publishes it, and only then lets the mesh acknowledge
// it. The store knows texts from before a restart: those are acknowledged
// again and published no more. Of a message in fragments the ID is not that of the
// packet, which brought the last of them.
func (b *Bridge) accept(d mesh.Deliver, opened keyring.Opened, id packet.ID) []mesh.Action {
	p, arrived := d.Packet, d.Packet.ID
	p.ID = id
	now := time.Now()
	m := storage.Message{
		ID: p.ID.String(), From: p.From, To: p.To, Channel: opened.Channel, Text: string(opened.Body), State: stateReceived,
		CreatedAt: now, UpdatedAt: now, RSSIdBm: d.RSSIdBm, SNRdB: d.SNRdB, DataShares: int(opened.Data),
	}
	window, windows, err := b.window(p, opened)
	if err == nil {
		err = b.cfg.Store.AddMessage(&m, windows...)
	}
	known := errors.Is(err, storage.ErrExists)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && !known {
		b.mesh.StoreFailed(arrived)
		b.noteFailure(fmt.Errorf("store message %s: %w", m.ID, err))
		return nil
	}
	if !known {
		if window != nil {
			b.windows[window.name] = window.replay
		}
		b.cfg.Events.Publish(event.MessageReceived{
			ID: m.ID, From: FormatNodeID(m.From), To: FormatNodeID(m.To), Channel: b.channelName(m.Channel), Text: m.Text,
			Late: window != nil && window.verdict != packet.Fresh,
		})
		if p.Type == mesh.Routed {
			if err := b.remember(opened.Peer); err != nil {
				b.noteFailure(fmt.Errorf("keep key of %s: %w", FormatNodeID(p.From), err))
			}
		}
	}
	return b.mesh.Stored(arrived, b.clock.now())
}

// finite is v, or 0 when the modem did not say.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
