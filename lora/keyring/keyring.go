// Package keyring is what a node can seal and open messages with: its own
// identity, the keys of the nodes that it knows, and those of its channels. It
// stands between package packet, which knows bytes, and package mesh, which
// carries messages unread.
//
// A node id names 32 bits of a key, so the first key known for an id stays: a
// second one, which takes four thousand million tries to make, is refused. Of
// nodes that nobody asked to keep it remembers the latest few. It is pure, and
// not safe for concurrent use.
package keyring

import (
	"errors"
	"fmt"
	"slices"

	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// maxStrangers bounds the nodes remembered that nobody asked to keep.
const maxStrangers = 512

var (
	// ErrUnknown is a node whose key is not known.
	ErrUnknown = errors.New("the key of the node is not known")
	// ErrClash is a key whose node id is that of another known key.
	ErrClash = errors.New("another key has this node id")
)

// Ring is the keys of one node.
type Ring struct {
	identity  *packet.Identity
	peers     map[uint32]*peer
	strangers []uint32 // oldest first
	channels  []*Channel
}

type peer struct {
	public packet.PublicKey
	pair   *packet.PairKey // derived at first use
	kept   bool
}

// Channel is a key that several nodes share.
type Channel struct {
	ID  string // the caller's name for it
	key *packet.ChannelKey
}

// New returns the ring of a node that knows nobody.
func New(identity *packet.Identity) *Ring {
	return &Ring{identity: identity, peers: make(map[uint32]*peer)}
}

// Identity is the node's own.
func (r *Ring) Identity() *packet.Identity { return r.identity }

// Learn adds the key of another node. The error is ErrClash when its id belongs
// to a known key, or packet.ErrInvalid when it is no key of another node.
func (r *Ring) Learn(public packet.PublicKey, keep bool) error {
	id := public.NodeID()
	if p := r.peers[id]; p != nil {
		if p.public == public {
			p.kept = p.kept || keep
			r.strangers = slices.DeleteFunc(r.strangers, func(s uint32) bool { return s == id && p.kept })
			return nil
		}
		if p.kept || !keep {
			return fmt.Errorf("node %08x: %w", id, ErrClash)
		}
		r.Forget(id)
	}
	if public == r.identity.Public() || !packet.ValidNode(id) {
		return fmt.Errorf("learn key: %w: not another node", packet.ErrInvalid)
	}
	if !keep {
		if len(r.strangers) >= maxStrangers {
			r.Forget(r.strangers[0])
		}
		r.strangers = append(r.strangers, id)
	}
	r.peers[id] = &peer{public: public, kept: keep}
	return nil
}

// Forget drops the key of a node.
func (r *Ring) Forget(id uint32) {
	delete(r.peers, id)
	r.strangers = slices.DeleteFunc(r.strangers, func(s uint32) bool { return s == id })
}

// Public is the key known for a node id.
func (r *Ring) Public(id uint32) (packet.PublicKey, bool) {
	p := r.peers[id]
	if p == nil {
		return packet.PublicKey{}, false
	}
	return p.public, true
}

// Kept says whether the key of a node is one to keep.
func (r *Ring) Kept(id uint32) bool {
	p := r.peers[id]
	return p != nil && p.kept
}

// Join adds a channel by its secret.
func (r *Ring) Join(id string, secret []byte) error {
	key, err := packet.NewChannelKey(secret)
	if err != nil {
		return fmt.Errorf("join channel: %w", err)
	}
	r.Leave(id)
	r.channels = append(r.channels, &Channel{ID: id, key: key})
	return nil
}

// Leave drops a channel.
func (r *Ring) Leave(id string) {
	r.channels = slices.DeleteFunc(r.channels, func(c *Channel) bool { return c.ID == id })
}

// pair is the key shared with a node.
func (r *Ring) pair(id uint32) (*packet.PairKey, error) {
	p := r.peers[id]
	if p == nil {
		return nil, fmt.Errorf("node %08x: %w", id, ErrUnknown)
	}
	if p.pair == nil {
		pair, err := r.identity.Pair(p.public)
		if err != nil {
			return nil, err
		}
		p.pair = pair
	}
	return p.pair, nil
}

// SealDirect makes the message that the mesh carries to one node. The ID is
// from the direct lane; sealing the same twice gives the same bytes. The error
// is ErrUnknown when there is no key.
func (r *Ring) SealDirect(id packet.ID, to uint32, payload packet.Payload) (mesh.Message, error) {
	return r.sealDirect(id, to, payload, true)
}

// SealQuiet is SealDirect for what its receiver is not asked to acknowledge.
func (r *Ring) SealQuiet(id packet.ID, to uint32, payload packet.Payload) (mesh.Message, error) {
	return r.sealDirect(id, to, payload, false)
}

func (r *Ring) sealDirect(id packet.ID, to uint32, payload packet.Payload, acknowledged bool) (mesh.Message, error) {
	pair, err := r.pair(to)
	if err != nil {
		return mesh.Message{}, err
	}
	h := r.header(id, payload, packet.TypeRouted)
	h.AckWanted = acknowledged
	b, err := pair.Seal(nil, h, payload)
	if err != nil {
		return mesh.Message{}, err
	}
	return mesh.Message{ID: id, To: to, Fragment: h.Type == packet.TypeFragment, Payload: packet.Sealed(b)}, nil
}

// SealChannel makes the message that the mesh carries to everyone. The ID is
// from the flood lane. The error is ErrUnknown when there is no such channel.
func (r *Ring) SealChannel(id packet.ID, channel string, payload packet.Payload) (mesh.Message, error) {
	i := slices.IndexFunc(r.channels, func(c *Channel) bool { return c.ID == channel })
	if i < 0 {
		return mesh.Message{}, fmt.Errorf("channel %q: %w", channel, ErrUnknown)
	}
	h := r.header(id, payload, packet.TypeFlood)
	key := r.channels[i].key
	b, err := key.Seal(nil, h, payload)
	if err != nil {
		return mesh.Message{}, err
	}
	return mesh.Message{
		ID: id, To: packet.Broadcast, Channel: key.Hash(), Fragment: h.Type == packet.TypeFragment, Payload: packet.Sealed(b),
	}, nil
}

func (r *Ring) header(id packet.ID, payload packet.Payload, whole packet.Type) packet.Header {
	h := packet.Header{Type: whole, ID: id, Tx: packet.Short(r.identity.NodeID()), Next: packet.AnyNext}
	if payload.Data > 0 {
		h.Type = packet.TypeFragment
	}
	return h
}

// Claim makes a direct message that carries this node's short id one for this
// node, if its key opens it: it puts in the whole id and the token. The error
// is ErrUnknown when its source is not known, packet.ErrForged when it is for
// another node or a forgery, and another one when its source is at fault.
func (r *Ring) Claim(p *mesh.Packet) error {
	opened, err := r.OpenDirect(p)
	if err != nil {
		return err
	}
	p.To, p.Token = r.identity.NodeID(), opened.Token
	return nil
}

// Opened is what was in a message.
type Opened struct {
	packet.Payload
	Channel string       // the message was for its members; "" for a direct message
	Token   packet.Token // of a direct message
	Peer    packet.PublicKey
}

// OpenDirect opens a direct message to this node.
func (r *Ring) OpenDirect(p *mesh.Packet) (Opened, error) {
	pair, err := r.pair(p.From)
	if err != nil {
		return Opened{}, err
	}
	b, err := mesh.Encode(p)
	if err != nil {
		return Opened{}, err
	}
	_, payload, token, err := pair.Open(nil, b)
	return Opened{Payload: payload, Token: token, Peer: r.peers[p.From].public}, err
}

// OpenChannel opens a message to a channel of this node. The error is
// packet.ErrForged when no key opens it.
func (r *Ring) OpenChannel(p *mesh.Packet) (Opened, error) {
	b, err := mesh.Encode(p)
	if err != nil {
		return Opened{}, err
	}
	for _, c := range r.channels {
		_, payload, err := c.key.Open(nil, b)
		if errors.Is(err, packet.ErrForged) {
			continue
		}
		return Opened{Payload: payload, Channel: c.ID}, err
	}
	return Opened{}, packet.ErrForged
}

// Announce makes the packet that tells who this node is, and may ask who
// another one is: the card's Wanted. The ID is from the direct lane.
func (r *Ring) Announce(id packet.ID, ttl uint8, card packet.Card) (mesh.Packet, error) {
	self := r.identity.NodeID()
	b, err := r.identity.SealCard(nil, packet.Header{ID: id, TTL: ttl, Tx: packet.Short(self)}, card)
	if err != nil {
		return mesh.Packet{}, err
	}
	return mesh.Packet{Type: mesh.Card, ID: id, From: self, To: packet.Broadcast, TTL: ttl, Payload: packet.Sealed(b)}, nil
}

// OpenCard checks what a node says of itself. It does not learn the key.
func OpenCard(p *mesh.Packet) (packet.Card, error) {
	b, err := mesh.Encode(p)
	if err != nil {
		return packet.Card{}, err
	}
	_, card, err := packet.OpenCard(b)
	return card, err
}
