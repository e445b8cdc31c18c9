package lora

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/fragment"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// longText has so many bytes, no two parts of it alike.
func longText(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d-ü ", i)
	}
	return strings.ToValidUTF8(b.String()[:size-1], "") + strings.Repeat(".", size-len(strings.ToValidUTF8(b.String()[:size-1], "")))
}

// line is stations in a row, of which only neighbours hear each other, and that
// know one another.
func line(t *testing.T, air *ether.Air, n int) []*station {
	t.Helper()
	var all []*station
	for i := range n {
		s := newStation(t, air, func(c *Config) { c.DutyLimit = 0 })
		s.open = standingAt(air, ether.Position{X: 3500 * float64(i)})
		all = append(all, s)
	}
	introduce(t, all...)
	for _, s := range all {
		s.run()
	}
	return all
}

// 4 kB both ways at the same time, over three hops of which each loses a fifth of
// all packets.
func TestLongBothWays(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 3, Loss: 0.2})
		all := line(t, air, 4)
		a, b := all[0], all[3]
		time.Sleep(20 * time.Minute) // they hear of each other
		texts := []string{longText(MaxText), longText(MaxText - 1)}
		began := time.Now()
		sent := a.send(b.node, texts[0])
		b.send(a.node, texts[1])
		await(t, 3*time.Hour, "delivery", func() bool { return a.states()["delivered"] == 1 && b.states()["delivered"] == 1 })
		t.Logf("%d and %d bytes took %v", len(texts[0]), len(texts[1]), time.Since(began).Round(time.Second))
		for i, s := range []*station{b, a} {
			if got := s.inbox(); len(got) != 1 || got[0] != texts[i] || s.count("received "+texts[i]) != 1 {
				t.Errorf("inbox of %d messages, want one of %d bytes once", len(got), len(texts[i]))
			}
		}
		for i, s := range all {
			st := s.Status()
			t.Logf("station %d sent %d packets, %v of %v", i, st.PacketsSent, st.AirtimeUsed, st.AirtimeLimit)
			if st.AirtimeUsed > st.AirtimeLimit {
				t.Errorf("station %d was on the air %v, allowed %v", i, st.AirtimeUsed, st.AirtimeLimit)
			}
			if i == 1 && len(s.inbox()) != 0 {
				t.Error("a relay shows it")
			}
		}
		if sent.DataShares != 38 || sent.Shares != 48 {
			t.Errorf("cut into %d of %d shares", sent.DataShares, sent.Shares)
		}
		time.Sleep(time.Hour)
		if a.count("received "+texts[1]) != 1 || b.count("received "+texts[0]) != 1 {
			t.Error("shown again later")
		}
	})
}

// A long message to a channel reaches all, though each loses a fifth.
func TestLongToChannel(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 5, Loss: 0.2})
		all := line(t, air, 3)
		time.Sleep(20 * time.Minute)
		text := longText(MaxText)
		all[0].send(Broadcast, text)
		await(t, 2*time.Hour, "both", func() bool { return len(all[1].inbox()) == 1 && len(all[2].inbox()) == 1 })
		for _, s := range all[1:] {
			if got := s.inbox(); got[0] != text || s.count("received "+text) != 1 {
				t.Errorf("shows %d bytes, %d times", len(got[0]), s.count("received "+text))
			}
		}
		await(t, time.Hour, "the end", func() bool { return all[0].states()["sent"] == 1 && all[0].Status().Queued == 0 })
	})
}

// Either side dies in the middle: the sender goes on from its store, the receiver
// is told the rest.
func TestLongOverCrashes(t *testing.T) {
	for _, dies := range []string{"sender", "receiver"} {
		t.Run(dies, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				air := ether.NewAir(ether.Config{Seed: 7, Loss: 0.1})
				pair := line(t, air, 2)
				a, b := pair[0], pair[1]
				time.Sleep(10 * time.Minute)
				text := longText(3000)
				a.send(b.node, text)
				half := func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.assembler.Len() == 1 }
				await(t, 10*time.Minute, "the first share", half)
				time.Sleep(3 * time.Second)
				if !half() {
					t.Fatal("it was there at once")
				}
				victim := map[string]**station{"sender": &a, "receiver": &b}[dies]
				db, path := crash(t, (*victim).path)
				(*victim).halt()
				again := stationOn(t, db, path, air, nil)
				again.run()
				*victim = again
				await(t, 2*time.Hour, "delivery", func() bool { return a.states()["delivered"] == 1 })
				if got := b.inbox(); len(got) != 1 || got[0] != text || b.count("received "+text) != 1 {
					t.Errorf("inbox of %d messages", len(got))
				}
			})
		})
	}
}

// shares are the fragments by which this node transmits a long message.
func (h *hand) shares(to uint32, text string, change func(i int, share []byte)) (all []mesh.Packet) {
	h.t.Helper()
	l, err := fragment.LayoutFor(len(text), maxShare)
	if err != nil {
		h.t.Fatal(err)
	}
	shares, err := l.Encode(packet.PortText, []byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	for i, share := range shares {
		if change != nil {
			change(i, share)
		}
		p := mesh.Packet{Type: mesh.Routed, Fragment: true, From: h.id(), To: to, Tx: packet.Short(h.id()), Next: packet.Short(to)}
		m, err := h.ring.SealDirect(packet.ID{Source: h.id(), Epoch: 4, Sequence: 1<<23 | (h.count + uint32(i))}, to,
			packet.Payload{Index: uint8(i), Data: uint8(l.Data), Body: share})
		if err != nil {
			h.t.Fatal(err)
		}
		p.ID, p.Payload = m.ID, m.Payload
		all = append(all, p)
	}
	h.count += uint32(len(shares))
	return all
}

// hearUntil returns the first packet heard that is wanted, nil when none comes.
func (h *hand) hearUntil(wanted func(*mesh.Packet) bool) *mesh.Packet {
	for range 100 {
		p := h.hear()
		if p == nil || wanted(p) {
			return p
		}
	}
	return nil
}

// The last share that it takes brings the message and its acknowledgement, once;
// forged and replayed ones bring nothing.
func TestSharesByHand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air, s, p := meetByHand(t)
		text := longText(400)
		all := p.shares(s.node, text, nil) // 4 data shares and 2 of parity
		if len(all) != 6 {
			t.Fatalf("%d shares", len(all))
		}
		ack := func(of ...int) *mesh.Packet {
			return p.hearUntil(func(got *mesh.Packet) bool {
				for _, i := range of {
					if got.Type == mesh.Ack && !got.Hop && got.ID == all[i].ID && mesh.Opens(got, &all[i]) {
						return true
					}
				}
				return false
			})
		}
		forged := all[0]
		forged.Payload = append([]byte(nil), forged.Payload...)
		forged.Payload[9] ^= 1
		p.send(forged)
		for _, i := range []int{5, 2, 2, 0} {
			p.send(all[i])
		}
		// Three of four are there: it says which.
		status := p.hearUntil(func(got *mesh.Packet) bool { return got.Type == mesh.Routed && got.Quiet })
		for range 10 {
			if status == nil {
				status = p.hearUntil(func(got *mesh.Packet) bool { return got.Type == mesh.Routed && got.Quiet })
			}
		}
		if status == nil {
			t.Fatal("nothing is asked for")
		}
		status.To = p.id()
		opened, err := p.ring.OpenDirect(status)
		if err != nil || opened.Port != packet.PortFragmentStatus {
			t.Fatalf("%+v, %v", opened, err)
		}
		id, held, err := fragment.ParseStatus(opened.Body, p.id())
		if err != nil || id != all[0].ID || held.Count() != 3 || !held.Has(0) || !held.Has(2) || !held.Has(5) {
			t.Errorf("says it has %v of %v, %v", held, id, err)
		}
		if len(s.inbox()) != 0 || s.Status().PacketsForged != 1 {
			t.Errorf("shows %q, %d forged", s.inbox(), s.Status().PacketsForged)
		}
		p.send(all[4])
		if ack(4) == nil {
			t.Fatal("no acknowledgement of the share that completes it")
		}
		if got := s.inbox(); len(got) != 1 || got[0] != text {
			t.Fatalf("inbox %q", got)
		}
		p.send(all[1]) // asks: it has not heard the acknowledgement
		if ack(1) == nil {
			t.Error("no acknowledgement of what is stored")
		}
		for i := range all { // someone plays it again, to the next process
			p.send(all[i])
		}
		s.halt()
		db, path := crash(t, s.path)
		restarted := stationOn(t, db, path, air, nil)
		restarted.run()
		for i := range all {
			p.send(all[i])
		}
		time.Sleep(time.Minute)
		if s.count("received "+text) != 1 || restarted.count("received "+text) != 0 || len(restarted.inbox()) != 1 {
			t.Error("shown again")
		}
	})
}

// A known node may write nonsense: it costs nothing.
func TestSharesThatDoNotFit(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, s, p := meetByHand(t)
		for _, change := range []func(int, []byte){
			func(i int, b []byte) { b[len(b)-1] ^= byte(i) },        // another message
			func(i int, b []byte) { b[0] = 0xff },                   // a length beyond the end
			func(i int, b []byte) { copy(b, make([]byte, len(b))) }, // nothing
		} {
			for _, share := range p.shares(s.node, longText(300), change)[:3] {
				p.send(share)
			}
		}
		time.Sleep(time.Minute)
		good := longText(500)
		shares := p.shares(s.node, good, nil)[:5]
		for round := 0; round < 5 && len(s.inbox()) == 0; round++ { // it does not hear what is sent while it sends itself
			for _, share := range shares {
				p.send(share)
			}
			p.hearUntil(func(*mesh.Packet) bool { return len(s.inbox()) > 0 })
		}
		await(t, time.Minute, "the good one", func() bool { return len(s.inbox()) == 1 })
		if got := s.inbox(); got[0] != good {
			t.Errorf("shows %q", got)
		}
	})
}

// What the airtime does not allow in the message's lifetime is refused, with the
// figures; what fits is not.
func TestLongNeedsAirtime(t *testing.T) {
	slow := func(duty float64, ttl time.Duration) func(*Config) {
		return func(c *Config) {
			var d Config
			d.complete()
			c.Settings = d.Settings
			c.Settings.SpreadingFactor, c.Settings.BandwidthHz = 12, 125_000
			c.DutyLimit, c.MessageTTL = duty, ttl
		}
	}
	s := newStation(t, ether.NewAir(ether.Config{}), slow(0.01, time.Hour))
	_, err := s.Send(t.Context(), Target{Node: 0x12345678}, longText(MaxText))
	if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "on the air, in 38 packets; this node may send 32.4s an hour, and the message expires after 1h0m0s") {
		t.Errorf("SF12 at 1 %%, in an hour: %v", err)
	}
	t.Log(err)
	if _, err := s.Send(t.Context(), Target{Node: 0x12345678}, longText(400)); err != nil {
		t.Errorf("400 bytes: %v", err)
	}
	for _, to := range []uint32{0x12345678, Broadcast} {
		m, err := newStation(t, ether.NewAir(ether.Config{}), slow(0.01, 24*time.Hour)).Send(t.Context(), Target{Node: to}, longText(MaxText))
		if err != nil || m.State != stateQueued || m.DataShares != 38 {
			t.Errorf("in a day: %+v, %v", m.State, err)
		}
	}
	if _, err := s.Send(t.Context(), Target{Node: Broadcast}, longText(MaxText+1)); !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "4097 bytes, at most 4096") {
		t.Errorf("4097 bytes: %v", err)
	}
}

// Up to what one packet holds it is one, and the ids of a long one are its own.
func TestShortStaysWhole(t *testing.T) {
	s := newStation(t, ether.NewAir(ether.Config{}), nil)
	var ids []packet.ID
	for _, size := range []int{packet.MaxRoutedBody, packet.MaxRoutedBody + 1, 1} {
		m := s.send(0x12345678, longText(max(size, 2))[:size])
		if (m.Shares > 0) != (size > packet.MaxRoutedBody) {
			t.Errorf("%d bytes in %d shares", size, m.Shares)
		}
		id, err := packet.ParseID(m.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if ids[2].Sequence != ids[1].Sequence+4 || ids[1].Sequence != ids[0].Sequence+1 {
		t.Errorf("ids %v", ids)
	}
	stored, err := s.Messages(storage.MessageQuery{Outgoing: true})
	if err != nil || stored[1].DataShares != 3 || stored[1].Shares != 4 {
		t.Errorf("stored %+v, %v", stored, err)
	}
}
