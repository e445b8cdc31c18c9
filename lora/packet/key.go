package packet

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"lorrent/lora/packet/ccm"
)

// Labels keep the keys and hashes of different purposes apart.
const (
	labelPair      = "lorrent pair 1"
	labelChannel   = "lorrent channel 1"
	labelNetwork   = "lorrent network 1"
	labelAck       = "lorrent ack 1"
	labelIdentity  = "lorrent identity 1"
	labelStatement = "lorrent statement 1"
)

const (
	keySize = 32 // AES-256
	// MinSecret is the shortest secret of a channel or a network, which should
	// be random: guesses at it can be tried against any packet heard.
	MinSecret = 16
)

// PublicSecret is the secret of the channel that everyone holds. What is
// written there is as good as in clear, and as good as unsigned.
const PublicSecret = "lorrent public channel"

// ChannelKey is the key that the members of a channel share. It proves that a
// member wrote a packet, not which one. It is safe for concurrent use.
type ChannelKey struct {
	cipher *ccm.Cipher
	hash   uint8
}

// NewChannelKey derives the key from the channel's secret.
func NewChannelKey(secret []byte) (*ChannelKey, error) {
	key, hash, err := deriveChannel(secret)
	if err != nil {
		return nil, err
	}
	cipher, err := ccm.New(key, TagSize)
	return &ChannelKey{cipher: cipher, hash: hash}, err
}

func deriveChannel(secret []byte) (key []byte, hash uint8, err error) {
	if len(secret) < MinSecret {
		return nil, 0, fmt.Errorf("channel secret of %d bytes, want at least %d", len(secret), MinSecret)
	}
	b, err := hkdf.Key(sha256.New, secret, nil, labelChannel, keySize+1)
	if err != nil {
		return nil, 0, fmt.Errorf("derive channel key: %w", err)
	}
	return b[:keySize], b[keySize], nil
}

// Hash is the byte by which packets name the key. Different keys may have the
// same one: try each.
func (k *ChannelKey) Hash() uint8 { return k.hash }

// PairKey is the key that two nodes share. It is safe for concurrent use.
type PairKey struct {
	cipher     *ccm.Cipher
	self, peer uint32
}

// Pair derives the key that id shares with the holder of another identity.
func (id *Identity) Pair(peer PublicKey) (*PairKey, error) {
	key, err := id.derivePair(peer)
	if err != nil {
		return nil, fmt.Errorf("pair with %v: %w", peer, err)
	}
	cipher, err := ccm.New(key, TagSize)
	return &PairKey{cipher: cipher, self: id.NodeID(), peer: peer.NodeID()}, err
}

func (id *Identity) derivePair(peer PublicKey) ([]byte, error) {
	if peer == id.public || !ValidNode(peer.NodeID()) {
		return nil, fmt.Errorf("%w: not another node", ErrInvalid)
	}
	exchange, err := peer.exchange()
	if err != nil {
		return nil, err
	}
	shared, err := id.exchange.ECDH(exchange)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	lower, upper := id.public, peer
	if bytes.Compare(lower[:], upper[:]) > 0 {
		lower, upper = upper, lower
	}
	return hkdf.Key(sha256.New, shared, nil, labelPair+string(lower[:])+string(upper[:]), keySize)
}

// Peer is the node id of the other node.
func (k *PairKey) Peer() uint32 { return k.peer }
