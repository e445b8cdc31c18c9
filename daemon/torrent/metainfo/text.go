package metainfo

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTrackers = 256
	maxWebSeeds = 64
	maxURL      = 2 << 10
	maxText     = 16 << 10
	maxSeen     = 4096 // elements of a list of URLs that are looked at
)

// trackers reads announce-list (a list of tiers, each a list of URLs; a bare
// URL among the tiers is a tier of its own), and announce where that yields
// nothing. Whatever is not usable is left out: neither field may cost the
// torrent.
func trackers(list, announce []byte) [][]string {
	var tiers [][]string
	seen := make(map[string]bool)
	outer, inner := newCursor(), newCursor()
	looked := 0
	collect := func(tier *[]string) func(value []byte) error {
		return func(value []byte) error {
			if looked++; looked > maxSeen || len(seen) == maxTrackers {
				return errStop
			}
			if u, ok := cleanURL(value, "http", "https", "udp"); ok && !seen[u] {
				seen[u] = true
				*tier = append(*tier, u)
			}
			return nil
		}
	}
	// Errors only end the walk: what was read before them stands.
	_ = outer.list(list, func(value []byte) error {
		if looked++; looked > maxSeen {
			return errStop
		}
		var tier []string
		add := collect(&tier)
		if value[0] != 'l' {
			_ = add(value)
		} else {
			_ = inner.list(value, add)
		}
		if len(tier) > 0 {
			tiers = append(tiers, tier)
		}
		return nil
	})
	if len(tiers) > 0 {
		return tiers
	}
	if u, ok := cleanURL(announce, "http", "https", "udp"); ok {
		return [][]string{{u}}
	}
	return nil
}

// webSeeds reads url-list, which is a URL or a list of them.
func webSeeds(raw []byte) []string {
	if u, ok := cleanURL(raw, "http", "https"); ok {
		return []string{u}
	}
	var urls []string
	seen := make(map[string]bool)
	looked := 0
	_ = newCursor().list(raw, func(value []byte) error {
		if looked++; looked > maxSeen || len(urls) == maxWebSeeds {
			return errStop
		}
		if u, ok := cleanURL(value, "http", "https"); ok && !seen[u] {
			seen[u] = true
			urls = append(urls, u)
		}
		return nil
	})
	return urls
}

// cleanURL returns the URL in a raw string when it has a host and one of the
// schemes. Apart from white space around it, it is left as it is: its path and
// query may be the user's passkey.
func cleanURL(raw []byte, schemes ...string) (string, bool) {
	b, err := content(raw)
	if err != nil || len(b) > maxURL {
		return "", false
	}
	s := strings.TrimSpace(string(b))
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme { // url.Parse lowers it
			return s, true
		}
	}
	return "", false
}

// text returns the raw string preferred, or other where that is not UTF-8, as
// printable text of at most 16 KiB, with line breaks only when lines is set:
// it ends up on terminals.
func text(preferred, other []byte, lines bool) string {
	b, err := content(preferred)
	if err != nil || !utf8.Valid(b) {
		if b, err = content(other); err != nil {
			return ""
		}
	}
	s := cutRunes(strings.ToValidUTF8(string(b[:min(len(b), maxText+utf8.UTFMax)]), "�"), maxText)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case unicode.IsSpace(r):
			return ' '
		case unprintable(r):
			return -1
		}
		return r
	}, s))
}
