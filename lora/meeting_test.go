package lora

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lorrent/lora/ether"
)

// meet lets two stations that know nothing of each other, and that only one between
// them hears, write to each other at the same time, and returns how long it takes
// until either has got a message through.
func meet(t *testing.T, seed uint64) (took time.Duration) {
	t.Helper()
	virtual(t, func(t *testing.T) {
		const apart, each = 3500, 3
		air := ether.NewAir(ether.Config{Seed: seed, Loss: 0.1})
		var line []*station
		for i := range 3 {
			s := newStation(t, air, nil)
			s.open = standingAt(air, ether.Position{X: float64(i * apart)})
			s.run()
			line = append(line, s)
		}
		one, two := line[0], line[2]
		began := time.Now()
		for n := range each {
			one.send(two.node, fmt.Sprint("to two ", n))
			two.send(one.node, fmt.Sprint("to one ", n))
		}
		await(t, 24*time.Hour, "the first deliveries", func() bool {
			return one.states()["delivered"] > 0 && two.states()["delivered"] > 0
		})
		took = time.Since(began)
		await(t, 24*time.Hour, "delivery of all", func() bool {
			return one.states()["delivered"] == each && two.states()["delivered"] == each
		})
		for _, s := range []*station{one, two} {
			if got := s.inbox(); len(got) != each {
				t.Errorf("inbox %q, want %d messages, once each", got, each)
			}
			if status := s.Status(); status.AirtimeUsed > status.AirtimeLimit {
				t.Errorf("%v on the air, of %v an hour", status.AirtimeUsed, status.AirtimeLimit)
			}
		}
	})
	return took
}

// First contact takes some tens of seconds, though questions meet, and every tenth
// packet is lost.
func TestFirstContact(t *testing.T) {
	var all []time.Duration
	for seed := range uint64(9) {
		all = append(all, meet(t, seed+1))
	}
	slices.Sort(all)
	t.Logf("first contacts took %v", all)
	if median := all[len(all)/2]; median > 2*time.Minute {
		t.Errorf("median %v of %v", median, all)
	}
}
