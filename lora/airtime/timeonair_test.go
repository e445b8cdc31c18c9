package airtime

import (
	"testing"
	"time"
)

// The vectors were computed from the SX1276 float form and the SX1262 integer
// form independently; both agree to the microsecond.
func TestTimeOnAir(t *testing.T) {
	tests := []struct {
		name   string
		params Params
		length int
		micros int64
	}{
		{"SF7/125 1 B", Params{BandwidthHz: 125_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 8}, 1, 25_856},
		{"SF7/125 51 B", Params{BandwidthHz: 125_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 8}, 51, 102_656},
		{"SF7/250", Params{BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 16}, 56, 57_984},
		{"SF8/62.5 4/8", Params{BandwidthHz: 62_500, SpreadingFactor: 8, CodingRate: 8, PreambleSymbols: 32}, 38, 508_928},
		{"SF9/125", Params{BandwidthHz: 125_000, SpreadingFactor: 9, CodingRate: 5, PreambleSymbols: 8}, 20, 185_344},
		{"SF9/250", Params{BandwidthHz: 250_000, SpreadingFactor: 9, CodingRate: 5, PreambleSymbols: 16}, 64, 211_456},
		{"SF10/250", Params{BandwidthHz: 250_000, SpreadingFactor: 10, CodingRate: 5, PreambleSymbols: 16}, 100, 545_792},
		{"SF10/62.5 optimised", Params{BandwidthHz: 62_500, SpreadingFactor: 10, CodingRate: 5, PreambleSymbols: 16}, 30, 1_118_208},
		{"SF11/250", Params{BandwidthHz: 250_000, SpreadingFactor: 11, CodingRate: 5, PreambleSymbols: 16}, 56, 681_984},
		{"SF11/250 255 B", Params{BandwidthHz: 250_000, SpreadingFactor: 11, CodingRate: 5, PreambleSymbols: 16}, 255, 2_156_544},
		{"SF11/125 4/8 optimised", Params{BandwidthHz: 125_000, SpreadingFactor: 11, CodingRate: 8, PreambleSymbols: 16}, 56, 2_166_784},
		{"SF9/31.25 4/8 optimised", Params{BandwidthHz: 31_250, SpreadingFactor: 9, CodingRate: 8, PreambleSymbols: 8}, 40, 1_904_640},
		{"SF12/125 optimised", Params{BandwidthHz: 125_000, SpreadingFactor: 12, CodingRate: 5, PreambleSymbols: 8}, 51, 2_465_792},
		{"SF12/125 4/8 255 B optimised", Params{BandwidthHz: 125_000, SpreadingFactor: 12, CodingRate: 8, PreambleSymbols: 16}, 255, 14_295_040},
		{"SF5/250", Params{BandwidthHz: 250_000, SpreadingFactor: 5, CodingRate: 5, PreambleSymbols: 12}, 64, 20_640},
		{"SF7/125 implicit header, no CRC", Params{BandwidthHz: 125_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 8, ImplicitHeader: true, NoCRC: true}, 10, 36_096},
		{"no bandwidth", Params{SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 8}, 10, 0},
		{"no spreading factor", Params{BandwidthHz: 125_000, CodingRate: 5, PreambleSymbols: 8}, 10, 0},
		{"negative length", Params{BandwidthHz: 125_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 8}, -1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := time.Duration(test.micros) * time.Microsecond
			if got := TimeOnAir(test.params, test.length); got != want {
				t.Errorf("TimeOnAir(%+v, %d) = %v, want %v", test.params, test.length, got, want)
			}
		})
	}
}

// The optimisation costs two bits per symbol, so forcing it shows in the
// result, and the automatic setting must equal one of the forced ones.
func TestLowDataRate(t *testing.T) {
	base := Params{BandwidthHz: 125_000, SpreadingFactor: 11, CodingRate: 5, PreambleSymbols: 8}
	with := func(p Params, l LowDataRate) time.Duration {
		p.LowDataRate = l
		return TimeOnAir(p, 50)
	}
	if on, off := with(base, LowDataRateOn), with(base, LowDataRateOff); on <= off {
		t.Errorf("at 16.384 ms symbols on takes %v, off %v; want on longer", on, off)
	}
	if auto, on := with(base, LowDataRateAuto), with(base, LowDataRateOn); auto != on {
		t.Errorf("at 16.384 ms symbols auto takes %v, want as on: %v", auto, on)
	}
	base.SpreadingFactor = 10
	if auto, off := with(base, LowDataRateAuto), with(base, LowDataRateOff); auto != off {
		t.Errorf("at 8.192 ms symbols auto takes %v, want as off: %v", auto, off)
	}
}

func TestSymbolTime(t *testing.T) {
	if got := (Params{BandwidthHz: 125_000, SpreadingFactor: 11}).SymbolTime(); got != 16_384*time.Microsecond {
		t.Errorf("SymbolTime at SF11/125 = %v, want 16.384ms", got)
	}
	if got := (Params{SpreadingFactor: 11}).SymbolTime(); got != 0 {
		t.Errorf("SymbolTime without bandwidth = %v, want 0", got)
	}
}
