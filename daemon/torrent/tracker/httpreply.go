package tracker

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// decodeAnnounce reads the body of an HTTP announce (BEP 3, 7, 23, 24, 31). A
// refusal by the tracker is a *FailureError.
func decodeAnnounce(body []byte) (Response, error) {
	r := Response{Interval: defaultInterval, MinInterval: minInterval, Seeders: -1, Leechers: -1, Downloaded: -1}
	var peers peerSet
	var failure *FailureError
	var retryIn time.Duration
	err := eachEntry(body, func(key string, v bencode.Bytes) (err error) {
		switch key {
		case "failure reason":
			var reason []byte
			reason, err = rawString(v)
			failure = &FailureError{Reason: cleanText(string(reason))}
		case "retry in":
			retryIn = decodeRetryIn(v)
		case "warning message":
			var text []byte
			text, err = rawString(v)
			r.Warning = cleanText(string(text))
		case "interval":
			r.Interval, err = rawInterval(v)
		case "min interval":
			r.MinInterval, err = rawInterval(v)
		case "complete":
			r.Seeders, err = rawCount(v)
		case "incomplete":
			r.Leechers, err = rawCount(v)
		case "downloaded":
			r.Downloaded, err = rawCount(v)
		case "tracker id":
			var id []byte
			if id, err = rawString(v); len(id) <= maxText {
				r.TrackerID = string(id)
			}
		case "external ip":
			r.ExternalIP = decodeExternalIP(v)
		case "peers":
			err = decodePeers(&peers, v)
		case "peers6":
			var compact []byte
			if compact, err = rawString(v); err == nil {
				err = peers.addCompact("peers6", compact, 16)
			}
		}
		return err
	})
	if failure != nil { // said is said, whatever else was wrong
		failure.RetryIn = retryIn
		return Response{}, failure
	}
	if err != nil {
		return Response{}, err
	}
	r.Interval = max(r.Interval, r.MinInterval)
	r.Peers = peers.peers
	return r, nil
}

// decodePeers reads "peers" in either form: compact, or a list of dictionaries.
// Entries without a usable address (some trackers list host names) are skipped.
func decodePeers(s *peerSet, v bencode.Bytes) error {
	if v[0] != 'l' {
		compact, err := rawString(v)
		if err != nil {
			return err
		}
		return s.addCompact("peers", compact, 4)
	}
	return eachItem(v, func(item bencode.Bytes) error {
		if s.full() {
			return nil
		}
		var p Peer
		var ip netip.Addr
		var port int64
		err := eachEntry(item, func(key string, v bencode.Bytes) (err error) {
			var b []byte
			switch key {
			case "ip":
				b, err = rawString(v)
				ip, _ = netip.ParseAddr(string(b))
			case "port":
				port, err = rawInt(v)
			case "peer id":
				if b, err = rawString(v); len(b) == 20 {
					p.ID = bytes.Clone(b)
				}
			}
			return err
		})
		if err != nil || !ip.IsValid() || port < 1 || port > 65535 {
			return err
		}
		p.Addr = netip.AddrPortFrom(ip.WithZone(""), uint16(port))
		s.add(p)
		return nil
	})
}

// decodeScrape reads the body of an HTTP scrape (BEP 48) in the order of hashes.
func decodeScrape(body []byte, hashes [][20]byte) ([]ScrapeResult, error) {
	results := make([]ScrapeResult, len(hashes))
	for i := range results {
		results[i] = ScrapeResult{-1, -1, -1}
	}
	file := func(hash string, v bencode.Bytes) error {
		var r = ScrapeResult{-1, -1, -1}
		err := eachEntry(v, func(key string, v bencode.Bytes) (err error) {
			switch key {
			case "complete":
				r.Seeders, err = rawCount(v)
			case "incomplete":
				r.Leechers, err = rawCount(v)
			case "downloaded":
				r.Downloaded, err = rawCount(v)
			}
			return err
		})
		for i := range hashes {
			if hash == string(hashes[i][:]) {
				results[i] = r
			}
		}
		return err
	}
	var failure *FailureError
	err := eachEntry(body, func(key string, v bencode.Bytes) (err error) {
		switch key {
		case "failure reason", "failure_reason": // BEP 48 spells it either way
			var reason []byte
			reason, err = rawString(v)
			failure = &FailureError{Reason: cleanText(string(reason))}
		case "files":
			err = eachEntry(v, file)
		}
		return err
	})
	if failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// decodeRetryIn reads BEP 31's "retry in": minutes, or the word "never". What
// is neither counts as not said.
func decodeRetryIn(v bencode.Bytes) time.Duration {
	text, err := rawString(v)
	if err != nil {
		if v[0] != 'i' {
			return 0
		}
		text = v[1 : len(v)-1]
	}
	if strings.EqualFold(string(text), "never") {
		return RetryNever
	}
	minutes, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || minutes <= 0 {
		return 0
	}
	return time.Duration(min(minutes, int64(maxInterval/time.Minute))) * time.Minute
}

// decodeExternalIP reads BEP 24's 4 or 16 bytes; the zero Addr for anything else.
func decodeExternalIP(v bencode.Bytes) netip.Addr {
	b, err := rawString(v)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr.Unmap()
}

// The walkers below hand out one element at a time, so that a reply of a
// million tiny elements costs no more memory than its bytes. They are lenient
// about the order of keys, which trackers in the wild get wrong.

// newDecoder reads one value after another from b. The library bounds nesting.
func newDecoder(b []byte) *bencode.Decoder {
	d := bencode.NewDecoder(bytes.NewReader(b))
	d.MaxStrLen = max(int64(len(b)), 1)
	return d
}

// eachEntry calls fn for every entry of the dictionary at the start of b; what
// follows the dictionary is ignored.
func eachEntry(b []byte, fn func(key string, value bencode.Bytes) error) error {
	if len(b) == 0 || b[0] != 'd' {
		return errors.New("decode bencode: not a dictionary")
	}
	rest := b[1:]
	d := newDecoder(rest)
	for int(d.Offset) < len(rest) {
		if rest[d.Offset] == 'e' {
			return nil
		}
		var rawKey, value bencode.Bytes
		if err := d.Decode(&rawKey); err != nil {
			return fmt.Errorf("decode key: %w", err)
		}
		key, err := rawString(rawKey)
		if err != nil {
			return fmt.Errorf("decode key: %w", err)
		}
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("decode %q: %w", cleanText(string(key)), err)
		}
		if err := fn(string(key), value); err != nil {
			return fmt.Errorf("decode %q: %w", cleanText(string(key)), err)
		}
	}
	return errors.New("decode bencode: dictionary has no end")
}

// eachItem calls fn for every item of the list b.
func eachItem(b []byte, fn func(item bencode.Bytes) error) error {
	rest := b[1:]
	d := newDecoder(rest)
	for int(d.Offset) < len(rest) {
		if rest[d.Offset] == 'e' {
			return nil
		}
		var item bencode.Bytes
		if err := d.Decode(&item); err != nil {
			return fmt.Errorf("decode list item: %w", err)
		}
		if err := fn(item); err != nil {
			return err
		}
	}
	return errors.New("decode bencode: list has no end")
}

// rawString returns the bytes of an encoded string, not copied.
func rawString(v bencode.Bytes) ([]byte, error) {
	if len(v) == 0 || v[0] < '0' || v[0] > '9' {
		return nil, errors.New("not a string")
	}
	return v[bytes.IndexByte(v, ':')+1:], nil
}

// rawInt returns an encoded integer, the nearest int64 when it is larger.
func rawInt(v bencode.Bytes) (int64, error) {
	if len(v) < 3 || v[0] != 'i' {
		return 0, errors.New("not an integer")
	}
	n, err := strconv.ParseInt(string(v[1:len(v)-1]), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("not an integer")
	}
	return n, nil
}

func rawInterval(v bencode.Bytes) (time.Duration, error) {
	seconds, err := rawInt(v)
	return clampInterval(seconds), err
}

func rawCount(v bencode.Bytes) (int, error) {
	n, err := rawInt(v)
	return clampCount(n), err
}
