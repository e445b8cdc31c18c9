package mesh

import (
	"time"
)

const (
	busyShare = 0.25 // of the channel, from which on sources get their share only
	// endlessTalk within endlessMemory is what the messages of a source may take, each
	// counted once, before it is not relayed at all: twice a text of 4 kB at once is less,
	// and who says so much for longer breaks the law of most bands. It is long, since who
	// gives way to others, as it does where many talk, takes less of the channel.
	endlessTalk   = 75 * time.Second
	endlessMemory = 15 * time.Minute
	// Where the channel is busy a source that has said more than loudTalk within
	// loudMemory, and loudTimes as much as others on average, is not relayed either.
	// Fragments do not count: of a long text there are many.
	loudTalk   = 6 * time.Second
	loudMemory = 5 * time.Minute
	loudTimes  = 8
)

// fairShare limits how much of this node's airtime one source gets when the
// channel is busy. Sources of which no beacon is known, and which none names, share
// one account, since whoever invents sources invents many.
type fairShare struct {
	accounts map[uint32]*load
	total    load
	said     map[uint32]*load // new messages of each source, whether relayed or not,
	whole    map[uint32]*load // and those in one packet
}

const strangers uint32 = 0

// account is to whom something by a source is charged.
func (m *Mesh) account(source uint32) uint32 {
	short := Short(source)
	if m.links.lists[short] == nil && m.links.heard[short] == nil && len(m.links.listenersOf(short)) == 0 {
		return strangers
	}
	return source
}

// loadOf is the load of a source, which begins now if it has none. When there are too
// many, all begin anew.
func loadOf(all *map[uint32]*load, source uint32, now time.Time) *load {
	if *all == nil || len(*all) > maxNodes {
		*all = make(map[uint32]*load)
	}
	l := (*all)[source]
	if l == nil {
		l = &load{at: now}
		(*all)[source] = l
	}
	return l
}

// says notes a new message of a source, or a fragment of one.
func (s *fairShare) says(source uint32, fragment bool, d time.Duration, now time.Time) {
	loadOf(&s.said, source, now).addOver(endlessMemory, d, now)
	if !fragment {
		loadOf(&s.whole, source, now).addOver(loudMemory, d, now)
	}
}

// endless says whether a source that is known talks without end. Strangers are many.
func (s *fairShare) endless(source uint32, now time.Time) bool {
	l := s.said[source]
	if l == nil || source == strangers {
		return false
	}
	l.fadeOver(endlessMemory, now)
	return l.airtime > endlessTalk.Seconds()
}

// loud says whether a source that is known says much more than others do.
func (s *fairShare) loud(source uint32, now time.Time) bool {
	l := s.whole[source]
	if l == nil || source == strangers {
		return false
	}
	l.fadeOver(loudMemory, now)
	if l.airtime <= loudTalk.Seconds() {
		return false
	}
	sum, others := 0.0, 0
	for other, l := range s.whole {
		if l.fadeOver(loudMemory, now); other != source && l.airtime > 0.1 {
			sum += l.airtime
			others++
		}
	}
	return l.airtime*float64(max(others, 1)) > loudTimes*sum
}

// charged says whether a source has f relayed at its expense: what it says to everyone.
func (f *flood) charged() bool { return f.key.kind == Flood || f.key.kind == Card }

// mutes says whether a source is not relayed, nor what of it waits for the air.
func (s *fairShare) mutes(m *Mesh, f *flood, now time.Time) bool {
	if f.own || !f.charged() {
		return false
	}
	return s.endless(f.account, now) || m.load.share(now) >= busyShare && s.loud(f.account, now)
}

// allows says whether f may be relayed: its source is not muted, and while the
// channel is busy what it has had, and what of it waits for the air, is within its
// share.
func (s *fairShare) allows(m *Mesh, f *flood, now time.Time) bool {
	switch {
	case !f.charged():
		return true
	case s.mutes(m, f, now):
		return false
	case m.load.share(now) < busyShare:
		return true
	}
	source := m.account(f.key.id.Source)
	had := m.queued(source).Seconds()
	if a := s.accounts[source]; a != nil {
		a.fade(now)
		had += a.airtime
	}
	active := 0
	for _, other := range s.accounts {
		other.fade(now)
		if other.airtime > m.cfg.Airtime(usualSize).Seconds()/4 {
			active++
		}
	}
	s.total.fade(now)
	return had <= max(2*s.total.airtime/float64(max(active, 4)), 4*m.cfg.Airtime(usualSize).Seconds())
}

// queued is the airtime of what waits to be relayed for a source.
func (m *Mesh) queued(source uint32) (d time.Duration) {
	for _, j := range m.jobs {
		if j.relays() && m.account(j.flood.key.id.Source) == source {
			d += m.cfg.Airtime(j.flood.packet.Size())
		}
	}
	return d
}

// relayed charges a source.
func (s *fairShare) relayed(source uint32, d time.Duration, now time.Time) {
	loadOf(&s.accounts, source, now).heard(d, now)
	s.total.heard(d, now)
}

// Knows says whether anything is known of a node besides that it claims to have
// sent something: a beacon, its own or one that names it, or that it is heard directly.
func (m *Mesh) Knows(node uint32) bool { return m.account(node) != strangers }
