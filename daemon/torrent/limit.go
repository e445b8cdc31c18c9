package torrent

import (
	"time"

	"golang.org/x/time/rate"
)

// minBurst lets a whole batch of blocks pass at once, whatever the limit.
const minBurst = 256 << 10

// limiter holds payload to a number of bytes per second, for all connections
// together. A nil limiter lets everything pass.
type limiter struct{ bucket *rate.Limiter }

func newLimiter(bytesPerSecond int64) *limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &limiter{rate.NewLimiter(rate.Limit(bytesPerSecond), int(max(bytesPerSecond/20, minBurst)))}
}

// Wait returns once n more bytes may move, or when done is closed.
func (l *limiter) Wait(done <-chan struct{}, n int) {
	if l == nil {
		return
	}
	delay := l.bucket.ReserveN(time.Now(), n).Delay()
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
}
