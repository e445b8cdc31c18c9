package lora

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lorrent/daemon/event"
	"lorrent/lora/fragment"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// MaxText is the longest message, in bytes of UTF-8.
const MaxText = fragment.MaxBody

// Errors of Send, and of what is said of contacts and channels.
var (
	ErrOff     = errors.New("the radio is off")
	ErrEmpty   = errors.New("the message has no text")
	ErrTooLong = errors.New("the message is too long")
	ErrText    = errors.New("the message is not UTF-8")
	ErrAddress = errors.New("no such receiver")
	ErrInvalid = errors.New("not possible")
	ErrSilent  = errors.New("is it on, and in reach?")
	ErrFull    = errors.New("too many messages wait for the radio")
)

// States of a stored message, besides those of package mesh.
const (
	stateQueued   = "queued"
	stateFailed   = "failed"
	stateReceived = "received"
)

// Send stores a text for a node, or for the members of a channel, and returns it
// as stored: it is durable, even while the radio is down. Its later states are
// events.
func (b *Bridge) Send(ctx context.Context, target Target, text string) (storage.Message, error) {
	if err := ctx.Err(); err != nil {
		return storage.Message{}, err
	}
	to := target.Node
	if err := b.checkSend(to, text); err != nil {
		return storage.Message{}, err
	}
	layout, err := b.layout(to, len(text))
	if err != nil {
		return storage.Message{}, err
	}
	id, err := b.reserve(to, max(layout.Total, 1))
	if err != nil {
		return storage.Message{}, err
	}
	now := time.Now()
	m := storage.Message{
		ID: id.String(), From: b.node, To: to, Channel: target.Channel, Text: text, Outgoing: true, State: stateQueued,
		CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(b.cfg.MessageTTL), DataShares: layout.Data, Shares: layout.Total,
	}
	if to != Broadcast && !b.knows(to) {
		m.Error = waitsForIdentity(to)
	}
	if err = b.cfg.Store.AddMessage(&m); err == nil {
		b.publishState(m) // before run can publish the next state
	}
	b.mu.Lock()
	b.reserved--
	if err == nil {
		b.pending = append(b.pending, m)
	}
	b.mu.Unlock()
	if err != nil {
		return storage.Message{}, fmt.Errorf("store message: %w", err)
	}
	b.wakeUp()
	return m, nil
}

// wakeUp has run look for what is new.
func (b *Bridge) wakeUp() {
	select {
	case b.submitted <- struct{}{}:
	default:
	}
}

// checkSend refuses what can never be sent.
func (b *Bridge) checkSend(to uint32, text string) error {
	switch {
	case b.radio.kind == radioOff:
		return ErrOff
	case to != Broadcast && !packet.ValidNode(to):
		return fmt.Errorf("%w: %s is no node", ErrAddress, FormatNodeID(to))
	case to == b.node:
		return fmt.Errorf("%w: %s is this node", ErrAddress, FormatNodeID(to))
	case strings.TrimSpace(text) == "":
		return ErrEmpty
	case len(text) > b.maxText:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(text), b.maxText)
	case !utf8.ValidString(text):
		return ErrText
	}
	return nil
}

// reserve takes an ID, the first of as many as the message has packets, and a place
// in the queue.
func (b *Bridge) reserve(to uint32, packets int) (packet.ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued() >= b.cfg.MaxQueued {
		return packet.ID{}, fmt.Errorf("%w: %d", ErrFull, b.cfg.MaxQueued)
	}
	lane := packet.LaneDirect
	if to == Broadcast {
		lane = packet.LaneFlood
	}
	id, err := b.counter.Next(lane, packets)
	if err != nil {
		return packet.ID{}, err
	}
	b.reserved++
	return id, nil
}

func (b *Bridge) knows(node uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.ring.Public(node)
	return ok
}

// queued counts the messages under way. The caller holds mu.
func (b *Bridge) queued() int { return b.mesh.Len() + len(b.pending) + b.reserved + b.held() }

// submit hands the messages stored by Send to the mesh.
func (b *Bridge) submit() []mesh.Action {
	b.mu.Lock()
	pending := b.pending
	b.pending = nil
	b.mu.Unlock()
	return append(b.enqueue(pending), b.sendOutbound()...)
}

// enqueue hands stored messages to the mesh. What is no message of ours, since
// something else wrote into the store, is kept as failed.
func (b *Bridge) enqueue(messages []storage.Message) (actions []mesh.Action) {
	for _, m := range messages {
		more, err := b.enqueueOne(m)
		actions = append(actions, more...)
		if err != nil {
			m.State, m.Error = stateFailed, err.Error()
			b.keep(m)
			b.publishState(m)
		}
	}
	return actions
}

// enqueueOne seals a message and hands it over. What the mesh has no room for
// waits in the store, and what has no key yet for that key.
func (b *Bridge) enqueueOne(m storage.Message) ([]mesh.Action, error) {
	id, err := packet.ParseID(m.ID)
	if err != nil {
		return nil, err
	}
	if id.Source != b.node {
		return nil, fmt.Errorf("it was written as %s, before this node was %s", FormatNodeID(id.Source), FormatNodeID(b.node))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds(m) {
		return nil, nil
	}
	msg, err := b.seal(id, m)
	if errors.Is(err, keyring.ErrUnknown) && m.To != Broadcast {
		return nil, b.hold(m)
	}
	if err != nil {
		return nil, err
	}
	msg.ExpiresAt, msg.Attempts = b.clock.in(time.Until(m.ExpiresAt)), m.Attempts
	actions, err := b.mesh.Enqueue(msg, b.clock.now())
	switch {
	case err == nil:
		b.records[id] = m
		return actions, nil
	case errors.Is(err, mesh.ErrDuplicate):
		return nil, nil
	case errors.Is(err, mesh.ErrFull):
		b.overflow = true
		return nil, nil
	}
	return nil, err
}

// seal makes of a stored message what the mesh carries: the same bytes each time.
// The caller holds mu.
func (b *Bridge) seal(id packet.ID, m storage.Message) (mesh.Message, error) {
	if m.Shares > 0 {
		return b.sealShares(id, m)
	}
	payload := packet.Payload{Port: packet.PortText, Body: []byte(m.Text)}
	if m.To == Broadcast {
		return b.ring.SealChannel(id, m.Channel, payload)
	}
	if err := b.rememberPeer(m.To); err != nil {
		return mesh.Message{}, err
	}
	return b.ring.SealDirect(id, m.To, payload)
}

// rememberPeer keeps the key of a node that we write to, if it is known. The
// caller holds mu.
func (b *Bridge) rememberPeer(node uint32) error {
	public, ok := b.ring.Public(node)
	if !ok {
		return nil // to be asked for
	}
	return b.remember(public)
}

// loadOutbox hands over what an earlier process, or an earlier fullness, left
// in the store.
func (b *Bridge) loadOutbox() ([]mesh.Action, error) {
	messages, err := b.cfg.Store.Outbox()
	if errors.Is(err, storage.ErrCorrupt) {
		b.cfg.Log.Error().Err(err).Msg("load outbox: some messages are lost")
	} else if err != nil {
		return nil, fmt.Errorf("load outbox: %w", err)
	}
	b.mu.Lock()
	b.overflow = false
	b.mu.Unlock()
	// Nobody acknowledges a broadcast: one that was sent is done.
	messages = slices.DeleteFunc(messages, func(m storage.Message) bool {
		return m.To == Broadcast && m.State != stateQueued
	})
	return b.enqueue(messages), nil
}

// refill loads what the mesh had no room for, once half of it is free.
func (b *Bridge) refill(port *port) {
	b.mu.Lock()
	due := b.overflow && b.mesh.Len() <= b.cfg.MaxQueued/2
	b.mu.Unlock()
	if !due {
		return
	}
	actions, err := b.loadOutbox()
	if err != nil {
		b.cfg.Log.Error().Err(err).Msg("refill outbox")
	}
	b.carryOut(actions, port)
}

// stateChanged keeps and publishes what became of a message of ours.
func (b *Bridge) stateChanged(change mesh.StateChanged) {
	b.mu.Lock()
	if b.pinged(change) {
		b.mu.Unlock()
		return
	}
	m, ok := b.records[change.ID]
	before := m.State
	m.Attempts = change.Attempts
	if before != stateRead { // what was read stays so
		m.State = string(change.State)
	}
	if change.Done {
		delete(b.records, change.ID)
	} else if ok {
		b.records[change.ID] = m
	}
	b.mu.Unlock()
	if !ok {
		return
	}
	if m.State == string(mesh.Expired) {
		m.Error = "not acknowledged in time"
		if m.Attempts == 0 {
			m.Error = "never sent: the radio was down or its airtime used up"
		}
	}
	b.keep(m)
	if m.State != before {
		b.publishState(m)
	}
}

// keep writes the state of m to the store. If that fails, the store knows an
// earlier state and the message may be sent once more after a restart, which
// its receiver sees through.
func (b *Bridge) keep(m storage.Message) {
	err := b.cfg.Store.UpdateMessage(m.Seq, func(stored *storage.Message) {
		stored.State, stored.Attempts, stored.Error, stored.UpdatedAt = m.State, m.Attempts, m.Error, time.Now()
	})
	if err != nil {
		b.fail(fmt.Errorf("store state of message %s: %w", m.ID, err))
	}
}

func (b *Bridge) publishState(m storage.Message) {
	b.cfg.Events.Publish(event.MessageState{ID: m.ID, To: FormatNodeID(m.To), State: m.State, Error: m.Error})
}
