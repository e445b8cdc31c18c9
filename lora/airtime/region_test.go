package airtime

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func settings(mhz float64, bandwidth uint32, sf, power int) Settings {
	return Settings{
		Params:      Params{BandwidthHz: bandwidth, SpreadingFactor: sf, CodingRate: 5, PreambleSymbols: 16},
		FrequencyHz: uint32(mhz*1e6 + 0.5), TxPowerDBm: power,
	}
}

func TestRegionCheck(t *testing.T) {
	gain := func(s Settings, dBi float64) Settings { s.AntennaGainDBi = dBi; return s }
	tests := []struct {
		name   string
		region string
		s      Settings
		band   string // that applies
		err    string // or part of what is wrong
	}{
		{"P whole", "EU868", settings(869.525, 250_000, 9, 27), "EU868 P", ""},
		{"P with a dipole", "EU868", gain(settings(869.525, 250_000, 9, 27), 2.15), "EU868 P", ""},
		{"P with a better antenna", "EU868", gain(settings(869.525, 250_000, 9, 27), 3), "", "30.0 dBm EIRP"},
		{"P too strong", "EU868", settings(869.525, 250_000, 9, 30), "", "EU868 P allows 29.15"},
		{"P off centre", "EU868", settings(869.53, 250_000, 9, 14), "", "lies in no band of EU868"},
		{"K", "EU868", settings(864, 125_000, 9, 14), "EU868 K", ""},
		{"L", "EU868", settings(866, 125_000, 9, 14), "EU868 L", ""},
		{"M", "EU868", settings(868.3, 125_000, 9, 14), "EU868 M", ""},
		{"M strong", "EU868", settings(868.3, 125_000, 9, 17), "", "17.0 dBm EIRP"},
		{"alarms", "EU868", settings(868.65, 62_500, 9, 0), "", "lies in no band"},
		{"from M into alarms", "EU868", settings(868.6, 125_000, 9, 0), "", "lies in no band"},
		{"N", "EU868", settings(869, 125_000, 9, 14), "EU868 N", ""},
		{"more alarms", "EU868", settings(869.3, 62_500, 9, 0), "", "lies in no band"},
		{"R weak", "EU868", settings(869.85, 125_000, 9, 7), "EU868 R, 5 mW", ""},
		{"R strong", "EU868", settings(869.85, 125_000, 9, 14), "EU868 R, 25 mW", ""},
		{"433", "EU433", settings(434.5, 125_000, 9, 12), "EU433", ""},
		{"433 strong", "EU433", settings(434.5, 125_000, 9, 13), "", "EU433 allows 12.15"},
		{"US narrow", "US915", settings(906.875, 250_000, 9, 30), "US915, narrow", ""},
		{"US narrow with 6 dBi", "US915", gain(settings(906.875, 250_000, 9, 30), 6), "US915, narrow", ""},
		{"US narrow with 7 dBi", "US915", gain(settings(906.875, 250_000, 9, 30), 7), "", "37.0 dBm EIRP"},
		{"US weak antenna, strong radio", "US915", gain(settings(906.875, 250_000, 9, 31), -3), "", "power 31 dBm"},
		{"US wide", "US915", settings(906.875, 500_000, 12, 30), "US915, wide", ""},
		{"US narrow, too slow for a byte", "US915", settings(906.875, 125_000, 12, 20), "", "narrow allows 400ms"},
		{"AU", "AU915", settings(917, 250_000, 9, 30), "AU915", ""},
		{"AS", "AS923", settings(923.2, 125_000, 9, 16), "AS923", ""},
		{"JP", "JP920", settings(921, 125_000, 9, 14), "", "JP920 allows 13"},
		{"KR low", "KR920", settings(921.5, 125_000, 9, 10), "KR920 low", ""},
		{"KR low, too strong", "KR920", settings(921.5, 125_000, 9, 14), "", "KR920 low allows 10"},
		{"KR high", "KR920", settings(922.5, 125_000, 9, 14), "KR920 high", ""},
		{"KR across", "KR920", settings(922.1, 125_000, 9, 10), "", "lies in no band"},
		{"IN", "IN865", settings(866, 250_000, 9, 30), "IN865", ""},
		{"CN", "CN470", settings(490, 125_000, 9, 19), "CN470", ""},
		{"RU", "RU868", settings(868.9, 125_000, 9, 20), "RU868", ""},
		{"SG", "SG917", settings(920, 125_000, 9, 20), "SG917", ""},
		{"TH", "TH920", settings(922, 125_000, 9, 27), "TH920", ""},
		{"TW", "TW920", settings(922, 125_000, 9, 27), "TW920", ""},
		{"BR", "BR902", settings(905, 125_000, 9, 30), "BR902", ""},
		{"wrong continent", "EU868", settings(915, 125_000, 9, 10), "", "915.000 MHz"},
		{"no bandwidth", "EU868", settings(869.525, 0, 9, 10), "", "no radio"},
		{"no spreading factor", "EU868", settings(869.525, 125_000, 13, 10), "", "no radio"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			region, err := RegionByName(test.region)
			if err != nil {
				t.Fatal(err)
			}
			band, err := region.Check(test.s)
			if test.err == "" && (err != nil || band.Name != test.band) {
				t.Errorf("Check() = %q, %v, want %q", band.Name, err, test.band)
			}
			if test.err != "" && (!errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("Check() = %q, %v, want an error with %q", band.Name, err, test.err)
			}
		})
	}
	// Of two bands that allow the settings the better one applies.
	for _, cycles := range [][2]float64{{0.01, 0.1}, {0.1, 0.01}} {
		r := Region{"X", []Band{
			{Name: "X 1", LowHz: 868_000_000, HighHz: 869_000_000, DutyCycle: cycles[0], MaxEIRPdBm: 14},
			{Name: "X 2", LowHz: 868_000_000, HighHz: 869_000_000, DutyCycle: cycles[1], MaxEIRPdBm: 14},
		}}
		if band, err := r.Check(settings(868.5, 125_000, 9, 14)); err != nil || band.DutyCycle != 0.1 {
			t.Errorf("of %v the band with %v applies, %v", cycles, band.DutyCycle, err)
		}
	}
	odd := settings(869.525, 250_000, 9, 14)
	for _, rate := range []int{4, 9} {
		odd.CodingRate = rate
		if _, err := Regions()[5].Check(odd); !errors.Is(err, ErrForbidden) {
			t.Errorf("coding rate 4/%d: %v, want ErrForbidden", rate, err)
		}
	}
}

// What fits into 400 ms.
func TestDwell(t *testing.T) {
	tests := []struct {
		name      string
		bandwidth uint32
		sf        int
		bytes     int
	}{
		{"SF7/250", 250_000, 7, 255},
		{"SF9/250", 250_000, 9, 147},
		{"SF9/125", 125_000, 9, 57},
		{"SF10/250", 250_000, 10, 64},
		{"SF11/250", 250_000, 11, 22},
		{"SF11/500", 500_000, 11, 255}, // another rule
	}
	region, err := RegionByName("us915")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := NewPlan(region, 0)
			if p.MaxPacket() != 0 {
				t.Errorf("MaxPacket() before Use = %d, want 0", p.MaxPacket())
			}
			if err := p.Use(settings(915, test.bandwidth, test.sf, 20)); err != nil {
				t.Fatal(err)
			}
			if got := p.MaxPacket(); got != test.bytes {
				t.Errorf("MaxPacket() = %d, want %d", got, test.bytes)
			}
			if wait, err := p.Allow(start(), Transmission{Airtime: p.TimeOnAir(test.bytes)}); wait != 0 || err != nil {
				t.Errorf("Allow(%d bytes) = %v, %v", test.bytes, wait, err)
			}
			if test.bytes == maxPacket {
				return
			}
			if _, err := p.Allow(start(), Transmission{Airtime: p.TimeOnAir(test.bytes + 1)}); !errors.Is(err, ErrForbidden) {
				t.Errorf("Allow(%d bytes) = %v, want ErrForbidden", test.bytes+1, err)
			}
		})
	}
}

// The tables make sense, whatever is added to them.
func TestRegions(t *testing.T) {
	last := ""
	for _, r := range Regions() {
		if r.Name <= last {
			t.Errorf("%s after %s: not in order", r.Name, last)
		}
		last = r.Name
		for _, b := range r.Bands {
			if !strings.HasPrefix(b.Name, r.Name) || b.LowHz >= b.HighHz || b.LowHz < 400_000_000 || b.HighHz > 930_000_000 ||
				b.DutyCycle <= 0 || b.DutyCycle > 1 || b.MaxEIRPdBm < 5 || b.MaxEIRPdBm > 36 || b.DwellLimit > time.Second ||
				b.MaxConductedDBm > b.MaxEIRPdBm || b.MaxBandwidthHz > 0 && b.MaxBandwidthHz < b.MinBandwidthHz {
				t.Errorf("%s: %+v", r.Name, b)
			}
		}
	}
	if _, err := RegionByName("XX"); err == nil || !strings.Contains(err.Error(), "EU868") {
		t.Errorf("RegionByName(XX) = %v, want an error that names the known", err)
	}
}

func TestBandContains(t *testing.T) {
	tests := []struct {
		name          string
		centre, width uint32
		want          bool
	}{
		{"whole band", 869_525_000, 250_000, true},
		{"narrow at the lower edge", 869_431_250, 62_500, true},
		{"over the lower edge", 869_431_249, 62_500, false},
		{"over the upper edge", 869_618_751, 62_500, false},
		{"wider than the band", 869_525_000, 500_000, false},
		{"another band", 433_500_000, 125_000, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := EU868P().Contains(test.centre, test.width); got != test.want {
				t.Errorf("Contains(%d, %d) = %v, want %v", test.centre, test.width, got, test.want)
			}
		})
	}
}
