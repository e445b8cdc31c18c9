// Package blocklist reads lists of addresses that nobody wants to talk to, and
// keeps one up to date from a file or a URL.
//
// The formats are recognised line by line: P2P ("name:1.2.3.4-1.2.3.9"), DAT
// ("001.002.003.004 - 001.002.003.009 , 000 , name", blocked below level 128),
// ranges, CIDR blocks and single addresses, of IPv4 and IPv6, plain or gzipped.
// Lines that are none of these are counted and left out; a list of nothing else
// is an error. A list is as large as its author likes, so its size is bounded,
// packed and unpacked.
package blocklist

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	maxBytes  = 512 << 20 // unpacked
	maxRanges = 8 << 20
	maxLine   = 4 << 10
	datBlocks = 128 // access levels below are blocked
)

// List is a set of addresses. It is immutable. The nil List is empty.
type List struct {
	ranges  []span // sorted, apart from each other
	skipped int
}

type span struct{ first, last netip.Addr }

// Len is the number of ranges, those that touch counted as one.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.ranges)
}

// Skipped is the number of lines that made no sense.
func (l *List) Skipped() int { return l.skipped }

// Blocks reports whether an address is on the list.
func (l *List) Blocks(a netip.Addr) bool {
	if l == nil || len(l.ranges) == 0 {
		return false
	}
	a = a.Unmap().WithZone("")
	i, _ := slices.BinarySearchFunc(l.ranges, a, func(s span, a netip.Addr) int {
		if s.last.Less(a) {
			return -1
		}
		return 1
	})
	return i < len(l.ranges) && !a.Less(l.ranges[i].first)
}

// Parse reads a list.
func Parse(r io.Reader) (*List, error) {
	in := bufio.NewReader(r)
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("unpack blocklist: %w", err)
		}
		in = bufio.NewReader(z)
	}
	limited := &io.LimitedReader{R: in, N: maxBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	l := &List{}
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' || text[0] == ';' || strings.HasPrefix(text, "//") {
			continue
		}
		s, blocked, ok := parseLine(text)
		switch {
		case !ok:
			l.skipped++
		case blocked && len(l.ranges) == maxRanges:
			return nil, fmt.Errorf("blocklist has more than %d ranges", maxRanges)
		case blocked:
			l.ranges = append(l.ranges, s)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("read blocklist: %w", err)
	case limited.N <= 0:
		return nil, fmt.Errorf("blocklist is larger than %d MiB", maxBytes>>20)
	case len(l.ranges) == 0 && l.skipped > 0:
		return nil, errors.New("it is no blocklist: not a line of it makes sense")
	}
	l.ranges = merge(l.ranges)
	return l, nil
}

// merge sorts ranges and joins those that overlap or touch.
func merge(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last)) })
	kept := all[:0]
	for _, s := range all {
		if n := len(kept); n > 0 && kept[n-1].first.Is4() == s.first.Is4() && (!kept[n-1].last.Less(s.first) || kept[n-1].last.Next() == s.first) {
			if kept[n-1].last.Less(s.last) {
				kept[n-1].last = s.last
			}
			continue
		}
		kept = append(kept, s)
	}
	return slices.Clip(kept)
}

// parseLine reads one line. A DAT line may say that it does not block.
func parseLine(text string) (s span, blocked, ok bool) {
	if first, rest, found := strings.Cut(text, ","); found { // DAT, by its commas
		level, _, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(strings.TrimSpace(level))
		if s, ok := parseRange(first); ok && err == nil {
			return s, n < datBlocks, true
		}
	}
	if s, ok := parseRange(text); ok {
		return s, true, true
	}
	// P2P: names may hold colons, and IPv6 addresses do.
	for rest := text; ; {
		_, after, found := strings.Cut(rest, ":")
		if !found {
			return s, false, false
		}
		if s, ok := parseRange(after); ok {
			return s, true, true
		}
		rest = after
	}
}

// parseRange reads "first-last", a CIDR block or an address.
func parseRange(text string) (s span, ok bool) {
	text = strings.TrimSpace(text)
	if p, err := netip.ParsePrefix(text); err == nil {
		return spanOf(p), true
	}
	first, last, found := strings.Cut(text, "-")
	if !found {
		last = first
	}
	a, ok1 := parseAddr(first)
	b, ok2 := parseAddr(last)
	return span{a, b}, ok1 && ok2 && a.Is4() == b.Is4() && !b.Less(a)
}

func spanOf(p netip.Prefix) span {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(last); i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(last)
	return span{p.Addr(), end}
}

// parseAddr takes IPv4 with leading zeros, too, which are decimal in lists.
func parseAddr(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap(), a.Zone() == ""
	}
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || len(part) > 3 {
			return netip.Addr{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}
