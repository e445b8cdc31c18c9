// Package magnet reads and writes magnet links of torrents.
//
// A link is pasted from anywhere, so the package is lenient: a parameter that
// is unknown or makes no sense is left out. Errors are a link without a usable
// info hash, and a choice of files (so) that makes no sense: to download all of
// them is not what was meant. Everything is bounded: the link's length, the number
// of trackers, web seeds, peers and file ranges, and the length of each.
//
// Spec: BEP 9 (xt, dn, tr, x.pe), BEP 19 (ws), BEP 52 (btmh), BEP 53 (so).
package magnet

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/selection"
)

// MaxLength is the length in bytes of the longest link that is looked at.
const MaxLength = 32 << 10

const (
	maxTrackers = 64
	maxWebSeeds = 64
	maxPeers    = 100
	maxHosts    = 20
	maxURL      = 2 << 10 // bytes
	maxName     = 255     // bytes
)

const scheme = "magnet:?"

var (
	errNoTopic = errors.New("no info hash in it (xt=urn:btih:… or xt=urn:btmh:…)")
)

// Link is what a magnet link says.
type Link struct {
	Hash     metainfo.Hash     // v1 info hash, zero when not given
	V2       metainfo.HashV2   // v2 info hash, zero when not given
	Name     string            // printable, at most 255 bytes; for show until the torrent's own is known
	Trackers []string          // http, https or udp, no URL twice
	WebSeeds []string          // http or https, no URL twice
	Peers    []netip.AddrPort  // x.pe with a literal address
	Hosts    []string          // x.pe with a host name: HOST:PORT in lower case
	Select   []selection.Range // files to download (so), nil for all
}

// Is reports whether text looks like a magnet link rather than another URL.
func Is(text string) bool {
	const prefix = "magnet:"
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// Parse reads a link, which names at least one info hash. Errors begin with
// "magnet:".
func Parse(text string) (*Link, error) {
	l, err := parse(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("magnet: %w", err)
	}
	return l, nil
}

func parse(text string) (*Link, error) {
	switch {
	case len(text) > MaxLength:
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(text), MaxLength)
	case len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme):
		return nil, errors.New(`does not begin with "magnet:?"`)
	}
	query, _, _ := strings.Cut(text[len(scheme):], "#")
	l := &Link{}
	for param := range strings.SplitSeq(query, "&") {
		key, raw, _ := strings.Cut(param, "=")
		key = strings.ToLower(key)
		value, err := url.QueryUnescape(raw)
		if err != nil && key != "so" {
			continue
		}
		if base, index, ok := strings.Cut(key, "."); ok && isNumber(index) {
			key = base // xt.1, tr.2
		}
		if key == "xt" {
			if err := l.topic(value); err != nil {
				return nil, err
			}
			continue
		}
		if key == "so" && l.Select == nil {
			if err == nil {
				l.Select, err = selection.ParseRanges(value)
			}
			if err != nil {
				return nil, fmt.Errorf("so: %w", err)
			}
			continue
		}
		l.option(key, value)
	}
	if !l.IsV1() && !l.IsV2() {
		return nil, errNoTopic
	}
	return l, nil
}

// IsV1 and IsV2 report which hashes the link names.
func (l *Link) IsV1() bool { return l.Hash != metainfo.Hash{} }
func (l *Link) IsV2() bool { return l.V2 != metainfo.HashV2{} }

// Key is the v1 info hash, or the v2 one cut short when there is none.
func (l *Link) Key() metainfo.Hash {
	if l.IsV1() {
		return l.Hash
	}
	return l.V2.Short()
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// topic takes one xt. Those of other networks are left out.
func (l *Link) topic(value string) error {
	kind, id, _ := strings.Cut(strings.ToLower(value), "urn:")
	if kind != "" {
		return nil
	}
	kind, id, _ = strings.Cut(id, ":")
	switch kind {
	case "btih":
		hash, err := parseHash(id)
		if err != nil {
			return err
		}
		if l.IsV1() && hash != l.Hash {
			return errors.New("it names two torrents")
		}
		l.Hash = hash
	case "btmh":
		const sha256 = "1220" // the multihash's function and its length
		digits, ok := strings.CutPrefix(id, sha256)
		hash, err := metainfo.ParseHashV2(digits)
		if err != nil || !ok {
			return fmt.Errorf("btmh %.80q: want 1220 and 64 hex digits", id)
		}
		if l.IsV2() && hash != l.V2 {
			return errors.New("it names two v2 torrents")
		}
		l.V2 = hash
	}
	return nil
}

func parseHash(id string) (h metainfo.Hash, err error) {
	var b []byte
	switch len(id) {
	case 40:
		b, err = hex.DecodeString(id)
	case 32:
		b, err = base32.StdEncoding.DecodeString(strings.ToUpper(id))
	default:
		return h, fmt.Errorf("btih %.50q: want 40 hex or 32 base32 digits, not %d", id, len(id))
	}
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("btih %q: not hex nor base32", id)
	}
	return metainfo.Hash(b), nil
}

// option takes a parameter that the link would be as good without.
func (l *Link) option(key, value string) {
	switch key {
	case "dn":
		if l.Name == "" {
			l.Name = printable(value)
		}
	case "tr":
		l.Trackers = addURL(l.Trackers, maxTrackers, value, "http", "https", "udp")
	case "ws":
		l.WebSeeds = addURL(l.WebSeeds, maxWebSeeds, value, "http", "https")
	case "x.pe":
		a, err := netip.ParseAddrPort(value)
		if err != nil {
			l.host(strings.ToLower(value))
			return
		}
		if a.Port() == 0 || a.Addr().Zone() != "" || len(l.Peers) == maxPeers || slices.Contains(l.Peers, a) {
			return
		}
		l.Peers = append(l.Peers, a)
	}
}

// host takes a peer that is given by its name.
func (l *Link) host(value string) {
	name, text, err := net.SplitHostPort(value)
	port, wrong := strconv.ParseUint(text, 10, 16)
	if err != nil || wrong != nil || port == 0 || len(name) > maxName || len(l.Hosts) == maxHosts {
		return
	}
	letters := false
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z'
		letters = letters || letter
		if !letter && (c < '0' || c > '9') && c != '.' && c != '-' {
			return
		}
	}
	if value = net.JoinHostPort(name, strconv.FormatUint(port, 10)); letters && !slices.Contains(l.Hosts, value) {
		l.Hosts = append(l.Hosts, value)
	}
}

func addURL(list []string, limit int, value string, schemes ...string) []string {
	u, err := url.Parse(value)
	if err != nil || len(value) > maxURL || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) ||
		len(list) == limit || slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

// printable keeps of a name what may be shown on a terminal.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return strings.TrimSpace(name)
}

// String is the link again, in a fixed order.
func (l *Link) String() string {
	var b strings.Builder
	b.WriteString(scheme)
	if l.IsV1() {
		b.WriteString("xt=urn:btih:" + l.Hash.String())
	}
	if l.IsV2() {
		if l.IsV1() {
			b.WriteString("&")
		}
		b.WriteString("xt=urn:btmh:1220" + l.V2.String())
	}
	param := func(key, value string) { b.WriteString("&" + key + "=" + url.QueryEscape(value)) }
	if l.Name != "" {
		param("dn", l.Name)
	}
	for _, u := range l.Trackers {
		param("tr", u)
	}
	for _, u := range l.WebSeeds {
		param("ws", u)
	}
	for _, a := range l.Peers {
		param("x.pe", a.String())
	}
	for _, h := range l.Hosts {
		param("x.pe", h)
	}
	for i, r := range l.Select {
		sep := ","
		if i == 0 {
			sep = "&so="
		}
		b.WriteString(sep + r.String())
	}
	return b.String()
}
