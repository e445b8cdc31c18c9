package lora

import (
	"errors"
	"fmt"
	"math"
	"time"

	"lorrent/daemon/event"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/storage"
)

// receive takes in what the modem heard. What is not a packet of ours is
// counted, and that is all.
func (b *Bridge) receive(r modem.Received) []mesh.Action {
	p, err := mesh.DecodePlain(r.Packet)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.counters.bad++
		b.cfg.Log.Debug().Err(err).Int("bytes", len(r.Packet)).Msg("packet ignored")
		return nil
	}
	b.counters.received++
	return b.mesh.Receive(p, finite(r.RSSIdBm), finite(r.SNRdB), time.Now())
}

// deliver stores a text, publishes it, and only then lets the mesh acknowledge
// it. The store knows texts from before a restart: those are acknowledged
// again and published no more.
func (b *Bridge) deliver(d mesh.Deliver) []mesh.Action {
	p, now := d.Packet, time.Now()
	m := storage.Message{
		ID: p.ID.String(), From: p.From, To: p.To, Text: string(p.Payload), State: stateReceived,
		CreatedAt: now, UpdatedAt: now, RSSIdBm: d.RSSIdBm, SNRdB: d.SNRdB,
	}
	err := b.cfg.Store.AddMessage(&m)
	known := errors.Is(err, storage.ErrExists)
	if err != nil && !known {
		b.mu.Lock()
		b.mesh.StoreFailed(p.ID)
		b.mu.Unlock()
		b.fail(fmt.Errorf("store message %s: %w", m.ID, err))
		return nil
	}
	if !known {
		b.cfg.Events.Publish(event.MessageReceived{
			ID: m.ID, From: FormatNodeID(m.From), To: FormatNodeID(m.To), Text: m.Text,
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mesh.Stored(p.ID, now)
}

// finite is v, or 0 when the modem did not say.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
