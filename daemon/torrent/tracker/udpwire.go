package tracker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// Packets of BEP 15, both directions. All integers are big-endian.

// udpProtocol is the magic number in place of a connection id in a connect.
const udpProtocol = 0x41727101980

// action is the kind of a packet.
type action uint32

const (
	actionConnect  action = 0
	actionAnnounce action = 1
	actionScrape   action = 2
	actionError    action = 3
)

const (
	udpConnectSize       = 16 // request and reply
	udpAnnounceSize      = 98 // request, without the options of BEP 41
	udpScrapeHeaderSize  = 16 // request
	udpAnnounceReplySize = 20 // without peers
	udpReplyHeaderSize   = 8
	maxUDPPacket         = 65507 // the most that IPv4 carries
)

// udpEvents is the number of each event on the wire.
var udpEvents = [...]Event{0: Regular, 1: Completed, 2: Started, 3: Stopped}

func appendConnect(b []byte, tid uint32) []byte {
	b = binary.BigEndian.AppendUint64(b, udpProtocol)
	b = binary.BigEndian.AppendUint32(b, uint32(actionConnect))
	return binary.BigEndian.AppendUint32(b, tid)
}

// appendAnnounce appends an announce. requestURI is the path and query of the
// tracker's URL, which goes into the options of BEP 41 unless it is just "/".
func appendAnnounce(b []byte, connID uint64, tid uint32, r Request, requestURI string) []byte {
	b = binary.BigEndian.AppendUint64(b, connID)
	b = binary.BigEndian.AppendUint32(b, uint32(actionAnnounce))
	b = binary.BigEndian.AppendUint32(b, tid)
	b = append(b, r.InfoHash[:]...)
	b = append(b, r.PeerID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Downloaded, 0)))
	b = binary.BigEndian.AppendUint64(b, uint64(wireLeft(r.Left)))
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.Uploaded, 0)))
	var event uint32
	for n, e := range udpEvents {
		if e == r.Event {
			event = uint32(n)
		}
	}
	b = binary.BigEndian.AppendUint32(b, event)
	b = append(b, 0, 0, 0, 0) // IP address: the one the packet comes from
	b = binary.BigEndian.AppendUint32(b, r.Key)
	b = binary.BigEndian.AppendUint32(b, uint32(int32(wireNumWant(r))))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Port))
	if requestURI == "/" {
		return b
	}
	const urlData, maxOption, maxURI = 2, 255, 4 * 255
	for uri := requestURI[:min(len(requestURI), maxURI)]; uri != ""; {
		n := min(len(uri), maxOption)
		b = append(b, urlData, byte(n))
		b = append(b, uri[:n]...)
		uri = uri[n:]
	}
	return b
}

func appendScrape(b []byte, connID uint64, tid uint32, hashes [][20]byte) []byte {
	b = binary.BigEndian.AppendUint64(b, connID)
	b = binary.BigEndian.AppendUint32(b, uint32(actionScrape))
	b = binary.BigEndian.AppendUint32(b, tid)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

// parseUDPHeader reads the start of a reply. ok is false when the packet is too
// short for what it says it is; such a packet is ignored.
func parseUDPHeader(b []byte) (a action, tid uint32, ok bool) {
	if len(b) < udpReplyHeaderSize {
		return 0, 0, false
	}
	a = action(binary.BigEndian.Uint32(b))
	tid = binary.BigEndian.Uint32(b[4:])
	switch a {
	case actionConnect:
		ok = len(b) >= udpConnectSize
	case actionAnnounce:
		ok = len(b) >= udpAnnounceReplySize
	case actionScrape, actionError:
		ok = true
	}
	return a, tid, ok
}

// parseConnectReply reads a packet that parseUDPHeader found to be a connect.
func parseConnectReply(b []byte) (connID uint64) { return binary.BigEndian.Uint64(b[8:]) }

// parseErrorReply reads an error packet: plain text up to the end.
func parseErrorReply(b []byte) error {
	reason := cleanText(string(b[udpReplyHeaderSize:]))
	if reason == "" {
		reason = "no reason given"
	}
	return &FailureError{Reason: reason}
}

// parseAnnounceReply reads an announce reply of at least udpAnnounceReplySize
// bytes. The family of the socket decides the size of an address.
func parseAnnounceReply(b []byte, family Family) (Response, error) {
	interval := clampInterval(int64(int32(binary.BigEndian.Uint32(b[8:]))))
	r := Response{
		Interval:    interval,
		MinInterval: minInterval,
		Leechers:    clampCount(int64(int32(binary.BigEndian.Uint32(b[12:])))),
		Seeders:     clampCount(int64(int32(binary.BigEndian.Uint32(b[16:])))),
		Downloaded:  -1,
	}
	addrLen := 4
	if family == IPv6 {
		addrLen = 16
	}
	var peers peerSet
	if err := peers.addCompact("peers", b[udpAnnounceReplySize:], addrLen); err != nil {
		return Response{}, err
	}
	r.Peers = peers.peers
	return r, nil
}

// parseScrapeReply reads the results for n torrents.
func parseScrapeReply(b []byte, n int) ([]ScrapeResult, error) {
	b = b[udpReplyHeaderSize:]
	if len(b) < 12*n {
		return nil, fmt.Errorf("decode scrape: %d bytes for %d torrents", len(b), n)
	}
	results := make([]ScrapeResult, n)
	for i := range results {
		results[i] = ScrapeResult{
			Seeders:    clampCount(int64(int32(binary.BigEndian.Uint32(b)))),
			Downloaded: clampCount(int64(int32(binary.BigEndian.Uint32(b[4:])))),
			Leechers:   clampCount(int64(int32(binary.BigEndian.Uint32(b[8:])))),
		}
		b = b[12:]
	}
	return results, nil
}

// udpRequest is a parsed packet from a client, as the Server sees it.
type udpRequest struct {
	action   action
	connID   uint64
	tid      uint32
	announce Request    // of an announce
	hashes   [][20]byte // of a scrape
}

// parseUDPRequest reads a client's packet.
func parseUDPRequest(b []byte) (udpRequest, error) {
	if len(b) < udpConnectSize {
		return udpRequest{}, errors.New("parse packet: too short")
	}
	q := udpRequest{
		connID: binary.BigEndian.Uint64(b),
		action: action(binary.BigEndian.Uint32(b[8:])),
		tid:    binary.BigEndian.Uint32(b[12:]),
	}
	switch q.action {
	case actionConnect:
		if q.connID != udpProtocol {
			return udpRequest{}, errors.New("parse connect: wrong protocol id")
		}
		return q, nil
	case actionAnnounce:
		return parseUDPAnnounce(q, b)
	case actionScrape:
		b = b[udpScrapeHeaderSize:]
		if len(b) < 20 || len(b)%20 != 0 || len(b)/20 > maxScrape+10 {
			return udpRequest{}, fmt.Errorf("parse scrape: %d bytes of info hashes", len(b))
		}
		for ; len(b) > 0; b = b[20:] {
			q.hashes = append(q.hashes, [20]byte(b))
		}
		return q, nil
	}
	return udpRequest{}, fmt.Errorf("parse packet: unknown action %d", q.action)
}

// parseUDPAnnounce reads the rest of an announce. The IP address a client names
// is ignored, or it could point the swarm at somebody else; so are the options.
func parseUDPAnnounce(q udpRequest, b []byte) (udpRequest, error) {
	if len(b) < udpAnnounceSize {
		return udpRequest{}, fmt.Errorf("parse announce: %d bytes, want %d", len(b), udpAnnounceSize)
	}
	event := binary.BigEndian.Uint32(b[80:])
	if int(event) >= len(udpEvents) {
		return udpRequest{}, fmt.Errorf("parse announce: unknown event %d", event)
	}
	q.announce = Request{
		InfoHash:   [20]byte(b[16:]),
		PeerID:     [20]byte(b[36:]),
		Downloaded: clampBytes(binary.BigEndian.Uint64(b[56:])),
		Left:       clampBytes(binary.BigEndian.Uint64(b[64:])),
		Uploaded:   clampBytes(binary.BigEndian.Uint64(b[72:])),
		Event:      udpEvents[event],
		Key:        binary.BigEndian.Uint32(b[88:]),
		NumWant:    int(int32(binary.BigEndian.Uint32(b[92:]))),
		Port:       int(binary.BigEndian.Uint16(b[96:])),
	}
	if q.announce.Port == 0 {
		return udpRequest{}, errors.New("parse announce: port 0")
	}
	return q, nil
}

func clampBytes(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func appendReplyHeader(b []byte, a action, tid uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(a))
	return binary.BigEndian.AppendUint32(b, tid)
}

func appendConnectReply(b []byte, tid uint32, connID uint64) []byte {
	return binary.BigEndian.AppendUint64(appendReplyHeader(b, actionConnect, tid), connID)
}

func appendErrorReply(b []byte, tid uint32, reason string) []byte {
	return append(appendReplyHeader(b, actionError, tid), reason...)
}

func appendAnnounceReply(b []byte, tid uint32, intervalSeconds, leechers, seeders int, peers []netip.AddrPort) []byte {
	b = appendReplyHeader(b, actionAnnounce, tid)
	for _, n := range []int{intervalSeconds, leechers, seeders} {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	for _, p := range peers {
		b = appendCompact(b, p)
	}
	return b
}

func appendScrapeReply(b []byte, tid uint32, results []ScrapeResult) []byte {
	b = appendReplyHeader(b, actionScrape, tid)
	for _, r := range results {
		for _, n := range []int{r.Seeders, r.Downloaded, r.Leechers} {
			b = binary.BigEndian.AppendUint32(b, uint32(max(n, 0)))
		}
	}
	return b
}
