package peer

import "time"

// Meter turns a growing byte count into a rate. The zero value is ready.
type Meter struct {
	last  int64
	at    time.Time
	rate  float64
	known bool
}

// halfLife is how long an old rate takes to lose half of its weight.
const halfLife = 2 * time.Second

// Update feeds the count as it stands now and returns bytes per second.
func (m *Meter) Update(total int64, now time.Time) int64 {
	if m.at.IsZero() {
		m.last, m.at = total, now
		return 0
	}
	elapsed := now.Sub(m.at).Seconds()
	if elapsed <= 0 {
		return int64(m.rate)
	}
	current := float64(total-m.last) / elapsed
	weight := elapsed / (elapsed + halfLife.Seconds())
	if !m.known {
		weight, m.known = 1, true
	}
	m.rate += (current - m.rate) * weight
	m.last, m.at = total, now
	if m.rate < 1 {
		m.rate = 0
	}
	return int64(m.rate)
}
