package lora

import (
	"math"
	"time"
)

// airClock is the time of the air. A simulated air may be faster than the
// world: then everything that the mesh and the airtime plan reckon with, which
// were made for real radios, is faster by as much.
type airClock struct {
	base    time.Time
	speedup float64
}

// century is farther than anything here looks ahead.
const century = 100 * 365 * 24 * time.Hour

func (c airClock) now() time.Time { return c.at(time.Now()) }

// in is what the air's clock shows after so much time of the world. Times that were
// stored are asked for so: a calendar that was set since base moves them, and nothing
// else.
func (c airClock) in(d time.Duration) time.Time { return c.at(time.Now().Add(d)) }

// at is what the air's clock shows at a time of the world.
func (c airClock) at(t time.Time) time.Time {
	d := float64(t.Sub(c.base)) * c.speedup
	return c.base.Add(time.Duration(max(min(d, float64(century)), -float64(century))))
}

// back is the time of the world at which the air's clock showed t.
func (c airClock) back(t time.Time) time.Time {
	return c.base.Add(time.Duration(float64(t.Sub(c.base)) / c.speedup))
}

// until is how long, in the world, the air's clock takes to a time.
func (c airClock) until(t time.Time) time.Duration {
	return time.Duration(math.Ceil(float64(t.Sub(c.now())) / c.speedup))
}
