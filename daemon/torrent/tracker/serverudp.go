package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"
)

// connectionPeriod is how often connection ids change. An id is good for its
// period and the next, which covers the two minutes of BEP 15.
const connectionPeriod = 2 * time.Minute

// maxUDPPeers6 keeps a peer list within one Ethernet frame.
const maxUDPPeers6 = 75

// serveUDP answers packets until the socket is closed.
func (s *Server) serveUDP(conn *net.UDPConn) error {
	buf := make([]byte, 2048) // more than any request, including options
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		to := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if reply := s.answerUDP(time.Now(), to, buf[:n]); reply != nil {
			_, _ = conn.WriteToUDPAddrPort(reply, from) // a lost answer is the client's to repeat
		}
	}
}

// answerUDP returns the reply to one packet, nil for none. Until a sender has
// shown a connection id, no reply is longer than its request, so that the
// tracker is of no use to flood a forged address.
func (s *Server) answerUDP(now time.Time, from netip.AddrPort, packet []byte) []byte {
	q, err := parseUDPRequest(packet)
	if err != nil {
		s.swarms.reject()
		return nil
	}
	if q.action == actionConnect {
		return appendConnectReply(nil, q.tid, s.connectionID(now, from))
	}
	if q.connID != s.connectionID(now, from) && q.connID != s.connectionID(now.Add(-connectionPeriod), from) {
		s.swarms.reject()
		reply := appendErrorReply(nil, q.tid, "bad connection id")
		return reply[:min(len(reply), len(packet))]
	}
	if q.action == actionScrape {
		return appendScrapeReply(nil, q.tid, s.swarms.scrape(q.hashes))
	}
	ip := from.Addr().WithZone("")
	v, err := s.swarms.announce(now, netip.AddrPortFrom(ip, uint16(q.announce.Port)), q.announce)
	if err != nil {
		return appendErrorReply(nil, q.tid, err.Error())
	}
	peers := v.v4
	if ip.Is6() {
		peers = v.v6[:min(len(v.v6), maxUDPPeers6)]
	}
	return appendAnnounceReply(nil, q.tid, int(s.cfg.Interval/time.Second), v.leechers, v.seeders, peers)
}

// connectionID is a keyed hash of the address and the time, so that the server
// has nothing to remember.
func (s *Server) connectionID(now time.Time, from netip.AddrPort) uint64 {
	mac := hmac.New(sha256.New, s.secret[:])
	var b [26]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()/int64(connectionPeriod)))
	ip := from.Addr().As16()
	copy(b[8:], ip[:])
	binary.BigEndian.PutUint16(b[24:], from.Port())
	mac.Write(b[:])
	return binary.BigEndian.Uint64(mac.Sum(nil))
}
