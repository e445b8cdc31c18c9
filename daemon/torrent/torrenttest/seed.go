package torrenttest

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/daemon/torrent/mse"
	"lorrent/daemon/torrent/peerwire"
)

// SeedConfig describes a seed. Without Answer it is honest.
type SeedConfig struct {
	Options
	Data        []byte          // of the whole torrent
	PieceLength int64           //
	Encrypted   bool            // answers encrypted handshakes, with RC4 after them, and no others
	Hold        <-chan struct{} // keeps the engine choked until it is closed; nil for no choke
	Answer      Answer
	Hash        Answer // deals with a hash request; nil leaves it without an answer

	Greeting []byte                   // of BEP 10, if it speaks that
	Extended func(p *Peer, m Message) // deals with an extension message
}

// Answer deals with one request in the seed's place, or returns false to let it
// be served. Calls for one connection come one after the other.
type Answer func(p *Peer, request peerwire.Message) bool

// Seed accepts the engine's connections and serves the whole torrent.
type Seed struct {
	cfg    SeedConfig
	l      net.Listener
	Served atomic.Int64 // blocks sent honestly
	Met    atomic.Int64 // connections so far

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// StartSeed runs a seed until the test ends.
func StartSeed(t testing.TB, cfg SeedConfig) *Seed {
	t.Helper()
	if cfg.PeerID == [20]byte{} {
		cfg.PeerID = NewID()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Seed{cfg: cfg, l: l, conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

// Addr is where the seed can be dialled.
func (s *Seed) Addr() netip.AddrPort { return s.l.Addr().(*net.TCPAddr).AddrPort() }

// Call lets the seed dial the engine instead.
func (s *Seed) Call(t testing.TB, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() { s.serve(conn) })
}

func (s *Seed) stop() {
	s.l.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Seed) accept() {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(conn) })
	}
}

// track remembers a connection for the end of the test.
func (s *Seed) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *Seed) serve(conn net.Conn) {
	defer conn.Close()
	if !s.track(conn) {
		return
	}
	if s.cfg.Encrypted {
		var err error
		if conn, err = s.unveil(conn); err != nil {
			return
		}
	}
	p, err := Introduce(conn, s.cfg.Options)
	if err != nil {
		return
	}
	s.Met.Add(1)
	if p.Fast() && !s.cfg.Plain {
		p.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	} else {
		bits := make([]byte, (s.cfg.Pieces+7)/8)
		for i := range s.cfg.Pieces {
			bits[i/8] |= 0x80 >> (i % 8)
		}
		p.Say(peerwire.AppendBitfield(nil, bits))
	}
	if s.cfg.Greeting != nil {
		p.Say(peerwire.AppendExtended(nil, 0, s.cfg.Greeting))
	}
	var unchoke sync.WaitGroup
	defer unchoke.Wait()
	ended := make(chan struct{})
	defer close(ended)
	unchoke.Go(func() {
		if s.cfg.Hold != nil {
			select {
			case <-s.cfg.Hold:
			case <-ended:
				return
			}
		}
		p.Say(peerwire.AppendMessage(nil, peerwire.Unchoke))
	})
	for {
		m, err := p.Next()
		if err != nil {
			return
		}
		if m.ID == peerwire.HashRequest && s.cfg.Hash != nil {
			s.cfg.Hash(p, m.Message)
			continue
		}
		if m.ID == peerwire.Extended && s.cfg.Extended != nil {
			s.cfg.Extended(p, m)
		}
		if m.ID != peerwire.Request || s.cfg.Answer != nil && s.cfg.Answer(p, m.Message) {
			continue
		}
		p.Say(s.Block(m.Message))
		s.Served.Add(1)
	}
}

// unveil goes through the encrypted handshake.
func (s *Seed) unveil(conn net.Conn) (net.Conn, error) {
	conn.SetDeadline(time.Now().Add(patience))
	a, err := mse.Accept(conn, nil, mse.RC4, func(name [20]byte) ([20]byte, bool) {
		return s.cfg.InfoHash, name == mse.Name(s.cfg.InfoHash)
	})
	return begun{a.Conn, io.MultiReader(bytes.NewReader(a.Initial), a.Conn)}, err
}

// begun is a connection of which something was read before.
type begun struct {
	net.Conn
	all io.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.all.Read(p) }

// Block is the honest answer to a request.
func (s *Seed) Block(r peerwire.Message) []byte { return s.cfg.Block(r) }

// Block is the honest answer to a request.
func (c *SeedConfig) Block(r peerwire.Message) []byte {
	from := int64(r.Index)*c.PieceLength + int64(r.Begin)
	return append(peerwire.AppendPieceHeader(nil, r.Index, r.Begin, r.Length), c.Data[from:from+int64(r.Length)]...)
}

// The ways to misbehave.

// Corrupt spoils the blocks that which names.
func (c *SeedConfig) Corrupt(which func(r peerwire.Message) bool) Answer {
	return func(p *Peer, r peerwire.Message) bool {
		if !which(r) {
			return false
		}
		b := c.Block(r)
		b[len(b)-1] ^= 1
		p.Say(b)
		return true
	}
}

// Stall serves the first n blocks of all connections and ignores what follows.
func Stall(n int64) Answer {
	var served atomic.Int64
	return func(*Peer, peerwire.Message) bool { return served.Add(1) > n }
}

// RejectAll refuses every request.
func RejectAll(p *Peer, r peerwire.Message) bool {
	p.Say(peerwire.AppendBlock(nil, peerwire.Reject, r.Index, r.Begin, r.Length))
	return true
}

// ChokeAfter serves n blocks of each connection, then chokes and refuses what
// it still owes.
func ChokeAfter(n int) Answer {
	served := make(map[*Peer]int)
	var mu sync.Mutex
	return func(p *Peer, r peerwire.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		served[p]++
		if served[p] <= n {
			return false
		}
		if served[p] == n+1 {
			p.Say(peerwire.AppendMessage(nil, peerwire.Choke))
		}
		return RejectAll(p, r)
	}
}

// HangUp serves n blocks of each connection and disconnects in the middle of
// the next.
func (c *SeedConfig) HangUp(n int) Answer {
	served := make(map[*Peer]int)
	var mu sync.Mutex
	return func(p *Peer, r peerwire.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		served[p]++
		if served[p] <= n {
			return false
		}
		b := c.Block(r)
		p.Say(b[:len(b)/2])
		p.Close()
		return true
	}
}

// Trickle begins each block, and sends on a byte at a time.
func (c *SeedConfig) Trickle(every time.Duration) Answer {
	return func(p *Peer, r peerwire.Message) bool {
		b := c.Block(r)
		head := peerwire.PieceHeaderLen + 1
		p.Say(b[:head])
		tick := time.NewTicker(every)
		defer tick.Stop()
		for _, x := range b[head:] {
			<-tick.C
			if _, err := p.Write([]byte{x}); err != nil {
				return true
			}
		}
		return true
	}
}
