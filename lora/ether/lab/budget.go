package lab

import (
	"fmt"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/mesh"
)

// law is where a network with that duty cycle would be allowed: in Europe up to
// one percent and up to ten, else where there is no limit.
func (cfg *Config) law() (airtime.Region, airtime.Settings, error) {
	name, hz := "BR902", uint32(905_000_000)
	switch {
	case cfg.Duty > 0 && cfg.Duty <= 0.01:
		name, hz = "EU868", 868_300_000
	case cfg.Duty > 0 && cfg.Duty <= 0.1:
		name, hz = "EU868", 869_525_000
	}
	region, err := airtime.RegionByName(name)
	if err != nil {
		return region, airtime.Settings{}, err
	}
	return region, airtime.Settings{Params: cfg.Preset.Params, FrequencyHz: hz, TxPowerDBm: 14}, nil
}

// checkLaw makes sure that newPlan will find one.
func (cfg *Config) checkLaw() error {
	region, settings, err := cfg.law()
	if err == nil {
		_, err = region.Check(settings)
	}
	if err != nil {
		return fmt.Errorf("duty %v: %w", cfg.Duty, err)
	}
	return nil
}

// newPlan is what a node may transmit. Run has checked that there is a law.
func (w *world) newPlan() *airtime.Plan {
	region, settings, _ := w.law()
	plan := airtime.NewPlan(region, w.Duty)
	_ = plan.Use(settings)
	return plan
}

// budget is how long a packet has to wait, as in the daemon.
func (s *meshed) budget(t mesh.Transmit, now time.Time) time.Duration {
	if s.world.loose {
		return 0
	}
	s.airplan.SetBusy(s.mesh.Busy(now))
	var wait time.Duration
	for _, part := range s.parts(&t) {
		part.Airtime = t.Airtime
		w, err := s.airplan.Allow(now, part)
		if err != nil {
			return airtime.Window
		}
		wait = max(wait, w)
	}
	return wait
}

// record enters what has just left the antenna.
func (s *meshed) record() {
	if s.onAir == nil {
		return
	}
	for _, part := range s.parts(s.onAir) {
		s.airplan.Record(s.now(), part)
	}
	s.onAir = nil
}

// parts are a transmission by origin: a bundle has several. Who was never heard
// of is a stranger.
func (s *meshed) parts(t *mesh.Transmit) []airtime.Transmission {
	part := airtime.Transmission{Airtime: t.Airtime, Class: airtime.Class(t.Priority), Origin: nodeID(s.node)}
	p := &t.Packet
	switch p.Type {
	case mesh.Bundle:
		parts := make([]airtime.Transmission, len(p.Inner))
		for i := range p.Inner {
			parts[i] = part
			parts[i].Airtime /= time.Duration(len(p.Inner))
			if p.Inner[i].Type != mesh.Ack {
				parts[i].Origin = s.origin(p.Inner[i].From)
			}
		}
		return parts
	case mesh.Flood, mesh.Routed, mesh.Beacon:
		part.Origin = s.origin(p.From)
	}
	return []airtime.Transmission{part}
}

func (s *meshed) origin(source uint32) uint32 {
	if source == nodeID(s.node) || s.mesh.Knows(source) {
		return source
	}
	return airtime.Stranger
}
