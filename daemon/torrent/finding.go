package torrent

import (
	"fmt"
	"time"
)

// Where peers come from, as PeerStatus and FindingStatus have it.
const (
	sourceTracker  = "tracker"
	sourceDHT      = "dht"
	sourcePEX      = "pex"
	sourceLSD      = "lsd"
	sourceIncoming = "incoming"
	sourceMagnet   = "magnet"
	sourcePort     = "port"
)

// FindingStatus is how one way of finding peers goes for a torrent: together
// they say why it has none.
type FindingStatus struct {
	Source string // "tracker", "dht", "pex", "lsd", "magnet", or "port": how others reach us
	Text   string // such as "HTTP 502" or "412 nodes, 3 peers found"
}

// finding tells how each way of finding peers goes.
func (s *session) finding() (list []FindingStatus) {
	add := func(source, format string, args ...any) {
		list = append(list, FindingStatus{source, fmt.Sprintf(format, args...)})
	}
	s.trackerFinding(add)
	d, q := &s.e.discovery, s.search
	switch {
	case s.record.Private:
		add(sourceDHT, "not for a private torrent")
		add(sourcePEX, "not for a private torrent")
		add(sourceLSD, "not for a private torrent")
	default:
		s.nodeFinding(add)
		add(sourcePEX, "%s named by peers", count(s.fromSource(sourcePEX), "address", "addresses"))
		if d.local == nil {
			add(sourceLSD, "off")
		} else {
			add(sourceLSD, "%s heard", count(q.local, "announce", "announces"))
		}
	}
	if n := s.fromSource(sourceMagnet); n > 0 {
		add(sourceMagnet, "%s in the link", count(n, "address", "addresses"))
	}
	add(sourcePort, "%d, %s", s.e.port, s.e.reachability())
	return list
}

// reachability says whether others can call us, as far as that is known.
func (e *Engine) reachability() string {
	switch m := e.portMapping(); {
	case e.discovery.reached.Load():
		return "reachable: others have called"
	case e.mapper != nil && e.mapper.Status().Method != "":
		return m + ", nobody has called yet"
	case e.mapper != nil && e.mapper.Status().Error != "":
		return "perhaps not reachable: nobody has called yet, " + m
	default:
		return "unknown whether it is reachable: nobody has called yet, mapping " + m
	}
}

func (s *session) trackerFinding(add func(source, format string, args ...any)) {
	trackers := s.tell.tiers.Trackers()
	if len(trackers) == 0 {
		add(sourceTracker, "none")
		return
	}
	for _, t := range trackers {
		switch {
		case t.Error != "":
			add(sourceTracker, "%s: %s", hostOf(t.URL), t.Error)
		case t.LastAnnounce.IsZero():
			add(sourceTracker, "%s: not announced yet", hostOf(t.URL))
		default:
			add(sourceTracker, "%s: %s", hostOf(t.URL), count(t.PeersReceived, "peer", "peers"))
		}
	}
}

func (s *session) nodeFinding(add func(source, format string, args ...any)) {
	n, q := s.e.discovery.dht, s.search
	if n == nil {
		add(sourceDHT, "off")
		return
	}
	nodes := count(n.Nodes(), "node", "nodes")
	switch {
	case q.found < 0 && n.Nodes() == 0:
		add(sourceDHT, "%s", nodes)
	case q.busy:
		add(sourceDHT, "%s, looking", nodes)
	case q.found < 0:
		add(sourceDHT, "%s, not looked yet", nodes)
	default:
		add(sourceDHT, "%s, %s found, again in %s", nodes, count(q.found, "peer", "peers"), max(0, time.Until(q.lookup)).Round(time.Second))
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
