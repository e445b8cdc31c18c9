package torrent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// A seed has nothing to say to a seed, whoever of the two says so first.
func TestRow34TwoSeeds(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	early := s.dial(t) // it is there before we are one
	early.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	s.completes(t)
	early.ExpectClosed(t)
	late := s.dial(t)
	late.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	late.ExpectClosed(t)
	leech := s.dial(t) // but it stays for others
	leech.Say(peerwire.AppendMessage(nil, peerwire.HaveNone))
	unchoked(t, leech)
	leech.Say(request(20, 0, 5))
	leech.Expect(t, peerwire.Piece)
}

// One peer's word about our address, given again and again, changes nothing,
// and neither do many of its network; what most networks say does.
func TestRow41YourIPLies(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	says := func(from, seen string) {
		p := s.dial(t)
		s.becomes(t, "peer", func(se *session) bool {
			for _, r := range se.swarm.peers {
				if r.addr == addrOf(flipped{p.Conn}) {
					r.addr = netip.MustParseAddrPort(from)
					return true
				}
			}
			return false
		})
		ip := netip.MustParseAddr(seen).AsSlice()
		yourip := fmt.Sprintf("6:yourip%d:%s", len(ip), ip)
		p.Say(extended("d1:v4:liar"+yourip+"e"), extended("d1:v5:again"+yourip+"e"))
		s.waitPeer(t, "again")
		p.Close()
		s.becomes(t, "farewell", func(se *session) bool { return len(se.swarm.peers) == 1 })
	}
	for i := range 5 {
		says(fmt.Sprintf("9.9.9.%d:1", i), "198.51.100.9")
	}
	if a := s.external.Address4(); a.IsValid() {
		t.Errorf("believed %v", a)
	}
	for i := range 3 {
		says(fmt.Sprintf("8.8.%d.1:1", i), "203.0.113.5")
	}
	if a := s.external.Address4(); a != netip.MustParseAddr("203.0.113.5") {
		t.Errorf("believes %v", a)
	}
	self := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), uint16(s.port))
	liar := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.9"), uint16(s.port))
	s.do(t, s.h, func(se *session) {
		se.note([]netip.AddrPort{self, liar}, "tracker")
		if se.swarm.candidates[self] != nil || se.swarm.candidates[liar] == nil {
			t.Error("the wrong one is taken for ourselves")
		}
		delete(se.swarm.candidates, liar)
	})
	s.completes(t)
}

// flipped is a connection seen from the other end.
type flipped struct{ net.Conn }

func (f flipped) RemoteAddr() net.Addr { return f.LocalAddr() }

// failing is a listener that cannot accept for a while.
type failing struct {
	net.Listener
	errors []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errors) == 0 {
		return l.Listener.Accept()
	}
	err := l.errors[0]
	l.errors = l.errors[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
}

// Accepting goes on after errors that pass, without a tight loop, and ends with
// those that do not.
func TestRow72AcceptErrors(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- s.accept(ctx, &failing{Listener: l, errors: []error{syscall.EMFILE, syscall.ECONNABORTED}})
	}()
	p := torrenttest.Dial(t, l.Addr().String(), s.options()) // waits that long
	p.Expect(t, peerwire.AllowedFast)
	cancel()
	l.Close()
	<-ended
	if err := s.accept(context.Background(), &failing{errors: []error{syscall.EINVAL}}); err == nil {
		t.Error("an error for good is waited out")
	}
	s.completes(t)
}

// A write that fails for good stops the torrent with the reason, and what it was
// about is wanted again; the user may start it anew.
func TestRow67WriteErrors(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EIO, syscall.EACCES, syscall.ENXIO} {
		t.Run(cause.Error(), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			s.do(t, s.h, func(se *session) {
				a := se.arrival(7)
				a.complete = true
				se.fetch.writing++
				se.verified(a, true, nil, fmt.Errorf("write payload: %w", cause))
			})
			st := s.waitFor(t, s.h, "failure", func(st Status) bool { return st.State == Failed && st.Peers == 0 })
			if !strings.Contains(st.Error, "write") || !strings.Contains(st.Error, cause.Error()) {
				t.Errorf("error %q", st.Error)
			}
			if len(s.bans()) != 0 {
				t.Errorf("peers pay for the disk: %q", s.bans())
			}
			if err := s.Start(ctx, s.h); err != nil {
				t.Fatal(err)
			}
			s.waitFor(t, s.h, "second try", func(st Status) bool { return st.State == Downloading })
			s.meet(t, s.honest)
			s.completes(t)
		})
	}
}

// busy keeps the disk workers from their jobs until it is called.
func busy(t *testing.T, e *Engine) (release func()) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	for range e.disk.n {
		e.disk.submit(func() { held <- struct{}{}; <-hold })
	}
	for range e.disk.n {
		<-held
	}
	return sync.OnceFunc(func() { close(hold) })
}

// Whatever the disk is in the middle of, a torrent can be removed, stopped and
// checked: nothing of it is left behind, and nothing else is touched.
func TestRow73RemovedWhileBusy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		begin func(t *testing.T, s *scene) // gives the disk something to do
	}{
		{"writing", func(t *testing.T, s *scene) {
			s.release()
			s.release = func() {}
			s.becomes(t, "pieces on their way", func(se *session) bool { return se.fetch.writing > 0 })
		}},
		{"checking", func(t *testing.T, s *scene) {
			if err := s.Recheck(ctx, s.h); err != nil {
				t.Fatal(err)
			}
			s.becomes(t, "check", func(se *session) bool { return se.check != nil && se.check.flying > 0 })
		}},
		{"allocating", func(t *testing.T, s *scene) { s.do(t, s.h, func(se *session) { se.prepareAgain() }) }},
	} {
		for _, then := range []string{"remove", "remove with data", "stop", "recheck"} {
			t.Run(c.name+", "+then, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, nil)
				release := busy(t, s.Engine)
				t.Cleanup(release) // before the engine ends
				c.begin(t, s)
				ended := make(chan error, 1)
				go func() {
					switch then {
					case "stop":
						ended <- s.Stop(ctx, s.h)
					case "recheck":
						ended <- s.Recheck(ctx, s.h)
					default:
						ended <- s.Remove(ctx, s.h, then != "remove")
					}
				}()
				switch then {
				case "stop", "recheck": // do not wait for the disk
					if err := <-ended; err != nil {
						t.Fatal(err)
					}
					release()
				default:
					s.eventually(t, "farewell", func() bool { return errors.Is(s.Reannounce(ctx, s.h), ErrNotFound) })
					release()
					if err := <-ended; err != nil {
						t.Fatal(err)
					}
					_, err := os.Stat(filepath.Join(s.dir, "payload"))
					if os.IsNotExist(err) != (then != "remove") || len(s.List()) != 0 {
						t.Errorf("payload: %v; %d torrents", err, len(s.List()))
					}
					if st := s.Stats(); st.BufferBytes != 0 || st.DiskQueueBytes != 0 {
						t.Errorf("left behind: %+v", st)
					}
					s.release()
					return
				}
				if then == "stop" {
					s.waitFor(t, s.h, "stop", func(st Status) bool { return st.State == Stopped })
					if err := s.Start(ctx, s.h); err != nil {
						t.Fatal(err)
					}
				}
				s.waitFor(t, s.h, "part of the payload is found", func(st Status) bool { return st.State == Downloading || seeding(st) })
				s.meet(t, s.honest)
				s.completes(t)
			})
		}
	}
}

// A clock that has leapt, as after a night's sleep of the machine, makes each
// thing happen once that is due, and stops nothing; neither does one that is set
// back.
func TestRow75Jumps(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	for _, jump := range []time.Duration{8 * time.Hour, -8 * time.Hour, 300 * 24 * time.Hour, 0} {
		s.do(t, s.h, func(se *session) {
			for range 3 {
				se.tick(time.Now().Add(jump))
			}
		})
		if st, _ := s.find(s.h); st.snapshot().State != Downloading {
			t.Errorf("after a jump of %s: %+v", jump, st.snapshot())
		}
	}
	s.throttle.apply(time.Now().Add(-10000 * time.Hour))
	s.throttle.apply(time.Now())
	s.meet(t, s.honest)
	s.completes(t)
}

// All connections break, and who was there is there again from another address:
// it is met again, and the download goes on where it was.
func TestRow75AnotherNetwork(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	old := torrenttest.StartSeed(t, func() torrenttest.SeedConfig {
		c := s.seedConfig()
		c.Answer = torrenttest.Stall(4)
		return c
	}())
	s.meet(t, old)
	s.becomes(t, "some blocks", func(*session) bool { return old.Served.Load() > 0 })
	s.do(t, s.h, func(se *session) {
		for _, r := range se.swarm.peers {
			r.conn.Close()
		}
	})
	s.waitFor(t, s.h, "no peers", func(st Status) bool { return st.Peers < 2 })
	cfg := s.seedConfig()
	moved := torrenttest.StartSeed(t, cfg)
	moved.Call(t, s.addr())
	s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
	if len(s.bans()) != 0 {
		t.Errorf("bans: %q", s.bans())
	}
	s.release()
}
