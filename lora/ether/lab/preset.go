package lab

import (
	"fmt"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/packet"
)

// Preset is a setting of all radios of a network.
type Preset struct {
	Name           string
	Params         airtime.Params
	SensitivitydBm float64 // the weakest power that is received
}

// ParsePreset reads "SF11/250" or "SF9/250".
func ParsePreset(name string) (Preset, error) {
	p := Preset{Name: name, Params: airtime.Params{BandwidthHz: 250_000, CodingRate: 5, PreambleSymbols: 16}}
	switch name {
	case "SF11/250":
		p.Params.SpreadingFactor, p.SensitivitydBm = 11, -131.5
	case "SF9/250":
		p.Params.SpreadingFactor, p.SensitivitydBm = 9, -126.5
	default:
		return Preset{}, fmt.Errorf("preset %q: want SF11/250 or SF9/250", name)
	}
	return p, nil
}

// of is the preset with the preamble of those who run a policy: the baseline's is that
// of its publication.
func (p Preset) of(policy string) Preset {
	if policy != "fw28" {
		p.Params.PreambleSymbols = packet.Preamble(p.Params.SpreadingFactor)
	}
	return p
}

// slot is what a carrier sense needs to see a transmission: two and a half
// symbols of detection and the turnaround of radio and processor.
func (p Preset) slot() time.Duration {
	return p.Params.SymbolTime()*5/2 + 7600*time.Microsecond
}

func (p Preset) timeOnAir(bytes int) time.Duration { return airtime.TimeOnAir(p.Params, bytes) }
