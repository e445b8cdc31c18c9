package lora

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/lora/ether"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// What Send returned is sent by the next process.
func TestStoredButUnsent(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, a, b := pair(t, ether.Config{Seed: 1})
		sent := a.send(b.node, "before the crash")
		db, path := crash(t, a.path)
		again := stationOn(t, db, path, air, nil)
		if again.node != a.node {
			t.Errorf("node %08x after the restart, was %08x", again.node, a.node)
		}
		again.run()
		b.run()
		await(t, time.Minute, "delivery", func() bool { return again.states()["delivered"] == 1 })
		messages, _ := b.Messages(storage.MessageQuery{})
		if len(messages) != 1 || messages[0].ID != sent.ID {
			t.Errorf("receiver has %+v, want message %s", messages, sent.ID)
		}
	})
}

// A message on the air, not acknowledged, is sent again after a crash under its
// old id, so its receiver knows it.
func TestSentButUnacknowledged(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, a, b := pair(t, ether.Config{Seed: 1})
		a.run()
		a.send(b.node, "hello")
		await(t, time.Minute, "the first attempt", func() bool { return a.states()["sent"] == 1 })
		db, path := crash(t, a.path)
		b.run()
		await(t, time.Hour, "delivery", func() bool { return a.states()["delivered"] == 1 })
		a.halt()
		again := stationOn(t, db, path, air, nil) // does not know of the delivery
		again.run()
		await(t, time.Minute, "delivery", func() bool { return again.states()["delivered"] == 1 })
		if got := b.inbox(); len(got) != 1 || b.count("received hello") != 1 {
			t.Errorf("inbox %q, events %q; want the message once", got, b.published())
		}
	})
}

// Whatever moment the receiver dies at: what it acknowledged is in its inbox.
func TestAcknowledgedIsStored(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, a, b := pair(t, ether.Config{Seed: 1, Loss: 0.3})
		a.run()
		b.run()
		for i := range 10 {
			a.send(b.node, fmt.Sprint(i))
			await(t, time.Hour, "delivery", func() bool { return a.states()["delivered"] == i+1 })
			db, _ := crash(t, b.path)
			stored, err := db.Messages(storage.MessageQuery{Incoming: true})
			if err != nil || len(stored) != i+1 || stored[i].Text != fmt.Sprint(i) {
				t.Fatalf("after %d acknowledgements a crash leaves %+v, %v", i+1, stored, err)
			}
		}
	})
}

// A lost acknowledgement costs another acknowledgement, not another message,
// also when the receiver was restarted in between.
func TestLostAcknowledgement(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, s, p := meetByHand(t)
		text := p.text(s.node, "hello")
		say := func(when string) {
			t.Helper()
			p.send(text)
			got := p.hear()
			if got == nil || got.Type != mesh.Ack || got.ID != text.ID || !mesh.Opens(got, &text) || got.Attempt != text.Attempt {
				t.Errorf("%s: heard %+v, want an acknowledgement of %v", when, got, text.ID)
			}
			time.Sleep(time.Minute) // until it has repeated itself
			for p.hear() != nil {
			}
			text.Attempt++
		}
		say("first")
		say("again")
		s.halt()
		db, path := crash(t, s.path)
		restarted := stationOn(t, db, path, air, nil)
		restarted.run()
		say("after a restart")
		if s.count("received hello") != 1 || restarted.count("received hello") != 0 || len(restarted.inbox()) != 1 {
			t.Errorf("events %q and %q, inbox %q", s.published(), restarted.published(), restarted.inbox())
		}
	})
}

// Without a store there is no acknowledgement.
func TestNoStoreNoAcknowledgement(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, s, p := meetByHand(t)
		s.cfg.Store.Close()
		text := p.text(s.node, "hello")
		for range 2 {
			p.send(text)
			if got := p.hear(); got != nil {
				t.Errorf("heard %+v, want silence", got)
			}
		}
		if status := s.Status(); status.Error == "" || !status.Up || s.count("received hello") != 0 {
			t.Errorf("status %+v, events %q", status, s.published())
		}
	})
}

// The radio fails at any moment; the next Run goes on.
func TestUnplug(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, a, b := pair(t, ether.Config{Seed: 1})
		b.run()
		var plugged modem.Modem
		open := a.open
		a.open = func(ctx context.Context) (modem.Modem, func(context.Context), error) {
			m, companion, err := open(ctx)
			plugged = m
			return m, companion, err
		}
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprint(i))
			a.run()
			a.send(b.node, want[i])
			time.Sleep(time.Duration(40*i) * time.Millisecond) // waiting, on the air, or waiting for the acknowledgement
			plugged.Close()
			err := <-a.ended
			a.ended = nil
			if !errors.Is(err, ether.ErrClosed) {
				t.Fatalf("Run returned %v, want the port's error", err)
			}
			if status := a.Status(); status.Up || status.Error == "" {
				t.Errorf("status after the failure %+v", status)
			}
		}
		a.send(b.node, "meanwhile")
		want = append(want, "meanwhile")
		a.run()
		await(t, time.Hour, "delivery of all", func() bool { return a.states()["delivered"] == len(want) })
		if got := b.inbox(); !slices.Equal(got, want) {
			t.Errorf("inbox %q, want %q", got, want)
		}
	})
}

// A radio that stays away is one event, and a message can be sent all the same.
func TestRadioAway(t *testing.T) {
	s := newStation(t, nil, func(c *Config) { c.Radio = "serial:" + filepath.Join(t.TempDir(), "ttyUSB7") })
	for range 3 {
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "ttyUSB7") {
			t.Fatalf("Run without a board: %v", err)
		}
	}
	s.send(Broadcast, "later")
	if got := s.states(); got["queued"] != 1 || s.count("up false") != 1 || s.Status().Queued != 1 {
		t.Errorf("states %v, events %q", got, s.published())
	}
}

// A radio that refuses every packet is opened anew.
func TestRadioRefuses(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newStation(t, ether.NewAir(ether.Config{Seed: 1}), nil)
		open := s.open
		s.open = func(ctx context.Context) (modem.Modem, func(context.Context), error) {
			m, companion, err := open(ctx)
			return refusing{m}, companion, err
		}
		s.send(Broadcast, "hello")
		if err := s.Run(t.Context()); !errors.Is(err, errRefused) {
			t.Errorf("Run returned %v", err)
		}
		if got := s.states(); got["queued"] != 1 {
			t.Errorf("states %v, want the message queued", got)
		}
	})
}

var errRefused = errors.New("refused")

type refusing struct{ modem.Modem }

func (refusing) Send(context.Context, []byte) error { return errRefused }

// A process that is killed right after Send returned has sent for good.
func TestKilledAfterSend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lorrent.db")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "LORA_TEST_SEND="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	child.Process.Kill()
	child.Wait()
	if err != nil {
		t.Fatalf("the process that sends: %v", err)
	}
	virtual(t, func(t *testing.T) {
		db := openStore(t, path)
		if db.WasClean() {
			t.Error("the store says that the process ended in order")
		}
		air := ether.NewAir(ether.Config{Seed: 1})
		a := stationOn(t, db, path, air, nil)
		p := joinByHand(t, air)
		a.run()
		got := p.hear()
		if got == nil || got.ID.String() != strings.TrimSpace(line) {
			t.Fatalf("after the restart heard %+v, want message %s", got, line)
		}
		if opened, err := p.ring.OpenChannel(got); err != nil || string(opened.Body) != "last words" {
			t.Errorf("it says %q, %v", opened.Body, err)
		}
	})
}

// sendAndHang is the process to be killed.
func sendAndHang(path string) {
	db, err := storage.Open(path)
	if err != nil {
		panic(err)
	}
	b, err := New(Config{Radio: "sim", Store: db, Events: event.New(16), Log: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	m, err := b.Send(context.Background(), Target{Node: Broadcast}, "last words")
	if err != nil {
		panic(err)
	}
	fmt.Println(m.ID)
	select {}
}

func TestDamagedSettings(t *testing.T) {
	for _, key := range []string{settingIdentity, packet.SettingCounter} {
		db := openStore(t, filepath.Join(t.TempDir(), "lorrent.db"))
		if err := db.SetSetting(key, []byte{1, 2}); err != nil {
			t.Fatal(err)
		}
		_, err := New(Config{Radio: "sim", Store: db, Events: event.New(16), Log: zerolog.Nop()})
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("New with a damaged %s: %v", key, err)
		}
	}
}
