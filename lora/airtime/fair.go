package airtime

import (
	"math"
	"time"
)

const (
	// busyAir is the load of the channel above which origins get no more than
	// their fair share.
	busyAir = 0.25

	fairMemory   = 10 * time.Minute // in which airtime is forgotten to 1/e
	fairLeast    = 4                // origins that the air is shared by, at least
	fairExcess   = 8                // times what others have had on average
	fairFirst    = 4                // packets that nobody waits for,
	fairDirect   = 16               // and of messages to one node: those go along one way, and must not get stuck half way
	maxAccounts  = 256
	accountFaded = 10 * time.Millisecond // too little to count an origin as active
)

// fairShare keeps, for each origin, the airtime that this station has spent on
// it, fading. Who has had more than its part of the budget waits, so that a
// node that floods the network silences itself and nobody else.
type fairShare struct {
	accounts map[uint32]*account
}

type account struct {
	airtime float64 // seconds, at the time at
	at      time.Time
}

// fade brings the account to now. Time that goes backwards stands still.
func (a *account) fade(now time.Time) float64 {
	if passed := now.Sub(a.at); passed > 0 {
		a.airtime *= math.Exp(-passed.Seconds() / fairMemory.Seconds())
		a.at = now
	}
	return a.airtime
}

// allow says how long the origin of t has to wait for its share of budget, the
// airtime for everyone in an hour.
func (f *fairShare) allow(now time.Time, t Transmission, budget time.Duration) time.Duration {
	a := f.accounts[t.Origin]
	if a == nil && len(f.accounts) >= maxAccounts {
		a = f.accounts[Stranger] // where record puts it
	}
	if a == nil {
		return 0
	}
	// Nobody waits for the first few packets, however long they are.
	first := float64(fairFirst)
	if t.Class == ClassDirect {
		first = fairDirect
	}
	if a.fade(now) <= (first-1)*t.Airtime.Seconds() {
		return 0
	}
	active, total := 0, 0.0
	for _, other := range f.accounts {
		if airtime := other.fade(now); airtime > accountFaded.Seconds() {
			active++
			total += airtime
		}
	}
	sharers := float64(max(active, fairLeast))
	share := budget.Seconds() * fairMemory.Seconds() / Window.Seconds() / sharers
	// Nor does who has had not many times what others had.
	others := (total - a.airtime) / (sharers - 1)
	room := max(share, fairExcess*others, first*t.Airtime.Seconds()) - t.Airtime.Seconds()
	if a.airtime <= room {
		return 0
	}
	return time.Duration(fairMemory.Seconds()*math.Log(a.airtime/room)*float64(time.Second)) + time.Millisecond
}

// record charges the origin of t, unless t is of a class that never waits for
// a share: who answers much shall not fall silent.
func (f *fairShare) record(now time.Time, t Transmission) {
	if t.Airtime <= 0 || t.Class == ClassAck || t.Class == ClassBeacon {
		return
	}
	if f.accounts == nil {
		f.accounts = make(map[uint32]*account)
	}
	origin := t.Origin
	if f.accounts[origin] == nil && len(f.accounts) >= maxAccounts && !f.forget(now) {
		origin = Stranger
	}
	a := f.accounts[origin]
	if a == nil {
		a = &account{at: now}
		f.accounts[origin] = a
	}
	a.fade(now)
	a.airtime += t.Airtime.Seconds()
}

// forget makes room by dropping the accounts that have faded.
func (f *fairShare) forget(now time.Time) bool {
	for origin, a := range f.accounts {
		if a.fade(now) <= accountFaded.Seconds() {
			delete(f.accounts, origin)
		}
	}
	return len(f.accounts) < maxAccounts
}
