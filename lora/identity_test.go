package lora

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Two nodes that have never met: the message waits, says why, and goes once the
// other one has told who it is.
func TestFirstMessage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a, b := newStation(t, air, nil), newStation(t, air, func(c *Config) { c.Name = "Bea" })
		a.run()
		sent := a.send(b.node, "hello")
		if sent.State != "queued" || !strings.Contains(sent.Error, "identity of "+FormatNodeID(b.node)) {
			t.Errorf("Send returned %+v, want it queued, and why", sent)
		}
		time.Sleep(10 * time.Minute)
		messages, _ := a.Messages(storage.MessageQuery{})
		if messages[0].State != "queued" || messages[0].Attempts != 0 || a.Status().Queued != 1 {
			t.Errorf("with nobody there: %+v", messages[0])
		}
		b.run()
		await(t, 20*time.Minute, "delivery", func() bool { return a.states()["delivered"] == 1 })
		messages, _ = a.Messages(storage.MessageQuery{})
		if messages[0].Error != "" {
			t.Errorf("delivered with error %q", messages[0].Error)
		}
		if got := b.inbox(); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("inbox %q", got)
		}
		if p := a.peers[b.node]; p.Name != "Bea" {
			t.Errorf("known as %q", p.Name)
		}
		// Both know each other from now on, after a restart too.
		db, path := crash(t, b.path)
		b.halt()
		again := stationOn(t, db, path, air, nil)
		if sent := again.send(a.node, "and back"); sent.Error != "" {
			t.Errorf("Send returned %+v, want a known receiver", sent)
		}
	})
}

// A message that came before its sender was known is shown once it is.
func TestUnknownSender(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		s := newStation(t, air, nil)
		s.run()
		p := joinByHand(t, air)
		if err := p.ring.Learn(s.ring.Identity().Public(), true); err != nil {
			t.Fatal(err)
		}
		text := p.text(s.node, "who am I")
		p.send(text)
		question := p.hear()
		if question == nil || question.Type != mesh.Card {
			t.Fatalf("heard %+v, want a question", question)
		}
		card, err := keyring.OpenCard(question)
		if err != nil || card.Wanted != p.id() || card.Public != s.ring.Identity().Public() {
			t.Fatalf("asks %+v, %v", card, err)
		}
		if len(s.inbox()) != 0 {
			t.Fatalf("shown before it could be opened: %q", s.inbox())
		}
		mine, err := p.ring.Announce(packet.ID{Source: p.id(), Sequence: 1<<23 | 99}, 3, packet.Card{Issued: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		mine.Tx = packet.Short(p.id())
		p.send(mine)
		await(t, time.Minute, "the message", func() bool { return slices.Equal(s.inbox(), []string{"who am I"}) })
	})
}

// Nobody can write in the name of another: neither under a key that has the same
// node id, nor with a changed message, nor by repeating one.
func TestForgeries(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		s := newStation(t, air, nil)
		s.run()
		p, mallory := joinByHand(t, air), joinByHand(t, air)
		p.meets(s)
		mallory.meets(s)
		forged := mallory.text(s.node, "I am the other one")
		forged.ID.Source, forged.From, forged.Tx = p.id(), p.id(), packet.Short(p.id())
		mallory.send(forged)
		good := p.text(s.node, "true")
		changed := good
		changed.Payload = slices.Clone(good.Payload)
		changed.Payload[3] ^= 1
		mallory.send(changed)
		time.Sleep(10 * time.Second)
		if got := s.inbox(); len(got) != 0 {
			t.Fatalf("inbox %q", got)
		}
		p.send(good)
		await(t, time.Minute, "the true message", func() bool { return len(s.inbox()) == 1 })
		for range 5 {
			mallory.send(good)
			time.Sleep(time.Minute)
		}
		if got := s.inbox(); !slices.Equal(got, []string{"true"}) {
			t.Errorf("inbox after repetitions %q", got)
		}
		if s.Status().PacketsForged < 2 {
			t.Errorf("status %+v does not tell of forgeries", s.Status())
		}
		// A channel that is not ours: passed on, not shown.
		if err := mallory.ring.Join("secret", []byte("a secret of the others")); err != nil {
			t.Fatal(err)
		}
		m, err := mallory.ring.SealChannel(packet.ID{Source: mallory.id(), Sequence: 9}, "secret", packet.Payload{Port: packet.PortText, Body: []byte("psst")})
		if err != nil {
			t.Fatal(err)
		}
		mallory.send(mesh.Packet{Type: mesh.Flood, ID: m.ID, From: mallory.id(), To: Broadcast, Tx: packet.Short(mallory.id()), Channel: m.Channel, Payload: m.Payload})
		time.Sleep(time.Minute)
		if got := s.inbox(); len(got) != 1 {
			t.Errorf("inbox %q", got)
		}
	})
}

// A second key with the id of a known one is refused.
func TestKeyClash(t *testing.T) {
	s := newStation(t, ether.NewAir(ether.Config{}), nil)
	public := packet.NewIdentity().Public()
	if err := s.remember(public); err != nil {
		t.Fatal(err)
	}
	other := public
	other[0] ^= 1
	if err := s.ring.Learn(other, false); err == nil && other.NodeID() == public.NodeID() {
		t.Error("learned")
	}
	if err := s.ring.Learn(s.ring.Identity().Public(), true); !errors.Is(err, packet.ErrInvalid) {
		t.Errorf("learned its own key: %v", err)
	}
}

// What was sent counts after a crash, and after an orderly end.
func TestAirtimeSurvivesRestart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		world := &machine{began: time.Now(), boot: 1}
		change := func(c *Config) { c.moment = world.moment }
		a := newStation(t, air, change)
		a.run()
		for range 20 {
			a.send(Broadcast, strings.Repeat("a", 200))
		}
		time.Sleep(5 * time.Minute)
		used := a.Status().AirtimeUsed
		if used < 10*time.Second {
			t.Fatalf("%v used: too little to tell", used)
		}
		db, path := crash(t, a.path)
		if got := stationOn(t, db, path, air, change).Status().AirtimeUsed; got < used || got > used+2*airtimeBlock {
			t.Errorf("after a crash %v used, was %v", got, used)
		}
		a.halt()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got := stationOn(t, a.cfg.Store, a.path, air, change).Status().AirtimeUsed; got < used || got > used+airtimeBlock {
			t.Errorf("after an orderly end %v used, was %v", got, used)
		}
		time.Sleep(2 * time.Hour)
		if got := stationOn(t, a.cfg.Store, a.path, air, change).Status().AirtimeUsed; got != 0 {
			t.Errorf("two hours later %v used", got)
		}
	})
}

// Messages go over nodes that stand between.
func TestManyHops(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		var all []*station
		for i := range 4 {
			s := newStation(t, air, nil)
			s.open = standingAt(air, ether.Position{X: float64(i) * 2500})
			all = append(all, s)
		}
		for _, s := range all {
			s.run()
		}
		time.Sleep(5 * time.Minute) // of beacons
		all[0].send(all[3].node, "far away")
		await(t, 2*time.Hour, "delivery", func() bool { return all[0].states()["delivered"] == 1 })
		all[3].send(Broadcast, "to all")
		await(t, 2*time.Hour, "the message for everyone", func() bool { return slices.Equal(all[0].inbox(), []string{"to all"}) })
		if got := all[3].inbox(); !slices.Equal(got, []string{"far away"}) {
			t.Errorf("inbox %q", got)
		}
		if got := all[1].inbox(); !slices.Equal(got, []string{"to all"}) {
			t.Errorf("a relay shows %q", got)
		}
	})
}
