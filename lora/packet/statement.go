package packet

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
)

const (
	// StatementSize is the length of a statement, in a BEACON or as the body of
	// a FLOOD on PortStatement.
	StatementSize = 3 + 1 + ed25519.SignatureSize
	// MaxStated is how many floods one statement can cover.
	MaxStated = 64
)

// Statement is a signature under floods that its signer wrote, in order and
// without gaps. A channel's key proves only that some member wrote a flood;
// who holds all the floods of a statement can verify the author afterwards.
// The hash of the floods is not in it: the verifier computes it from its own.
type Statement struct {
	First     uint32 // sequence, in LaneFlood
	Count     uint8  // 1 to MaxStated
	Signature [ed25519.SignatureSize]byte
}

// check holds for every statement, coming or going.
func (s *Statement) check() error {
	if s.Count == 0 || s.Count > MaxStated || s.First+uint32(s.Count) > laneSize {
		return fmt.Errorf("%w: statement about %d floods from 0x%06x", ErrInvalid, s.Count, s.First)
	}
	return nil
}

// SignStatement signs the floods with sequences from first on, all of one
// epoch, given by their digests (see DigestOf).
func (id *Identity) SignStatement(epoch uint16, first uint32, floods []Digest) (Statement, error) {
	s := Statement{First: first, Count: uint8(min(len(floods), MaxStated+1))}
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("sign: %w", err)
	}
	copy(s.Signature[:], id.sign(s.signed(epoch, floods)))
	return s, nil
}

// Verify says whether the holder of the key signed just these floods. The
// error is ErrForged if not, which may as well mean that one of the floods is
// forged as that the statement is.
func (s *Statement) Verify(author PublicKey, epoch uint16, floods []Digest) error {
	if err := s.check(); err != nil {
		return err
	}
	if len(floods) != int(s.Count) || !ed25519.Verify(author[:], s.signed(epoch, floods), s.Signature[:]) {
		return ErrForged
	}
	return nil
}

// signed is what the signature covers.
func (s *Statement) signed(epoch uint16, floods []Digest) []byte {
	b := make([]byte, 0, len(labelStatement)+6+len(floods)*len(Digest{}))
	b = append(b, labelStatement...)
	b = binary.BigEndian.AppendUint16(b, epoch)
	b = append(appendUint24(b, s.First), s.Count)
	for i := range floods {
		b = append(b, floods[i][:]...)
	}
	return b
}

// Append appends the statement to dst, StatementSize bytes.

func (s *Statement) Append(dst []byte) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return append(append(appendUint24(dst, s.First), s.Count), s.Signature[:]...), nil
}

// ParseStatement reads a statement of exactly StatementSize bytes. It proves
// nothing until it is verified.
func ParseStatement(b []byte) (Statement, error) {
	if len(b) != StatementSize {
		return Statement{}, fmt.Errorf("%w: statement of %d bytes, want %d", ErrInvalid, len(b), StatementSize)
	}
	s := Statement{First: uint24(b), Count: b[3], Signature: [ed25519.SignatureSize]byte(b[4:])}
	return s, s.check()
}
