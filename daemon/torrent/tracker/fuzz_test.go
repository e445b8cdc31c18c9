package tracker

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

func checkResponse(t *testing.T, r Response) {
	t.Helper()
	if r.Interval < minInterval || r.Interval > maxInterval || r.MinInterval < minInterval || r.MinInterval > r.Interval {
		t.Errorf("intervals %v and %v", r.Interval, r.MinInterval)
	}
	if r.Seeders < -1 || r.Leechers < -1 || r.Downloaded < -1 || len(r.Peers) > maxPeers || len(r.Warning) > 5*maxText {
		t.Errorf("got %+v", r)
	}
	seen := make(map[netip.AddrPort]bool)
	for _, p := range r.Peers {
		if p.Addr.Port() == 0 || !p.Addr.Addr().IsValid() || p.Addr.Addr().Is4In6() || seen[p.Addr] || p.ID != nil && len(p.ID) != 20 {
			t.Errorf("peer %+v", p)
		}
		seen[p.Addr] = true
	}
}

func FuzzHTTPReply(f *testing.F) {
	for _, s := range []string{
		"", "de", "d14:failure reason2:no8:retry ini5ee", "<html>",
		"d8:completei7e10:incompletei8e8:intervali1800e12:min intervali9e5:peers6:\x0a\x00\x00\x01\x1a\xe16:peers60:e",
		"d11:external ip4:abcd5:peersld2:ip3:::17:peer id20:-XX0000-0123456789ab4:porti6881eee10:tracker id1:xe",
		"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee",
		"d1:xlllleeee8:intervali99999999999999999999ee",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := decodeAnnounce(body); err == nil {
			checkResponse(t, r)
		} else {
			_ = explainGarbage(err, body).Error()
		}
		hashes := make([][20]byte, 2)
		if r, err := decodeScrape(body, hashes); err == nil && len(r) != 2 {
			t.Errorf("%d results", len(r))
		}
		_ = statusError(500, body).Error()
	})
}

func FuzzUDPReply(f *testing.F) {
	for _, s := range []string{
		"", "00000000000000011122334455667788", "0000000100000001000007080000000200000003" + "0a0000011ae1",
		"00000002000000010000000100000002000000030000000400000005", "00000003000000016e6f",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		a, _, ok := parseUDPHeader(b)
		if !ok {
			return
		}
		switch a {
		case actionConnect:
			parseConnectReply(b)
		case actionAnnounce:
			for _, family := range []Family{IPv4, IPv6} {
				if r, err := parseAnnounceReply(b, family); err == nil {
					checkResponse(t, r)
				}
			}
		case actionScrape:
			if r, err := parseScrapeReply(b, int(n)); err == nil && len(r) != int(n) {
				t.Errorf("%d results", len(r))
			}
		case actionError:
			if parseErrorReply(b) == nil {
				t.Error("no error")
			}
		}
	})
}

func FuzzServerHTTPRequest(f *testing.F) {
	f.Add("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&left=0&port=1&event=started&numwant=5&key=ff")
	f.Add("info_hash=%00%01aaaaaaaaaaaaaaaaaa&peer_id=&left=-1&port=99999")
	f.Add("info_hash=a&info_hash=b;c=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		if r, err := parseAnnounceQuery(query); err == nil {
			if r.Port < 1 || r.Port > 65535 || r.Left < 0 || r.Uploaded < 0 || r.Downloaded < 0 {
				t.Errorf("got %+v", r)
			}
		}
		if h, err := parseScrapeQuery(query); err == nil && (len(h) < 1 || len(h) > maxScrape) {
			t.Errorf("%d hashes", len(h))
		}
	})
}

func FuzzServerUDPRequest(f *testing.F) {
	s := &Server{cfg: ServerConfig{Interval: time.Minute}, swarms: newSwarms(ServerConfig{Interval: time.Minute, MaxTorrents: 10, MaxPeers: 10})}
	from := netip.MustParseAddrPort("192.0.2.1:999")
	id := s.connectionID(epoch, from)
	f.Add(appendConnect(nil, 1))
	f.Add(appendAnnounce(nil, id, 1, testRequest(), "/announce"))
	f.Add(appendAnnounce(nil, 5, 1, testRequest(), "/"))
	f.Add(appendScrape(nil, id, 1, make([][20]byte, 3)))
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := s.answerUDP(epoch, from, packet)
		q, err := parseUDPRequest(packet)
		if err != nil && reply != nil {
			t.Errorf("answered %x", packet)
		}
		if err == nil && q.connID != id && len(reply) > len(packet) {
			t.Errorf("%d bytes answered with %d", len(packet), len(reply))
		}
		if st := s.swarms.statistics(); st.Peers > 10 || st.Torrents > 10 {
			t.Errorf("stats %+v", st)
		}
	})
}
