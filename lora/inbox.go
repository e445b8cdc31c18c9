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
	if err == nil && p.Type == mesh.Routed && uint16(p.To) == b.short() && p.From != b.node {
		err = b.claim(&p, r)
	}
	if err != nil {
		b.counters.bad++
		b.cfg.Log.Debug().Err(err).Int("bytes", len(r.Packet)).Msg("packet ignored")
		return nil
	}
	b.counters.received++
	return b.mesh.Receive(p, finite(r.RSSIdBm), finite(r.SNRdB), b.clock.now())
}

// claim takes a direct message with our short id as ours, if our key opens it.
// Of an unknown sender it asks who that is, and keeps the message until it
// knows; one of another node with the same short id goes on. The caller holds
// mu.
func (b *Bridge) claim(p *mesh.Packet, r modem.Received) error {
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
	if opened.Port == packet.PortRead {
		return b.acceptRead(d, opened)
	}
	return b.accept(d, opened)
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
	known := opened.Port == packet.PortText || p.Type == mesh.Routed && (opened.Port == packet.PortPing || opened.Port == packet.PortRead)
	if !known || p.Fragment {
		return opened, fmt.Errorf("%w: port %d, fragment %v", packet.ErrForeign, opened.Port, p.Fragment)
	}
	return opened, nil
}

// accept stores a text, publishes it, and only then lets the mesh acknowledge
// it. The store knows texts from before a restart: those are acknowledged
// again and published no more.
func (b *Bridge) accept(d mesh.Deliver, opened keyring.Opened) []mesh.Action {
	p := d.Packet
	now := time.Now()
	m := storage.Message{
		ID: p.ID.String(), From: p.From, To: p.To, Channel: opened.Channel, Text: string(opened.Body), State: stateReceived,
		CreatedAt: now, UpdatedAt: now, RSSIdBm: d.RSSIdBm, SNRdB: d.SNRdB,
	}
	window, windows, err := b.window(p, opened)
	if err == nil {
		err = b.cfg.Store.AddMessage(&m, windows...)
	}
	known := errors.Is(err, storage.ErrExists)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && !known {
		b.mesh.StoreFailed(p.ID)
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
	return b.mesh.Stored(p.ID, b.clock.now())
}

// finite is v, or 0 when the modem did not say.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
