package ether

import (
	"slices"
	"testing"
	"time"
)

func TestReceiver(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	type arrival struct {
		name       string
		start, end int // ms
		rssi       float64
	}
	tests := []struct {
		name     string
		arrivals []arrival
		sending  [2]int // ms; none when both are 0
		want     []string
	}{
		{"alone", []arrival{{"a", 0, 10, -80}}, [2]int{}, []string{"a"}},
		{"one after the other", []arrival{{"a", 0, 10, -80}, {"b", 10, 20, -80}}, [2]int{}, []string{"a", "b"}},
		{"equal and overlapping", []arrival{{"a", 0, 10, -80}, {"b", 9, 20, -80}}, [2]int{}, nil},
		{"first 6 dB stronger", []arrival{{"a", 0, 10, -80}, {"b", 9, 20, -86}}, [2]int{}, []string{"a"}},
		{"second 6 dB stronger", []arrival{{"a", 0, 10, -86}, {"b", 9, 20, -80}}, [2]int{}, []string{"b"}},
		{"5.9 dB is not enough", []arrival{{"a", 0, 10, -80}, {"b", 9, 20, -85.9}}, [2]int{}, nil},
		{"the middle one spoils both", []arrival{{"a", 0, 10, -80}, {"b", 5, 15, -80}, {"c", 12, 20, -80}}, [2]int{}, nil},
		{"begins while we talk", []arrival{{"a", 5, 15, -80}}, [2]int{0, 6}, nil},
		{"we begin to talk meanwhile", []arrival{{"a", 0, 10, -80}}, [2]int{5, 20}, nil},
		{"begins when we end", []arrival{{"a", 6, 15, -80}}, [2]int{1, 6}, []string{"a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r receiver
			var got []string
			for ms := range 30 {
				for _, s := range r.finished(at(ms)) {
					got = append(got, string(s.packet))
				}
				if test.sending[1] > 0 && ms == test.sending[0] {
					r.transmit(at(ms), at(test.sending[1]))
				}
				for _, a := range test.arrivals {
					if a.start == ms {
						r.begin(signal{packet: []byte(a.name), start: at(a.start), end: at(a.end), rssi: a.rssi})
					}
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("received %q, want %q", got, test.want)
			}
			if len(r.signals) != 0 {
				t.Errorf("%d signals are left", len(r.signals))
			}
		})
	}
}

func TestReceiverBusy(t *testing.T) {
	var r receiver
	start := time.Unix(0, 0)
	r.begin(signal{start: start, end: start.Add(10 * time.Millisecond), lost: true})
	const blind = 2 * time.Millisecond
	for ms, want := range map[int]bool{0: false, 1: false, 2: true, 9: true, 10: false} {
		if _, got := r.busy(start.Add(time.Duration(ms)*time.Millisecond), blind); got != want {
			t.Errorf("busy after %d ms: %v, want %v", ms, got, want)
		}
	}
}

func TestReceiverIsBounded(t *testing.T) {
	var r receiver
	for range 10 * maxSignals {
		r.begin(signal{start: time.Unix(0, 0), end: time.Unix(60, 0)})
	}
	if len(r.signals) > maxSignals {
		t.Errorf("%d signals held, want at most %d", len(r.signals), maxSignals)
	}
}
