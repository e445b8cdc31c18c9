package metainfo

import (
	"encoding/hex"
	"fmt"
)

// Hash is a v1 info hash: the SHA-1 of the verbatim info dictionary (BEP 3).
type Hash [20]byte

// String returns 40 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 40 hexadecimal digits of either case.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("info hash %s: %d characters, want %d hexadecimal digits", quote(s), len(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("info hash %s: not hexadecimal", quote(s))
	}
	return h, nil
}
