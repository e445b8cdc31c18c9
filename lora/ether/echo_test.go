package ether

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// caller is a station that the test plays by hand.
type caller struct {
	t     *testing.T
	port  *Port
	ring  *keyring.Ring
	count uint32
	texts []string // that came, each once
	acks  int      // of own messages, each once
	known map[string]bool
	sent  *mesh.Packet
}

func (c *caller) id(lane uint32) packet.ID {
	c.count++
	return packet.ID{Source: c.ring.Identity().NodeID(), Epoch: 1, Sequence: lane<<23 | c.count}
}

func (c *caller) send(p *mesh.Packet) {
	c.t.Helper()
	p.Tx = packet.Short(c.ring.Identity().NodeID())
	b, err := mesh.Encode(p)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.port.Send(c.t.Context(), b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) announce(wanted uint32) {
	c.t.Helper()
	p, err := c.ring.Announce(c.id(1), 0, packet.Card{Wanted: wanted, Issued: time.Now()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(&p)
}

// say sends a text to a node, or to everyone when it is packet.Broadcast.
func (c *caller) say(to uint32, text string) {
	c.t.Helper()
	payload := packet.Payload{Port: packet.PortText, Body: []byte(text)}
	p := &mesh.Packet{Type: mesh.Routed, From: c.ring.Identity().NodeID(), To: to, Next: packet.Short(to)}
	m, err := mesh.Message{}, error(nil)
	if to == packet.Broadcast {
		p.Type, p.Next = mesh.Flood, 0
		m, err = c.ring.SealChannel(c.id(0), "", payload)
	} else {
		m, err = c.ring.SealDirect(c.id(1), to, payload)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	p.ID, p.Channel, p.Payload = m.ID, m.Channel, m.Payload
	c.sent = p
	c.send(p)
}

// listen takes in what comes within a while, and answers questions.
func (c *caller) listen(d time.Duration) {
	c.t.Helper()
	limited, cancel := context.WithTimeout(c.t.Context(), d)
	defer cancel()
	for {
		r, err := c.port.Receive(limited)
		if err != nil {
			return
		}
		p, err := mesh.Decode(r.Packet)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, inner := range p.Inner {
			c.take(&inner)
		}
		c.take(&p)
	}
}

// take takes in one packet, alone or out of a bundle.
func (c *caller) take(p *mesh.Packet) {
	c.t.Helper()
	name := p.ID.String()
	switch p.Type {
	case mesh.Card:
		card, err := keyring.OpenCard(p)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := c.ring.Learn(card.Public, false); err != nil {
			c.t.Fatal(err)
		}
		if card.Wanted == c.ring.Identity().NodeID() && !c.known[name] {
			c.announce(0)
		}
	case mesh.Ack:
		if c.sent != nil && mesh.Opens(p, c.sent) && !c.known["ack"+name] {
			c.acks++
			name = "ack" + name
		}
	case mesh.Routed:
		opened, err := c.ring.OpenDirect(p)
		if err != nil {
			c.t.Fatal(err)
		}
		if !c.known[name] {
			c.texts = append(c.texts, string(opened.Body))
		}
		c.send(&mesh.Packet{Type: mesh.Ack, ID: p.ID, To: p.From, Attempt: p.Attempt, Next: p.Tx, Token: opened.Token})
	}
	c.known[name] = true
}

// call lets f talk on an air with an echo node.
func call(t *testing.T, f func(c *caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- air.RunEcho(ctx, Position{X: 500}, fast) }()
		synctest.Wait()
		c := &caller{t: t, port: join(t, air, Position{}), ring: keyring.New(packet.NewIdentity()), known: make(map[string]bool)}
		if err := c.ring.Join("", []byte(packet.PublicSecret)); err != nil {
			t.Fatal(err)
		}
		f(c)
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("RunEcho returned %v", err)
		}
	})
}

func TestEcho(t *testing.T) {
	t.Run("tells who it is, acknowledges and answers", func(t *testing.T) {
		call(t, func(c *caller) {
			c.announce(EchoNode)
			c.listen(5 * time.Second)
			c.say(EchoNode, "hello")
			c.listen(10 * time.Second)
			if c.acks != 1 || !slices.Equal(c.texts, []string{"echo: hello"}) {
				t.Errorf("%d acknowledgements, heard %q", c.acks, c.texts)
			}
			c.say(EchoNode, "echo: hello")
			c.listen(10 * time.Second)
			if c.acks != 2 || len(c.texts) != 1 {
				t.Errorf("after an echo: %d acknowledgements, heard %q", c.acks, c.texts)
			}
			c.say(EchoNode, strings.Repeat("ü", packet.MaxRoutedBody/2))
			c.listen(10 * time.Second)
			if len(c.texts) != 2 || !strings.HasPrefix(c.texts[1], "echo: üü") || len(c.texts[1]) > packet.MaxRoutedBody {
				t.Errorf("heard %q, want an echo cut to size", c.texts)
			}
		})
	})
	t.Run("ping of a stranger", func(t *testing.T) {
		call(t, func(c *caller) {
			c.say(packet.Broadcast, "Ping")
			c.listen(time.Minute)
			if !slices.Equal(c.texts, []string{"pong"}) {
				t.Errorf("heard %q, want a direct pong", c.texts)
			}
		})
	})
	t.Run("other broadcasts", func(t *testing.T) {
		call(t, func(c *caller) {
			c.say(packet.Broadcast, "good morning")
			c.listen(time.Minute)
			if len(c.texts) != 0 {
				t.Errorf("heard %q, want nothing", c.texts)
			}
		})
	})
	t.Run("a stranger's text waits for its identity", func(t *testing.T) {
		call(t, func(c *caller) {
			var identity packet.PublicKey
			c.announce(EchoNode)
			c.listen(5 * time.Second)
			identity, _ = c.ring.Public(EchoNode)
			c.ring = keyring.New(packet.NewIdentity()) // a new face, which the echo node has not seen
			if err := c.ring.Learn(identity, true); err != nil {
				t.Fatal(err)
			}
			c.listen(echoGap)
			c.say(EchoNode, "hello")
			c.listen(20 * time.Second) // it asks, and we tell
			if c.acks != 1 || !slices.Equal(c.texts, []string{"echo: hello"}) {
				t.Errorf("%d acknowledgements, heard %q", c.acks, c.texts)
			}
		})
	})
}
