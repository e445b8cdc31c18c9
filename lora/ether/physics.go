package ether

import (
	"math"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/modem"
)

// Position is where a station stands, in metres on a plane.
type Position struct{ X, Y float64 }

const (
	lossAtOneMetredB = 31.2 // free space at 868 MHz
	lossPerDecadedB  = 30.0 // suburban, antennas near the ground
	noiseFiguredB    = 6.0
	capturedB        = 6.0 // by which the stronger of two packets must lead
	sensedB          = 3.0 // below the limit of reception, a carrier is still seen
)

// snrLimitdB is the SNR a receiver needs, for spreading factors 5 to 12.
var snrLimitdB = [...]float64{-2.5, -5, -7.5, -10, -12.5, -15, -17.5, -20}

// TimeOnAir is how long a packet of so many bytes takes with these settings,
// explicit header and CRC on; zero when no radio works so.
func TimeOnAir(r modem.Radio, bytes int) time.Duration {
	return airtime.TimeOnAir(r.Airtime(), bytes)
}

// strength is how a transmission with settings r arrives over a distance.
func strength(r modem.Radio, from, to Position) (rssi, snr float64) {
	metres := max(math.Hypot(from.X-to.X, from.Y-to.Y), 1)
	rssi = float64(r.TxPowerDBm) - lossAtOneMetredB - lossPerDecadedB*math.Log10(metres)
	return rssi, rssi - noisedBm(r.BandwidthHz)
}

// Range is how many metres a transmission is received over at most.
func Range(r modem.Radio) float64 {
	limit := noisedBm(r.BandwidthHz) + snrLimitdB[min(max(r.SpreadingFactor, 5), 12)-5]
	return math.Pow(10, (float64(r.TxPowerDBm)-lossAtOneMetredB-limit)/lossPerDecadedB)
}

// noisedBm is how strong nothing is.
func noisedBm(bandwidthHz uint32) float64 {
	return -174 + 10*math.Log10(float64(max(bandwidthHz, 1))) + noiseFiguredB
}

// sameChannel says whether a radio with settings a hears one with settings b.
func sameChannel(a, b modem.Radio) bool {
	return a.FrequencyHz == b.FrequencyHz && a.BandwidthHz == b.BandwidthHz &&
		a.SpreadingFactor == b.SpreadingFactor && a.SyncWord == b.SyncWord
}
