package airtime

import (
	"fmt"
	"time"
)

// Class is what a transmission is for, the most important first.
type Class int

const (
	ClassAck     Class = iota // acknowledgements
	ClassDirect               // messages to one node
	ClassChannel              // messages to many
	ClassRepair               // what others missed
	ClassBeacon               // and other chatter
	classCount
)

// ceilings are the shares of the hour's budget up to which everything sent may
// add before a class has to wait: the less important, the earlier, so that
// what is left is left for the more important.
func (c Class) ceiling() float64 {
	return [classCount]float64{1, 0.90, 0.85, 0.80, 0.50}[c]
}

// floor is the share of the budget that a class may use beyond its ceiling,
// counted by itself. Beacons have one, so that a node that talks much does not
// vanish from its neighbours' tables.
func (c Class) floor() float64 {
	return [classCount]float64{ClassBeacon: 0.03}[c]
}

// Transmission is one packet about to be sent, or sent.
type Transmission struct {
	Airtime time.Duration // see Plan.TimeOnAir
	Class   Class
	// Origin is the node that wrote the packet, or Stranger if the caller knows
	// nothing else of it: whoever invents senders can invent many, and together
	// they have one share.
	Origin uint32
}

// Stranger is the origin of packets whose source is not known.
const Stranger uint32 = 0

// Plan decides what a station may transmit, and when: it keeps a ledger of the
// past hour for every band that was used, whatever settings come and go, and a
// fair share for every origin while the air is busy.
//
// It is pure: callers pass the clock (see Ledger). A Plan is not safe for
// concurrent use.
type Plan struct {
	// immutable after NewPlan
	region Region
	limit  float64

	settings Settings
	band     int // index in region.Bands, -1 before Use
	books    []*book
	fair     fairShare
	busy     float64
}

// book is what was sent in one band.
type book struct {
	all     *Ledger
	classes [classCount]*Ledger // of those that have a floor
}

// NewPlan makes a plan for a region. The limit, if above 0, is a duty cycle
// that the owner of the station wants to keep to even where the law allows
// more. Nothing may be sent before Use.
func NewPlan(region Region, limit float64) *Plan {
	return &Plan{region: region, limit: limit, band: -1, books: make([]*book, len(region.Bands))}
}

// Check says whether the settings are allowed, and by the rules of which band.
func (p *Plan) Check(s Settings) (Band, error) { return p.region.Check(s) }

// Use checks the settings and has the plan count for them from now on. What
// was sent before still counts in its band. After an error the plan stays with
// the settings that it had.
func (p *Plan) Use(s Settings) error {
	band, err := p.region.find(s)
	if err != nil {
		return fmt.Errorf("use radio settings: %w", err)
	}
	p.settings, p.band = s, band
	return nil
}

// Band is the band in use, and false before Use.
func (p *Plan) Band() (Band, bool) {
	if p.band < 0 {
		return Band{}, false
	}
	return p.region.Bands[p.band], true
}

// TimeOnAir is how long a packet takes with the settings in use.
func (p *Plan) TimeOnAir(bytes int) time.Duration { return TimeOnAir(p.settings.Params, bytes) }

// MaxPacket is the longest packet that may be sent with the settings in use:
// 255 bytes, or what the dwell limit leaves; 0 before Use.
func (p *Plan) MaxPacket() int {
	if p.band < 0 {
		return 0
	}
	return p.region.Bands[p.band].longest(p.settings.Params)
}

// SetBusy tells the plan which share of the time the channel is taken, by
// anyone, as measured here.
func (p *Plan) SetBusy(share float64) { p.busy = share }

// Allow says how long a transmission has to wait, 0 for not at all, provided
// that nothing else is sent meanwhile. The error is ErrForbidden for what may
// never be sent: it takes longer than the dwell limit or the whole budget
// allows, or there are no settings.
func (p *Plan) Allow(now time.Time, t Transmission) (wait time.Duration, err error) {
	if p.band < 0 {
		return 0, fmt.Errorf("%w: no radio settings", ErrForbidden)
	}
	if t.Class < 0 || t.Class >= classCount {
		return 0, fmt.Errorf("%w: class %d", ErrForbidden, t.Class)
	}
	band := p.region.Bands[p.band]
	if band.DwellLimit > 0 && t.Airtime > band.DwellLimit {
		return 0, fmt.Errorf("%w: %v on air, %s allows %v", ErrForbidden, t.Airtime, band.Name, band.DwellLimit)
	}
	b := p.book(p.band)
	wait = b.allow(now, t)
	if wait == Never {
		return 0, fmt.Errorf("%w: %v on air, %s allows this class %v an hour",
			ErrForbidden, t.Airtime, band.Name, time.Duration(t.Class.ceiling()*float64(b.all.Budget())))
	}
	if p.busy > busyAir && t.Class != ClassAck && t.Class != ClassBeacon {
		budget := time.Duration(t.Class.ceiling() * float64(b.all.Budget()))
		wait = max(wait, p.fair.allow(now, t, budget))
	}
	return wait, nil
}

// allow is Plan.Allow for one band.
func (b *book) allow(now time.Time, t Transmission) time.Duration {
	ok, wait := b.all.AllowShare(now, t.Airtime, t.Class.ceiling())
	if ok {
		return 0
	}
	own := b.classes[t.Class]
	if own == nil {
		return wait
	}
	// Beyond the ceiling, within the floor: both the class's own ledger and the
	// law have to have room.
	_, waitOwn := own.AllowShare(now, t.Airtime, t.Class.floor())
	_, waitAll := b.all.Allow(now, t.Airtime)
	return min(wait, max(waitOwn, waitAll))
}

// Record enters a transmission that ended at now. Record all of them, also
// those that failed half way, and those that nobody asked Allow about.
func (p *Plan) Record(now time.Time, t Transmission) {
	if p.band < 0 {
		return
	}
	for i, band := range p.region.Bands {
		if i == p.band || band.touches(p.settings.FrequencyHz, p.settings.BandwidthHz) {
			p.book(i).record(now, t)
		}
	}
	p.fair.record(now, t)
}

func (b *book) record(now time.Time, t Transmission) {
	b.all.Record(now, t.Airtime)
	if t.Class >= 0 && t.Class < classCount && b.classes[t.Class] != nil {
		b.classes[t.Class].Record(now, t.Airtime)
	}
}

// Used is the airtime of the past hour in the band in use, and Budget what is
// allowed of it.
func (p *Plan) Used(now time.Time) time.Duration {
	if p.band < 0 {
		return 0
	}
	return p.book(p.band).all.Used(now)
}

// Budget is the airtime allowed in any hour in the band in use.
func (p *Plan) Budget() time.Duration {
	if p.band < 0 {
		return 0
	}
	return p.book(p.band).all.Budget()
}

// BudgetOf is what of Budget a class may use.
func (p *Plan) BudgetOf(c Class) time.Duration {
	return time.Duration(c.ceiling() * float64(p.Budget()))
}

// book returns the book of a band, which is begun with its first use.
func (p *Plan) book(band int) *book {
	if b := p.books[band]; b != nil {
		return b
	}
	limit := p.region.Bands[band].DutyCycle
	if p.limit > 0 {
		limit = min(limit, p.limit)
	}
	b := &book{all: NewLedger(limit)}
	for c := range classCount {
		if c.floor() > 0 {
			b.classes[c] = NewLedger(limit)
		}
	}
	p.books[band] = b
	return b
}
