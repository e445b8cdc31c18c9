package tracker

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUDPPackets(t *testing.T) {
	r := Request{
		InfoHash: [20]byte([]byte("hhhhhhhhhhhhhhhhhhhh")), PeerID: [20]byte([]byte("pppppppppppppppppppp")),
		Port: 0x1ae1, Uploaded: 0x0102, Downloaded: 0x0304, Left: 0x0506, Event: Started, NumWant: 80, Key: 0xdeadbeef,
	}
	head := "1122334455667788" + "00000001" + "0a0b0c0d" + strings.Repeat("68", 20) + strings.Repeat("70", 20) + "0000000000000304"
	announce := head + "0000000000000506" + "0000000000000102" + "00000002" + "00000000" + "deadbeef" + "00000050" + "1ae1"
	stopped := r
	stopped.Event, stopped.NumWant = Stopped, 80
	regular := r
	regular.Event, regular.NumWant, regular.Left = Regular, 0, -1
	long := "/" + strings.Repeat("a", 299)
	for _, tc := range []struct {
		name, want string
		got        []byte
	}{
		{"connect", "0000041727101980" + "00000000" + "0a0b0c0d", appendConnect(nil, 0x0a0b0c0d)},
		{"announce", announce, appendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, r, "/")},
		{"announce with URL data", announce + "020d" + hex.EncodeToString([]byte("/announce?k=1")), appendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, r, "/announce?k=1")},
		{"announce with long URL data", announce + "02ff" + hex.EncodeToString([]byte(long[:255])) + "022d" + hex.EncodeToString([]byte(long[255:])), appendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, r, long)},
		{"stopped", head + "0000000000000506" + "0000000000000102" + "00000003" + "00000000" + "deadbeef" + "00000000" + "1ae1", appendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, stopped, "/")},
		{"regular, size unknown", head + "0000000000004000" + "0000000000000102" + "00000000" + "00000000" + "deadbeef" + "ffffffff" + "1ae1", appendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, regular, "/")},
		{"scrape", "1122334455667788" + "00000002" + "0a0b0c0d" + strings.Repeat("68", 20), appendScrape(nil, 0x1122334455667788, 0x0a0b0c0d, [][20]byte{r.InfoHash})},
		{"connect reply", "00000000" + "0a0b0c0d" + "1122334455667788", appendConnectReply(nil, 0x0a0b0c0d, 0x1122334455667788)},
		{"announce reply", "00000001" + "0a0b0c0d" + "00000708" + "00000002" + "00000003" + "0a0000011ae1",
			appendAnnounceReply(nil, 0x0a0b0c0d, 1800, 2, 3, []netip.AddrPort{addrPort("10.0.0.1:6881")})},
		{"scrape reply", "00000002" + "0a0b0c0d" + "00000001" + "00000002" + "00000003",
			appendScrapeReply(nil, 0x0a0b0c0d, []ScrapeResult{{Seeders: 1, Downloaded: 2, Leechers: 3}})},
		{"error reply", "00000003" + "0a0b0c0d" + "6e6f", appendErrorReply(nil, 0x0a0b0c0d, "no")},
	} {
		if got := hex.EncodeToString(tc.got); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestParseUDPReplies(t *testing.T) {
	packet := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tc := range []struct {
		name, packet string
		family       Family
		peers, err   string
		interval     time.Duration
	}{
		{"ipv4", "00000001 00000000 00000708 00000002 00000003 0a0000011ae1 0a0000020000", IPv4, "10.0.0.1:6881", "", 30 * time.Minute},
		{"ipv6", "00000001 00000000 00000708 00000002 00000003 20010db8000000000000000000000001 1ae1", IPv6, "[2001:db8::1]:6881", "", 30 * time.Minute},
		{"interval 0", "00000001 00000000 00000000 00000002 00000003", IPv4, "", "", time.Minute},
		{"interval negative", "00000001 00000000 ffffffff 00000002 00000003", IPv4, "", "", time.Minute},
		{"interval huge", "00000001 00000000 7fffffff 00000002 00000003", IPv4, "", "", 24 * time.Hour},
		{"peers cut", "00000001 00000000 00000708 00000002 00000003 0a0000011a", IPv4, "", "5 bytes is not a multiple of 6", 0},
		{"ipv4 list on an ipv6 socket", "00000001 00000000 00000708 00000002 00000003 0a0000011ae1", IPv6, "", "not a multiple of 18", 0},
	} {
		r, err := parseAnnounceReply(packet(tc.packet), tc.family)
		if tc.err != "" {
			wantErr(t, err, tc.err)
			continue
		}
		if err != nil || r.Leechers != 2 || r.Seeders != 3 || r.Downloaded != -1 || r.Interval != tc.interval || peerAddrs(r.Peers) != tc.peers {
			t.Errorf("%s: got %+v, %v", tc.name, r, err)
		}
	}
	for _, short := range []string{"", "00000003", "00000000 00000000 00000000", "00000001 00000000 00000708 00000002 000000", "00000004 00000000 0000000000000000"} {
		if _, _, ok := parseUDPHeader(packet(short)); ok {
			t.Errorf("packet %q is taken", short)
		}
	}
	_, err := parseScrapeReply(packet("00000002 00000000 00000001 00000002"), 1)
	wantErr(t, err, "8 bytes for 1 torrents")
	wantErr(t, parseErrorReply(packet("00000003 00000000 6e6f1b00")), "tracker refused: no")
	wantErr(t, parseErrorReply(packet("00000003 00000000")), "no reason given")
}

// udpTracker is a scripted tracker: script answers each packet, nil is silence.
type udpTracker struct {
	conn *net.UDPConn
	mu   sync.Mutex
	seen []action
}

func newUDPTracker(t *testing.T, network, addr string, script func(u *udpTracker, n int, a action, packet []byte, from netip.AddrPort) [][]byte) *udpTracker {
	t.Helper()
	local, err := net.ResolveUDPAddr(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP(network, local)
	if err != nil {
		t.Fatal(err)
	}
	u := &udpTracker{conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			a := action(binary.BigEndian.Uint32(buf[8:]))
			u.mu.Lock()
			u.seen = append(u.seen, a)
			count := len(u.seen)
			u.mu.Unlock()
			for _, reply := range script(u, count, a, buf[:n], from) {
				if _, err := conn.WriteToUDPAddrPort(reply, from); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return u
}

func (u *udpTracker) url() string { return "udp://" + u.conn.LocalAddr().String() + "/announce?SECRET" }

func (u *udpTracker) actions() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	names := map[action]string{actionConnect: "c", actionAnnounce: "a", actionScrape: "s"}
	var b strings.Builder
	for _, a := range u.seen {
		b.WriteString(names[a])
	}
	return b.String()
}

const goodID = 0x1122334455667788

// honest answers as a tracker should.
func honest(packet []byte, a action) []byte {
	tid := binary.BigEndian.Uint32(packet[12:])
	if a == actionConnect {
		return appendConnectReply(nil, tid, goodID)
	}
	if binary.BigEndian.Uint64(packet) != goodID {
		return appendErrorReply(nil, tid, "bad connection id")
	}
	return appendAnnounceReply(nil, tid, 1800, 1, 2, []netip.AddrPort{addrPort("10.0.0.1:6881")})
}

func TestUDPClient(t *testing.T) {
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() }) // the cases run at the same time
	withTID := func(b []byte, tid uint32) []byte {
		b = bytes.Clone(b)
		binary.BigEndian.PutUint32(b[4:], tid)
		return b
	}
	for _, tc := range []struct {
		name    string
		script  func(u *udpTracker, n int, a action, packet []byte, from netip.AddrPort) [][]byte
		err     string
		actions string
	}{
		{"works", func(_ *udpTracker, _ int, a action, p []byte, _ netip.AddrPort) [][]byte {
			return [][]byte{honest(p, a)}
		}, "", "ca"},
		{"short, foreign and doubled packets are ignored", func(_ *udpTracker, _ int, a action, p []byte, from netip.AddrPort) [][]byte {
			good := honest(p, a)
			tid := binary.BigEndian.Uint32(p[12:])
			bad := appendErrorReply(nil, tid, "forged")
			if _, err := other.WriteToUDPAddrPort(bad, from); err != nil {
				t.Error(err)
			}
			return [][]byte{{}, good[:7], good[:len(good)-len(good)%16-1][:12], withTID(bad, tid+1), withTID(good, tid+1), good, good, bad}
		}, "", "ca"},
		{"error packet", func(_ *udpTracker, _ int, _ action, p []byte, _ netip.AddrPort) [][]byte {
			return [][]byte{appendErrorReply(nil, binary.BigEndian.Uint32(p[12:]), "go\x1b away")}
		}, "tracker refused: go away", "c"},
		{"wrong action", func(_ *udpTracker, _ int, a action, p []byte, _ netip.AddrPort) [][]byte {
			if a == actionConnect {
				return [][]byte{honest(p, a)}
			}
			return [][]byte{appendConnectReply(nil, binary.BigEndian.Uint32(p[12:]), 1)}
		}, "action 0 instead of 1", "ca"},
		{"peers cut", func(_ *udpTracker, _ int, a action, p []byte, _ netip.AddrPort) [][]byte {
			if a == actionConnect {
				return [][]byte{honest(p, a)}
			}
			return [][]byte{honest(p, a)[:23]}
		}, "3 bytes is not a multiple of 6", "ca"},
		{"first connect lost", func(_ *udpTracker, n int, a action, p []byte, _ netip.AddrPort) [][]byte {
			if n == 1 {
				return nil
			}
			return [][]byte{honest(p, a)}
		}, "", "cca"},
		{"first announce lost", func(_ *udpTracker, n int, a action, p []byte, _ netip.AddrPort) [][]byte {
			if n == 2 {
				return nil
			}
			return [][]byte{honest(p, a)}
		}, "", "caca"},
		{"wrong transaction id only", func(_ *udpTracker, _ int, a action, p []byte, _ netip.AddrPort) [][]byte {
			return [][]byte{withTID(honest(p, a), binary.BigEndian.Uint32(p[12:])+1)}
		}, "no answer after 3 attempts", "ccc"},
		{"silence", func(*udpTracker, int, action, []byte, netip.AddrPort) [][]byte { return nil }, "no answer after 3 attempts", "ccc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			const first = time.Second // time enough for a busy machine to answer
			u := newUDPTracker(t, "udp4", "127.0.0.1:0", tc.script)
			c := newTestClient(t, ClientConfig{UDPTimeout: first, UDPAttempts: 3})
			start := time.Now()
			r, err := c.Announce(testContext(t), u.url(), testRequest())
			if tc.err != "" {
				wantErr(t, err, "announce to udp://127.0.0.1:", tc.err)
			} else if err != nil || peerAddrs(r.Peers) != "10.0.0.1:6881" || r.Seeders != 2 || r.Leechers != 1 {
				t.Errorf("got %+v, %v", r, err)
			}
			if got := u.actions(); got != tc.actions {
				t.Errorf("packets %q, want %q", got, tc.actions)
			}
			// The wait doubles.
			if took := time.Since(start); tc.actions == "ccc" && took < (1+2+4)*first {
				t.Errorf("gave up after %v", took)
			}
		})
	}
}

func TestUDPConnectionID(t *testing.T) {
	u := newUDPTracker(t, "udp4", "127.0.0.1:0", func(_ *udpTracker, n int, a action, p []byte, _ netip.AddrPort) [][]byte {
		return [][]byte{honest(p, a)}
	})
	c := newTestClient(t, ClientConfig{UDPTimeout: time.Minute})
	announce := func(want string) {
		t.Helper()
		if _, err := c.Announce(testContext(t), u.url(), testRequest()); err != nil {
			t.Fatal(err)
		}
		if got := u.actions(); got != want {
			t.Errorf("packets %q, want %q", got, want)
		}
	}
	announce("ca")
	announce("caa") // the id is kept

	addr := u.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	c.mu.Lock()
	k := c.known[addr]
	if left := time.Until(k.expires); k.id != goodID || left > time.Minute || left < 50*time.Second {
		t.Errorf("kept id %x for %v", k.id, left)
	}
	c.known[addr] = connection{goodID, time.Now()} // a minute later
	c.mu.Unlock()
	announce("caaca")

	c.remember(addr, goodID+1) // the tracker restarted
	announce("caacaaca")
}

func TestUDPConnectionsAreBounded(t *testing.T) {
	c := newTestClient(t, ClientConfig{})
	for i := range 2 * maxConnections {
		c.remember(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1), 1)
	}
	if len(c.known) != maxConnections {
		t.Errorf("%d ids", len(c.known))
	}
	for a, k := range c.known {
		k.expires = time.Now()
		c.known[a] = k
	}
	c.remember(addrPort("10.9.9.9:1"), 1)
	if len(c.known) != 1 {
		t.Errorf("%d ids after they expired", len(c.known))
	}
}

func TestUDPClose(t *testing.T) {
	asked := make(chan struct{}, 1)
	u := newUDPTracker(t, "udp4", "127.0.0.1:0", func(*udpTracker, int, action, []byte, netip.AddrPort) [][]byte {
		asked <- struct{}{}
		return nil
	})
	c := NewClient(ClientConfig{})
	done := make(chan error)
	go func() {
		_, err := c.Announce(testContext(t), u.url(), testRequest())
		done <- err
	}()
	<-asked
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestUDPSocketReopens(t *testing.T) {
	u := newUDPTracker(t, "udp6", "[::1]:0", func(_ *udpTracker, _ int, a action, p []byte, _ netip.AddrPort) [][]byte {
		reply := honest(p, a)
		if a == actionAnnounce {
			reply = append(reply[:20], "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a\xe1"...)
		}
		return [][]byte{reply}
	})
	c := newTestClient(t, ClientConfig{UDPTimeout: time.Minute})
	for range 2 {
		r, err := c.Announce(testContext(t), u.url(), testRequest())
		if err != nil || peerAddrs(r.Peers) != "[2001:db8::1]:6881" {
			t.Fatalf("got %v, %v", r, err)
		}
		c.mu.Lock()
		s := c.sockets[IPv6]
		c.mu.Unlock()
		s.close() // as after a failed read
	}
}
