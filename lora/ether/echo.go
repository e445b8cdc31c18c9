package ether

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
)

// EchoNode is the address of the echo node, "!ec402833".
const EchoNode uint32 = 0xEC402833

const (
	echoSeed   = "lorrent echo node 11141" // its identity is no secret
	echoName   = "echo"
	echoPrefix = "echo: "
	echoTTL    = 10 * time.Minute
	echoQueue  = 64
	echoGap    = 10 * time.Second // between two announcements of itself
	echoHops   = 3
)

// echo is a station that answers: a direct text with the same after "echo: ",
// and "ping" on the public channel with a direct "pong". Its identity is known
// to everyone, and it keeps nothing, so its acknowledgement of a text means no
// more than that it answers.
type echo struct {
	port      *Port
	mesh      *mesh.Mesh
	ring      *keyring.Ring
	counter   *packet.Counter
	base      time.Time
	announced time.Time              // on the air's clock
	waiting   map[uint32]string      // answers to nodes whose key is asked for
	unopened  map[uint32]mesh.Packet // what they have sent
}

// RunEcho puts an echo node on the air until ctx ends, whose error it returns.
func (a *Air) RunEcho(ctx context.Context, at Position, r modem.Radio) error {
	port := a.Join("echo", at)
	defer port.Close()
	if err := port.Configure(ctx, r); err != nil {
		return err
	}
	e, err := newEcho(port, r)
	if err != nil {
		return err
	}
	if err := e.carryOut(ctx, e.mesh.Up(e.now())); err != nil {
		return err
	}
	for {
		actions, err := e.wait(ctx)
		if err != nil {
			return err
		}
		if err := e.carryOut(ctx, actions); err != nil {
			return err
		}
	}
}

func newEcho(port *Port, r modem.Radio) (*echo, error) {
	seed := sha256.Sum256([]byte(echoSeed))
	identity, err := packet.IdentityFromSeed(seed[:])
	if err != nil {
		return nil, fmt.Errorf("echo node: %w", err)
	}
	e := &echo{port: port, ring: keyring.New(identity), base: time.Now(), waiting: make(map[uint32]string), unopened: make(map[uint32]mesh.Packet)}
	if err := e.ring.Join("", []byte(packet.PublicSecret)); err != nil {
		return nil, fmt.Errorf("echo node: %w", err)
	}
	// Sequences begin anew under another epoch, random even on an air with a seed:
	// who talked to an earlier echo node must not take this one's texts for
	// repetitions.
	epoch := packet.RandomEpoch()
	if e.counter, err = packet.NewCounter(forgetful{}, EchoNode, epoch); err != nil {
		return nil, fmt.Errorf("echo node: %w", err)
	}
	e.mesh = mesh.New(mesh.Config{
		NodeID: EchoNode, Epoch: epoch, MaxMessages: echoQueue, Opens: mesh.Opens,
		Airtime:    func(bytes int) time.Duration { return TimeOnAir(r, bytes) },
		FloorSNRdB: snrLimitdB[r.SpreadingFactor-5],
	})
	return e, nil
}

// forgetful is a packet.Store that keeps nothing.
type forgetful struct{}

func (forgetful) Setting(string) ([]byte, error)  { return nil, nil }
func (forgetful) SetSetting(string, []byte) error { return nil }

// now is the time on the air's clock, which runs faster on an air that is.
func (e *echo) now() time.Time {
	return e.base.Add(time.Duration(float64(time.Since(e.base)) * e.port.cfg.speedup()))
}

// wait returns what comes of the next packet, or of the time.
func (e *echo) wait(ctx context.Context) ([]mesh.Action, error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if wake, ok := e.mesh.Wake(); ok {
		limited, cancel = context.WithTimeout(ctx, e.port.scale(wake.Sub(e.now())))
	}
	defer cancel()
	r, err := e.port.Receive(limited)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return e.mesh.Tick(e.now()), nil
	case err != nil:
		return nil, fmt.Errorf("echo node: %w", err)
	}
	p, err := mesh.Decode(r.Packet)
	if err != nil {
		return nil, nil // not for us to count
	}
	if e.claim(&p) {
		return e.announce(p.From), nil
	}
	var actions []mesh.Action
	claimed := p.Inner[:0]
	for _, inner := range p.Inner {
		if e.claim(&inner) {
			actions = append(actions, e.announce(inner.From)...)
		} else {
			claimed = append(claimed, inner)
		}
	}
	p.Inner = claimed
	return append(actions, e.mesh.Receive(p, r.RSSIdBm, r.SNRdB, e.now())...), nil
}

// claim takes a message for this node as such. It says whether it is of a stranger:
// then it is kept until that one has said who it is.
func (e *echo) claim(p *mesh.Packet) (stranger bool) {
	if p.Type != mesh.Routed || uint16(p.To) != packet.Short(EchoNode) || !errors.Is(e.ring.Claim(p), keyring.ErrUnknown) {
		return false
	}
	if len(e.unopened) < echoQueue {
		e.unopened[p.From] = *p
	}
	return true
}

// carryOut does what the mesh asks for, one packet at a time.
func (e *echo) carryOut(ctx context.Context, actions []mesh.Action) error {
	for len(actions) > 0 {
		action := actions[0]
		actions = actions[1:]
		switch a := action.(type) {
		case mesh.Transmit:
			if err := e.send(ctx, &a.Packet); err == nil {
				actions = append(actions, e.mesh.Sent(e.now())...)
			} else if ctx.Err() != nil {
				return ctx.Err()
			} else {
				actions = append(actions, e.mesh.SendFailed(e.now())...)
			}
		case mesh.Deliver:
			actions = append(actions, e.deliver(&a.Packet)...)
		}
	}
	return nil
}

// send puts a packet on the air.
func (e *echo) send(ctx context.Context, p *mesh.Packet) error {
	b, err := mesh.Encode(p)
	if err != nil {
		return err
	}
	return e.port.Send(ctx, b)
}

// deliver takes what the mesh brings: a card, or a text that may deserve an
// answer.
func (e *echo) deliver(p *mesh.Packet) []mesh.Action {
	open := e.ring.OpenChannel
	switch p.Type {
	case mesh.Card:
		return e.meet(p)
	case mesh.Routed:
		open = e.ring.OpenDirect
	}
	opened, err := open(p)
	if err != nil || opened.Port != packet.PortText {
		e.mesh.Ignored(p.ID)
		return nil
	}
	actions := e.mesh.Stored(p.ID, e.now())
	text, heard := "pong", string(opened.Body)
	switch {
	case p.Type == mesh.Routed && !strings.HasPrefix(heard, echoPrefix):
		text = shorten(echoPrefix+heard, packet.MaxRoutedBody)
	case p.Type == mesh.Flood && strings.EqualFold(strings.TrimSpace(heard), "ping"):
	default:
		return actions
	}
	return append(actions, e.answer(p.From, text)...)
}

// answer queues a text. When too many wait there is none.
func (e *echo) answer(to uint32, text string) []mesh.Action {
	if _, known := e.ring.Public(to); !known {
		if len(e.waiting) < echoQueue {
			e.waiting[to] = text
		}
		return e.announce(to)
	}
	id, err := e.counter.Next(packet.LaneDirect, 1)
	if err != nil {
		return nil
	}
	m, err := e.ring.SealDirect(id, to, packet.Payload{Port: packet.PortText, Body: []byte(text)})
	if err != nil {
		return nil
	}
	m.ExpiresAt = e.now().Add(echoTTL)
	actions, err := e.mesh.Enqueue(m, e.now())
	if err != nil {
		return nil
	}
	return actions
}

// meet learns who a node is, and answers what it asked.
func (e *echo) meet(p *mesh.Packet) (actions []mesh.Action) {
	card, err := keyring.OpenCard(p)
	if err != nil || e.ring.Learn(card.Public, false) != nil {
		e.mesh.Ignored(p.ID)
		return nil
	}
	actions = e.mesh.Stored(p.ID, e.now())
	if card.Wanted == EchoNode {
		actions = append(actions, e.announce(0)...)
	}
	if early, ok := e.unopened[p.From]; ok {
		delete(e.unopened, p.From)
		if e.ring.Claim(&early) == nil {
			actions = append(actions, e.mesh.Receive(early, 0, 0, e.now())...)
		}
	}
	if text, ok := e.waiting[p.From]; ok {
		delete(e.waiting, p.From)
		actions = append(actions, e.answer(p.From, text)...)
	}
	return actions
}

// announce tells who the echo node is, and asks who another one is.
func (e *echo) announce(wanted uint32) []mesh.Action {
	now := e.now()
	if !e.announced.IsZero() && now.Sub(e.announced) < echoGap {
		return nil
	}
	id, err := e.counter.Next(packet.LaneDirect, 1)
	if err != nil {
		return nil
	}
	p, err := e.ring.Announce(id, echoHops, packet.Card{Wanted: wanted, Issued: time.Now(), Name: echoName})
	if err != nil {
		return nil
	}
	e.announced = now
	return e.mesh.Announce(p, now)
}

// shorten cuts text to at most size bytes, between two characters.
func shorten(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
