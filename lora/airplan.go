package lora

import (
	"encoding/binary"
	"fmt"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
)

const (
	// settingAirtime keeps what was sent in the past hour: the moment when it was
	// written, and what airtime.Plan.Save returned.
	settingAirtime = "lora.airtime"

	// airtimeBlock is how much airtime is reserved with one write, ahead of use:
	// a crash costs this much, and never forgets what was sent.
	airtimeBlock = 2 * time.Second
)

// newPlan makes the plan of what may be sent, with what an earlier process sent.
func (b *Bridge) newPlan() error {
	region, err := airtime.RegionByName(b.cfg.Region)
	if err != nil {
		return err
	}
	b.plan = airtime.NewPlan(region, b.cfg.DutyLimit)
	kept, err := b.cfg.Store.Setting(settingAirtime)
	if err != nil {
		return fmt.Errorf("load airtime: %w", err)
	}
	if written, saved, ok := cutMoment(kept); ok {
		passed := time.Duration(min(float64(b.cfg.moment().since(written))*b.radio.speedup, float64(century)))
		if err := b.plan.Load(b.clock.now(), passed, saved); err != nil {
			return err
		}
	}
	if err := b.plan.Use(settingsOf(b.cfg.Settings)); err != nil {
		return err
	}
	// Boards with our own firmware keep these when we are gone, too.
	band, _ := b.plan.Band()
	b.cfg.Settings.DutyCycle, b.cfg.Settings.Dwell = b.plan.Budget().Hours(), band.DwellLimit
	return nil
}

// saveAirtime keeps what was sent, and reserves some airtime to be sent. The
// caller holds mu.
func (b *Bridge) saveAirtime(ahead time.Duration) error {
	data, err := b.plan.Save(b.clock.now(), ahead)
	if err == nil {
		err = b.cfg.Store.SetSetting(settingAirtime, append(b.cfg.moment().append(nil), data...))
	}
	if err != nil {
		return fmt.Errorf("keep airtime: %w", err)
	}
	b.ahead = ahead
	return nil
}

// reserveAirtime makes sure that a transmission counts even if the process
// dies while it is on the air.
func (b *Bridge) reserveAirtime(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ahead >= d {
		return
	}
	if err := b.saveAirtime(max(airtimeBlock, d)); err != nil {
		b.noteFailure(err)
	}
}

// budget is how long a packet has to wait. The mesh calls it with mu held.
func (b *Bridge) budget(t mesh.Transmit, now time.Time) time.Duration {
	b.plan.SetBusy(b.mesh.Busy(now))
	var wait time.Duration
	for _, part := range b.parts(t) {
		part.Airtime = t.Airtime // the whole of it has to fit
		w, err := b.plan.Allow(now, part)
		if err != nil {
			return airtime.Window // never, and nobody else has to wait for it
		}
		wait = max(wait, w)
	}
	return wait
}

// parts are a transmission by origin: a bundle has several.
func (b *Bridge) parts(t mesh.Transmit) []airtime.Transmission {
	part := airtime.Transmission{Airtime: t.Airtime, Class: airtime.Class(t.Priority), Origin: b.node}
	p := &t.Packet
	if p.Type == mesh.Bundle && len(p.Inner) > 0 {
		parts := make([]airtime.Transmission, len(p.Inner))
		for i := range p.Inner {
			parts[i] = part
			parts[i].Airtime /= time.Duration(len(p.Inner))
			if p.Inner[i].Type != mesh.Ack {
				parts[i].Origin = b.origin(p.Inner[i].From)
			}
		}
		return parts
	}
	switch p.Type {
	case mesh.Flood, mesh.Routed, mesh.Beacon, mesh.Card:
		part.Origin = b.origin(p.From)
	}
	return []airtime.Transmission{part}
}

// origin is to whom something by a source is charged.
func (b *Bridge) origin(source uint32) uint32 {
	if _, known := b.ring.Public(source); source == b.node || known || b.mesh.Knows(source) {
		return source
	}
	return airtime.Stranger
}

// timing is how the board, if it can, waits for the channel. What others send often
// enough meanwhile it drops by itself.
func timing(t mesh.Transmit) modem.Timing {
	w := modem.Timing{Slots: t.Slots, Copies: t.Copies}
	binary.BigEndian.PutUint32(w.Key[:], t.Packet.ID.Source)
	binary.BigEndian.PutUint16(w.Key[4:], t.Packet.ID.Epoch)
	w.Key[6] = byte(t.Packet.ID.Sequence >> 16)
	binary.BigEndian.PutUint16(w.Key[7:], uint16(t.Packet.ID.Sequence))
	return w
}

// noteSent counts the outcome of a transmission and returns how many in a row
// have failed.
func (b *Bridge) noteSent(err error, failures int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.counters.sent++
		return 0
	}
	if neverSent(err) {
		return failures // the board decided so
	}
	b.cfg.Log.Warn().Err(err).Msg("packet not sent")
	return failures + 1
}

// afterSend tells the mesh. The airtime counts even when the modem reports a
// failure, since it may have come after the fact, unless nothing was sent for sure.
func (b *Bridge) afterSend(err error) []mesh.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	if neverSent(err) {
		return b.mesh.SendFailed(now)
	}
	for _, part := range b.parts(b.onAir) {
		b.plan.Record(now, part)
	}
	b.ahead -= b.onAir.Airtime
	if err != nil {
		return b.mesh.SendFailed(now)
	}
	return b.mesh.Sent(now)
}
