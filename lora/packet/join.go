package packet

import "fmt"

// Join appends to dst a FLOOD, ROUTED, FRAG or IDENTITY of a header and what was
// sealed before, as Sealed gave it: that is how a relay, or a source that
// repeats itself, makes its copy.
func Join(dst []byte, h Header, sealed []byte) ([]byte, error) {
	length := h.size() + len(sealed)
	switch {
	case !h.sealed():
		return nil, fmt.Errorf("join packet: %w: type %d", ErrInvalid, h.Type)
	case length < h.least() || length > MaxPacket:
		return nil, fmt.Errorf("join packet: %w: type %d of %d bytes, want %d to %d", ErrInvalid, h.Type, length, h.least(), MaxPacket)
	}
	if err := h.check(length); err != nil {
		return nil, fmt.Errorf("join packet: %w", err)
	}
	return append(h.append(dst), sealed...), nil
}

// Sealed is what follows the header of b, a packet that ParseHeader accepts and
// that Join can make. It is part of b.
func Sealed(b []byte) []byte {
	h := Header{Type: Type(b[1] & 0x0F), Directed: b[optionsAt]&optionDirected != 0}
	return b[h.size():]
}

// sealed says whether the type is one that Join makes.
func (h *Header) sealed() bool {
	switch h.Type {
	case TypeFlood, TypeRouted, TypeFragment, TypeIdentity:
		return true
	}
	return false
}
