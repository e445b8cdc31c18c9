package torrent

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/choker"
	"lorrent/daemon/torrent/holepunch"
	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/pex"
)

// The numbers that peers are to give the extension messages they send us.
const (
	extendedHello    = 0 // BEP 10
	extendedMetadata = 1
	extendedExchange = 2
	extendedPunch    = 3
	extendedDontHave = 4
	extendedUploads  = 5
)

const (
	maxUploads     = 2000 // requests a peer may have waiting: our reqq
	allowedFastSet = 10
	maxClientName  = 48
)

// extendedHandshake is the dictionary of BEP 10, as far as we use it.
type extendedHandshake struct {
	Messages map[string]int `bencode:"m"`
	Metadata int            `bencode:"metadata_size,omitempty"`
	Port     int            `bencode:"p,omitempty"`
	Queue    int            `bencode:"reqq,omitempty"`
	Version  string         `bencode:"v,omitempty"`
	Uploads  bool           `bencode:"upload_only,omitempty"`
	YourIP   string         `bencode:"yourip,omitempty"`
}

// hello sends what every connection begins with: what we have, what we can,
// and which pieces a choked peer may ask for. One that we have called because we
// lack something hears at once that we are interested, before it says what it
// has: a round trip is won, and BEP 6 makes sure that it says so.
func (s *session) hello(r *remote) {
	have := bitfield.New(0)
	if r.early == nil {
		have = s.content.picker.Have()
	}
	if s.super.active && r.early == nil {
		have = bitfield.New(have.Len())
		defer s.showFirst(r)
	}
	r.interests = r.early == nil && r.dialed && r.fast && s.content.picker.Left() > 0
	r.conn.Send(func(b []byte) []byte {
		switch {
		case r.early != nil && r.fast:
			b = peerwire.AppendMessage(b, peerwire.HaveNone)
		case r.early != nil:
		case r.fast && have.All():
			b = peerwire.AppendMessage(b, peerwire.HaveAll)
		case r.fast && have.None():
			b = peerwire.AppendMessage(b, peerwire.HaveNone)
		case !have.None():
			b = peerwire.AppendBitfield(b, have.Wire())
		}
		if r.interests {
			b = peerwire.AppendMessage(b, peerwire.Interested)
		}
		if r.extends {
			b = peerwire.AppendExtended(b, extendedHello, s.greeting(r))
		}
		if r.dht && s.e.offersDHT(s.t.hash) {
			b = peerwire.AppendPort(b, uint16(s.e.port))
		}
		if r.fast && !have.None() {
			b = s.grant(b, r)
		}
		return b
	})
}

// greeting is our extension handshake. It is sent again when what it says has
// changed.
func (s *session) greeting(r *remote) []byte {
	h := extendedHandshake{
		Messages: map[string]int{metadata.Name: extendedMetadata, nameDontHave: extendedDontHave, nameUploadOnly: extendedUploads},
		Port:     s.e.publicPort(),
		Queue:    maxUploads,
		Version:  "lorrent " + s.e.cfg.Version,
		YourIP:   string(r.addr.Addr().AsSlice()),
	}
	if s.punches() {
		h.Messages[holepunch.Name] = extendedPunch
	}
	h.Uploads = s.complete() && !s.super.active
	if s.content != nil {
		h.Metadata = len(s.content.info.Bytes)
	}
	if s.exchanges() {
		h.Messages[pex.Name] = extendedExchange
	} else if s.record.Magnet != "" {
		h.Messages[pex.Name] = 0 // it was offered before the torrent was known to be private
	}
	return bencode.MustMarshal(h)
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

// extended handles an extension message. What was not offered is ignored. It
// reports false when the peer was dropped.
func (s *session) extended(r *remote, extension uint8, payload []byte) bool {
	switch extension {
	case extendedHello:
		return s.greeted(r, payload)
	case extendedMetadata:
		m, err := metadata.Decode(payload)
		switch {
		case err != nil:
			s.drop(r, "%v", err)
			return false
		case m.Type == metadata.Request:
			return s.metadataAsked(r, m.Piece)
		case m.Type == metadata.Data, m.Type == metadata.Reject:
			return s.metadataArrived(r, m)
		}
	case extendedExchange:
		return s.exchangeArrived(r, payload)
	case extendedPunch:
		return s.punchArrived(r, payload)
	case extendedDontHave:
		return s.lost(r, payload)
	case extendedUploads:
		return s.uploadOnly(r, payload)
	}
	return true
}

// theirGreeting is a peer's extension handshake, as far as we use it. What it does
// not say is nil or zero.
type theirGreeting struct {
	Messages struct {
		Metadata *int `bencode:"ut_metadata"`
		Exchange *int `bencode:"ut_pex"`
		Punch    *int `bencode:"ut_holepunch"`
		Uploads  *int `bencode:"upload_only"`
	} `bencode:"m"`
	Metadata int    `bencode:"metadata_size"`
	Port     int    `bencode:"p"`
	Queue    int    `bencode:"reqq"`
	Version  string `bencode:"v"`
	Uploads  *int   `bencode:"upload_only"`
	YourIP   string `bencode:"yourip"`
}

func parseGreeting(payload []byte) (h theirGreeting, err error) {
	err = bencode.Unmarshal(payload, &h)
	if _, trailing := err.(bencode.ErrUnusedTrailingBytes); err != nil && !trailing {
		return h, fmt.Errorf("extension handshake: %w", err)
	}
	return h, nil
}

// greeted handles an extension handshake, the first or a later one.
func (s *session) greeted(r *remote, payload []byte) bool {
	h, err := parseGreeting(payload)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	number(&r.metadataID, h.Messages.Metadata)
	number(&r.exchange.id, h.Messages.Exchange)
	number(&r.punch.id, h.Messages.Punch)
	number(&r.uploadsID, h.Messages.Uploads)
	if seen, ok := netip.AddrFromSlice([]byte(h.YourIP)); ok {
		s.e.external.Peer(r.addr.Addr(), seen)
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
	now := time.Now()
	if f := s.seeking.fetch; f != nil && h.Metadata != 0 {
		if err := f.Add(int32(r.id), h.Metadata); err != nil {
			s.drop(r, "extension handshake: %v", err)
			return false
		}
		s.askMetadata(r, now)
	}
	s.tellPeers(r, now)
	if h.Uploads != nil {
		s.onlyUploads(r, *h.Uploads != 0)
	}
	return true
}

// number takes over the number a peer gives to a message; 0 takes it back.
func number(to *uint8, given *int) {
	if given != nil && *given >= 0 && *given <= 255 {
		*to = uint8(*given)
	}
}
