package lora

import (
	"fmt"

	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// maxWindows is how many replay windows are held in memory; the store has the
// others.
const maxWindows = 256

// replayWindow is the window of a source under one key, as it is after a packet.
type replayWindow struct {
	name   string
	replay *packet.Replay
	// verdict is what the window said of the packet.
	verdict packet.Verdict
}

// window returns the replay window of a message's source as it is to be kept
// with the message. Those who can make up sources, as everyone can who has the
// key of a channel, get none: every message is looked up in the store anyway,
// which knows all that was ever accepted.
func (b *Bridge) window(p mesh.Packet, opened keyring.Opened) (*replayWindow, []storage.Window, error) {
	if p.Type != mesh.Routed {
		return nil, nil, nil
	}
	w := replayWindow{name: windowName(opened)}
	replay, err := b.replayOf(w.name)
	if err != nil {
		return nil, nil, err
	}
	w.replay, w.verdict = replay, replay.Check(p.ID.Epoch, p.ID.Sequence)
	w.replay.Accept(p.ID.Epoch, p.ID.Sequence)
	state, err := w.replay.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	return &w, []storage.Window{{Name: []byte(w.name), State: state}}, nil
}

// windowName is the name under which the window of a peer is kept.
func windowName(opened keyring.Opened) string { return "pair " + opened.Peer.String() }

// replayOf returns a copy of the window of that name.
func (b *Bridge) replayOf(name string) (*packet.Replay, error) {
	b.mu.Lock()
	held := b.windows[name]
	if held == nil && len(b.windows) >= maxWindows {
		clear(b.windows)
	}
	b.mu.Unlock()
	var state []byte
	var err error
	if held != nil {
		state, err = held.MarshalBinary()
	} else {
		state, err = b.cfg.Store.Window([]byte(name))
	}
	if err != nil {
		return nil, err
	}
	replay := new(packet.Replay)
	if state != nil {
		if err := replay.UnmarshalBinary(state); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", name, storage.ErrCorrupt, err)
		}
	}
	return replay, nil
}
