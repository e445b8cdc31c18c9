package ether

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
)

// EchoNode is the address of the echo node, "!ec400001".
const EchoNode uint32 = 0xEC400001

const (
	echoPrefix = "echo: "
	echoTTL    = 10 * time.Minute
	echoQueue  = 64
)

// echo is a station that answers: a direct text with the same after "echo: ",
// and the broadcast "ping" with a direct "pong". It keeps nothing, so its
// acknowledgement of a text means no more than that it answers.
type echo struct {
	port *Port
	mesh *mesh.Mesh
	next packet.ID
}

// RunEcho puts an echo node on the air until ctx ends, whose error it returns.
func (a *Air) RunEcho(ctx context.Context, at Position, r modem.Radio) error {
	port := a.Join("echo", at)
	defer port.Close()
	if err := port.Configure(ctx, r); err != nil {
		return err
	}
	e := &echo{
		port: port,
		mesh: mesh.New(mesh.Config{
			NodeID:      EchoNode,
			Airtime:     func(bytes int) time.Duration { return port.scale(TimeOnAir(r, bytes)) },
			MaxMessages: echoQueue,
			Plain:       true,
		}),
		// Random even on an air with a seed: who talked to an earlier echo node
		// must not take this one's texts for repetitions.
		next: packet.ID{Source: EchoNode, Epoch: uint16(rand.Uint32()), Sequence: rand.Uint32N(packet.MaxSequence / 2)},
	}
	if err := e.carryOut(ctx, e.mesh.Up(time.Now())); err != nil {
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

// wait returns what comes of the next packet, or of the time.
func (e *echo) wait(ctx context.Context) ([]mesh.Action, error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if wake, ok := e.mesh.Wake(); ok {
		limited, cancel = context.WithDeadline(ctx, wake)
	}
	defer cancel()
	r, err := e.port.Receive(limited)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return e.mesh.Tick(time.Now()), nil
	case err != nil:
		return nil, fmt.Errorf("echo node: %w", err)
	}
	p, err := mesh.DecodePlain(r.Packet)
	if err != nil {
		return nil, nil // not for us to count
	}
	return e.mesh.Receive(p, r.RSSIdBm, r.SNRdB, time.Now()), nil
}

// carryOut does what the mesh asks for, one packet at a time.
func (e *echo) carryOut(ctx context.Context, actions []mesh.Action) error {
	for len(actions) > 0 {
		action := actions[0]
		actions = actions[1:]
		switch a := action.(type) {
		case mesh.Transmit:
			if err := e.send(ctx, a.Packet); err == nil {
				actions = append(actions, e.mesh.Sent(time.Now())...)
			} else if ctx.Err() != nil {
				return ctx.Err()
			} else {
				actions = append(actions, e.mesh.SendFailed(time.Now())...)
			}
		case mesh.Deliver:
			actions = append(actions, e.mesh.Stored(a.Packet.ID, time.Now())...)
			actions = append(actions, e.answer(a.Packet)...)
		}
	}
	return nil
}

// send puts a packet on the air.
func (e *echo) send(ctx context.Context, p mesh.Packet) error {
	b, err := mesh.EncodePlain(p)
	if err != nil {
		return err
	}
	return e.port.Send(ctx, b)
}

// answer queues the reply to a text, if it deserves one. When too many wait
// there is none.
func (e *echo) answer(p mesh.Packet) []mesh.Action {
	text, heard := "pong", string(p.Payload)
	switch {
	case p.Type == mesh.Routed && !strings.HasPrefix(heard, echoPrefix):
		text = shorten(echoPrefix+heard, packet.MaxText)
	case p.Type == mesh.Flood && strings.EqualFold(strings.TrimSpace(heard), "ping"):
	default:
		return nil
	}
	id := e.next
	e.next.Sequence = (id.Sequence + 1) & packet.MaxSequence
	now := time.Now()
	actions, err := e.mesh.Enqueue(mesh.Message{ID: id, To: p.From, Payload: []byte(text), ExpiresAt: now.Add(echoTTL)}, now)
	if err != nil {
		return nil
	}
	return actions
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
