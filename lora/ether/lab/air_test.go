package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// bench is an air with radios that note what they receive.
type bench struct {
	*air
	agenda agenda
	heard  []string
}

// newBench makes radios with the powers given, [sender][receiver] in dBm.
func newBench(t *testing.T, rssi [][]float64) *bench {
	t.Helper()
	preset, err := ParsePreset("SF11/250")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{}
	b.air = newAir(&b.agenda, preset, rssi, rand.New(rand.NewPCG(1, 2)))
	for i := range b.radios {
		b.radios[i].deliver = func(packet any, _ float64) {
			b.heard = append(b.heard, string(rune('0'+i))+packet.(string))
		}
		b.radios[i].sent = func() {}
	}
	return b
}

func (b *bench) at(when time.Duration, from int, packet string) {
	b.agenda.after(when, func() { b.transmit(from, packet, 700*time.Millisecond) })
}

func TestReception(t *testing.T) {
	none := math.NaN()
	const strong, weak, sensed = -100, -120, -133
	tests := []struct {
		name string
		rssi [][]float64
		say  func(*bench)
		want []string
	}{
		{
			"at the sensitivity and below",
			[][]float64{{none, -131.5, -131.6}, {none, none, none}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a") },
			[]string{"1a"},
		},
		{
			"equals drown each other",
			[][]float64{{none, none, strong}, {none, none, strong + 5}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(300*time.Millisecond, 1, "b") },
			nil,
		},
		{
			"the first is stronger",
			[][]float64{{none, none, strong}, {none, none, weak}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(300*time.Millisecond, 1, "b") },
			[]string{"2a"},
		},
		{
			"the second is stronger",
			[][]float64{{none, none, weak}, {none, none, strong}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(300*time.Millisecond, 1, "b") },
			[]string{"2b"},
		},
		{
			"one after the other",
			[][]float64{{none, none, strong}, {none, none, strong}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(701*time.Millisecond, 1, "b") },
			[]string{"2a", "2b"},
		},
		{
			"who talks hears nothing",
			[][]float64{{none, strong}, {strong, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(699*time.Millisecond, 1, "b") },
			nil,
		},
		{
			"what is only sensed harms nothing",
			[][]float64{{none, none, strong}, {none, none, sensed}, {none, none, none}},
			func(b *bench) { b.at(0, 0, "a"); b.at(300*time.Millisecond, 1, "b") },
			[]string{"2a"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.rssi)
			test.say(b)
			b.agenda.run(time.Minute)
			if !slices.Equal(b.heard, test.want) {
				t.Errorf("heard %q, want %q", b.heard, test.want)
			}
		})
	}
}

func TestCarrierSense(t *testing.T) {
	none := math.NaN()
	b := newBench(t, [][]float64{{none, -134.5, -134.6}, {none, none, none}, {none, none, none}})
	// taken is the share of senses at node i that find the channel busy.
	taken := func(i int) float64 {
		n := 0
		for range 10_000 {
			if b.busy(i) {
				n++
			}
		}
		return float64(n) / 10_000
	}
	b.at(0, 0, "a")
	check := func(when time.Duration, node int, least, most float64) {
		b.agenda.after(when, func() {
			if got := taken(node); got < least || got > most {
				t.Errorf("after %v node %d finds the channel taken in %.2f of all cases, want %.2f to %.2f", when, node, got, least, most)
			}
		})
	}
	slot := b.preset.slot()
	check(slot-time.Millisecond, 1, 0.08, 0.12) // too young
	check(slot, 1, 1, 1)
	check(slot, 2, 0.08, 0.12) // too weak
	check(slot, 0, 1, 1)       // its own
	check(701*time.Millisecond, 1, 0.08, 0.12)
	b.agenda.run(time.Minute)
}

func TestHourly(t *testing.T) {
	var r radio
	for _, at := range []time.Duration{0, 30 * time.Minute, 61 * time.Minute, 62 * time.Minute} {
		r.log = append(r.log, transmission{start: at, end: at + time.Second})
	}
	if got := r.hourly(); got != 3*time.Second {
		t.Errorf("busiest hour %v, want 3 s", got)
	}
}
