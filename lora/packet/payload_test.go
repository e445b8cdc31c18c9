package packet

import (
	"errors"
	"testing"
	"unicode/utf8"
)

// What a plaintext is, its first byte tells: no text begins like a port, and neither like
// what a later version may have in mind.
func TestFirstByteOfPlaintext(t *testing.T) {
	begins := make(map[byte]bool) // a text
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) {
			begins[string(r)[0]] = true
		}
	}
	for first := range 256 {
		plain := []byte{byte(first), 'h', 'i'}
		p, err := parsePayload(plain, &Header{Type: TypeFlood}, 0)
		switch b := byte(first); {
		case b < utf8.RuneSelf:
			if err != nil || p.Port != PortText || string(p.Body) != string(plain) {
				t.Errorf("%02x: %+v, %v, want a text", b, p, err)
			}
		case begins[b]:
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%02x: %+v, %v, want a text that is cut", b, p, err)
			}
		case b > 0x81 && b <= 0x80+maxPort:
			if err != nil || p.Port != Port(b-0x80) || string(p.Body) != "hi" {
				t.Errorf("%02x: %+v, %v, want a port", b, p, err)
			}
		case b >= 0x80 && b < 0xC0:
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%02x: %+v, %v, want it refused", b, p, err)
			}
		default:
			if !errors.Is(err, ErrForeign) {
				t.Errorf("%02x: %+v, %v, want a later version", b, p, err)
			}
		}
	}
}
