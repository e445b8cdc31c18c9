package torrent

import (
	"net/netip"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/daemon/torrent/choker"
	"lorrent/daemon/torrent/peerwire"
)

const (
	maxUploads     = 2000 // requests a peer may have waiting: our reqq
	allowedFastSet = 10
	maxClientName  = 48
)

// extendedHandshake is the dictionary of BEP 10, as far as we use it.
type extendedHandshake struct {
	Messages map[string]int `bencode:"m"`
	Port     int            `bencode:"p,omitempty"`
	Queue    int            `bencode:"reqq,omitempty"`
	Version  string         `bencode:"v,omitempty"`
	YourIP   string         `bencode:"yourip,omitempty"`
}

// hello sends what every connection begins with: what we have, what we can,
// and which pieces a choked peer may ask for.
func (s *session) hello(r *remote, extended bool) {
	have := s.content.picker.Have()
	var greeting []byte
	if extended {
		greeting = bencode.MustMarshal(extendedHandshake{
			Messages: map[string]int{},
			Port:     s.e.port,
			Queue:    maxUploads,
			Version:  "lorrent " + s.e.cfg.Version,
			YourIP:   string(r.addr.Addr().AsSlice()),
		})
	}
	r.conn.Send(func(b []byte) []byte {
		switch {
		case r.fast && have.All():
			b = peerwire.AppendMessage(b, peerwire.HaveAll)
		case r.fast && have.None():
			b = peerwire.AppendMessage(b, peerwire.HaveNone)
		case !have.None():
			b = peerwire.AppendBitfield(b, have.Wire())
		}
		if extended {
			b = peerwire.AppendExtended(b, 0, greeting)
		}
		if r.fast && !have.None() {
			b = s.grant(b, r)
		}
		return b
	})
}

// grant tells a peer which pieces it may have while choked (BEP 6), so that a
// newcomer gets something to trade.
func (s *session) grant(b []byte, r *remote) []byte {
	r.granted = make(map[int32]bool)
	for _, p := range choker.AllowedFast(r.addr.Addr(), s.t.hash, s.content.info.NumPieces(), allowedFastSet) {
		if s.content.picker.Have().Has(int(p)) {
			r.granted[p] = true
			b = peerwire.AppendIndex(b, peerwire.AllowedFast, uint32(p))
		}
	}
	return b
}

// extended handles an extension message. All we know is the handshake; other
// messages were not offered and are ignored.
func (s *session) extended(r *remote, extension uint8, payload []byte) {
	if extension != 0 {
		return
	}
	var h struct {
		Port    int    `bencode:"p"`
		Queue   int    `bencode:"reqq"`
		Version string `bencode:"v"`
	}
	if err := bencode.Unmarshal(payload, &h); err != nil {
		if _, trailing := err.(bencode.ErrUnusedTrailingBytes); !trailing {
			s.drop(r, "extension handshake: %v", err)
			return
		}
	}
	if h.Queue > 0 {
		r.conn.SetQueueLimit(h.Queue)
	}
	if name := printable(h.Version, maxClientName); name != "" {
		r.client = name
	}
	if h.Port > 0 && h.Port < 1<<16 && !r.listen.IsValid() { // only once: it must give back what it makes busy
		r.listen = netip.AddrPortFrom(r.addr.Addr(), uint16(h.Port))
		if c := s.swarm.candidates[r.listen]; c != nil {
			c.busy = true
		} else if len(s.swarm.candidates) < maxCandidates {
			s.swarm.candidates[r.listen] = &candidate{addr: r.listen, source: "incoming", busy: true}
		}
	}
}
