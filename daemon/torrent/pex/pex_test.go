package pex

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

var sample = Message{
	Added: []Peer{
		{netip.MustParseAddrPort("1.2.3.4:513"), Seed | Reachable},
		{netip.MustParseAddrPort("[2001:db8::1]:258"), SpeaksUTP},
	},
	Dropped: []netip.AddrPort{netip.MustParseAddrPort("5.6.7.8:1"), netip.MustParseAddrPort("[::1]:2")},
}

const golden = "d5:added6:\x01\x02\x03\x04\x02\x017:added.f1:\x12" +
	"6:added618:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x028:added6.f1:\x04" +
	"7:dropped6:\x05\x06\x07\x08\x00\x01" +
	"8:dropped618:\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02e"

func TestGolden(t *testing.T) {
	if got := Append(nil, sample); string(got) != golden {
		t.Errorf("got  %q\nwant %q", got, golden)
	}
	if got, err := Decode([]byte(golden)); err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecode(t *testing.T) {
	list := func(key string, n int) string {
		return fmt.Sprintf("%d:%s%d:%s", len(key), key, n, strings.Repeat("\x01", n))
	}
	cases := []struct {
		name, in       string
		added, dropped int
		bad            bool
	}{
		{"nothing new", "de", 0, 0, false},
		{"no flags", "d" + list("added", 12) + "e", 2, 0, false},
		{"too few flags", "d" + list("added", 12) + list("added.f", 1) + "e", 2, 0, false},
		{"too many flags", "d" + list("added", 6) + list("added.f", 500) + "e", 1, 0, false},
		{"unknown keys", "d" + list("added", 6) + "3:fool1:aee", 1, 0, false},
		{"flood", "d" + list("added", 6*5000) + list("dropped", 6*5000) + "e", MaxReceived, MaxReceived, false},
		{"bytes after the end", "d" + list("dropped", 6) + "exyz", 0, 1, false},
		{"half an address", "d" + list("added", 7) + "e", 0, 0, true},
		{"half a v6 address", "d" + list("added6", 6) + "e", 0, 0, true},
		{"half a dropped one", "d" + list("dropped", 5) + "e", 0, 0, true},
		{"number for a list", "d5:addedi1ee", 0, 0, true},
		{"list", "le", 0, 0, true},
		{"nothing", "", 0, 0, true},
		{"nested", strings.Repeat("d1:a", 1000), 0, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode([]byte(c.in))
			if (err != nil) != c.bad || len(m.Added) != c.added || len(m.Dropped) != c.dropped {
				t.Errorf("%d added, %d dropped, %v", len(m.Added), len(m.Dropped), err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte("d5:added7:aaaaaaa7:added.f0:e"))
	f.Add(bytes.Repeat([]byte("d1:a"), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if len(m.Added) > MaxReceived || len(m.Dropped) > MaxReceived {
			t.Fatalf("%d added, %d dropped", len(m.Added), len(m.Dropped))
		}
		if _, err := Decode(Append(nil, m)); err != nil {
			t.Fatal(err)
		}
	})
}
