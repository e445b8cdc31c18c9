package lora

import (
	"fmt"
	"strings"

	"lorrent/lora/packet"
)

// Target is whom a message is for: a node, or with Broadcast the members of a
// channel, the public one when Channel is empty.
type Target struct {
	Node    uint32
	Channel string // id
}

// Resolve finds whom the user means: "all", "#channel", the nick of a contact, a
// node id or a public key.
func (b *Bridge) Resolve(who string) (Target, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.HasPrefix(who, "#") {
		if c, ok := b.byName(who); ok {
			return Target{Node: Broadcast, Channel: c.ID}, nil
		}
		return Target{}, fmt.Errorf("channel %q: %w", who, ErrUnknown)
	}
	if id, err := ParseNodeID(who); err == nil {
		return Target{Node: id}, nil
	}
	if p, ok := b.byNick(strings.TrimPrefix(who, "@")); ok {
		return Target{Node: packet.PublicKey(p.Key).NodeID()}, nil
	}
	if public, err := packet.ParsePublicKey(who); err == nil {
		return Target{Node: public.NodeID()}, nil
	}
	return Target{}, fmt.Errorf("%w: %q is neither a contact nor a node id such as !89abcdef, a #channel or \"all\"", ErrAddress, who)
}

// Unread counts what came from a node or to a channel since, 1000 at most.
func (b *Bridge) Unread(t Target) (int, error) { return b.cfg.Store.Unread(t.Node, t.Channel) }
