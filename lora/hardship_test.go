package lora

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// fullDisk lets no file of this process grow beyond what the one at path is now,
// until lift is called.
func fullDisk(t *testing.T, path string) (lift func()) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
	return lift
}

// A database that cannot grow: what Send cannot store it refuses and says so, what
// arrives is neither shown nor acknowledged. Once there is room all goes on, and
// nothing is lost or doubled. The limit is one of the process, so that it has one of
// its own.
func TestFullDatabase(t *testing.T) {
	if os.Getenv("LORA_TEST_FULL") == "" {
		alone := exec.Command(os.Args[0], "-test.run=^TestFullDatabase$")
		alone.Env = append(os.Environ(), "LORA_TEST_FULL=1")
		if out, err := alone.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		s := newStation(t, air, func(c *Config) { c.MaxQueued = 1 << 20 })
		p := joinByHand(t, air)
		p.meets(s)
		s.run()
		lift := fullDisk(t, s.path)
		text := strings.Repeat("a", 200)
		var sent []string
		var refused error
		for n := 0; refused == nil && n < 100_000; n++ {
			m, err := s.Send(t.Context(), Target{Node: p.id()}, text)
			if refused = err; err == nil {
				sent = append(sent, m.ID)
			}
		}
		if refused == nil || !strings.Contains(refused.Error(), "store message") || !strings.Contains(refused.Error(), syscall.EFBIG.Error()) {
			t.Fatalf("after %d messages Send = %v, want that the file cannot grow", len(sent), refused)
		}
		if got := s.Status().Queued; got != len(sent) {
			t.Errorf("%d queued, want %d", got, len(sent))
		}
		incoming := p.text(s.node, text)
		p.send(incoming)
		for range 10 { // its own messages go on without end
			if heard := p.hear(); heard != nil && heard.ID == incoming.ID {
				t.Fatalf("acknowledged what could not be stored: %+v", heard)
			}
		}
		if len(s.inbox()) > 0 {
			t.Fatal("shown without being stored")
		}
		if !s.Status().Up {
			t.Error("the radio went down")
		}
		lift()
		p.send(incoming)
		await(t, time.Minute, "the message", func() bool { return len(s.inbox()) == 1 })
		m, err := s.Send(t.Context(), Target{Node: p.id()}, "there is room")
		if err != nil {
			t.Fatal(err)
		}
		s.halt()
		kept, err := s.Messages(storage.MessageQuery{Outgoing: true, Limit: len(sent) + 2})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range kept {
			ids = append(ids, m.ID)
		}
		if want := append(sent, m.ID); !slices.Equal(ids, want) {
			t.Errorf("%d messages are kept, want the %d that Send returned", len(ids), len(want))
		}
	})
}

// The clock of the world jumps back by decades while the daemon is down, and forward
// again: a bubble of virtual time begins in the year 2000. Messages stay, no ID is
// used twice, and what was sent counts.
func TestClockJumps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lorrent.db")
	far := packet.NewIdentity().Public()
	var last packet.ID
	next := func(s *station, text string) {
		t.Helper()
		m, err := s.Send(context.Background(), Target{Node: far.NodeID()}, text)
		if err != nil {
			t.Fatal(err)
		}
		id, err := packet.ParseID(m.ID)
		if err != nil || id.Sequence <= last.Sequence {
			t.Errorf("%q has ID %v after %v, %v", text, id, last, err)
		}
		last = id
	}
	life := func(t *testing.T, air *ether.Air, live func(s *station)) {
		t.Helper()
		db, err := storage.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := stationOn(t, db, path, air, nil)
		s.mu.Lock()
		err = s.remember(far)
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		live(s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	var used time.Duration
	life(t, nil, func(s *station) { next(s, "in our days") })
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		life(t, air, func(s *station) {
			s.run()
			next(s, "decades ago")
			await(t, time.Minute, "the first message on the air", func() bool { return s.states()["sent"] > 0 })
			s.halt()
			used = s.Status().AirtimeUsed
		})
		time.Sleep(time.Minute)
		life(t, air, func(s *station) {
			if got := s.Status().AirtimeUsed; got < used || used == 0 {
				t.Errorf("%v of airtime used after a restart, want %v", got, used)
			}
			if n := s.Status().Queued; n != 2 {
				t.Errorf("%d messages wait, want both", n)
			}
		})
	})
	life(t, nil, func(s *station) { // those of decades ago are too old by now
		next(s, "in our days again")
		got := s.states()
		if got["queued"]+got["sent"] != 2 || got["expired"] != 1 {
			t.Errorf("states %v", got)
		}
	})
	virtual(t, func(t *testing.T) { // and what our days sent counts decades ago
		life(t, ether.NewAir(ether.Config{Seed: 1}), func(s *station) {
			if n := s.Status().Queued; n != 2 {
				t.Errorf("%d messages wait, want 2", n)
			}
		})
	})
}

// madBoard answers nonsense: it hears what nobody sent, and refuses to send.
type madBoard struct {
	*ether.Port
	random  *rand.Rand
	babbles atomic.Int32 // packets that it is still going to make up
	refuses atomic.Int32 // times that it is still going to refuse
}

func (b *madBoard) Receive(ctx context.Context) (modem.Received, error) {
	if b.babbles.Add(-1) < 0 {
		return b.Port.Receive(ctx)
	}
	r := modem.Received{Packet: make([]byte, 1+b.random.IntN(modem.MaxPacket)), RSSIdBm: math.NaN(), SNRdB: math.Inf(1), At: time.Unix(-1, 0)}
	for i := range r.Packet {
		r.Packet[i] = byte(b.random.Uint32())
	}
	if len(r.Packet) > 1 { // some look like packets
		r.Packet[0], r.Packet[1] = 0xC0, 0x10|byte(b.random.IntN(9))
	}
	return r, nil
}

func (b *madBoard) Send(ctx context.Context, p []byte) error {
	if b.refuses.Add(-1) >= 0 {
		return errors.New("no")
	}
	return b.Port.Send(ctx, p)
}

// A board that makes packets up and refuses others costs neither the bridge nor a
// message: none is shown that nobody sent, and what was queued arrives, once.
func TestBoardAnswersNonsense(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, a, b := pair(t, ether.Config{Seed: 1})
		opened := 0
		a.open = func(context.Context) (modem.Modem, func(context.Context), error) {
			opened++
			board := &madBoard{Port: air.Join("mad", ether.Position{}), random: rand.New(rand.NewPCG(1, uint64(opened)))}
			if opened == 1 {
				board.babbles.Store(20_000)
				board.refuses.Store(maxFailures)
			}
			return board, nil, nil
		}
		b.run()
		for n := range 5 {
			a.send(b.node, fmt.Sprint(n))
		}
		if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in a row") {
			t.Fatalf("Run = %v, want that the board refuses", err)
		}
		status := a.Status()
		if status.Up || status.Error == "" || status.PacketsBad == 0 || status.Queued != 5 {
			t.Errorf("status %+v", status)
		}
		a.run() // as its supervisor does
		await(t, time.Hour, "delivery of all", func() bool { return a.states()["delivered"] == 5 })
		if got := b.inbox(); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) || len(a.inbox()) != 0 {
			t.Errorf("inboxes %q and %q", got, a.inbox())
		}
	})
}

// What came in the last minutes is known after an orderly end, so that neighbours
// need not send it again.
func TestRecentIsKept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, a, b := pair(t, ether.Config{Seed: 1})
		a.run()
		b.run()
		sent := a.send(Broadcast, "to all")
		await(t, time.Minute, "the message", func() bool { return len(b.inbox()) == 1 })
		b.halt()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		recent := stationOn(t, b.cfg.Store, b.path, air, nil).loadRecent()
		i := slices.IndexFunc(recent, func(h mesh.Heard) bool { return h.Packet.ID.String() == sent.ID })
		if i < 0 || recent[i].Packet.Type != mesh.Flood || time.Since(recent[i].At).Abs() > time.Minute {
			t.Errorf("kept %+v, want message %s", recent, sent.ID)
		}
		if err := b.cfg.Store.SetSetting(settingRecent, []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x03abcdef")); err != nil {
			t.Fatal(err)
		}
		if damaged := stationOn(t, b.cfg.Store, b.path, air, nil).loadRecent(); len(damaged) != 0 {
			t.Errorf("of garbage %+v is kept", damaged)
		}
	})
}
