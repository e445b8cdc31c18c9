package lora

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/packet"
	"lorrent/storage"
)

func TestContacts(t *testing.T) {
	s := newStation(t, ether.NewAir(ether.Config{}), nil)
	public := packet.NewIdentity().Public()
	added, err := s.AddContact(t.Context(), public.String(), "Ann")
	if err != nil || added.Node != public.NodeID() || added.Fingerprint != public.Fingerprint() || added.Verified {
		t.Fatalf("added %+v, %v", added, err)
	}
	if _, err := s.VerifyContact("ann", true); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"Ann", "ANN", "@ann", FormatNodeID(added.Node), public.String()} {
		if got, err := s.Resolve(who); err != nil || got != (Target{Node: added.Node}) {
			t.Errorf("Resolve(%q) = %+v, %v", who, got, err)
		}
	}
	again := stationOn(t, s.cfg.Store, s.path, nil, nil)
	list, err := again.Contacts()
	if err != nil || len(list) != 1 || list[0].Nick != "Ann" || !list[0].Verified || list[0].Key != public.String() {
		t.Errorf("after a restart %+v, %v", list, err)
	}
	other := packet.NewIdentity().Public()
	for _, test := range []struct{ name, who, nick string }{
		{"a taken nick", other.String(), "ann"},
		{"no nick", other.String(), ""},
		{"a nick with blanks", other.String(), "a b"},
		{"a nick like a channel", other.String(), "#a"},
		{"a nick like a node", other.String(), "89abcdef"},
		{"a nick for everyone", other.String(), "all"},
		{"an escape sequence", other.String(), "a\x1b[2J"},
		{"a long nick", other.String(), strings.Repeat("a", maxNick+1)},
		{"this node", s.ring.Identity().Public().String(), "me"},
		{"everyone", "all", "us"},
		{"nobody", "nobody", "n"},
	} {
		if c, err := s.AddContact(t.Context(), test.who, test.nick); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v; want ErrInvalid", test.name, c, err)
		}
	}
	if err := s.RemoveContact("Ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve("Ann"); !errors.Is(err, ErrAddress) {
		t.Errorf("after removal: %v", err)
	}
	if err := s.RemoveContact(FormatNodeID(added.Node)); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

// A node is asked for its key when it is added by its id.
func TestContactByNodeID(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a, b := newStation(t, air, nil), newStation(t, air, func(c *Config) { c.Name = "bea" })
		a.run()
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.AddContact(short, FormatNodeID(b.node), "bea"); !errors.Is(err, ErrSilent) {
			t.Errorf("added a node that is away: %v", err)
		}
		b.run()
		got, err := a.AddContact(t.Context(), FormatNodeID(b.node), "bea")
		if err != nil || got.Key != b.ring.Identity().Public().String() || got.Name != "bea" {
			t.Fatalf("added %+v, %v", got, err)
		}
		target, err := a.Resolve("bea")
		if err != nil {
			t.Fatal(err)
		}
		if m, err := a.Send(t.Context(), target, "hello"); err != nil || m.Error != "" {
			t.Errorf("Send = %+v, %v", m, err)
		}
		await(t, time.Hour, "delivery", func() bool { return a.states()["delivered"] == 1 })
		if n, err := b.Unread(Target{Node: a.node}); err != nil || n != 1 {
			t.Errorf("%d unread, %v", n, err)
		}
		for range 3 { // said once
			if err := b.MarkRead(Target{Node: a.node}, 99); err != nil {
				t.Fatal(err)
			}
		}
		await(t, time.Hour, "the mark", func() bool { return a.states()["read"] == 1 })
		if n, _ := b.Unread(Target{Node: a.node}); n != 0 || a.count("state read") != 1 || len(a.inbox()) != 0 {
			t.Errorf("%d unread, events %q", n, a.published())
		}
	})
}

// A message waits for a key that then comes by hand.
func TestKeyByHandFreesMessages(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a := newStation(t, air, nil)
		p := joinByHand(t, air)
		a.run()
		a.send(p.id(), "hello")
		time.Sleep(time.Minute)
		if _, err := a.AddContact(t.Context(), p.ring.Identity().Public().String(), "hand"); err != nil {
			t.Fatal(err)
		}
		await(t, 20*time.Minute, "the message on the air", func() bool { return a.states()["sent"] == 1 })
	})
}

func TestChannels(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a, b, c := newStation(t, air, nil), newStation(t, air, nil), newStation(t, air, nil)
		for _, s := range []*station{a, b, c} {
			s.run()
		}
		made, err := a.CreateChannel("family")
		if err != nil {
			t.Fatal(err)
		}
		joined, err := b.JoinChannel(made.Link, "#kin")
		if err != nil || joined.ID != made.ID || joined.Name != "kin" {
			t.Fatalf("joined %+v, %v", joined, err)
		}
		target, err := a.Resolve("#Family")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Send(t.Context(), target, "dinner"); err != nil {
			t.Fatal(err)
		}
		await(t, time.Minute, "the message", func() bool { return slices.Equal(b.inbox(), []string{"dinner"}) })
		time.Sleep(time.Minute)
		if got := c.inbox(); len(got) != 0 {
			t.Errorf("a stranger read %q", got)
		}
		list, err := b.Messages(storage.MessageQuery{Channel: made.ID})
		if err != nil || len(list) != 1 || list[0].From != a.node || b.ChannelName(list[0].Channel) != "#kin" {
			t.Errorf("channel has %+v, %v", list, err)
		}
		channels, err := b.Channels()
		if err != nil || len(channels) != 1 || channels[0].Unread != 1 {
			t.Errorf("channels %+v, %v", channels, err)
		}
		if err := b.MarkRead(Target{Node: Broadcast, Channel: made.ID}, list[0].Seq); err != nil {
			t.Fatal(err)
		}
		if channels, _ = b.Channels(); channels[0].Unread != 0 {
			t.Errorf("%d unread after reading", channels[0].Unread)
		}
		if err := b.LeaveChannel("#kin"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Send(t.Context(), target, "breakfast"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if got := b.inbox(); len(got) != 1 {
			t.Errorf("after leaving read %q", got)
		}
		if err := b.LeaveChannel("kin"); !errors.Is(err, ErrUnknown) {
			t.Errorf("left twice: %v", err)
		}
	})
}

func TestChannelRefuses(t *testing.T) {
	s := newStation(t, ether.NewAir(ether.Config{}), nil)
	made, err := s.CreateChannel("Straße")
	if err != nil {
		t.Fatal(err)
	}
	if name, secret, err := parseLink(made.Link); err != nil || name != "Straße" || channelID(secret) != made.ID {
		t.Errorf("link %s: %q, %x, %v", made.Link, name, secret, err)
	}
	if _, err := s.JoinChannel(made.Link, "again"); !errors.Is(err, ErrExists) {
		t.Errorf("joined twice: %v", err)
	}
	if _, err := s.CreateChannel("STRASSE"); err != nil {
		t.Errorf("another name: %v", err)
	}
	if _, err := s.CreateChannel("strasse"); !errors.Is(err, ErrExists) {
		t.Errorf("a taken name: %v", err)
	}
	for _, link := range []string{
		"", "family", "https://channel/a#b", channelLink, channelLink + "a", channelLink + "a#", channelLink + "a#c2hvcnQ",
		channelLink + "a#" + strings.Repeat("A", 200), channelLink + "a#not base64", channelLink + "%zz#AAAAAAAAAAAAAAAAAAAAAA",
		channelLink + "a b#AAAAAAAAAAAAAAAAAAAAAA", channelLink + "#AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if c, err := s.JoinChannel(link, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("joined %q: %+v, %v", link, c, err)
		}
	}
	for i := range maxChannels {
		_, err = s.CreateChannel(fmt.Sprint("n", i))
	}
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("channels without end: %v", err)
	}
}

func TestPing(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		a, b := newStation(t, air, nil), newStation(t, air, nil)
		a.run()
		b.run()
		got, err := a.Ping(t.Context(), FormatNodeID(b.node)) // unknown so far
		if err != nil || got.Node != b.node || got.Took <= 0 || got.Took > time.Minute || got.Attempts < 1 {
			t.Fatalf("ping %+v, %v", got, err)
		}
		time.Sleep(5 * time.Minute)
		if got, err = a.Ping(t.Context(), FormatNodeID(b.node)); err != nil || len(got.Path) != 1 || got.Path[0].Node != b.node {
			t.Errorf("ping %+v, %v; want the way", got, err)
		}
		near := a.Neighbours()
		if len(near) != 1 || near[0].Node != b.node || !near[0].HearsUs || near[0].RSSIdBm >= 0 {
			t.Errorf("neighbours %+v", near)
		}
		if routes := a.Routes(); len(routes) != 1 || routes[0].To.Node != b.node || routes[0].Hops != 1 {
			t.Errorf("routes %+v", routes)
		}
		b.halt()
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got, err := a.Ping(short, FormatNodeID(b.node)); !errors.Is(err, ErrSilent) {
			t.Errorf("ping of who is away: %+v, %v", got, err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if got, err := a.Ping(gone, FormatNodeID(b.node)); !errors.Is(err, context.Canceled) {
			t.Errorf("ping that nobody waits for: %+v, %v", got, err)
		}
		if len(b.inbox()) != 0 || len(a.states()) != 0 {
			t.Errorf("stored: %q, %v", b.inbox(), a.states())
		}
	})
}
