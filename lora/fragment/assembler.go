package fragment

import (
	"fmt"
	"slices"
	"time"

	"lorrent/lora/packet"
)

// Bounds of an Assembler. Messages to channels and direct ones do not take each
// other's room, since whoever has the key of a channel can invent sources.
const (
	maxOrigin = 8  // messages of one source
	maxHeld   = 48 // messages of all sources, of either kind
	keep      = 6 * time.Hour

	asksInARow = 4  // questions while nothing comes
	asksBare   = 24 // questions while nothing new comes
)

// Key tells messages apart. Opened is by which key their shares were opened: the
// name of a channel, or "" for a direct message.
type Key struct {
	ID      packet.ID
	Channel bool
	Opened  string
}

// Share is one that was authenticated.
type Share struct {
	Index, Data uint8
	Body        []byte // is kept: it must not change
}

// Assembler holds what has come of messages. It is not safe for concurrent use.
type Assembler struct {
	airtime time.Duration
	table   map[slot]*assembly
}

// slot is where a share belongs. Shares that cannot be of the same message, as
// their number or length differs, do not spoil each other.
type slot struct {
	Key
	data, size int
}

// assembly is a message of which some shares are there.
type assembly struct {
	shares [][]byte // by index, up to the last one held
	count  int
	last   time.Time // a share came
	gap    time.Duration

	ask   time.Time // when to ask for the rest; zero when not
	asked time.Time
	asks  int // since a share came
	bare  int // since one came that was new
}

// NewAssembler returns one that holds nothing. Airtime is that of a fragment: it
// says how long the next may take to come.
func NewAssembler(airtime time.Duration) *Assembler {
	return &Assembler{airtime: airtime, table: make(map[slot]*assembly)}
}

// Add takes in a share, and returns the message when that was the last one that
// it took; nothing is then held of it any more. The error is ErrInvalid for a
// share that can be of no message, or ErrMixed when those held are not all of the
// same; they are then dropped.
func (a *Assembler) Add(key Key, s Share, now time.Time) (m Message, done bool, err error) {
	data, size := int(s.Data), len(s.Body)
	if data < 1 || size < 1 || (data-1)*size >= MaxBody+Overhead || data*size < Overhead+1 {
		return Message{}, false, fmt.Errorf("add share: %w: %d of %d bytes", ErrInvalid, data, size)
	}
	a.expire(now)
	at := slot{key, data, size}
	g := a.table[at]
	if g == nil {
		a.makeRoom(key)
		g = &assembly{last: now}
		a.table[at] = g
	}
	if g.add(int(s.Index), s.Body) {
		g.bare = 0
	}
	g.gap = max(g.gap, now.Sub(g.last))
	g.last = now
	if g.count >= data {
		delete(a.table, at)
		m, err = join(g.shares, data)
		return m, err == nil, err
	}
	if !key.Channel {
		a.plan(g, int(s.Index) >= data-1, now)
	}
	return Message{}, false, nil
}

// add says whether the share is new. Of two under one index the first stays.
func (g *assembly) add(index int, body []byte) bool {
	if index >= len(g.shares) {
		g.shares = append(g.shares, make([][]byte, index+1-len(g.shares))...)
	}
	if g.shares[index] != nil {
		return false
	}
	g.shares[index] = body
	g.count++
	return true
}

// plan sets the time of the next question. After the last data share nothing is
// on its way but what is repeated; before it, more comes by itself.
func (a *Assembler) plan(g *assembly, end bool, now time.Time) {
	g.asks = 0
	wait := a.patience(g)
	if end {
		wait = a.pause(22, time.Second, 8*time.Second) + 6*a.airtime
	}
	g.ask = now.Add(wait)
	if !g.asked.IsZero() {
		if least := g.asked.Add(a.pause(40, 2*time.Second, 15*time.Second) + 4*a.airtime); g.ask.Before(least) {
			g.ask = least
		}
	}
	if g.bare >= asksBare {
		g.ask = time.Time{}
	}
}

// patience is how long the next share may take: a sender that is short of airtime
// takes its time.
func (a *Assembler) patience(g *assembly) time.Duration {
	return max(a.pause(107, 5*time.Second, 40*time.Second)+12*a.airtime, min(3*g.gap, 2*time.Hour))
}

// pause is a wait for what is still to come, besides the time that it takes on the
// air: as long as some fragments, but no shorter than hosts and boards need to answer
// at all.
func (a *Assembler) pause(fragments time.Duration, least, most time.Duration) time.Duration {
	return min(max(fragments*a.airtime, least), most)
}

// Ask is a question that is due: what there is of a direct message.
type Ask struct {
	ID   packet.ID
	Held Held
}

// Due returns the questions whose time has come, and plans the next ones.
func (a *Assembler) Due(now time.Time) (asks []Ask) {
	a.expire(now)
	for at, g := range a.table {
		if g.ask.IsZero() || g.ask.After(now) {
			continue
		}
		asks = append(asks, Ask{at.ID, g.held()})
		g.asked = now
		g.asks++
		g.bare++
		g.ask = time.Time{}
		if g.asks < asksInARow && g.bare < asksBare {
			g.ask = now.Add(a.patience(g) << (g.asks - 1))
		}
	}
	slices.SortFunc(asks, func(a, b Ask) int {
		return slices.Compare(AppendStatus(nil, a.ID, a.Held), AppendStatus(nil, b.ID, b.Held))
	})
	return asks
}

func (g *assembly) held() (h Held) {
	for i, s := range g.shares {
		if s != nil {
			h = h.add(i)
		}
	}
	return h
}

// Wake is when Due has something to return; false when nothing is planned.
func (a *Assembler) Wake() (at time.Time, ok bool) {
	for _, g := range a.table {
		if !g.ask.IsZero() && (!ok || g.ask.Before(at)) {
			at, ok = g.ask, true
		}
	}
	return at, ok
}

// Len is how many messages are held in part.
func (a *Assembler) Len() int { return len(a.table) }

// expire drops what nothing came of for long.
func (a *Assembler) expire(now time.Time) {
	for at, g := range a.table {
		if now.Sub(g.last) > keep {
			delete(a.table, at)
		}
	}
}

// makeRoom drops one of the source's messages when it has too many, or else one
// of all when there are: that of which the least is there, or the oldest of
// those, so that a share each does not push out what has nearly come.
func (a *Assembler) makeRoom(key Key) {
	var own, all *slot
	owned, held := 0, 0
	for at, g := range a.table {
		if at.Channel != key.Channel {
			continue
		}
		held++
		if all == nil || g.worthLess(a.table[*all]) {
			all = &at
		}
		if at.ID.Source == key.ID.Source {
			owned++
			if own == nil || g.worthLess(a.table[*own]) {
				own = &at
			}
		}
	}
	switch {
	case owned >= maxOrigin:
		delete(a.table, *own)
	case held >= maxHeld:
		delete(a.table, *all)
	}
}

func (g *assembly) worthLess(other *assembly) bool {
	if g.count != other.count {
		return g.count < other.count
	}
	return g.last.Before(other.last)
}
