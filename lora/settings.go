package lora

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lorrent/lora/airtime"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
)

// RadioSettings are those of all nodes of a network in a region. The channel is
// "MHZ/KHZ/SF": centre frequency, bandwidth and spreading factor, such as
// "869.525/250/9"; an empty one is the region's default. The power is 14 dBm, or the
// most that the law allows below that. The error is airtime.ErrForbidden when it
// does not allow the channel.
func RadioSettings(region, channel string) (modem.Radio, error) {
	law, err := airtime.RegionByName(region)
	if err != nil {
		return modem.Radio{}, err
	}
	if channel == "" {
		return defaultSettings(law)
	}
	parts := strings.Split(channel, "/")
	var numbers [3]float64
	for i := range numbers {
		if err == nil && i < len(parts) {
			numbers[i], err = strconv.ParseFloat(parts[i], 64)
		}
	}
	sf := numbers[2]
	if err != nil || len(parts) != 3 || !(numbers[0] >= 100 && numbers[0] <= 3000) || !(numbers[1] >= 7 && numbers[1] <= 500) ||
		sf != math.Trunc(sf) || sf < 5 || sf > 12 {
		return modem.Radio{}, fmt.Errorf("channel %q: want MHZ/KHZ/SF, such as 869.525/250/9", channel)
	}
	r, err := settingsAt(law, uint32(math.Round(numbers[0]*1e6)), uint32(math.Round(numbers[1]*1000)), int(sf))
	if err != nil {
		return modem.Radio{}, fmt.Errorf("channel %q: %w", channel, err)
	}
	return r, nil
}

// defaultSettings is SF9 at 250 kHz in band P of EU868, and elsewhere in the middle of
// the first band that allows it, or else the next lower bandwidth.
func defaultSettings(law airtime.Region) (modem.Radio, error) {
	if law.Name == "EU868" {
		return settingsAt(law, 869_525_000, 250_000, 9)
	}
	var last error
	for _, bandwidthHz := range []uint32{250_000, 125_000, 500_000} {
		for _, b := range law.Bands {
			r, err := settingsAt(law, b.LowHz+(b.HighHz-b.LowHz)/2, bandwidthHz, 9)
			if err == nil {
				return r, nil
			}
			last = err
		}
	}
	return modem.Radio{}, last
}

// settingsAt finds the power.
func settingsAt(law airtime.Region, frequencyHz, bandwidthHz uint32, spreadingFactor int) (modem.Radio, error) {
	r := modem.Radio{
		FrequencyHz: frequencyHz, BandwidthHz: bandwidthHz, SpreadingFactor: spreadingFactor, CodingRate: 5,
		PreambleSymbols: packet.Preamble(spreadingFactor), SyncWord: 0x12, TxPowerDBm: 14,
	}
	for {
		_, err := law.Check(settingsOf(r))
		if err == nil || r.TxPowerDBm == 0 {
			return r, err
		}
		r.TxPowerDBm--
	}
}

// settingsOf is what the law asks of a radio.
func settingsOf(r modem.Radio) airtime.Settings {
	return airtime.Settings{Params: r.Airtime(), FrequencyHz: r.FrequencyHz, TxPowerDBm: r.TxPowerDBm}
}
