package lora

import (
	"errors"
	"testing"

	"lorrent/lora/airtime"
	"lorrent/lora/modem"
)

func TestRadioSettings(t *testing.T) {
	for _, law := range airtime.Regions() {
		r, err := RadioSettings(law.Name, "")
		if err != nil || r.SpreadingFactor != 9 || r.BandwidthHz < 125_000 {
			t.Errorf("%s: %+v, %v", law.Name, r, err)
			continue
		}
		if _, err := law.Check(settingsOf(r)); err != nil {
			t.Errorf("%s: the default is forbidden: %v", law.Name, err)
		}
		s := newStation(t, nil, func(c *Config) { c.Region = law.Name })
		if got := s.Status(); got.FrequencyHz != r.FrequencyHz {
			t.Errorf("%s: a bridge uses %+v, want %+v", law.Name, got, r)
		}
	}
	want := modem.Radio{
		FrequencyHz: 915_000_000, BandwidthHz: 500_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14,
	}
	if got, err := RadioSettings("us915", "915/500/7"); err != nil || got != want {
		t.Errorf("US915: %+v, %v", got, err)
	}
	if got, err := RadioSettings("KR920", "921.5/125/10"); err != nil || got.TxPowerDBm != 10 || got.PreambleSymbols != 8 {
		t.Errorf("KR920: %+v, %v; want what the law allows, and eight symbols of preamble", got, err)
	}
	for _, channel := range []string{"915", "915/500", "915/500/7/1", "a/b/c", "NaN/500/7", "915/NaN/7", "915/500/NaN", "915/500/7.5", "915/500/13", "1e9/500/7", "915/1000/7"} {
		if r, err := RadioSettings("US915", channel); err == nil || errors.Is(err, airtime.ErrForbidden) {
			t.Errorf("%q: %+v, %v; want it refused as nonsense", channel, r, err)
		}
	}
	for region, channel := range map[string]string{"EU868": "869.525/500/7", "US915": "869.525/250/9"} {
		if r, err := RadioSettings(region, channel); !errors.Is(err, airtime.ErrForbidden) {
			t.Errorf("%s %q: %+v, %v; want ErrForbidden", region, channel, r, err)
		}
	}
	if _, err := RadioSettings("Atlantis", ""); err == nil {
		t.Error("no such region")
	}
}
