package packet

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
)

// NetworkMACSize is what a network key adds to every packet.
const NetworkMACSize = 4

// NetworkKey keeps strangers out of a network: every transmission ends in a
// short MAC, which each relay checks and makes anew, since it covers what
// relays change. It replaces no other key, and says nothing of who sent what.
// All nodes of a network have the same one, or none has. It is safe for
// concurrent use.
type NetworkKey struct {
	mu  sync.Mutex
	mac hash.Hash // guarded by mu
	sum [sha256.Size]byte
}

// NewNetworkKey derives the key from the network's secret.
func NewNetworkKey(secret []byte) (*NetworkKey, error) {
	key, err := deriveNetwork(secret)
	if err != nil {
		return nil, err
	}
	return &NetworkKey{mac: hmac.New(sha256.New, key)}, nil
}

func deriveNetwork(secret []byte) ([]byte, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("network secret of %d bytes, want at least %d", len(secret), MinSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, labelNetwork, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive network key: %w", err)
	}
	return key, nil
}

// Add appends the MAC to b, a whole packet that is about to be transmitted.
func (k *NetworkKey) Add(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b) > MaxPacket-NetworkMACSize {
		return nil, fmt.Errorf("add network code: %w: packet of %d bytes, want at most %d", ErrInvalid, len(b), MaxPacket-NetworkMACSize)
	}
	code := k.code(b)
	return append(b, code[:]...), nil
}

// Strip checks the MAC of b, as it was received, and returns the packet
// without it. The error is ErrForged if the sender does not have the key.
func (k *NetworkKey) Strip(b []byte) ([]byte, error) {
	end := len(b) - NetworkMACSize
	if end < 1 || len(b) > MaxPacket {
		return nil, fmt.Errorf("check network code: %w: %d bytes", ErrForeign, len(b))
	}
	if code := k.code(b[:end]); !hmac.Equal(code[:], b[end:]) {
		return nil, ErrForged
	}
	return b[:end:end], nil
}

// code covers everything but the link byte, which RNode firmware replaces.
func (k *NetworkKey) code(b []byte) [NetworkMACSize]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mac.Reset()
	k.mac.Write(b[1:])
	return [NetworkMACSize]byte(k.mac.Sum(k.sum[:0]))
}
