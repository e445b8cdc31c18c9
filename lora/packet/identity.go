package packet

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// PublicKey is the Ed25519 key by which a node is known.
type PublicKey [ed25519.PublicKeySize]byte

// NodeID is the address of the node: the first four bytes of the SHA-256 of
// its key. Whoever tries four thousand million keys has one with the same
// address, so contacts are kept by key.
func (k PublicKey) NodeID() uint32 {
	sum := sha256.Sum256(k[:])
	return binary.BigEndian.Uint32(sum[:])
}

// Fingerprint is for people to compare: the first 16 bytes of the SHA-256 of
// the key as eight groups of four hex digits. The first two are the NodeID.
func (k PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k[:])
	var groups []string
	for pair := range slices.Chunk(sum[:16], 2) {
		groups = append(groups, hex.EncodeToString(pair))
	}
	return strings.Join(groups, " ")
}

// String writes the key as 64 hex digits.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// ParsePublicKey reads what String wrote, in either case.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(k) {
		return PublicKey{}, fmt.Errorf("public key %q: want %d hex digits", s, 2*len(k))
	}
	copy(k[:], b)
	if _, err := k.exchange(); err != nil {
		return PublicKey{}, fmt.Errorf("public key %q: %w", s, err)
	}
	if !ValidNode(k.NodeID()) {
		return PublicKey{}, fmt.Errorf("public key %q: its node id 0x%08x is no node", s, k.NodeID())
	}
	return k, nil
}

// exchange is the X25519 key of the same node: the u coordinate of the point,
// (1+y)/(1-y) modulo 2^255-19 (RFC 7748, section 4.1).
func (k PublicKey) exchange() (*ecdh.PublicKey, error) {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	encoded := k
	encoded[31] &= 0x7F // the sign of x
	slices.Reverse(encoded[:])
	y := new(big.Int).SetBytes(encoded[:])
	one := big.NewInt(1)
	if y.Cmp(prime) >= 0 || y.Cmp(one) == 0 {
		return nil, fmt.Errorf("%w: no point of the curve", ErrInvalid)
	}
	below := new(big.Int).Sub(one, y)
	u := new(big.Int).ModInverse(below.Mod(below, prime), prime)
	u.Mul(u, y.Add(y, one)).Mod(u, prime)
	little := u.FillBytes(make([]byte, 32))
	slices.Reverse(little)
	return ecdh.X25519().NewPublicKey(little)
}

// Identity is a node's secret: one Ed25519 key that it signs with, and the
// X25519 key that follows from it.
type Identity struct {
	signing  ed25519.PrivateKey
	exchange *ecdh.PrivateKey
	public   PublicKey
}

// NewIdentity draws a new one.
func NewIdentity() *Identity {
	for {
		var seed [ed25519.SeedSize]byte
		rand.Read(seed[:]) // never fails, says its documentation
		if id, err := IdentityFromSeed(seed[:]); err == nil {
			return id
		} // else its node id is one of those that are none: one in 32768
	}
}

// IdentityFromSeed makes the identity that has the given seed of 32 bytes, as
// Seed returned it.
func IdentityFromSeed(seed []byte) (*Identity, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("identity seed of %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	id := &Identity{signing: ed25519.NewKeyFromSeed(seed)}
	copy(id.public[:], id.signing[ed25519.SeedSize:])
	if !ValidNode(id.NodeID()) {
		return nil, fmt.Errorf("identity seed: its node id 0x%08x is no node", id.NodeID())
	}
	// The scalar of the Ed25519 key (RFC 8032, section 5.1.5), which X25519
	// clamps in the same way.
	scalar := sha512.Sum512(seed)
	var err error
	id.exchange, err = ecdh.X25519().NewPrivateKey(scalar[:32])
	return id, err
}

// Seed is what has to be kept, and kept secret.
func (id *Identity) Seed() []byte { return id.signing.Seed() }

// Public is the key to give to others.
func (id *Identity) Public() PublicKey { return id.public }

// NodeID is the node's address.
func (id *Identity) NodeID() uint32 { return id.public.NodeID() }

// sign signs a message that begins with the label of what it is.
func (id *Identity) sign(message []byte) []byte { return ed25519.Sign(id.signing, message) }
