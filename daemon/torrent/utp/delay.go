package utp

import "time"

// One-way delays are differences of two unrelated clocks: only their changes
// mean something. They are compared modulo 2^32 microseconds.

const (
	baseHistory = 10 // minutes of minima that make the base delay (RFC 6817)
	baseStep    = time.Minute
	filterLen   = 4                // samples of which the lowest counts (RFC 6817 CURRENT_FILTER)
	maxDrift    = 10 * 1000        // microseconds of base change taken for clock drift
	peakStep    = 30 * time.Second // two of these remember the longest queue
)

func lessDelay(a, b uint32) bool { return int32(a-b) < 0 }

// baseDelay remembers the lowest delay of the last minutes: the path without
// its queue.
type baseDelay struct {
	minima  [baseHistory]uint32
	used    int
	current int
	step    time.Duration // when the current minute began
	base    uint32
}

// add takes a sample and reports how far the base moved, 0 for the first one.
func (b *baseDelay) add(now time.Duration, sample uint32) int32 {
	if b.used == 0 {
		b.used, b.step, b.base, b.minima[0] = 1, now, sample, sample
		return 0
	}
	if now-b.step >= baseStep {
		b.step = now
		b.current = (b.current + 1) % baseHistory
		b.used = min(b.used+1, baseHistory)
		b.minima[b.current] = sample
	} else if lessDelay(sample, b.minima[b.current]) {
		b.minima[b.current] = sample
	}
	old := b.base
	b.base = b.minima[0]
	for _, m := range b.minima[1:b.used] {
		if lessDelay(m, b.base) {
			b.base = m
		}
	}
	return int32(b.base - old)
}

// shift moves the whole history: the clocks were found to drift.
func (b *baseDelay) shift(by uint32) {
	for i := range b.minima[:b.used] {
		b.minima[i] += by
	}
	b.base += by
}

// queueDelay measures the queue on the way to the peer.
type queueDelay struct {
	ours   baseDelay // of our packets, as the peer reports them
	theirs baseDelay // of the peer's packets
	recent [filterLen]time.Duration
	count  int

	peak, lastPeak time.Duration // longest queue of this and the previous step
	peakStep       time.Duration
}

// heard takes the delay of a packet from the peer. When its base falls, the
// peer's clock runs faster than ours, and our own base must rise by as much.
func (q *queueDelay) heard(now time.Duration, sample uint32) {
	if moved := q.theirs.add(now, sample); moved < 0 && moved > -maxDrift && q.ours.used > 0 {
		q.ours.shift(uint32(-moved))
	}
}

// reported takes the delay of one of our packets from the peer. No queue is
// longer than the round trip it is part of.
func (q *queueDelay) reported(now time.Duration, sample uint32, roundTrip time.Duration) {
	q.ours.add(now, sample)
	queued := time.Duration(max(int32(sample-q.ours.base), 0)) * time.Microsecond
	q.recent[q.count%filterLen] = min(queued, roundTrip)
	q.count++
	if now-q.peakStep >= peakStep {
		q.peakStep, q.lastPeak, q.peak = now, q.peak, 0
	}
	if q.count >= filterLen {
		q.peak = max(q.peak, q.current())
	}
}

// current is the queue now: the lowest of the last samples, since anything
// that delays one packet alone is not the queue.
func (q *queueDelay) current() time.Duration {
	if q.count == 0 {
		return 0
	}
	low := q.recent[0]
	for _, d := range q.recent[1:min(q.count, filterLen)] {
		low = min(low, d)
	}
	return low
}

// longest is the longest queue of the last minute.
func (q *queueDelay) longest() time.Duration { return max(q.peak, q.lastPeak) }
