package packet

import (
	"encoding/binary"
	"fmt"

	"lorrent/lora/packet/ccm"
)

// Seal appends a FLOOD or a FRAG to the channel to dst. It sets the header's
// Channel. It fails with ErrInvalid on what Open would refuse and on what is
// longer than a packet. Every ID must be new (see Counter): to repeat a packet
// keep it and use SetAttempt, since two different ones under the same ID give
// both away.
func (k *ChannelKey) Seal(dst []byte, h Header, p Payload) ([]byte, error) {
	if h.Type != TypeFlood && h.Type != TypeFragment || h.Directed {
		return nil, fmt.Errorf("seal: %w: type %d, directed %v, to a channel", ErrInvalid, h.Type, h.Directed)
	}
	h.Channel, h.Hop = k.hash, false
	return seal(k.cipher, dst, &h, &p)
}

// Open checks and decrypts a FLOOD or FRAG that Seal made with the same key,
// and appends the plaintext to dst, where the payload's Body then lies. The
// error is ErrForged when the packet is not as it was sealed, else as of
// ParseHeader; when the sender is at fault it is ErrInvalid.
func (k *ChannelKey) Open(dst, b []byte) (Header, Payload, error) {
	h, err := ParseHeader(b)
	switch {
	case err != nil:
		return h, Payload{}, err
	case h.Type != TypeFlood && h.Type != TypeFragment || h.Directed:
		return h, Payload{}, fmt.Errorf("open: %w: type %d, directed %v, for a channel", ErrInvalid, h.Type, h.Directed)
	case h.Channel != k.hash:
		return h, Payload{}, ErrForged
	}
	var nonce [ccm.NonceSize]byte
	var header [MaxPacket]byte
	n := h.size()
	plain, err := k.cipher.Open(dst, h.nonce(nonce[:0]), b[n:], canonical(header[:0], b[:n]))
	if err != nil {
		return h, Payload{}, ErrForged
	}
	p, err := parsePayload(plain[len(dst):], &h, 0)
	return h, p, err
}

// Seal appends a ROUTED or a directed FRAG for the peer to dst. It sets the
// header's Directed and Dest. It fails with ErrInvalid on what Open would
// refuse, and on what is longer than a packet. Every ID must be new, as for
// ChannelKey.Seal; a repetition with another Payload.Acked is another packet.
func (k *PairKey) Seal(dst []byte, h Header, p Payload) ([]byte, error) {
	if h.Type != TypeRouted && h.Type != TypeFragment || h.ID.Source != k.self {
		return nil, fmt.Errorf("seal: %w: type %d from 0x%08x to one node", ErrInvalid, h.Type, h.ID.Source)
	}
	if p.Acked.Source != 0 && p.Acked.Source != k.peer {
		return nil, fmt.Errorf("seal: %w: acknowledges %v to another node", ErrInvalid, p.Acked)
	}
	h.Directed, h.Hop, h.Dest = true, false, Short(k.peer)
	dst, err := seal(k.cipher, dst, &h, &p)
	if err != nil {
		return nil, err
	}
	token := Token(dst[len(dst)-TagSize:])
	lock := token.Lock()
	copy(dst[len(dst)-TagSize:], lock[:])
	return dst, nil
}

// Open checks and decrypts a ROUTED or FRAG that the peer sealed, and appends
// the plaintext to dst, where the payload's Body then lies. The token is what
// an ACK of the packet needs. Errors are those of ChannelKey.Open.
func (k *PairKey) Open(dst, b []byte) (Header, Payload, Token, error) {
	h, err := ParseHeader(b)
	switch {
	case err != nil:
		return h, Payload{}, Token{}, err
	case h.Type != TypeRouted && h.Type != TypeFragment || !h.Directed:
		return h, Payload{}, Token{}, fmt.Errorf("open: %w: type %d, directed %v, for one node", ErrInvalid, h.Type, h.Directed)
	case h.ID.Source != k.peer || h.Dest != Short(k.self):
		return h, Payload{}, Token{}, ErrForged
	}
	var nonce [ccm.NonceSize]byte
	var header [MaxPacket]byte
	n := h.size()
	body := b[n : len(b)-TagSize]
	plain, tag := k.cipher.Decrypt(dst, h.nonce(nonce[:0]), body, canonical(header[:0], b[:n]))
	token := Token(tag[:TokenSize])
	if !token.Opens(LockOf(b)) {
		clear(plain[len(dst):])
		return h, Payload{}, Token{}, ErrForged
	}
	p, err := parsePayload(plain[len(dst):], &h, k.self)
	return h, p, token, err
}

// seal writes header, ciphertext and tag.
func seal(cipher *ccm.Cipher, dst []byte, h *Header, p *Payload) ([]byte, error) {
	length := h.size() + p.size(h) + TagSize
	if length > MaxPacket {
		return nil, fmt.Errorf("seal: %w: packet of %d bytes, want at most %d", ErrInvalid, length, MaxPacket)
	}
	if err := h.check(length); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := p.check(h); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	start := len(dst)
	dst = h.append(dst)
	body := len(dst)
	dst = p.append(dst, h)
	var nonce [ccm.NonceSize]byte
	var header [MaxPacket]byte
	return cipher.Seal(dst[:body], h.nonce(nonce[:0]), dst[body:], canonical(header[:0], dst[start:body])), nil
}

// nonce appends the nonce of a sealed packet: source, epoch, sequence, type,
// three zeros.
func (h *Header) nonce(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, h.ID.Source)
	dst = binary.BigEndian.AppendUint16(dst, h.ID.Epoch)
	dst = appendUint24(dst, h.ID.Sequence)
	return append(dst, byte(h.Type), 0, 0, 0)
}
