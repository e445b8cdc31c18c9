package magnet

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/selection"
)

const (
	hexHash    = "cab507494d02ebb1178b38f2e9d7be299c86b862"
	base32Hash = "ZK2QOSKNALV3CF4LHDZOTV56FGOINODC"
	v2Hash     = "1220caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"
)

func hash(t testing.TB) metainfo.Hash {
	t.Helper()
	h, err := metainfo.ParseHash(hexHash)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func v2(t testing.TB) metainfo.HashV2 {
	t.Helper()
	h, err := metainfo.ParseHashV2(v2Hash[4:])
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestKey(t *testing.T) {
	for link, want := range map[string]string{
		"magnet:?xt=urn:btih:" + hexHash:                            hexHash,
		"magnet:?xt=urn:btmh:" + v2Hash:                             v2Hash[4:44],
		"magnet:?xt=urn:btmh:" + v2Hash + "&xt=urn:btih:" + hexHash: hexHash,
	} {
		if l, err := Parse(link); err != nil || l.Key().String() != want {
			t.Errorf("%s: %+v, %v", link, l, err)
		}
	}
}

func TestParse(t *testing.T) {
	addr := netip.MustParseAddrPort
	long := "http://a.example/" + strings.Repeat("x", maxURL)
	cases := []struct {
		name, link string
		want       Link // besides Hash
	}{
		{"hex", "magnet:?xt=urn:btih:" + hexHash, Link{}},
		{"upper-case hex, scheme and key", "MAGNET:?XT=URN:BTIH:" + strings.ToUpper(hexHash), Link{}},
		{"base32", "magnet:?xt=urn:btih:" + base32Hash, Link{}},
		{"lower-case base32", "magnet:?xt=urn:btih:" + strings.ToLower(base32Hash), Link{}},
		{"escaped colons", "magnet:?xt=urn%3Abtih%3A" + hexHash, Link{}},
		{"white space around", "  magnet:?xt=urn:btih:" + hexHash + "\n", Link{}},
		{"fragment", "magnet:?xt=urn:btih:" + hexHash + "#top", Link{}},
		{"hybrid", "magnet:?xt=urn:btih:" + hexHash + "&xt=urn:btmh:" + v2Hash, Link{V2: v2(t)}},
		{"hybrid, numbered", "magnet:?xt.1=urn:btmh:" + v2Hash + "&xt.2=urn:btih:" + hexHash, Link{V2: v2(t)}},
		{"v2 only", "magnet:?xt=urn:btmh:" + strings.ToUpper(v2Hash), Link{V2: v2(t)}},
		{"same hash twice", "magnet:?xt=urn:btih:" + hexHash + "&xt=urn:btih:" + base32Hash, Link{}},
		{"other networks", "magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C&xt=urn:ed2k:31D6&xt=urn:btih:" + hexHash, Link{}},
		{"name", "magnet:?xt=urn:btih:" + hexHash + "&dn=a+b%20c", Link{Name: "a b c"}},
		{"name with escape sequences", "magnet:?xt=urn:btih:" + hexHash + "&dn=a%1b%5b31m%e2%80%aeb%0a%ff", Link{Name: "a[31mb"}},
		{"long name", "magnet:?xt=urn:btih:" + hexHash + "&dn=" + strings.Repeat("%C3%A4", 200), Link{Name: strings.Repeat("ä", 127)}},
		{"trackers", "magnet:?xt=urn:btih:" + hexHash + "&tr=udp%3A%2F%2Fa.example%3A80&tr.1=http://b.example/announce%3Fk%3D1%26x&tr=udp%3A%2F%2Fa.example%3A80",
			Link{Trackers: []string{"udp://a.example:80", "http://b.example/announce?k=1&x"}}},
		{"useless trackers", "magnet:?xt=urn:btih:" + hexHash + "&tr=wss://a.example&tr=x&tr=&tr=http://&tr=" + long + "&tr=%zz", Link{}},
		{"web seeds", "magnet:?xt=urn:btih:" + hexHash + "&ws=https://a.example/x&ws=ftp://b.example/x", Link{WebSeeds: []string{"https://a.example/x"}}},
		{"peers", "magnet:?xt=urn:btih:" + hexHash + "&x.pe=1.2.3.4:5&x.pe=[2001:db8::1]:6&x.pe=1.2.3.4:5",
			Link{Peers: []netip.AddrPort{addr("1.2.3.4:5"), addr("[2001:db8::1]:6")}}},
		{"peers by name", "magnet:?xt=urn:btih:" + hexHash + "&x.pe=Seed.example:6881&x.pe=seed.example:6881&x.pe=localhost:1",
			Link{Hosts: []string{"seed.example:6881", "localhost:1"}}},
		{"useless peers", "magnet:?xt=urn:btih:" + hexHash + "&x.pe=1.2.3.4&x.pe=1.2.3.4:0&x.pe=host:0&x.pe=host&x.pe=ho_st:1&x.pe=a%20b:1&x.pe=1:1&x.pe=host:99999&x.pe=1.2.3.4:65536&x.pe=[fe80::1%25eth0]:1", Link{}},
		{"selection", "magnet:?so=0,2,4-6&xt=urn:btih:" + hexHash, Link{Select: []selection.Range{{First: 0, Last: 0}, {First: 2, Last: 2}, {First: 4, Last: 6}}}},
		{"two selections, of which the first counts", "magnet:?so=7&so=3-1&xt=urn:btih:" + hexHash, Link{Select: []selection.Range{{First: 7, Last: 7}}}},
		{"unknown parameters", "magnet:?as=x&xl=1&&=&kt=a&xt=urn:btih:" + hexHash, Link{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(strings.ToLower(c.link), "btih") {
				c.want.Hash = hash(t)
			}
			got, err := Parse(c.link)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
			again, err := Parse(got.String())
			if err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("%s: read again: %+v, %v", got, again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	other := strings.Repeat("0", 40)
	cases := []struct{ name, link, want string }{
		{"nothing", "", "begin"},
		{"other scheme", "http://a.example/?xt=urn:btih:" + hexHash, "begin"},
		{"no parameters", "magnet:", "begin"},
		{"no topic", "magnet:?dn=x", "no info hash"},
		{"only other networks", "magnet:?xt=urn:sha1:" + base32Hash, "no info hash"},
		{"short hash", "magnet:?xt=urn:btih:00", "not 2"},
		{"39 digits", "magnet:?xt=urn:btih:" + hexHash[1:], "not 39"},
		{"not hex", "magnet:?xt=urn:btih:z" + hexHash[1:], "not hex"},
		{"not base32", "magnet:?xt=urn:btih:1" + base32Hash[1:], "not hex nor base32"},
		{"two torrents", "magnet:?xt=urn:btih:" + hexHash + "&xt=urn:btih:" + other, "two torrents"},
		{"short btmh", "magnet:?xt=urn:btmh:1220", "64 hex"},
		{"two v2 torrents", "magnet:?xt=urn:btmh:" + v2Hash + "&xt=urn:btmh:1220" + strings.Repeat("ab", 32), "two v2 torrents"},
		{"other multihash", "magnet:?xt=urn:btmh:1320" + v2Hash[4:], "64 hex"},
		{"empty selection", "magnet:?so=&xt=urn:btih:" + hexHash, "so: no files"},
		{"selection of nonsense", "magnet:?xt=urn:btih:" + hexHash + "&so=1,,2", `so: files ""`},
		{"selection backwards", "magnet:?xt=urn:btih:" + hexHash + "&SO=3-1", "so: files"},
		{"selection out of bounds", "magnet:?xt=urn:btih:" + hexHash + "&so=0-1000000", "so: files"},
		{"selection that is no text", "magnet:?xt=urn:btih:" + hexHash + "&so=1%zz", "so: "},
		{"too long", "magnet:?xt=urn:btih:" + hexHash + "&dn=" + strings.Repeat("x", MaxLength), "limit"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l, err := Parse(c.link)
			if err == nil || !strings.HasPrefix(err.Error(), "magnet: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v; want an error with %q", l, err, c.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("magnet:?xt=urn:btih:" + hexHash)
	for i := range 200 {
		fmt.Fprintf(&b, "&tr=udp://t%d.example&ws=http://t%d.example/&x.pe=1.2.3.4:%d", i, i, i+1)
	}
	l, err := Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Trackers) != maxTrackers || len(l.WebSeeds) != maxWebSeeds || len(l.Peers) != maxPeers {
		t.Errorf("%d trackers, %d web seeds, %d peers", len(l.Trackers), len(l.WebSeeds), len(l.Peers))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("magnet:?xt=urn:btih:" + hexHash + "&dn=a%20b&tr=udp%3A%2F%2Fa.example%3A80&ws=http://b/&x.pe=[::1]:2&x.pe=a-b.example:3&so=1,3-4")
	f.Add("magnet:?xt.1=urn:btih:" + base32Hash + "&xt.2=urn:btmh:" + v2Hash)
	f.Add("magnet:?xt=urn:btmh:" + v2Hash)
	f.Add("magnet:?so=0-999999,%&x.pe=1.2.3.4:70000&tr.x=1")
	f.Fuzz(func(t *testing.T, link string) {
		l, err := Parse(link)
		if err != nil {
			return
		}
		text := l.String()
		if len(text) > MaxLength {
			return // escapes can make it longer than it was
		}
		again, err := Parse(text)
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("%q: read again from %q: %+v, %v; was %+v", link, text, again, err, l)
		}
	})
}
