package lora

import (
	"encoding/binary"
	"fmt"
	"slices"
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
	before, err := b.cfg.Store.MarkRead(t.Node, t.Channel, seq)
	if err != nil || t.Node == Broadcast || seq == 0 {
		return err
	}
	newest, err := b.cfg.Store.Messages(storage.MessageQuery{Peer: &t.Node, Incoming: true, BeforeSeq: seq + 1, Limit: 1})
	if err != nil || len(newest) == 0 || newest[0].Seq <= before {
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
// those before. It has come, then, acknowledged or not.
func (b *Bridge) acceptRead(d mesh.Deliver, opened keyring.Opened) (actions []mesh.Action) {
	from := d.Packet.From
	if len(opened.Body) == readSize {
		read := packet.ID{
			Source: b.node, Epoch: binary.BigEndian.Uint16(opened.Body),
			Sequence: uint32(opened.Body[2])<<16 | uint32(binary.BigEndian.Uint16(opened.Body[3:])),
		}
		confirmed, err := b.markRead(from, read)
		if err != nil {
			b.fail(fmt.Errorf("mark as read by %s: %w", FormatNodeID(from), err))
		}
		actions = confirmed
	}
	return append(actions, b.locked(func(now time.Time) []mesh.Action { return b.mesh.Stored(d.Packet.ID, now) })...)
}

func (b *Bridge) markRead(by uint32, read packet.ID) ([]mesh.Action, error) {
	list, err := b.cfg.Store.Messages(storage.MessageQuery{Peer: &by, Outgoing: true, Limit: readBack})
	if err != nil {
		return nil, err
	}
	named := slices.IndexFunc(list, func(m storage.Message) bool { return m.ID == read.String() })
	if named < 0 {
		return nil, nil
	}
	for i, m := range list[:named+1] {
		if i == named && m.State != stateRead || m.State == string(mesh.Delivered) {
			m.State, m.Error = stateRead, ""
			b.keep(m)
			b.publishState(m)
		}
	}
	return b.locked(func(now time.Time) []mesh.Action {
		if m, ok := b.records[read]; ok {
			m.State = stateRead
			b.records[read] = m
		}
		return b.mesh.Arrived(read, now)
	}), nil
}
