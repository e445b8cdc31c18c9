package airtime

import (
	"errors"
	"fmt"
	"time"
)

// dipoleGain is the gain of the half-wave dipole that effective radiated power
// refers to, over the isotropic radiator of EIRP.
const dipoleGain = 2.15

// Band is a stretch of spectrum and what the law allows a station in it.
type Band struct {
	Name      string
	LowHz     uint32
	HighHz    uint32
	DutyCycle float64 // fraction of any hour, 1 for no limit
	// MaxEIRPdBm is the power that may be radiated, antenna gain included.
	MaxEIRPdBm float64
	// MaxConductedDBm is the power at the antenna's socket, 0 for no limit.
	MaxConductedDBm float64
	// DwellLimit is how long one transmission may last, 0 for no limit.
	DwellLimit time.Duration
	// MinBandwidthHz and MaxBandwidthHz of a channel, 0 for no limit.
	MinBandwidthHz, MaxBandwidthHz uint32
	// ListenBeforeTalk has to be done, whatever else is.
	ListenBeforeTalk bool
}

// EU868P is band P of the European 868 MHz range, 869.4 to 869.65 MHz: 500 mW
// ERP at a duty cycle of 10 %. It has room for one channel of 250 kHz.
func EU868P() Band {
	return Band{Name: "EU868 P", LowHz: 869_400_000, HighHz: 869_650_000, DutyCycle: 0.10, MaxEIRPdBm: 27 + dipoleGain}
}

// Contains says whether a channel lies within the band with its whole width.
func (b Band) Contains(centreHz, bandwidthHz uint32) bool {
	half := (uint64(bandwidthHz) + 1) / 2
	return uint64(centreHz) >= uint64(b.LowHz)+half && uint64(centreHz)+half <= uint64(b.HighHz)
}

// fits says whether the band's rules are for channels of that width.
func (b Band) fits(bandwidthHz uint32) bool {
	return bandwidthHz >= b.MinBandwidthHz && (b.MaxBandwidthHz == 0 || bandwidthHz <= b.MaxBandwidthHz)
}

// touches says whether a channel and the band have any spectrum in common.
func (b Band) touches(centreHz, bandwidthHz uint32) bool {
	half := (uint64(bandwidthHz) + 1) / 2
	return uint64(centreHz)+half > uint64(b.LowHz) && uint64(centreHz) < uint64(b.HighHz)+half
}

// Settings are those of a radio that decide what the law says to it.
type Settings struct {
	Params
	FrequencyHz    uint32 // centre of the channel
	TxPowerDBm     int    // at the antenna's socket
	AntennaGainDBi float64
}

// ErrForbidden means that the law of the region does not allow the settings,
// or the transmission.
var ErrForbidden = errors.New("not allowed in this region")

// check says what of the settings the band does not allow. The channel is
// known to lie in it and to fit.
func (b Band) check(s Settings) error {
	eirp := float64(s.TxPowerDBm) + s.AntennaGainDBi
	switch {
	case b.MaxConductedDBm > 0 && float64(s.TxPowerDBm) > b.MaxConductedDBm:
		return fmt.Errorf("%w: power %d dBm, %s allows %.1f", ErrForbidden, s.TxPowerDBm, b.Name, b.MaxConductedDBm)
	case !(eirp <= b.MaxEIRPdBm): // nor anything that is no number
		return fmt.Errorf("%w: %d dBm into %.1f dBi radiate %.1f dBm EIRP, %s allows %.2f",
			ErrForbidden, s.TxPowerDBm, s.AntennaGainDBi, eirp, b.Name, b.MaxEIRPdBm)
	case b.longest(s.Params) == 0:
		return fmt.Errorf("%w: an empty packet takes %v, %s allows %v", ErrForbidden, TimeOnAir(s.Params, 1), b.Name, b.DwellLimit)
	}
	return nil
}

// maxPacket is the longest packet that a LoRa radio sends.
const maxPacket = 255

// longest is the longest packet, in bytes, that keeps to the dwell limit; 0 if
// none does.
func (b Band) longest(p Params) int {
	size := maxPacket
	for b.DwellLimit > 0 && size > 0 && TimeOnAir(p, size) > b.DwellLimit {
		size--
	}
	return size
}
