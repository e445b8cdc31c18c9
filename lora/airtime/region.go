package airtime

import (
	"fmt"
	"strings"
	"time"
)

// Region is the law of a place, as far as it concerns stations like ours.
//
// The tables are a help, not legal advice: they were put together from ERC
// Recommendation 70-03 and ETSI EN 300 220-2 (Europe), 47 CFR 15.247 (United
// States), the LoRaWAN regional parameters and what firmware of the field
// uses. Rules change; whoever transmits answers for it. Where sources differ,
// the stricter one is here.
type Region struct {
	Name  string
	Bands []Band
}

const (
	milliwatt25 = 14 + dipoleGain // ERP, as EIRP in dBm
	dwell400    = 400 * time.Millisecond
)

// Regions lists the regions known here, by name.
func Regions() []Region {
	return []Region{
		// LoRaWAN parameters: 16 dBm EIRP, 400 ms, and a duty cycle of 1 % where
		// there is any.
		{"AS923", []Band{{Name: "AS923", LowHz: 915_000_000, HighHz: 928_000_000, DutyCycle: 0.01, MaxEIRPdBm: 16, DwellLimit: dwell400}}},
		{"AU915", []Band{{Name: "AU915", LowHz: 915_000_000, HighHz: 928_000_000, DutyCycle: 1, MaxEIRPdBm: 30, DwellLimit: dwell400}}},
		{"BR902", []Band{{Name: "BR902", LowHz: 902_000_000, HighHz: 907_500_000, DutyCycle: 1, MaxEIRPdBm: 30}}},
		{"CN470", []Band{{Name: "CN470", LowHz: 470_000_000, HighHz: 510_000_000, DutyCycle: 1, MaxEIRPdBm: 19}}},
		{"EU433", []Band{{Name: "EU433", LowHz: 433_050_000, HighHz: 434_790_000, DutyCycle: 0.10, MaxEIRPdBm: 10 + dipoleGain}}},
		// The gaps at 868.6 to 868.7 and 869.2 to 869.4 MHz belong to alarms. The
		// four channels of 500 mW in L are for network access points, not for us.
		{"EU868", []Band{
			{Name: "EU868 K", LowHz: 863_000_000, HighHz: 865_000_000, DutyCycle: 0.001, MaxEIRPdBm: milliwatt25},
			{Name: "EU868 L", LowHz: 865_000_000, HighHz: 868_000_000, DutyCycle: 0.01, MaxEIRPdBm: milliwatt25},
			{Name: "EU868 M", LowHz: 868_000_000, HighHz: 868_600_000, DutyCycle: 0.01, MaxEIRPdBm: milliwatt25},
			{Name: "EU868 N", LowHz: 868_700_000, HighHz: 869_200_000, DutyCycle: 0.001, MaxEIRPdBm: milliwatt25},
			EU868P(),
			{Name: "EU868 R, 5 mW", LowHz: 869_700_000, HighHz: 870_000_000, DutyCycle: 1, MaxEIRPdBm: 7 + dipoleGain},
			{Name: "EU868 R, 25 mW", LowHz: 869_700_000, HighHz: 870_000_000, DutyCycle: 0.01, MaxEIRPdBm: milliwatt25},
		}},
		{"IN865", []Band{{Name: "IN865", LowHz: 865_000_000, HighHz: 867_000_000, DutyCycle: 1, MaxEIRPdBm: 30}}},
		{"JP920", []Band{{Name: "JP920", LowHz: 920_500_000, HighHz: 923_500_000, DutyCycle: 0.01, MaxEIRPdBm: 13, DwellLimit: dwell400, ListenBeforeTalk: true}}},
		{"KR920", []Band{
			{Name: "KR920 low", LowHz: 920_900_000, HighHz: 922_100_000, DutyCycle: 1, MaxEIRPdBm: 10, ListenBeforeTalk: true},
			{Name: "KR920 high", LowHz: 922_100_000, HighHz: 923_300_000, DutyCycle: 1, MaxEIRPdBm: 14, ListenBeforeTalk: true},
		}},
		{"RU868", []Band{{Name: "RU868", LowHz: 868_700_000, HighHz: 869_200_000, DutyCycle: 1, MaxEIRPdBm: 20, ListenBeforeTalk: true}}},
		{"SG917", []Band{{Name: "SG917", LowHz: 917_000_000, HighHz: 925_000_000, DutyCycle: 1, MaxEIRPdBm: 20}}},
		{"TH920", []Band{{Name: "TH920", LowHz: 920_000_000, HighHz: 925_000_000, DutyCycle: 1, MaxEIRPdBm: 27}}},
		{"TW920", []Band{{Name: "TW920", LowHz: 920_000_000, HighHz: 925_000_000, DutyCycle: 1, MaxEIRPdBm: 27}}},
		// Below 500 kHz stations hop between channels and stay at most 400 ms on
		// one. We keep to the 400 ms; we do not hop.
		{"US915", []Band{
			{Name: "US915, narrow", LowHz: 902_000_000, HighHz: 928_000_000, DutyCycle: 1, MaxEIRPdBm: 36, MaxConductedDBm: 30, MaxBandwidthHz: 499_999, DwellLimit: dwell400},
			{Name: "US915, wide", LowHz: 902_000_000, HighHz: 928_000_000, DutyCycle: 1, MaxEIRPdBm: 36, MaxConductedDBm: 30, MinBandwidthHz: 500_000},
		}},
	}
}

// RegionByName finds a region, in either case.
func RegionByName(name string) (Region, error) {
	var known []string
	for _, r := range Regions() {
		if strings.EqualFold(r.Name, name) {
			return r, nil
		}
		known = append(known, r.Name)
	}
	return Region{}, fmt.Errorf("region %q: want one of %s", name, strings.Join(known, ", "))
}

// Check returns the band whose rules apply to the settings: of those that
// allow them, the one with the largest duty cycle. The error is ErrForbidden
// and says what is wrong.
func (r Region) Check(s Settings) (Band, error) {
	i, err := r.find(s)
	if err != nil {
		return Band{}, err
	}
	return r.Bands[i], nil
}

func (r Region) find(s Settings) (int, error) {
	if TimeOnAir(s.Params, 1) == 0 || s.CodingRate < 5 || s.CodingRate > 8 || s.PreambleSymbols < 0 {
		return 0, fmt.Errorf("%w: no radio has bandwidth %d Hz, SF%d, coding rate 4/%d, %d symbols of preamble",
			ErrForbidden, s.BandwidthHz, s.SpreadingFactor, s.CodingRate, s.PreambleSymbols)
	}
	best := -1
	err := fmt.Errorf("%w: %.3f MHz with a bandwidth of %d Hz lies in no band of %s",
		ErrForbidden, float64(s.FrequencyHz)/1e6, s.BandwidthHz, r.Name)
	for i, b := range r.Bands {
		if !b.Contains(s.FrequencyHz, s.BandwidthHz) || !b.fits(s.BandwidthHz) {
			continue
		}
		if errBand := b.check(s); errBand != nil {
			err = errBand
		} else if best < 0 || b.DutyCycle > r.Bands[best].DutyCycle {
			best = i
		}
	}
	if best < 0 {
		return 0, err
	}
	return best, nil
}
