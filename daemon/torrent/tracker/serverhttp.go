package tracker

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// announceReply is the body of an answer to an announce, always compact.
type announceReply struct {
	Complete    int    `bencode:"complete"`
	Downloaded  int    `bencode:"downloaded"`
	ExternalIP  []byte `bencode:"external ip"`
	Incomplete  int    `bencode:"incomplete"`
	Interval    int64  `bencode:"interval"`
	MinInterval int64  `bencode:"min interval"`
	Peers       []byte `bencode:"peers"`
	Peers6      []byte `bencode:"peers6"`
}

type scrapeReply struct {
	Files map[string]scrapeFile `bencode:"files"`
}

type scrapeFile struct {
	Complete   int `bencode:"complete"`
	Downloaded int `bencode:"downloaded"`
	Incomplete int `bencode:"incomplete"`
}

type failureReply struct {
	Reason string `bencode:"failure reason"`
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /announce", s.serveAnnounce)
	mux.HandleFunc("GET /scrape", s.serveScrape)
	return mux
}

func (s *Server) serveAnnounce(w http.ResponseWriter, req *http.Request) {
	r, err := parseAnnounceQuery(req.URL.RawQuery)
	if err != nil {
		s.swarms.reject()
		writeBencode(w, failureReply{err.Error()})
		return
	}
	remote, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil {
		s.swarms.reject()
		writeBencode(w, failureReply{"unknown address"})
		return
	}
	ip := remote.Addr().Unmap().WithZone("")
	v, err := s.swarms.announce(time.Now(), netip.AddrPortFrom(ip, uint16(r.Port)), r)
	if err != nil {
		writeBencode(w, failureReply{err.Error()})
		return
	}
	writeBencode(w, announceReply{
		Complete:    v.seeders,
		Downloaded:  v.completed,
		ExternalIP:  ip.AsSlice(),
		Incomplete:  v.leechers,
		Interval:    int64(s.cfg.Interval / time.Second),
		MinInterval: int64(s.cfg.MinInterval / time.Second),
		Peers:       compactList(v.v4),
		Peers6:      compactList(v.v6),
	})
}

func (s *Server) serveScrape(w http.ResponseWriter, req *http.Request) {
	hashes, err := parseScrapeQuery(req.URL.RawQuery)
	if err != nil {
		s.swarms.reject()
		writeBencode(w, failureReply{err.Error()})
		return
	}
	reply := scrapeReply{Files: make(map[string]scrapeFile)}
	for i, r := range s.swarms.scrape(hashes) {
		reply.Files[string(hashes[i][:])] = scrapeFile{r.Seeders, r.Downloaded, r.Leechers}
	}
	writeBencode(w, reply)
}

func compactList(addrs []netip.AddrPort) []byte {
	b := []byte{} // not nil: an empty list is sent too
	for _, a := range addrs {
		b = appendCompact(b, a)
	}
	return b
}

func writeBencode(w http.ResponseWriter, v any) {
	body, err := bencode.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(body) // the client may have gone
}

// parseAnnounceQuery reads the query of an announce. Parameters that a private
// tracker has no use for, such as an IP address to believe, are ignored.
func parseAnnounceQuery(rawQuery string) (Request, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return Request{}, fmt.Errorf("bad query")
	}
	var r Request
	for _, f := range []struct {
		name string
		to   *[20]byte
	}{{"info_hash", &r.InfoHash}, {"peer_id", &r.PeerID}} {
		v := q.Get(f.name)
		if len(v) != 20 {
			return Request{}, fmt.Errorf("%s must be 20 bytes, not %d", f.name, len(v))
		}
		copy(f.to[:], v)
	}
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	if err != nil || port == 0 {
		return Request{}, fmt.Errorf("port must be 1 to 65535")
	}
	r.Port = int(port)
	for _, f := range []struct {
		name string
		to   *int64
	}{{"uploaded", &r.Uploaded}, {"downloaded", &r.Downloaded}, {"left", &r.Left}} {
		v := q.Get(f.name)
		if v == "" && f.name != "left" {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return Request{}, fmt.Errorf("%s must be a count of bytes", f.name)
		}
		*f.to = int64(n)
	}
	r.Event = Event(q.Get("event"))
	switch r.Event {
	case Regular, Started, Stopped, Completed:
	case "empty": // BEP 3: the same as none
		r.Event = Regular
	default:
		return Request{}, fmt.Errorf("unknown event")
	}
	if v := q.Get("numwant"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return Request{}, fmt.Errorf("numwant must be a number")
		}
		r.NumWant = int(n)
	}
	if n, err := strconv.ParseUint(q.Get("key"), 16, 32); err == nil {
		r.Key = uint32(n) // other clients send what they like
	}
	return r, nil
}

// parseScrapeQuery reads the info hashes of a scrape. Asking for everything is
// refused: a private swarm's hashes are its members' business.
func parseScrapeQuery(rawQuery string) ([][20]byte, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, fmt.Errorf("bad query")
	}
	list := q["info_hash"]
	if len(list) == 0 || len(list) > maxScrape {
		return nil, fmt.Errorf("scrape takes 1 to %d info hashes, not %d", maxScrape, len(list))
	}
	hashes := make([][20]byte, len(list))
	for i, v := range list {
		if len(v) != 20 {
			return nil, fmt.Errorf("info_hash must be 20 bytes, not %d", len(v))
		}
		copy(hashes[i][:], v)
	}
	return hashes, nil
}
