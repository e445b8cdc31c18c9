package lsd

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var hash = [20]byte([]byte("\xaa\xbb\xcc\xdd\xee\xff\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd"))

const hashText = "aabbccddeeff00112233445566778899aabbccdd"

const golden = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + hashText + "\r\ncookie: abc\r\n\r\n\r\n"

func TestGolden(t *testing.T) {
	m := Message{Host: "239.192.152.143:6771", Port: 6881, Cookie: "abc", InfoHashes: [][20]byte{hash}}
	if got := string(Append(nil, m)); got != golden {
		t.Errorf("wrote %q", got)
	}
	if got, err := Parse([]byte(golden)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestParse(t *testing.T) {
	head, hashLine := requestLine+"\r\n", "Infohash: "+hashText+"\r\n"
	for _, c := range []struct {
		name, packet string
		hashes       int // 0: an error
	}{
		{"any case, no cookie, one line break at the end", head + "PORT:1\r\nINFOHASH:" + strings.ToUpper(hashText) + "\r\n", 1},
		{"several torrents", head + "Port: 1\r\n" + strings.Repeat(hashLine, 3) + "\r\n\r\n", 3},
		{"an unknown header", head + "X: y\r\nPort: 1\r\n" + hashLine, 1},
		{"too many torrents", head + "Port: 1\r\n" + strings.Repeat(hashLine, 200), maxReceived},
		{"nothing", "", 0},
		{"HTTP", "GET / HTTP/1.1\r\nPort: 1\r\n" + hashLine, 0},
		{"no port", head + hashLine, 0},
		{"port 0", head + "Port: 0\r\n" + hashLine, 0},
		{"port beyond", head + "Port: 65536\r\n" + hashLine, 0},
		{"no torrent", head + "Port: 1\r\n\r\n", 0},
		{"a short hash", head + "Port: 1\r\nInfohash: aabb\r\n", 0},
		{"a long hash", head + "Port: 1\r\nInfohash: " + hashText + "00\r\n", 0},
		{"a hash that is none", head + "Port: 1\r\nInfohash: " + strings.Repeat("x", 40) + "\r\n", 0},
		{"no header", head + "Port: 1\r\nhello\r\n" + hashLine, 0},
		{"a giant cookie", head + "Port: 1\r\n" + hashLine + "cookie: " + strings.Repeat("c", 200), 0},
	} {
		m, err := Parse([]byte(c.packet))
		if len(m.InfoHashes) != c.hashes || (err != nil) != (c.hashes == 0) {
			t.Errorf("%s: %d torrents, %v", c.name, len(m.InfoHashes), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(Append(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%q became %+v, then %+v (%v)", b, m, again, err)
		}
	})
}

func TestPacketFits(t *testing.T) {
	m := Message{Host: group6.String(), Port: 65535, Cookie: New(Config{}).cookie, InfoHashes: make([][20]byte, maxSent)}
	if n := len(Append(nil, m)); n > 1400 {
		t.Errorf("a full packet has %d bytes", n)
	}
}

// Our own packets come back to us and are dropped, as are those from addresses
// that nobody can dial.
func TestHear(t *testing.T) {
	var found []netip.AddrPort
	l := New(Config{Found: func(h [20]byte, a netip.AddrPort) {
		if h == hash {
			found = append(found, a)
		}
	}, Log: zerolog.Nop()})
	from := netip.MustParseAddrPort("[::ffff:192.168.1.2]:6771")
	l.hear([]byte(golden), from)
	l.hear([]byte(strings.Replace(golden, "abc", l.cookie, 1)), from)
	l.hear([]byte(golden), netip.MustParseAddrPort("[fe80::1%eth0]:6771"))
	l.hear([]byte("hello"), from)
	if len(found) != 1 || found[0] != netip.MustParseAddrPort("192.168.1.2:6881") {
		t.Errorf("found %v", found)
	}
}

func TestQueue(t *testing.T) {
	l := New(Config{})
	for i := range 3 * maxQueued {
		l.Announce([20]byte{byte(i >> 16), byte(i >> 8), byte(i)})
	}
	l.Announce([20]byte{0, 0, 1}) // is queued already
	sent := make(map[[20]byte]int)
	packets := 0
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		if packets++; len(batch) > maxSent {
			t.Fatalf("%d torrents in a packet", len(batch))
		}
		for _, h := range batch {
			sent[h]++
		}
	}
	if len(sent) != maxQueued || packets != maxQueued/maxSent {
		t.Errorf("%d torrents in %d packets", len(sent), packets)
	}
	for h, n := range sent {
		if n != 1 {
			t.Errorf("%x was sent %d times", h, n)
		}
	}
}

// On whatever interfaces there are, a life begins and ends.
func TestRun(t *testing.T) {
	l := New(Config{Port: 1, Found: func([20]byte, netip.AddrPort) {}, Log: zerolog.Nop()})
	l.Announce(hash)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Run(ctx); err != nil && !strings.Contains(err.Error(), "local peers") {
		t.Error(err)
	}
}
