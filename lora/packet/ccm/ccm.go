// Package ccm is AES in counter mode with CBC-MAC, the authenticated
// encryption of RFC 3610 and NIST SP 800-38C, with a two-byte length field and
// therefore nonces of 13 bytes. It exists because the tag may be as short as
// packets on the air need it, which the standard library's modes do not allow.
//
// The same nonce must never be used twice under one key.
package ccm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

const (
	// NonceSize is the length of every nonce.
	NonceSize = 13
	// MaxPlaintext is the longest plaintext that the length field can state.
	MaxPlaintext = 1<<16 - 1
	// MaxAdditional is the longest additional data with the short encoding of
	// their length, the only one here.
	MaxAdditional = 0xFF00 - 1

	lengthSize = aes.BlockSize - 1 - NonceSize
)

// ErrOpen is a tag that does not fit the key, the nonce and the bytes.
var ErrOpen = errors.New("message authentication failed")

// Cipher is a cipher.AEAD. It is safe for concurrent use and allocates
// nothing but what dst lacks in capacity.
type Cipher struct {
	// immutable after New
	block   cipher.Block
	tagSize int

	// guarded by mu; here because what is passed through the Block interface
	// would otherwise be allocated anew for every message
	mu      sync.Mutex
	mac     [aes.BlockSize]byte
	counter [aes.BlockSize]byte
	pad     [aes.BlockSize]byte
}

// New makes a cipher for an AES key of 16, 24 or 32 bytes and a tag of 4 to 16
// bytes, an even number.
func New(key []byte, tagSize int) (*Cipher, error) {
	if tagSize < 4 || tagSize > aes.BlockSize || tagSize%2 != 0 {
		return nil, fmt.Errorf("tag of %d bytes, want 4, 6, … 16", tagSize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Cipher{block: block, tagSize: tagSize}, nil
}

// NonceSize is the length of a nonce.
func (c *Cipher) NonceSize() int { return NonceSize }

// Overhead is the length of the tag.
func (c *Cipher) Overhead() int { return c.tagSize }

// Seal encrypts plaintext, authenticates it together with additional, and
// appends both ciphertext and tag to dst. To encrypt in place pass
// plaintext[:0] as dst. It panics on a nonce of the wrong length and on input
// beyond MaxPlaintext or MaxAdditional.
func (c *Cipher) Seal(dst, nonce, plaintext, additional []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(nonce, len(plaintext), additional)
	c.absorb(plaintext, 0)
	tag := c.tag()

	start := len(dst)
	dst = slices.Grow(dst, len(plaintext)+c.tagSize)[:start+len(plaintext)]
	c.crypt(dst[start:], plaintext)
	return append(dst, tag[:c.tagSize]...)
}

// Open checks and decrypts what Seal made and appends the plaintext to dst. To
// decrypt in place pass ciphertext[:0] as dst. The error is ErrOpen, and
// nothing of the plaintext remains. It panics as Seal does.
func (c *Cipher) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	if len(ciphertext) < c.tagSize {
		return nil, ErrOpen
	}
	body := ciphertext[:len(ciphertext)-c.tagSize]
	plaintext, tag := c.Decrypt(dst, nonce, body, additional)
	if subtle.ConstantTimeCompare(tag[:c.tagSize], ciphertext[len(body):]) != 1 {
		clear(plaintext[len(dst):])
		return nil, ErrOpen
	}
	return plaintext, nil
}

// Decrypt appends to dst what ciphertext, here without its tag, stands for,
// and returns the tag that it must have. The plaintext is worth nothing until
// the caller has compared the tag, as Open does. The bytes of the tag beyond
// Overhead are zero.
func (c *Cipher) Decrypt(dst, nonce, ciphertext, additional []byte) ([]byte, [aes.BlockSize]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(nonce, len(ciphertext), additional)
	start := len(dst)
	dst = slices.Grow(dst, len(ciphertext))[:start+len(ciphertext)]
	c.crypt(dst[start:], ciphertext)
	c.absorb(dst[start:], 0)
	return dst, c.tag()
}

// begin sets up the counter and takes in the first block (flags, nonce,
// length) and the additional data.
func (c *Cipher) begin(nonce []byte, length int, additional []byte) {
	switch {
	case len(nonce) != NonceSize:
		panic("ccm: nonce of wrong length")
	case length > MaxPlaintext:
		panic("ccm: message too long")
	case len(additional) > MaxAdditional:
		panic("ccm: additional data too long")
	}
	c.counter = [aes.BlockSize]byte{0: lengthSize - 1}
	copy(c.counter[1:], nonce)

	c.mac = c.counter
	c.mac[0] |= byte(c.tagSize-2) / 2 << 3
	if len(additional) > 0 {
		c.mac[0] |= 1 << 6
	}
	binary.BigEndian.PutUint16(c.mac[1+NonceSize:], uint16(length))
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(additional) > 0 {
		c.mac[0] ^= byte(len(additional) >> 8)
		c.mac[1] ^= byte(len(additional))
		c.absorb(additional, 2)
	}
}

// absorb takes b into the CBC-MAC, padded with zeros to whole blocks; the
// first block has already got filled bytes.
func (c *Cipher) absorb(b []byte, filled int) {
	for len(b) > 0 {
		n := subtle.XORBytes(c.mac[filled:], c.mac[filled:], b)
		b, filled = b[n:], 0
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
}

// tag encrypts the finished CBC-MAC with counter block 0.
func (c *Cipher) tag() (tag [aes.BlockSize]byte) {
	binary.BigEndian.PutUint16(c.counter[1+NonceSize:], 0)
	c.block.Encrypt(c.pad[:], c.counter[:])
	subtle.XORBytes(tag[:], c.mac[:], c.pad[:])
	clear(tag[c.tagSize:])
	return tag
}

// crypt encrypts or decrypts src into dst, which may be the same, with counter
// blocks 1 and up.
func (c *Cipher) crypt(dst, src []byte) {
	for i := uint16(1); len(src) > 0; i++ {
		binary.BigEndian.PutUint16(c.counter[1+NonceSize:], i)
		c.block.Encrypt(c.pad[:], c.counter[:])
		n := subtle.XORBytes(dst, src, c.pad[:])
		dst, src = dst[n:], src[n:]
	}
}
