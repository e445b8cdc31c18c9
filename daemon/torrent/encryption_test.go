package torrent

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/mse"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

var policies = map[Encryption]string{PreferEncryption: "prefer", RequireEncryption: "require", DisableEncryption: "disable"}

// Every policy meets every other, in both roles.
func TestTransferBetweenPolicies(t *testing.T) {
	t.Parallel()
	cases := []struct {
		caller, called Encryption
		want           string // how the connection is encrypted, "" if there is none
	}{
		{PreferEncryption, PreferEncryption, "handshake"},
		{PreferEncryption, RequireEncryption, "rc4"},
		{PreferEncryption, DisableEncryption, "plaintext"},
		{RequireEncryption, PreferEncryption, "rc4"},
		{RequireEncryption, RequireEncryption, "rc4"},
		{RequireEncryption, DisableEncryption, ""},
		{DisableEncryption, PreferEncryption, "plaintext"},
		{DisableEncryption, RequireEncryption, ""},
		{DisableEncryption, DisableEncryption, "plaintext"},
	}
	for _, c := range cases {
		for _, seedCalls := range []bool{false, true} {
			name := fmt.Sprintf("%s calls %s, the seed is called", policies[c.caller], policies[c.called])
			if seedCalls {
				name = fmt.Sprintf("%s calls %s, the seed calls", policies[c.caller], policies[c.called])
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				transferBetween(t, c.caller, c.called, seedCalls, c.want)
			})
		}
	}
}

func transferBetween(t *testing.T, caller, called Encryption, seedCalls bool, want string) {
	seedDir := t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 32<<10, nil, 1<<20+77)
	start := func(dir string, seeds bool) *node {
		return startNode(t, dir, func(c *Config) {
			c.Encryption, c.Speed.Upload = called, 2<<20 // slow enough to be looked at
			if seeds == seedCalls {
				c.Encryption = caller
			}
		})
	}
	seed, leech := start(seedDir, true), start(t.TempDir(), false)
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "seed finds its data", seeding)
	add(t, leech, torrent)
	leech.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
	from, to := leech, seed
	if seedCalls {
		from, to = seed, leech
	}
	addr := netip.MustParseAddrPort(to.Stats().ListenAddress)
	if want == "" {
		in, err := from.dial(ctx, overTCP, addr, h, false)
		if err == nil {
			in.conn.Close()
			t.Errorf("connected, %s", in.encryption)
		}
		return
	}
	if seedCalls { // a session with nothing to do dials nobody
		in, err := from.dial(ctx, overTCP, addr, h, false)
		if err != nil {
			t.Fatal(err)
		}
		from.do(t, h, func(s *session) { s.connected(in) })
	} else {
		from.do(t, h, func(s *session) { s.learn([]netip.AddrPort{addr}, "tracker") })
	}
	for _, n := range []*node{seed, leech} {
		n.waitFor(t, h, "peer", func(st Status) bool { return st.Peers == 1 })
		if d, err := n.Get(ctx, h); err != nil || len(d.Peers) != 1 || d.Peers[0].Encryption != want {
			t.Errorf("peers %+v, %v, want %s", d.Peers, err, want)
		}
	}
	leech.waitFor(t, h, "download", seeding)
	if treeSum(t, seed.dir) != treeSum(t, leech.dir) {
		t.Error("content differs")
	}
}

// stranger is a peer that speaks by itself, to see what the engine does with
// each byte.
type stranger struct {
	*scene
	net.Conn
	t *testing.T
}

func (s *stranger) handshake() []byte {
	return peerwire.NewHandshake(s.info.Hash, torrenttest.NewID()).Bytes()
}

// initiate shakes hands encrypted, and fails the test when that fails.
func (s *stranger) initiate(provide mse.Method, initial []byte) net.Conn {
	s.t.Helper()
	conn, _, err := mse.Initiate(s.Conn, s.info.Hash, provide, initial)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// taken checks that the engine answers with its handshake, and takes the
// request that follows ours for what it is.
func (s *stranger) taken(conn net.Conn) {
	s.t.Helper()
	if h, err := peerwire.ReadHandshake(conn); err != nil || h.InfoHash != s.info.Hash {
		s.t.Fatalf("answer %+v, %v", h, err)
	}
	r := peerwire.NewReader(conn, (s.info.NumPieces()+7)/8)
	for {
		m, err := r.Next()
		if err != nil {
			s.t.Fatalf("no block came: %v", err)
		}
		if m.ID != peerwire.Piece {
			continue
		}
		block := make([]byte, m.Length)
		if err := r.ReadBlock(block, nil); err != nil || !bytes.Equal(block, s.data[777:][:10]) {
			s.t.Errorf("wrong block, %v", err)
		}
		return
	}
}

// refused checks that the engine says nothing and hangs up.
func (s *stranger) refused() {
	s.t.Helper()
	if n, _ := s.Conn.Read(make([]byte, 1)); n > 0 {
		s.t.Error("the engine answered")
	}
}

// interest is what a peer says to get ten bytes.
func interest() []byte {
	return append(peerwire.AppendMessage(nil, peerwire.Interested), request(0, 777, 10)...)
}

// What strangers are let in, and that what they send early is not lost.
func TestEncryptedStrangers(t *testing.T) {
	const any = mse.Plaintext | mse.RC4
	var other metainfo.Hash // a second torrent
	early := func(provide mse.Method) func(*stranger) {
		return func(s *stranger) {
			s.taken(s.initiate(provide, append(s.handshake(), interest()...)))
		}
	}
	longest := func(s *stranger) {
		b := append(s.handshake(), interest()...)
		b = append(b, make([]byte, (mse.MaxInitial-len(b))/4*4)...) // keep-alives
		s.taken(s.initiate(any, b))
	}
	late := func(provide mse.Method) func(*stranger) {
		return func(s *stranger) {
			conn := s.initiate(provide, nil)
			conn.Write(append(s.handshake(), interest()...))
			s.taken(conn)
		}
	}
	split := func(s *stranger) {
		b := append(s.handshake(), interest()...)
		conn := s.initiate(any, b[:70])
		conn.Write(b[70:])
		s.taken(conn)
	}
	plaintext := func(s *stranger) {
		s.Write(append(s.handshake(), interest()...))
		s.taken(s.Conn)
	}
	cases := []struct {
		name   string
		policy Encryption
		act    func(*stranger)
	}{
		{"all in one", PreferEncryption, early(any)},
		{"all in one, RC4", PreferEncryption, early(mse.RC4)},
		{"as much as may be sent along", PreferEncryption, longest},
		{"nothing sent along", PreferEncryption, late(any)},
		{"nothing sent along, RC4", PreferEncryption, late(mse.RC4)},
		{"a message cut in two", PreferEncryption, split},
		{"plaintext", PreferEncryption, plaintext},
		{"RC4 where it is required", RequireEncryption, early(any)},
		{"plaintext and nothing else", DisableEncryption, plaintext},

		{"plaintext where it is refused", RequireEncryption, func(s *stranger) {
			s.Write(s.handshake())
			s.refused()
		}},
		{"plaintext after the handshake where it is refused", RequireEncryption, func(s *stranger) {
			if _, _, err := mse.Initiate(s.Conn, s.info.Hash, mse.Plaintext, s.handshake()); err == nil {
				s.t.Error("accepted")
			}
		}},
		{"an encrypted handshake where there is none", DisableEncryption, func(s *stranger) {
			if _, _, err := mse.Initiate(s.Conn, s.info.Hash, any, s.handshake()); err == nil {
				s.t.Error("accepted")
			}
		}},
		{"unknown torrent", PreferEncryption, func(s *stranger) {
			if _, _, err := mse.Initiate(s.Conn, [20]byte{1}, any, s.handshake()); err == nil {
				s.t.Error("accepted")
			}
		}},
		{"another torrent in each handshake", PreferEncryption, func(s *stranger) {
			s.Conn = s.initiate(any, peerwire.NewHandshake(other, torrenttest.NewID()).Bytes())
			s.refused()
		}},
		{"something else inside", PreferEncryption, func(s *stranger) {
			s.Conn = s.initiate(mse.RC4, []byte("GET / HTTP/1.1\r\n\r\n    "))
			s.refused()
		}},
		{"half a handshake inside", PreferEncryption, func(s *stranger) {
			s.Conn = s.initiate(any, s.handshake()[:50])
			s.refused()
		}},
		{"garbage", PreferEncryption, func(s *stranger) {
			s.Write(bytes.Repeat([]byte("garbage "), 1000))
			torrenttest.ExpectClosed(s.t, s.Conn)
		}},
		{"a key and no end of padding", PreferEncryption, func(s *stranger) {
			for range 1000 {
				if _, err := s.Write(bytes.Repeat([]byte{7}, 10_000)); err != nil {
					return
				}
			}
			torrenttest.ExpectClosed(s.t, s.Conn)
		}},
		{"a key and silence", PreferEncryption, func(s *stranger) {
			s.Write(bytes.Repeat([]byte{7}, 96))
			torrenttest.ExpectClosed(s.t, s.Conn)
		}},
		{"a byte at a time", PreferEncryption, func(s *stranger) {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			begin := time.Now()
			for range tick.C {
				if _, err := s.Write([]byte{7}); err != nil {
					return
				}
				if time.Since(begin) > time.Minute {
					s.t.Fatal("the engine waits and waits")
				}
			}
		}},
	}
	scenes := make(map[Encryption]*scene)
	for policy := range policies {
		scenes[policy] = newScene(t, func(c *Config) { c.Encryption = policy; c.handshakeTimeout = time.Second; c.UploadSlots = 20 })
	}
	prefers := scenes[PreferEncryption].node
	other = add(t, prefers, makePayload(t, prefers.dir, "other", 32<<10, nil, 100))
	prefers.waitFor(t, other, "second torrent is seeded", seeding)
	t.Run("group", func(t *testing.T) {
		for _, c := range cases {
			t.Run(policies[c.policy]+", "+c.name, func(t *testing.T) {
				t.Parallel()
				s := &stranger{scene: scenes[c.policy], t: t}
				s.Conn = torrenttest.Connect(t, s.addr())
				s.SetDeadline(time.Now().Add(2 * time.Minute))
				c.act(s)
			})
		}
	})
	for _, s := range scenes {
		s.completes(t)
	}
}

// called answers the engine's calls in a given way, and tells how each began.
type called struct {
	l     net.Listener
	calls chan string
}

func answerCalls(t *testing.T, answer func(conn net.Conn, encrypted bool, head []byte)) *called {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &called{l: l, calls: make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			head := make([]byte, peerwire.ProtocolLen)
			io.ReadFull(conn, head)
			encrypted := !peerwire.IsProtocol(head)
			c.calls <- map[bool]string{true: "encrypted", false: "plaintext"}[encrypted]
			answer(conn, encrypted, head)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return c
}

func (c *called) expect(t *testing.T, want ...string) {
	t.Helper()
	for i, w := range want {
		select {
		case got := <-c.calls:
			if got != w {
				t.Fatalf("call %d is %s, want %s", i+1, got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("call %d did not come", i+1)
		}
	}
}

// The engine begins with what a peer spoke last, and tries the other way when
// that fails.
func TestPeerIsRememberedAsPlain(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	speaksPlain := make(chan bool, 1)
	speaksPlain <- true
	peer := answerCalls(t, func(conn net.Conn, encrypted bool, head []byte) {
		plain := <-speaksPlain
		speaksPlain <- plain
		ours := peerwire.NewHandshake(s.info.Hash, torrenttest.NewID()).Bytes()
		switch {
		case plain && !encrypted:
			conn.Write(ours)
		case !plain && encrypted:
			find := func([20]byte) ([20]byte, bool) { return s.info.Hash, true }
			if a, err := mse.Accept(conn, head, mse.RC4, find); err == nil {
				a.Conn.Write(ours)
			}
		default:
			return
		}
		io.CopyN(io.Discard, conn, int64(peerwire.HandshakeLen-peerwire.ProtocolLen+5)) // the engine has seen it
	})
	addr := peer.l.Addr().(*net.TCPAddr).AddrPort()
	again := func() {
		t.Helper()
		s.do(t, s.h, func(se *session) {
			c := se.swarm.candidates[addr]
			c.retry, c.failures = time.Time{}, 0
			se.meet(time.Now())
		})
	}
	left := func() { // until the engine has noticed that it was hung up on
		t.Helper()
		s.waitFor(t, s.h, "candidate is free again", func(Status) bool {
			busy := true
			s.do(t, s.h, func(se *session) { busy = se.swarm.candidates[addr].busy })
			return !busy
		})
	}
	s.do(t, s.h, func(se *session) { se.learn([]netip.AddrPort{addr}, "tracker") })
	peer.expect(t, "encrypted", "plaintext")
	left()
	again()
	peer.expect(t, "plaintext")
	left()
	<-speaksPlain
	speaksPlain <- false
	again()
	peer.expect(t, "plaintext", "encrypted")
	left()
	again()
	peer.expect(t, "encrypted")
	left()
	s.completes(t)
}

// A torrent can be named in an encrypted handshake as long as it is there, also
// when it was there before the engine.
func TestNamesFollowTorrents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 32<<10, nil, 100_000)
	n := startNode(t, dir, nil)
	known := func(h metainfo.Hash) bool { got, ok := n.named(mse.Name(h)); return ok && got == h }
	h := add(t, n, torrent)
	if !known(h) || known(metainfo.Hash{}) {
		t.Error("not known after it was added")
	}
	n.stop(t)
	n = startNode(t, dir, nil)
	if !known(h) {
		t.Error("not known after a restart")
	}
	if err := n.Remove(ctx, h, false); err != nil || known(h) || len(n.names) != 0 {
		t.Errorf("still known after it was removed, %v", err)
	}
}
