package torrent

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

const blockSize = peerwire.BlockSize

// What a peer does before it is anybody's peer.
func TestHostileHandshakes(t *testing.T) {
	good := func(s *scene) []byte { return peerwire.NewHandshake(s.info.Hash, torrenttest.NewID()).Bytes() }
	cases := []struct {
		name   string
		send   func(s *scene) []byte
		answer bool // it gets a handshake before it is shown the door
	}{
		{"other protocol name", func(s *scene) []byte { return append([]byte("\x13BitTorrent protocoX"), good(s)[20:]...) }, false},
		{"other name length", func(s *scene) []byte { return append([]byte{18}, good(s)[1:]...) }, false},
		{"HTTP", func(*scene) []byte { return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }, false},
		{"zeros", func(*scene) []byte { return make([]byte, 1000) }, false},
		{"unknown torrent", func(s *scene) []byte { b := good(s); b[30] ^= 1; return b }, false},
		{"silence", func(*scene) []byte { return nil }, false},
		{"half a handshake", func(s *scene) []byte { return good(s)[:50] }, false},
		{"our own ID", func(s *scene) []byte { return peerwire.NewHandshake(s.info.Hash, s.peerID).Bytes() }, true},
	}
	s := newScene(t, func(c *Config) { c.handshakeTimeout = time.Second })
	t.Run("group", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				conn := torrenttest.Connect(t, s.addr())
				conn.Write(c.send(s))
				if c.answer {
					if _, err := peerwire.ReadHandshake(conn); err != nil {
						t.Errorf("no answer: %v", err)
					}
				}
				torrenttest.ExpectClosed(t, conn)
			})
		}
	})
	s.completes(t)
}

// What the engine meets when it is the one who calls.
func TestHostileAnswers(t *testing.T) {
	s := newScene(t, func(c *Config) { c.handshakeTimeout = time.Second })
	other := s.seedConfig()
	other.InfoHash[0] ^= 1
	self := s.seedConfig()
	self.PeerID = s.peerID
	seeds := []*torrenttest.Seed{
		torrenttest.StartSeed(t, other),
		torrenttest.StartSeed(t, self),
	}
	s.meet(t, seeds...)
	s.completes(t)
	s.do(t, s.h, func(se *session) {
		if c := se.swarm.candidates[seeds[1].Addr()]; c != nil && !c.forbidden && c.failures > 0 {
			t.Error("the address of ourselves may be tried again")
		}
	})
	s.waitFor(t, s.h, "nobody is a peer any more", func(st Status) bool { return st.Peers == 0 })
}

func have(index uint32) []byte { return peerwire.AppendIndex(nil, peerwire.Have, index) }
func request(index, begin, length uint32) []byte {
	return peerwire.AppendBlock(nil, peerwire.Request, index, begin, length)
}
func extended(payload string) []byte { return peerwire.AppendExtended(nil, 0, []byte(payload)) }

func TestHostileMessages(t *testing.T) {
	type peer = torrenttest.Peer
	const n = 21 // pieces of a scene
	say := func(parts ...[]byte) func(testing.TB, *scene, *peer) {
		return func(_ testing.TB, _ *scene, p *peer) { p.Say(parts...) }
	}
	served := func(say ...[]byte) func(testing.TB, *scene, *peer) {
		return func(t testing.TB, _ *scene, p *peer) { unchoked(t, p); p.Say(say...) }
	}
	raw := func(length uint32, id peerwire.ID, payload ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, length), append([]byte{byte(id)}, payload...)...)
	}
	allBits := []byte{0xff, 0xff, 0xf8}
	cases := []struct {
		name      string
		plain     bool // no fast extension, no extension protocol
		act       func(testing.TB, *scene, *peer)
		tolerated bool // the connection stays
	}{
		{"keep-alives", false, say(make([]byte, 4*1000)), true},
		{"unknown messages", false, say(raw(3, 99, 1, 2), raw(1, 250)), true},
		{"port", false, say(raw(3, peerwire.Port, 1, 2)), true},
		{"oversized message", false, say(raw(0xffffffff, peerwire.Extended)), false},
		{"oversized unknown message", false, say(raw(1<<20, 99)), false},
		{"oversized have", false, say(raw(1<<20, peerwire.Have)), false},
		{"short have", false, say(raw(2, peerwire.Have, 1)), false},
		{"long choke", false, say(raw(2, peerwire.Choke, 1)), false},
		{"have beyond the last piece", false, say(have(n)), false},
		{"have of 2^32-1", false, say(have(0xffffffff)), false},
		{"have of the last piece, again and again", false, say(bytes.Repeat(have(n-1), 1000)), true},
		{"bitfield too short", false, say(peerwire.AppendBitfield(nil, allBits[:2])), false},
		{"bitfield too long", false, say(peerwire.AppendBitfield(nil, append(allBits, 0))), false},
		{"bitfield with spare bits", false, say(peerwire.AppendBitfield(nil, []byte{0xff, 0xff, 0xfc})), false},
		{"second bitfield", false, say(peerwire.AppendBitfield(nil, []byte{1, 0, 0}), peerwire.AppendBitfield(nil, allBits)), true},
		{"have all and have none", false, say(raw(1, peerwire.HaveAll), raw(1, peerwire.HaveNone), raw(1, peerwire.HaveAll)), true},
		{"have all without fast", true, say(raw(1, peerwire.HaveAll)), false},
		{"have none without fast", true, say(raw(1, peerwire.HaveNone)), false},
		{"suggest without fast", true, say(peerwire.AppendIndex(nil, peerwire.Suggest, 1)), false},
		{"allowed fast without fast", true, say(peerwire.AppendIndex(nil, peerwire.AllowedFast, 1)), false},
		{"reject without fast", true, say(peerwire.AppendBlock(nil, peerwire.Reject, 1, 0, blockSize)), false},
		{"allowed fast beyond the last piece", false, say(peerwire.AppendIndex(nil, peerwire.AllowedFast, n)), false},
		{"suggest beyond the last piece", false, say(peerwire.AppendIndex(nil, peerwire.Suggest, n)), false},
		{"allowed fast flood", false, func(_ testing.TB, _ *scene, p *peer) {
			for i := range uint32(5000) {
				p.Say(peerwire.AppendIndex(nil, peerwire.AllowedFast, i%n))
			}
		}, true},
		{"reject of what was not asked for", false, say(peerwire.AppendBlock(nil, peerwire.Reject, 6, 0, blockSize)), false},
		{"cancel of what was not asked for", false, say(peerwire.AppendBlock(nil, peerwire.Cancel, 6, 7, 8)), true},
		{"cancel beyond the last piece", false, say(peerwire.AppendBlock(nil, peerwire.Cancel, n, 0, blockSize)), false},

		{"request beyond the last piece", false, served(request(n, 0, blockSize)), false},
		{"request of nothing", false, served(request(0, 0, 0)), false},
		{"request of more than a block", false, served(request(0, 0, blockSize+1)), false},
		{"request beyond the piece", false, served(request(0, 32<<10, 1)), false},
		{"request across the piece's end", false, served(request(0, 32<<10-1, 2)), false},
		{"request across the last piece's end", false, served(request(n-1, 0, 5001)), false},
		{"request that overflows", false, served(request(0, 0xffffffff, 2)), false},
		{"request with everything at its largest", false, served(request(0xffffffff, 0xffffffff, 0xffffffff)), false},
		{"request of a piece we lack", false, func(t testing.TB, _ *scene, p *peer) {
			unchoked(t, p)
			p.Say(request(sceneHave, 0, blockSize))
			p.Expect(t, peerwire.Reject)
		}, true},
		{"request of a piece we lack, without fast", true, served(request(sceneHave, 0, blockSize)), true},
		{"request in the middle of a block", false, func(t testing.TB, s *scene, p *peer) {
			unchoked(t, p)
			p.Say(request(1, 777, 10))
			if m := p.Expect(t, peerwire.Piece); !bytes.Equal(m.Block, s.data[32<<10+777:][:10]) {
				t.Error("wrong bytes")
			}
		}, true},
		{"request while choked", false, func(t testing.TB, s *scene, p *peer) {
			for i := range uint32(sceneHave) { // pieces granted in spite of the choke may be served
				p.Say(request(i, 0, 1))
				p.ExpectThat(t, "answer", func(m torrenttest.Message) bool { return m.ID == peerwire.Reject || m.ID == peerwire.Piece })
			}
		}, true},
		{"request while choked, without fast", true, say(request(0, 0, blockSize)), true},
		{"request flood while choked", true, func(_ testing.TB, _ *scene, p *peer) {
			for range 3 * maxExcess / 1000 {
				p.Say(bytes.Repeat(request(0, 0, blockSize), 1000))
			}
		}, false},
		{"request flood that is not read", false, func(t testing.TB, s *scene, p *peer) {
			unchoked(t, p)
			for range 20 * maxExcess / 1000 {
				p.Say(bytes.Repeat(request(0, 0, blockSize), 1000))
			}
		}, false},

		{"block that was not asked for", false, say(append(peerwire.AppendPieceHeader(nil, 5, 0, blockSize), make([]byte, blockSize)...)), false},
		{"block beyond the last piece", false, say(append(peerwire.AppendPieceHeader(nil, n, 0, blockSize), make([]byte, blockSize)...)), false},
		{"block of nothing", false, say(peerwire.AppendPieceHeader(nil, 5, 0, 0)), false},
		{"oversized block", false, say(peerwire.AppendPieceHeader(nil, 5, 0, blockSize+1)), false},

		{"extension handshake of nothing", false, say(raw(2, peerwire.Extended, 0)), false},
		{"extension handshake of garbage", false, say(extended("garbage")), false},
		{"extension handshake that is a list", false, say(extended("l4:reqqi1ee")), false},
		{"extension handshake that is cut", false, say(extended("d4:reqqi1")), false},
		{"extension handshake of another shape", false, say(extended("d4:reqq3:yese")), false},
		{"extension handshake with a bomb", false, say(extended(strings.Repeat("l", 60_000))), false},
		{"extension handshake with a bomb inside", false, say(extended("d1:m" + strings.Repeat("l", 30_000) + strings.Repeat("e", 30_000) + "e")), false},
		{"extension handshake with a giant string", false, say(extended("d1:v99999999999:xe")), false},
		{"extension handshake with something behind it", false, say(extended("d4:reqqi10eexx")), true},
		{"negative queue", false, say(extended("d4:reqqi-9223372036854775808ee")), true},
		{"endless queue", false, say(extended("d4:reqqi9223372036854775807ee")), true},
		{"queue beyond 64 bits", false, say(extended("d4:reqqi99999999999999999999ee")), false},
		{"odd ports", false, say(extended("d1:pi-1ee"), extended("d1:pi65536ee"), extended("d1:pi0ee")), true},
		{"control characters for a name", false, func(t testing.TB, s *scene, p *peer) {
			p.Say(extended("d1:v14:\x1b[31mred\x00\r\n\x9b\xff!e"))
			s.waitPeer(t, "[31mred!")
		}, true},
		{"a name without end", false, func(t testing.TB, s *scene, p *peer) {
			p.Say(extended("d1:v50000:" + strings.Repeat("ä", 25_000) + "e"))
			s.waitPeer(t, strings.Repeat("ä", maxClientName))
		}, true},
		{"every port for its own", false, func(t testing.TB, s *scene, p *peer) {
			for port := 1; port < 5000; port++ {
				p.Say(extended(fmt.Sprintf("d1:pi%dee", port)))
			}
			p.Say(extended("d1:v4:donee"))
			s.waitPeer(t, "done")
			s.do(t, s.h, func(se *session) {
				if n := len(se.swarm.candidates); n > 3 {
					t.Errorf("one peer made %d candidates", n)
				}
			})
		}, true},
		{"other extension messages", false, say(peerwire.AppendExtended(nil, 200, []byte("garbage"))), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			o := s.options()
			o.Plain = c.plain
			p := torrenttest.Dial(t, s.addr(), o)
			c.act(t, s, p)
			if c.tolerated {
				// It is still spoken with.
				unchoked(t, p)
				p.Say(request(3, 5, 6))
				p.ExpectThat(t, "block", func(m torrenttest.Message) bool {
					return m.ID == peerwire.Piece && m.Index == 3 && bytes.Equal(m.Block, s.data[3*(32<<10)+5:][:6])
				})
			} else {
				p.ExpectClosed(t)
			}
			s.completes(t)
		})
	}
}

// waitPeer waits for a peer whose client has this name.
func (s *scene) waitPeer(t testing.TB, client string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		found := false
		s.do(t, s.h, func(se *session) {
			for _, r := range se.swarm.peers {
				found = found || r.client == client
			}
		})
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no peer is called %q", client)
		}
		tick := time.NewTimer(10 * time.Millisecond)
		<-tick.C
	}
}

// Seeds that do not serve as they should.
func TestHostileSeeds(t *testing.T) {
	any := func(peerwire.Message) bool { return true }
	cases := []struct {
		name   string
		plain  bool
		answer func(c *torrenttest.SeedConfig) torrenttest.Answer
		banned bool
	}{
		{"bad hash by one sender", false, func(c *torrenttest.SeedConfig) torrenttest.Answer { return c.Corrupt(any) }, true},
		{"all requests are rejected", false, func(*torrenttest.SeedConfig) torrenttest.Answer { return torrenttest.RejectAll }, false},
		{"chokes after three blocks, for ever", false, func(*torrenttest.SeedConfig) torrenttest.Answer { return torrenttest.ChokeAfter(3) }, false},
		{"chokes after three blocks, without fast", true, func(*torrenttest.SeedConfig) torrenttest.Answer {
			answer, said := torrenttest.Stall(3), false
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				if !answer(p, r) {
					return false
				}
				if !said {
					p.Say(peerwire.AppendMessage(nil, peerwire.Choke))
					said = true
				}
				return true
			}
		}, false},
		{"disconnects in the middle of a block", false, func(c *torrenttest.SeedConfig) torrenttest.Answer { return c.HangUp(3) }, false},
		{"disconnects in the first block", false, func(c *torrenttest.SeedConfig) torrenttest.Answer { return c.HangUp(0) }, false},
		{"answers with other blocks", false, func(c *torrenttest.SeedConfig) torrenttest.Answer {
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				r.Begin ^= blockSize
				if int64(r.Begin)+int64(r.Length) > 32<<10 || r.Index == 20 {
					return false
				}
				p.Say(c.Block(r), c.Block(r))
				return true
			}
		}, false},
		{"answers with shorter blocks", false, func(c *torrenttest.SeedConfig) torrenttest.Answer {
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				r.Length--
				p.Say(c.Block(r))
				return true
			}
		}, false},
		{"rejects, then serves all the same", false, func(c *torrenttest.SeedConfig) torrenttest.Answer {
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				torrenttest.RejectAll(p, r)
				p.Say(c.Block(r))
				return true
			}
		}, false},
		{"serves every block twice", false, func(c *torrenttest.SeedConfig) torrenttest.Answer {
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				p.Say(c.Block(r), c.Block(r))
				return true
			}
		}, false},
		{"ends a piece behind a violation", false, func(c *torrenttest.SeedConfig) torrenttest.Answer {
			return func(p *torrenttest.Peer, r peerwire.Message) bool {
				if r.Begin > 0 { // the last block of its piece
					p.Say(have(99), c.Block(r))
				}
				return r.Begin > 0
			}
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			cfg := s.seedConfig()
			cfg.Plain = c.plain
			cfg.Answer = c.answer(&cfg)
			bad := torrenttest.StartSeed(t, cfg)
			s.meet(t, bad)
			s.waitFor(t, s.h, "bad seed is met", func(Status) bool { return bad.Met.Load() > 0 })
			if c.banned {
				s.waitFor(t, s.h, "ban", func(Status) bool { return len(s.bans()) > 0 })
			}
			s.completes(t)
			if got := len(s.bans()) > 0; got != c.banned {
				t.Errorf("bans: %q", s.bans())
			}
		})
	}
}

// Among several senders of a bad piece the second try tells who lied.
func TestLiarIsFoundAmongHonestSeeds(t *testing.T) {
	t.Parallel()
	// Now and then the honest ones are so fast that nothing of the liar's is
	// used, and there is nobody to find.
	for range 10 {
		if liarIsFound(t) {
			return
		}
	}
	t.Error("the liar was not found")
}

// liarIsFound downloads from one liar and three honest seeds, and reports
// whether anybody was banned.
func liarIsFound(t *testing.T) bool {
	s := newScene(t, nil)
	honest, hold := s.seedConfig(), make(chan struct{})
	honest.Hold = hold
	liar := honest
	liar.Answer = liar.Corrupt(func(r peerwire.Message) bool { return r.Begin > 0 })
	seeds := []*torrenttest.Seed{torrenttest.StartSeed(t, liar)}
	for range 3 {
		seeds = append(seeds, torrenttest.StartSeed(t, honest))
	}
	s.meet(t, seeds...)
	s.waitFor(t, s.h, "all seeds are met", func(st Status) bool { return st.Peers == 5 })
	close(hold)
	s.completes(t)
	s.do(t, s.h, func(se *session) {
		for i, seed := range seeds {
			c := se.swarm.candidates[seed.Addr()]
			if banned := c != nil && c.forbidden; banned && i > 0 {
				t.Errorf("honest seed %d is banned", i)
			}
		}
	})
	return len(s.bans()) > 0
}

// A seed that stops in the middle does not hold up the others, and the wait
// for it follows from how fast it was.
func TestStall(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	cfg := s.seedConfig()
	cfg.Answer = torrenttest.Stall(6)
	bad := torrenttest.StartSeed(t, cfg)
	s.meet(t, bad)
	s.waitFor(t, s.h, "blocks of the bad seed", func(Status) bool { return bad.Served.Load() == 6 })
	begin := time.Now()
	s.completes(t)                                        // endgame asks the honest one for what the other owes
	if took := time.Since(begin); took > 19*time.Second { // one that never sent anything is waited for 20 s
		t.Errorf("took %v", took)
	}
}

// Seeds that refuse everything are left alone after a while, and do not keep the
// blocks from one that serves.
func TestRefusersAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	var asked atomic.Int64
	cfg := s.seedConfig()
	cfg.Answer = func(p *torrenttest.Peer, r peerwire.Message) bool {
		asked.Add(1)
		return torrenttest.RejectAll(p, r)
	}
	var bad []*torrenttest.Seed
	for range 10 {
		cfg.PeerID = torrenttest.NewID()
		bad = append(bad, torrenttest.StartSeed(t, cfg))
	}
	s.meet(t, bad...)
	s.eventually(t, "all of them are left alone", func() bool {
		alone := 0
		s.do(t, s.h, func(se *session) {
			for _, r := range se.swarm.peers {
				if r.askAgain.After(time.Now()) && r.conn.Outstanding() == 0 {
					alone++
				}
			}
		})
		return alone == len(bad)
	})
	s.completes(t)
	if n := asked.Load(); n > 10*(10*refusalsInARow+maxFirstWindow) {
		t.Errorf("they were asked for %d blocks", n)
	}
}

// A seed that begins a block and sends on a byte at a time.
func TestTrickle(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.blockTimeout = 4 * time.Second })
	cfg := s.seedConfig()
	cfg.Answer = cfg.Trickle(50 * time.Millisecond)
	bad := torrenttest.StartSeed(t, cfg)
	s.meet(t, bad)
	s.waitFor(t, s.h, "a request to the bad seed", func(st Status) bool { return bad.Met.Load() > 0 })
	s.release()
	st := s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
	if st.WastedBytes > 20*blockSize {
		t.Errorf("%d bytes wasted while one block trickled in", st.WastedBytes)
	}
}

// The second connection of a peer is refused, from whichever side it comes.
func TestOneConnectionForEachPeer(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	o := s.options()
	o.PeerID = torrenttest.NewID()
	first := torrenttest.Dial(t, s.addr(), o)
	unchoked(t, first)
	second := torrenttest.Dial(t, s.addr(), o)
	second.ExpectClosed(t)
	first.Say(request(0, 0, 3))
	first.Expect(t, peerwire.Piece)
	s.completes(t)
}

// Connections are counted for the whole engine, and counted off.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.MaxPeers, c.MaxPeersPerTorrent = 4, 10 })
	for range 3 { // the count comes back down each time
		var peers []*torrenttest.Peer
		for range 3 {
			p := s.dial(t)
			p.Expect(t, peerwire.AllowedFast) // it was taken in
			peers = append(peers, p)
		}
		s.dial(t).ExpectClosed(t)
		for _, p := range peers {
			p.Close()
		}
		s.waitFor(t, s.h, "peers have left", func(Status) bool { return s.Stats().Peers == 1 })
	}
	s.completes(t)
	s.waitFor(t, s.h, "all have left", func(Status) bool { return s.Stats().Peers == 0 })
}
