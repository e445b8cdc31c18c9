package mesh

import "time"

// Tuning are the numbers that trade reach against airtime. The laboratory in
// lora/ether measures them.
type Tuning struct {
	// Threshold is what those who lack a message must be worth for a relay, and
	// how much more when the channel is always busy.
	Threshold, ThresholdLoad float64
	// Window spreads relays, in packets of usual length, and WindowLoad how many
	// more when the channel is always busy.
	Window, WindowLoad float64
	// Again is what those must be worth to whom a listener should have relayed and
	// did not, for a second relay, and how much more when the channel is always busy.
	Again, AgainLoad float64
	// Hops a message for everyone goes at once; farther, it goes as repair.
	Hops int
	// Received is the chance that a packet is received where it is heard alone,
	// and ReceivedLoad how much less when the channel is always busy.
	Received, ReceivedLoad float64

	NoRepair bool

	BeaconLeast, BeaconMost time.Duration // of the Trickle timer
	WideLeast, WideMost     time.Duration // between beacons that are flooded
	PullLeast, PullMost     time.Duration
}

func (t Tuning) complete() Tuning {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	set(&t.Threshold, 0.25)
	set(&t.ThresholdLoad, 1.5)
	set(&t.Window, 8)
	set(&t.WindowLoad, 80)
	set(&t.Again, 1)
	set(&t.AgainLoad, 15)
	set(&t.Received, 0.97)
	set(&t.ReceivedLoad, 0.3)
	if t.Hops == 0 {
		t.Hops = 15
	}
	wait(&t.BeaconLeast, time.Minute)
	wait(&t.BeaconMost, 32*time.Minute)
	wait(&t.WideLeast, 10*time.Minute)
	wait(&t.WideMost, 4*time.Hour)
	wait(&t.PullLeast, time.Minute)
	wait(&t.PullMost, 4*time.Minute)
	return t
}
