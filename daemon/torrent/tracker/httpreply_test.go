package tracker

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestDecodeAnnounce(t *testing.T) {
	compact4 := "\x0a\x00\x00\x01\x1a\xe1" + "\x0a\x00\x00\x02\x00\x50"
	compact6 := "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x1a\xe1"
	for _, tc := range []struct {
		name, body, peers string
		check             func(*testing.T, Response)
	}{
		{"compact", "d8:completei7e10:downloadedi9e10:incompletei8e8:intervali1800e5:peers12:" + compact4 + "e",
			"10.0.0.1:6881 10.0.0.2:80", func(t *testing.T, r Response) {
				if r.Seeders != 7 || r.Leechers != 8 || r.Downloaded != 9 || r.Interval != 30*time.Minute || r.MinInterval != time.Minute {
					t.Errorf("got %+v", r)
				}
			}},
		{"peers6 too", "d8:intervali1800e5:peers12:" + compact4 + "6:peers618:" + compact6 + "e",
			"10.0.0.1:6881 10.0.0.2:80 [2001:db8::1]:6881", nil},
		{"dictionaries", "d5:peersld2:ip8:10.0.0.17:peer id20:-XX0000-0123456789ab4:porti6881eed2:ip11:2001:db8::14:porti1eeee",
			"10.0.0.1:6881 [2001:db8::1]:1", func(t *testing.T, r Response) {
				if string(r.Peers[0].ID) != "-XX0000-0123456789ab" || r.Peers[1].ID != nil {
					t.Errorf("peer ids %q", r.Peers)
				}
			}},
		{"dictionaries without an address", "d5:peersld2:ip7:foo.bar4:porti1eed4:porti1eed2:ip8:10.0.0.14:porti70000eed2:ip8:10.0.0.14:porti5eeee", "10.0.0.1:5", nil},
		{"no peers", "de", "", func(t *testing.T, r Response) {
			if r.Seeders != -1 || r.Leechers != -1 || r.Downloaded != -1 || r.Interval != 30*time.Minute {
				t.Errorf("got %+v", r)
			}
		}},
		{"peers is an empty list", "d5:peerslee", "", nil},
		{"port 0, unspecified and twice", "d5:peers24:\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x01\x0a\x00\x00\x01\x00\x01e", "10.0.0.1:1", nil},
		{"unsorted and repeated keys", "d5:peers0:8:intervali600e8:intervali700e8:completei1ee", "", func(t *testing.T, r Response) {
			if r.Interval != 700*time.Second || r.Seeders != 1 {
				t.Errorf("got %+v", r)
			}
		}},
		{"unknown keys of any shape", "d1:xd1:bi1e1:ai2ee8:intervali600e1:ylleee", "", nil},
		{"trailing newline", "d8:intervali600ee\r\n", "", nil},
		{"interval 0", "d8:intervali0ee", "", wantInterval(time.Minute)},
		{"interval negative", "d8:intervali-5ee", "", wantInterval(time.Minute)},
		{"interval huge", "d8:intervali9223372036854775807ee", "", wantInterval(24 * time.Hour)},
		{"interval beyond 64 bits", "d8:intervali99999999999999999999999ee", "", wantInterval(24 * time.Hour)},
		{"interval below min interval", "d8:intervali100e12:min intervali900ee", "", wantInterval(15 * time.Minute)},
		{"min interval huge", "d12:min intervali99999999ee", "", wantInterval(24 * time.Hour)},
		{"negative and huge counts", "d8:completei-3e10:incompletei99999999999999999999ee", "", func(t *testing.T, r Response) {
			if r.Seeders != -1 || r.Leechers != 1<<31-1 {
				t.Errorf("got %+v", r)
			}
		}},
		{"warning is cleaned", "d15:warning message17:\x1b[31mred\x00\n  alerte", "", func(t *testing.T, r Response) {
			if r.Warning != "[31mred alert" {
				t.Errorf("warning %q", r.Warning)
			}
		}},
		{"tracker id and external ip", "d10:tracker id3:a\x00b11:external ip4:\xc0\x00\x02\x01e", "", func(t *testing.T, r Response) {
			if r.TrackerID != "a\x00b" || r.ExternalIP != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("got %+v", r)
			}
		}},
		{"external ip of 16 bytes", "d11:external ip16:" + compact6[:16] + "e", "", func(t *testing.T, r Response) {
			if r.ExternalIP != netip.MustParseAddr("2001:db8::1") {
				t.Errorf("got %v", r.ExternalIP)
			}
		}},
		{"external ip of 5 bytes", "d11:external ip5:abcdee", "", func(t *testing.T, r Response) {
			if r.ExternalIP.IsValid() {
				t.Errorf("got %v", r.ExternalIP)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := decodeAnnounce([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := peerAddrs(r.Peers); got != tc.peers {
				t.Errorf("peers %q, want %q", got, tc.peers)
			}
			if tc.check != nil {
				tc.check(t, r)
			}
		})
	}
}

func wantInterval(d time.Duration) func(*testing.T, Response) {
	return func(t *testing.T, r Response) {
		t.Helper()
		if r.Interval != d {
			t.Errorf("interval %v, want %v", r.Interval, d)
		}
	}
}

func TestDecodeAnnounceErrors(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"empty", "", "not a dictionary"},
		{"list", "le", "not a dictionary"},
		{"cut off", "d8:interval", "interval"},
		{"no end", "d8:intervali1e", "no end"},
		{"peers not a multiple of 6", "d5:peers7:1234567e", "7 bytes is not a multiple of 6"},
		{"peers6 not a multiple of 18", "d6:peers612:123456789012e", "12 bytes is not a multiple of 18"},
		{"peers truncated", "d5:peers12:123456", "peers"},
		{"peers is a number", "d5:peersi5ee", "peers"},
		{"peers a list of numbers", "d5:peersli1eee", "not a dictionary"},
		{"interval is text", "d8:interval4:1800e", `"interval": not an integer`},
		{"interval is no number", "d8:intervaliabcee", "not an integer"},
		{"key is a number", "di1ei2ee", "key"},
		{"string longer than the body", "d5:peers999999999:abce", "peers"},
		{"deep nesting", "d1:x" + strings.Repeat("l", 100000), "depth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decodeAnnounce([]byte(tc.body))
			wantErr(t, err, tc.want)
		})
	}
}

func TestDecodeFailure(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       FailureError
		text       string
	}{
		{"plain", "d14:failure reason6:go out8:intervalxe", FailureError{"go out", 0}, "tracker refused: go out"},
		{"retry in minutes", "d14:failure reason2:no8:retry ini7ee", FailureError{"no", 7 * time.Minute}, "retry in 7m0s"},
		{"retry in as text", "d14:failure reason2:no8:retry in1:7e", FailureError{"no", 7 * time.Minute}, "retry in 7m0s"},
		{"retry never", "d14:failure reason2:no8:retry in5:nevere", FailureError{"no", RetryNever}, "for good"},
		{"retry in before the reason", "d8:retry in5:never14:failure reason2:noe", FailureError{"no", RetryNever}, "for good"},
		{"retry in 0", "d14:failure reason2:no8:retry ini0ee", FailureError{"no", 0}, "refused: no"},
		{"retry in huge", "d14:failure reason2:no8:retry ini99999999999ee", FailureError{"no", 24 * time.Hour}, "24h"},
		{"long and dirty", "d14:failure reason1000:" + strings.Repeat("\x1b<b>", 250) + "e", FailureError{strings.Repeat("<b> ", 49) + "<b>…", 0}, "<b>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decodeAnnounce([]byte(tc.body))
			var got *FailureError
			if !errors.As(err, &got) || *got != tc.want {
				t.Fatalf("got %#v, want %#v", err, &tc.want)
			}
			wantErr(t, err, tc.text)
		})
	}
}

func TestPeersAreBounded(t *testing.T) {
	var compact, dicts strings.Builder
	for i := range 5000 {
		compact.Write([]byte{10, 0, byte(i >> 8), byte(i), 1, 1})
		fmt.Fprintf(&dicts, "d2:ip%d:10.1.%d.%d4:porti1ee", len(fmt.Sprintf("10.1.%d.%d", i>>8, i&255)), i>>8, i&255)
	}
	for name, body := range map[string]string{
		"compact":      fmt.Sprintf("d5:peers%d:%se", compact.Len(), compact.String()),
		"dictionaries": "d5:peersl" + dicts.String() + "ee",
	} {
		r, err := decodeAnnounce([]byte(body))
		if err != nil || len(r.Peers) != maxPeers {
			t.Errorf("%s: %d peers, error %v", name, len(r.Peers), err)
		}
	}
}

func TestDecodeScrape(t *testing.T) {
	a, b := [20]byte([]byte("aaaaaaaaaaaaaaaaaaaa")), [20]byte([]byte("bbbbbbbbbbbbbbbbbbbb"))
	body := "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee"
	got, err := decodeScrape([]byte(body), [][20]byte{b, a})
	if err != nil || len(got) != 2 || got[0] != (ScrapeResult{-1, -1, -1}) || got[1] != (ScrapeResult{Seeders: 1, Downloaded: 2, Leechers: 3}) {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = decodeScrape([]byte("d14:failure reason2:noe"), [][20]byte{a})
	var refused *FailureError
	if !errors.As(err, &refused) || refused.Reason != "no" {
		t.Errorf("got %v", err)
	}
	_, err = decodeScrape([]byte("d5:filesi1ee"), [][20]byte{a})
	wantErr(t, err, "files")
}
