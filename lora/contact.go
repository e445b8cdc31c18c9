package lora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lorrent/daemon/event"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Contact is a node that the user knows, or one that we wrote to.
type Contact struct {
	Node        uint32
	Key         string // 64 hex digits
	Fingerprint string // to be compared by people
	Nick        string // the user's name for it; empty when it is no contact
	Name        string // what it calls itself, which proves nothing
	Verified    bool   // the user has compared the fingerprint
	Commands    bool   // it may command this daemon
	Unread      int
}

const maxNick = 32 // bytes

// ErrUnknown is a contact or channel that there is not.
var ErrUnknown = errors.New("not known")

// Contacts returns the nodes whose keys are kept, those with a nick first, by
// nick.
func (b *Bridge) Contacts() ([]Contact, error) {
	b.mu.Lock()
	list := make([]Contact, 0, len(b.peers))
	for _, p := range b.peers {
		list = append(list, contactOf(p))
	}
	b.mu.Unlock()
	for i := range list {
		unread, err := b.cfg.Store.Unread(list[i].Node, "")
		if err != nil {
			return nil, err
		}
		list[i].Unread = unread
	}
	slices.SortFunc(list, func(a, b Contact) int {
		if (a.Nick == "") != (b.Nick == "") {
			return cmp.Compare(len(b.Nick), len(a.Nick))
		}
		return cmp.Or(cmp.Compare(a.Nick, b.Nick), cmp.Compare(a.Node, b.Node))
	})
	return list, nil
}

func contactOf(p storage.Peer) Contact {
	public := packet.PublicKey(p.Key)
	return Contact{
		Node: public.NodeID(), Key: public.String(), Fingerprint: public.Fingerprint(), Nick: p.Nick, Name: p.Name,
		Verified: p.Verified, Commands: p.Commands,
	}
}

// AddContact gives a node a nick. The node is named by its key, or by its id: a
// node whose key is not known is asked for over the air, for as long as ctx
// lasts. Of a key that the user gives, the node id may not belong to another
// contact.
func (b *Bridge) AddContact(ctx context.Context, who, nick string) (Contact, error) {
	if err := checkNick(nick); err != nil {
		return Contact{}, err
	}
	public, err := packet.ParsePublicKey(who)
	if err != nil {
		if public, err = b.keyOf(ctx, who); err != nil {
			return Contact{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if other, ok := b.byNick(nick); ok && other.Key != public {
		return Contact{}, fmt.Errorf("%w: nick %q is that of %s", ErrInvalid, nick, FormatNodeID(packet.PublicKey(other.Key).NodeID()))
	}
	id := public.NodeID()
	if p, ok := b.peers[id]; ok && p.Key != public {
		return Contact{}, fmt.Errorf("%w: %s is the id of another key, %s", ErrInvalid, FormatNodeID(id), packet.PublicKey(p.Key))
	}
	if err := b.remember(public); err != nil {
		if errors.Is(err, packet.ErrInvalid) {
			return Contact{}, fmt.Errorf("%w: %s is this node", ErrInvalid, FormatNodeID(id))
		}
		return Contact{}, err
	}
	p := b.peers[id]
	p.Contact, p.Nick, p.AddedAt = true, nick, time.Now()
	if err := b.putPeer(p, "added"); err != nil {
		return Contact{}, err
	}
	b.overflow = b.overflow || b.unholds(id)
	return contactOf(p), nil
}

// unholds drops the question for a node whose key has come another way; what
// has waited is still in the store. The caller holds mu.
func (b *Bridge) unholds(node uint32) bool {
	q := b.inquiries[node]
	delete(b.inquiries, node)
	return q != nil && len(q.waiting) > 0
}

// keyOf is the key of a node named by its id, which it asks for when it has to.
func (b *Bridge) keyOf(ctx context.Context, who string) (packet.PublicKey, error) {
	target, err := b.Resolve(who)
	if err != nil || target.Node == Broadcast {
		return packet.PublicKey{}, fmt.Errorf("%w: %q: want the 64 hex digits of a key, or a node id", ErrInvalid, who)
	}
	for {
		b.mu.Lock()
		public, ok := b.ring.Public(target.Node)
		var q *inquiry
		if !ok {
			q = b.ask(target.Node)
		}
		learned := b.learned
		b.mu.Unlock()
		switch {
		case ok:
			return public, nil
		case b.radio.kind == radioOff:
			return packet.PublicKey{}, ErrOff
		case q == nil:
			return packet.PublicKey{}, fmt.Errorf("%w: too many nodes are asked for", ErrFull)
		}
		b.wakeUp()
		select {
		case <-learned:
		case <-ctx.Done():
			return packet.PublicKey{}, fmt.Errorf("%s has not told its key: %w", FormatNodeID(target.Node), silent(ctx))
		}
	}
}

// silent is why nobody waits any more for an answer of a node.
func silent(ctx context.Context) error {
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ErrSilent
}

// editContact changes what the user says of a contact, by fn.
func (b *Bridge) editContact(who, change string, fn func(*storage.Peer)) (Contact, error) {
	target, err := b.Resolve(who)
	if err != nil {
		return Contact{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.peers[target.Node]
	if !ok {
		return Contact{}, fmt.Errorf("contact %q: %w", who, ErrUnknown)
	}
	fn(&p)
	return contactOf(p), b.putPeer(p, change)
}

// VerifyContact notes that the user has compared the fingerprint, or takes that
// back.
func (b *Bridge) VerifyContact(who string, verified bool) (Contact, error) {
	return b.editContact(who, "verified", func(p *storage.Peer) { p.Verified = verified })
}

// AllowCommands lets a contact command this daemon, or no longer.
func (b *Bridge) AllowCommands(who string, allowed bool) (Contact, error) {
	return b.editContact(who, "commands", func(p *storage.Peer) { p.Commands = allowed })
}

// MayCommand says whether the user has allowed a node to command this daemon.
func (b *Bridge) MayCommand(node uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[node]
	return p.Contact && p.Commands
}

// RemoveContact forgets a node and its key. Its messages stay.
func (b *Bridge) RemoveContact(who string) error {
	target, err := b.Resolve(who)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.peers[target.Node]
	if !ok {
		return fmt.Errorf("contact %q: %w", who, ErrUnknown)
	}
	if err := b.cfg.Store.DeletePeer(p.Key); err != nil {
		return err
	}
	delete(b.peers, target.Node)
	delete(b.cards, target.Node)
	b.ring.Forget(target.Node)
	b.cfg.Events.Publish(event.LoRaContact{Node: FormatNodeID(target.Node), Nick: p.Nick, Change: "removed"})
	return nil
}

// putPeer stores and publishes a changed contact. The caller holds mu.
func (b *Bridge) putPeer(p storage.Peer, change string) error {
	if err := b.cfg.Store.PutPeer(p); err != nil {
		return err
	}
	id := packet.PublicKey(p.Key).NodeID()
	b.peers[id] = p
	b.cfg.Events.Publish(event.LoRaContact{Node: FormatNodeID(id), Nick: p.Nick, Change: change})
	return nil
}

// byNick finds a contact. The caller holds mu.
func (b *Bridge) byNick(nick string) (storage.Peer, bool) {
	for _, p := range b.peers {
		if p.Nick != "" && strings.EqualFold(p.Nick, nick) {
			return p, true
		}
	}
	return storage.Peer{}, false
}

// Nick is the user's name for a node, empty when there is none.
func (b *Bridge) Nick(node uint32) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peers[node].Nick
}

// checkNick says whether a contact or channel may be called so: not like a node
// id, a channel or a flag.
func checkNick(nick string) error {
	bad := func(why string) error { return fmt.Errorf("%w: name %q %s", ErrInvalid, nick, why) }
	_, err := ParseNodeID(nick)
	switch {
	case nick == "" || len(nick) > maxNick || !utf8.ValidString(nick):
		return bad(fmt.Sprintf("has %d bytes, want 1 to %d of UTF-8", len(nick), maxNick))
	case strings.ContainsFunc(nick, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		return bad("has blanks, or characters that cannot be seen")
	case strings.ContainsAny(nick[:1], "#!-*@"):
		return bad("begins with a character that means something else")
	case err == nil:
		return bad("is a node id")
	}
	return nil
}
