package airtime

import (
	"encoding/json"
	"fmt"
	"time"
)

// entry is what was sent in one slot of a ledger.
type entry struct {
	Band  string        `json:"band"`
	Class *Class        `json:"class,omitempty"` // of a ledger of one class
	Age   time.Duration `json:"age"`             // of the slot's end, nanoseconds
	Used  time.Duration `json:"used"`            // nanoseconds on the air
}

// Save returns what was sent in the past hour, for Load to put back after a
// restart. Ahead is airtime that counts as sent at now in the band in use: what
// may be sent before the next Save.
func (p *Plan) Save(now time.Time, ahead time.Duration) ([]byte, error) {
	entries := []entry{}
	for i, b := range p.books {
		if b == nil {
			continue
		}
		name := p.region.Bands[i].Name
		entries = b.all.entries(now, entries, entry{Band: name})
		for c, l := range b.classes {
			if class := Class(c); l != nil {
				entries = l.entries(now, entries, entry{Band: name, Class: &class})
			}
		}
	}
	if band, ok := p.Band(); ok && ahead > 0 {
		entries = append(entries, entry{Band: band.Name, Used: ahead})
	}
	return json.Marshal(entries)
}

// Load puts back what Save returned, passed being the time since. It comes
// before anything is recorded. Slots of a time to come, by a clock that went
// back, count as sent now; bands that are not of the region are left out.
func (p *Plan) Load(now time.Time, passed time.Duration, data []byte) error {
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return fmt.Errorf("load airtime: %w", err)
	}
	for _, e := range entries { // oldest first within each ledger
		band := p.bandNamed(e.Band)
		if band < 0 || e.Used <= 0 || e.Used > Window {
			continue
		}
		age := max(e.Age+max(passed, 0), 0)
		if age > Window {
			continue
		}
		l := p.book(band).all
		if e.Class != nil {
			if *e.Class < 0 || *e.Class >= classCount || p.book(band).classes[*e.Class] == nil {
				continue
			}
			l = p.book(band).classes[*e.Class]
		}
		l.Record(now.Add(-age), e.Used)
	}
	return nil
}

func (p *Plan) bandNamed(name string) int {
	for i, b := range p.region.Bands {
		if b.Name == name {
			return i
		}
	}
	return -1
}

// entries appends what counts at now, oldest first.
func (l *Ledger) entries(now time.Time, to []entry, like entry) []entry {
	at := l.advance(now)
	for slot := max(l.slot-slotCount+1, 0); slot <= l.slot; slot++ {
		if used := l.used[slot%slotCount]; used > 0 {
			like.Age = max(at-time.Duration(slot+1)*slotLength, 0)
			like.Used = used
			to = append(to, like)
		}
	}
	return to
}
