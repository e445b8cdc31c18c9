package dht

import (
	"net/netip"
	"time"
)

const (
	quotaPeriod = 10 * time.Second
	quotaOfOne  = 200 // queries of one address in a period
	maxQuotas   = 5000
)

// quota bounds the queries of one address that are looked at.
type quota struct {
	since time.Time
	used  map[netip.Addr]int
}

func newQuota() *quota { return &quota{used: make(map[netip.Addr]int)} }

func (q *quota) take(from netip.Addr, now time.Time) bool {
	if now.Sub(q.since) >= quotaPeriod || len(q.used) >= maxQuotas {
		q.since = now
		clear(q.used)
	}
	q.used[from]++
	return q.used[from] <= quotaOfOne
}
