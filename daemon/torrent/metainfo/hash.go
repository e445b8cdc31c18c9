package metainfo

import (
	"encoding/hex"
	"fmt"
)

// Hash is an info hash as peers and trackers know a torrent: the SHA-1 of the
// verbatim info dictionary (BEP 3), or the first 20 bytes of a HashV2.
type Hash [20]byte

// String returns 40 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashV2 is a v2 info hash: the SHA-256 of the verbatim info dictionary (BEP 52).
type HashV2 [32]byte

// String returns 64 lower-case hexadecimal digits.
func (h HashV2) String() string { return hex.EncodeToString(h[:]) }

// Short is what peers and trackers are told.
func (h HashV2) Short() Hash { return Hash(h[:]) }

// ParseHashV2 reads 64 hexadecimal digits of either case.
func ParseHashV2(s string) (HashV2, error) {
	var h HashV2
	if len(s) != 2*len(h) {
		return HashV2{}, fmt.Errorf("v2 info hash %s: %d characters, want %d hexadecimal digits", quote(s), len(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return HashV2{}, fmt.Errorf("v2 info hash %s: not hexadecimal", quote(s))
	}
	return h, nil
}

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
