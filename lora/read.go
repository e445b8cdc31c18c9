package lora

import (
	"encoding/binary"
	"fmt"
	"time"

	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

const (
	stateRead = "read"

	readSize = 2 + 3 // of the body that says what was read
	readTTL  = time.Hour
	readBack = 100 // messages that one such packet can mark
)

// MarkRead notes that what came from a node, or to a channel, was read up to a
// message. A node whose messages were read is told, once; that is not kept, so
// that it may not hear of it.
func (b *Bridge) MarkRead(t Target, seq uint64) error {
	before, err := b.cfg.Store.Unread(t.Node, t.Channel)
	if err != nil {
		return err
	}
	if err := b.cfg.Store.MarkRead(t.Node, t.Channel, seq); err != nil || before == 0 || t.Node == Broadcast || seq == 0 {
		return err
	}
	after, err := b.cfg.Store.Unread(t.Node, "")
	if err != nil || after >= before {
		return err
	}
	newest, err := b.cfg.Store.Messages(storage.MessageQuery{Peer: &t.Node, Incoming: true, BeforeSeq: seq + 1, Limit: 1})
	if err != nil || len(newest) == 0 {
		return err
	}
	return b.tellRead(t.Node, newest[0].ID)
}

// tellRead has a node told up to which of its messages was read.
func (b *Bridge) tellRead(node uint32, messageID string) error {
	read, err := packet.ParseID(messageID)
	if err != nil || read.Source != node || b.radio.kind == radioOff {
		return nil // one of before there were keys
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id, err := b.counter.Next(packet.LaneDirect, 1)
	if err != nil {
		return err
	}
	body := binary.BigEndian.AppendUint16(nil, read.Epoch)
	body = append(body, byte(read.Sequence>>16), byte(read.Sequence>>8), byte(read.Sequence))
	m, err := b.ring.SealDirect(id, node, packet.Payload{Port: packet.PortRead, Body: body})
	if err != nil {
		return nil // its key was removed: nobody to tell
	}
	m.ExpiresAt = b.clock.at(time.Now().Add(readTTL))
	if len(b.outbound) < maxPings {
		b.outbound = append(b.outbound, m)
		b.wakeUp()
	}
	return nil
}

// acceptRead marks what a node says its user has read: that message of ours, and
// those before.
func (b *Bridge) acceptRead(d mesh.Deliver, opened keyring.Opened) []mesh.Action {
	from := d.Packet.From
	if len(opened.Body) == readSize {
		read := packet.ID{
			Source: b.node, Epoch: binary.BigEndian.Uint16(opened.Body),
			Sequence: uint32(opened.Body[2])<<16 | uint32(binary.BigEndian.Uint16(opened.Body[3:])),
		}
		if err := b.markRead(from, read.String()); err != nil {
			b.fail(fmt.Errorf("mark as read by %s: %w", FormatNodeID(from), err))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mesh.Stored(d.Packet.ID, b.clock.now())
}

func (b *Bridge) markRead(by uint32, messageID string) error {
	list, err := b.cfg.Store.Messages(storage.MessageQuery{Peer: &by, Outgoing: true, Limit: readBack})
	if err != nil {
		return err
	}
	known := -1
	for i, m := range list {
		if m.ID == messageID {
			known = i
		}
	}
	for _, m := range list[:known+1] {
		if m.State == string(mesh.Delivered) {
			m.State = stateRead
			b.keep(m)
			b.publishState(m)
		}
	}
	return nil
}
