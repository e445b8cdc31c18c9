package holepunch

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

// golden is each message, as BEP 55 has it, and as libtorrent sends it.
var golden = []struct {
	name  string
	m     Message
	bytes string
	short bool // without the code
}{
	{"rendezvous", Message{Type: Rendezvous, Addr: netip.MustParseAddrPort("192.0.2.123:6881")}, "0000c000027b1ae100000000", false},
	{"connect over IPv6", Message{Type: Connect, Addr: netip.MustParseAddrPort("[2001:db8::1]:51413")}, "010120010db8000000000000000000000001c8d500000000", false},
	{"failed", Message{Type: Failed, Addr: netip.MustParseAddrPort("198.51.100.7:1"), Code: NotConnected}, "0200c6336407000100000002", false},
	{"short rendezvous", Message{Type: Rendezvous, Addr: netip.MustParseAddrPort("192.0.2.123:6881")}, "0000c000027b1ae1", true},
	{"short connect", Message{Type: Connect, Addr: netip.MustParseAddrPort("[2001:db8::1]:51413")}, "010120010db8000000000000000000000001c8d5", true},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		b, _ := hex.DecodeString(g.bytes)
		if m, err := Decode(b); err != nil || m != g.m {
			t.Errorf("%s: decoded %+v, %v", g.name, m, err)
		}
		if got := Append([]byte("x"), g.m); !g.short && string(got) != "x"+string(b) {
			t.Errorf("%s: encoded %x", g.name, got[1:])
		}
	}
}

// A code in a message that is no error counts for nothing.
func TestCodeOfConnect(t *testing.T) {
	b, _ := hex.DecodeString("0100c000027b1ae100000003")
	if m, err := Decode(b); err != nil || m.Code != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "a byte": "00", "no address": "0000", "type 3": "0300c000027b1ae100000000",
		"kind 2": "0002c000027b1ae100000000", "cut address": "0000c00002", "cut port": "0000c000027b1a",
		"cut code": "0000c000027b1ae1000000", "something behind it": "0000c000027b1ae10000000000",
		"IPv4 for IPv6": "0001c000027b1ae100000000", "error without code": "0200c000027b1ae1",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := Decode(b); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestCodesHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := range Code(6) {
		if s := c.String(); s == "" || seen[s] {
			t.Errorf("code %d is %q", c, s)
		} else {
			seen[s] = true
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		b, _ := hex.DecodeString(g.bytes)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		again := Append(nil, m)
		if m2, err := Decode(again); err != nil || m2 != m {
			t.Errorf("%x: %+v became %+v, %v", b, m, m2, err)
		}
		if !m.Addr.Addr().Is4() && b[1] == ipv4 || len(b) > len(again) && !bytes.Equal(b[2:14], append(bytes.Repeat([]byte{0}, 10), 0xff, 0xff)) {
			t.Errorf("%x: read as %+v", b, m)
		}
	})
}
