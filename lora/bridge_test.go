package lora

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

func TestDirectMessage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, a, b := pair(t, ether.Config{Seed: 1})
		a.run()
		b.run()
		sent := a.send(b.node, "hello")
		if sent.State != "queued" || sent.Seq == 0 || sent.From != a.node || sent.To != b.node {
			t.Errorf("Send returned %+v", sent)
		}
		await(t, time.Minute, "delivery", func() bool { return a.states()["delivered"] == 1 })
		if want := []string{"up true", "state queued", "state sent", "state delivered"}; !slices.Equal(a.published(), want) {
			t.Errorf("sender published %q, want %q", a.published(), want)
		}
		if want := []string{"up true", "received hello"}; !slices.Equal(b.published(), want) {
			t.Errorf("receiver published %q, want %q", b.published(), want)
		}
		messages, err := b.Messages(storage.MessageQuery{})
		if err != nil || len(messages) != 1 {
			t.Fatalf("receiver has %+v, %v", messages, err)
		}
		if m := messages[0]; m.ID != sent.ID || m.From != a.node || m.Text != "hello" || m.State != "received" || m.RSSIdBm >= 0 || m.SNRdB == 0 {
			t.Errorf("receiver stored %+v", m)
		}
		await(t, 2*time.Minute, "a beacon", func() bool { return len(a.Nodes()) == 1 && a.Nodes()[0].ID == b.node })
		status := a.Status()
		if !status.Up || status.Queued != 0 || status.PacketsSent == 0 || status.PacketsReceived == 0 ||
			status.AirtimeUsed == 0 || status.AirtimeLimit != 6*time.Minute || status.SpreadingFactor != 9 {
			t.Errorf("status %+v", status)
		}
		if err := a.halt(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if a.Status().Up || a.count("up false") != 1 {
			t.Errorf("after the end: up %v, events %q", a.Status().Up, a.published())
		}
	})
}

func TestBroadcast(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a, b, c := newStation(t, air, nil), newStation(t, air, nil), newStation(t, air, nil)
		for _, s := range []*station{a, b, c} {
			s.run()
		}
		a.send(Broadcast, "to everyone")
		time.Sleep(time.Minute)
		for _, s := range []*station{b, c} {
			if got := s.inbox(); !slices.Equal(got, []string{"to everyone"}) {
				t.Errorf("inbox %q, want the message once", got)
			}
		}
		messages, err := a.Messages(storage.MessageQuery{})
		if err != nil || len(messages) != 1 || messages[0].State != "sent" || messages[0].Attempts == 0 {
			t.Errorf("sender has %+v, %v; want sent", messages, err)
		}
		if a.count("state sent") != 1 || a.Status().Queued != 0 {
			t.Errorf("events %q, duplicates %d, queued %d", a.published(), b.Status().PacketsDuplicate, a.Status().Queued)
		}
	})
}

// Two stations, a fifth of all packets lost, 200 messages, half each way.
func TestLossyExchange(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, a, b := pair(t, ether.Config{Seed: 1, Loss: 0.2})
		a.run()
		b.run()
		var toA, toB []string
		for i := range 100 {
			toA, toB = append(toA, fmt.Sprintf("to a %d", i)), append(toB, fmt.Sprintf("to b %d", i))
			a.send(b.node, toB[i])
			b.send(a.node, toA[i])
		}
		began := time.Now()
		await(t, 12*time.Hour, "delivery of all", func() bool {
			return a.Status().Queued == 0 && b.Status().Queued == 0
		})
		for name, s := range map[string]*station{"a": a, "b": b} {
			if got := s.states(); got["delivered"] != 100 {
				t.Errorf("states of %s: %v, want 100 delivered", name, got)
			}
		}
		t.Logf("200 messages in %v, lost %d and %d, duplicates %d and %d", time.Since(began),
			a.Status().PacketsLost, b.Status().PacketsLost, a.Status().PacketsDuplicate, b.Status().PacketsDuplicate)
		if got := a.inbox(); !slices.Equal(got, toA) {
			t.Errorf("inbox of a has %d messages, want 100 in order: %q", len(got), got)
		}
		if got := b.inbox(); !slices.Equal(got, toB) {
			t.Errorf("inbox of b has %d messages, want 100 in order: %q", len(got), got)
		}
		if a.Status().PacketsDuplicate+b.Status().PacketsDuplicate == 0 {
			t.Error("nothing was lost: the test shows nothing")
		}
	})
}

func TestEchoNode(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newStation(t, nil, nil)
		s.run()
		s.send(ether.EchoNode, "hello")
		s.send(Broadcast, "ping")
		await(t, time.Minute, "answers", func() bool { return len(s.inbox()) == 2 })
		got := s.inbox()
		slices.Sort(got)
		if want := []string{"echo: hello", "pong"}; !slices.Equal(got, want) {
			t.Errorf("inbox %q, want %q", got, want)
		}
		await(t, time.Minute, "delivery", func() bool { return s.states()["delivered"] == 1 })
		s.halt()
		s.run() // the echo node of a new radio is another one, with other ids
		s.send(ether.EchoNode, "again")
		await(t, time.Minute, "another answer", func() bool { return len(s.inbox()) == 3 })
	})
}

func TestExpiry(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		short := func(c *Config) { c.MessageTTL = 40 * time.Minute }
		a := newStation(t, air, short)
		a.run()
		nobody := packet.NewIdentity().Public()
		a.mu.Lock()
		if err := a.remember(nobody); err != nil {
			t.Error(err)
		}
		a.mu.Unlock()
		a.send(nobody.NodeID(), "nobody there")
		time.Sleep(39 * time.Minute)
		if got := a.states(); got["sent"] != 1 {
			t.Fatalf("states before the end %v", got)
		}
		await(t, 2*time.Minute, "expiry", func() bool { return a.states()["expired"] == 1 })
		synctest.Wait() // it is stored before it is published
		messages, _ := a.Messages(storage.MessageQuery{})
		if a.count("state expired") != 1 || messages[0].Error == "" || messages[0].Attempts < 2 || a.Status().Queued != 0 {
			t.Errorf("events %q, message %+v", a.published(), messages[0])
		}
		// Without a radio it expires, too: at the latest when Run tries again.
		b := newStation(t, air, short)
		b.send(a.node, "the radio is away")
		time.Sleep(41 * time.Minute)
		b.run()
		await(t, time.Second, "expiry", func() bool { return b.states()["expired"] == 1 })
		if got := a.inbox(); len(got) != 0 {
			t.Errorf("sent all the same: %q", got)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	s := newStation(t, ether.NewAir(ether.Config{}), nil)
	off := newStation(t, nil, func(c *Config) { c.Radio = "off" })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		s    *station
		to   uint32
		text string
		want error
	}{
		{"radio off", t.Context(), off, 1, "hello", ErrOff},
		{"no text", t.Context(), s, 1, "", ErrEmpty},
		{"blanks", t.Context(), s, 1, " \n\t", ErrEmpty},
		{"too long", t.Context(), s, 1, strings.Repeat("a", MaxText+1), ErrTooLong},
		{"too long in bytes", t.Context(), s, Broadcast, strings.Repeat("ü", MaxText/2+1), ErrTooLong},
		{"not UTF-8", t.Context(), s, 1, "\xff\xfe", ErrText},
		{"node zero", t.Context(), s, 0, "hello", ErrAddress},
		{"this node", t.Context(), s, s.node, "hello", ErrAddress},
		{"cancelled", cancelled, s, 1, "hello", context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if m, err := test.s.Send(test.ctx, Target{Node: test.to}, test.text); !errors.Is(err, test.want) {
				t.Errorf("Send = %+v, %v; want %v", m, err, test.want)
			}
		})
	}
	if got := s.states(); len(got) != 0 {
		t.Errorf("stored all the same: %v", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a := newStation(t, air, func(c *Config) { c.MaxQueued = 4 })
		b := newStation(t, air, nil)
		introduce(t, a, b)
		for i := range 4 {
			a.send(b.node, fmt.Sprint(i))
		}
		if _, err := a.Send(t.Context(), Target{Node: b.node}, "one more"); !errors.Is(err, ErrFull) {
			t.Errorf("fifth of four: %v, want ErrFull", err)
		}
		// A store with more than that, from other settings, is worked off in turn.
		c := stationOn(t, a.cfg.Store, a.path, air, func(c *Config) { c.MaxQueued = 2 })
		c.run()
		b.run()
		await(t, time.Minute, "delivery of all", func() bool { return c.states()["delivered"] == 4 })
		if got := b.inbox(); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("inbox %q", got)
		}
		c.send(b.node, "one more")
		await(t, time.Minute, "delivery", func() bool { return len(b.inbox()) == 5 })
	})
}

// No hour contains more airtime than the limit, and still all arrives.
func TestDutyLimit(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a := newStation(t, air, func(c *Config) { c.DutyLimit = 0.001 }) // 3.6 s
		b := newStation(t, air, nil)
		introduce(t, a, b)
		a.run()
		b.run()
		const messages = 40 // of 0.2 s
		text := strings.Repeat("a", 40)
		for range messages {
			a.send(b.node, text)
		}
		waited := false
		for hour := 0; a.states()["delivered"] < messages; hour++ {
			if hour > 300 {
				t.Fatalf("after 5 hours: %v", a.states())
			}
			time.Sleep(time.Minute)
			status := a.Status()
			if status.AirtimeUsed > status.AirtimeLimit {
				t.Fatalf("%v on the air in an hour, limit %v", status.AirtimeUsed, status.AirtimeLimit)
			}
			waited = waited || status.AirtimeUsed > status.AirtimeLimit*8/10 && status.Queued > 0
		}
		if !waited {
			t.Error("the limit was never felt")
		}
	})
}

func TestHostilePackets(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, s, p := meetByHand(t)
		good := p.text(s.node, "hello")
		whole, err := mesh.Encode(&good)
		if err != nil {
			t.Fatal(err)
		}
		flipped := slices.Clone(whole)
		flipped[20] ^= 4
		version0 := []byte("\xc0\x00\x01\x11\x11\x11\x11\x00\x00\x00\x00\x01\x01hello\x00\x00\x00\x00")
		hostile := [][]byte{
			{0}, whole[:5], whole[:len(whole)-1], append(slices.Clone(whole), 0), flipped, version0,
			make([]byte, 255), []byte(strings.Repeat("\xff", 255)), []byte("nick> hello\n"),
		}
		for _, b := range hostile {
			p.sendBytes(b)
		}
		time.Sleep(time.Second)
		status := s.Status()
		if status.PacketsBad != uint64(len(hostile)) || status.PacketsReceived != 0 || len(s.inbox()) != 0 {
			t.Errorf("after %d hostile packets: %+v, inbox %q", len(hostile), status, s.inbox())
		}
		p.send(good)
		await(t, time.Minute, "the good packet", func() bool { return len(s.inbox()) == 1 })
	})
}

// Of a bundle it takes what is for it and true, and what is for others.
func TestBundle(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, s, p := meetByHand(t)
		forged := p.text(s.node, "forged")
		forged.Payload[3] ^= 4
		all := mesh.Packet{Type: mesh.Bundle, Tx: packet.Short(p.id())}
		all.Inner = []mesh.Packet{p.text(s.node, "one"), forged, p.text(Broadcast, "all"), p.text(s.node, "two")}
		p.send(all)
		await(t, time.Minute, "three messages", func() bool { return len(s.inbox()) == 3 })
		time.Sleep(time.Minute)
		if got := s.inbox(); len(got) != 3 {
			t.Errorf("inbox %q", got)
		}
	})
}

func TestOff(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newStation(t, nil, func(c *Config) { c.Radio = "off" })
		s.run()
		time.Sleep(time.Hour)
		if status := s.Status(); status.Up || status.Error != "" || status.Radio != "off" || status.FrequencyHz != 0 {
			t.Errorf("status %+v", status)
		}
		if err := s.halt(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}
