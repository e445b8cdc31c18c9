package packet

import (
	"encoding/binary"
	"fmt"
)

const (
	countAt       = 14 // of neighbours
	neighbourSize = 3
	runSize       = 5

	// MaxNeighbours is how many neighbours fit into a BEACON with nothing else.
	MaxNeighbours = (MaxPacket - beaconHeader) / neighbourSize
	// MaxMargin is the largest margin that a BEACON can say.
	MaxMargin = 31
	// MaxDelivery is a neighbour of whom everything is heard.
	MaxDelivery = 7
	// EndlessDelivery is a neighbour that talks without end.
	EndlessDelivery = 1

	marginShift = 3
	runEarlier  = 8
)

// Neighbour is how a node hears another one.
type Neighbour struct {
	ID       uint16 // short id
	MarginDB uint8  // above the weakest signal that is received, 0 to MaxMargin
	Delivery uint8  // heard share of what the neighbour sent, in sevenths; 0 where the link may not last, 1 who talks without end
}

// Run names up to nine floods of one source, by the low 16 bits of its id and
// of their sequences: Sequence, and Sequence-1-i for every bit i of Earlier.
// Floods that look alike in this are all meant.
type Run struct {
	Source   uint16
	Sequence uint16
	Earlier  uint8
}

// Has says whether the run names the flood with that sequence.
func (r Run) Has(sequence uint32) bool {
	back := r.Sequence - uint16(sequence)
	return back == 0 || back <= runEarlier && r.Earlier>>(back-1)&1 != 0
}

// Beacon is what a node says of itself, to those in range when its TTL is 0. It
// is proven only by the network MAC, where there is one: a hint.
type Beacon struct {
	Header Header
	// Neighbours whom the source hears.
	Neighbours []Neighbour
	// Held are floods that the source keeps and can send again.
	Held []Run
	// Statement about floods that the source wrote, when HasStatement.
	Statement    Statement
	HasStatement bool
}

// Size is the length of the beacon on the air.
func (bc *Beacon) Size() int {
	size := beaconHeader + neighbourSize*len(bc.Neighbours) + runSize*len(bc.Held)
	if bc.HasStatement {
		size += StatementSize
	}
	return size
}

// AppendBeacon appends a BEACON to dst. Of the header it takes ID, Attempt,
// TTL and Tx. Margin and delivery are clamped to what can be said. It fails
// with ErrInvalid on what ParseBeacon would refuse and on what is longer than a
// packet.
func AppendBeacon(dst []byte, bc *Beacon) ([]byte, error) {
	h := Header{Type: TypeBeacon, ID: bc.Header.ID, Attempt: bc.Header.Attempt, TTL: bc.Header.TTL, Tx: bc.Header.Tx}
	size := bc.Size()
	if size > MaxPacket {
		return nil, fmt.Errorf("make beacon: %w: %d bytes, want at most %d", ErrInvalid, size, MaxPacket)
	}
	if err := h.check(size); err != nil {
		return nil, fmt.Errorf("make beacon: %w", err)
	}
	start := len(dst)
	dst = append(h.append(dst), byte(len(bc.Neighbours)))
	if bc.HasStatement {
		dst[start+optionsAt] |= optionAck
	}
	for _, n := range bc.Neighbours {
		if !validShort(n.ID) {
			return nil, fmt.Errorf("make beacon: %w: neighbour 0x%04x is no node", ErrInvalid, n.ID)
		}
		dst = binary.BigEndian.AppendUint16(dst, n.ID)
		dst = append(dst, min(n.MarginDB, MaxMargin)<<marginShift|min(n.Delivery, MaxDelivery))
	}
	dst, err := appendRuns(dst, bc.Held)
	if err != nil {
		return nil, fmt.Errorf("make beacon: %w", err)
	}
	if bc.HasStatement {
		return bc.Statement.Append(dst)
	}
	return dst, nil
}

// ParseBeacon reads a BEACON into bc, whose slices it uses again.
func ParseBeacon(b []byte, bc *Beacon) error {
	h, err := ParseHeader(b)
	if err != nil {
		return err
	}
	if h.Type != TypeBeacon {
		return fmt.Errorf("read beacon: %w: type %d", ErrInvalid, h.Type)
	}
	*bc = Beacon{
		Header: h, Neighbours: bc.Neighbours[:0], Held: bc.Held[:0],
		HasStatement: b[optionsAt]&optionAck != 0,
	}
	rest := b[beaconHeader:]
	for range b[countAt] { // ParseHeader has checked that all of this fits
		n := Neighbour{
			ID:       binary.BigEndian.Uint16(rest),
			MarginDB: rest[2] >> marginShift,
			Delivery: rest[2] & MaxDelivery,
		}
		if !validShort(n.ID) {
			return fmt.Errorf("read beacon: %w: neighbour 0x%04x is no node", ErrInvalid, n.ID)
		}
		bc.Neighbours = append(bc.Neighbours, n)
		rest = rest[neighbourSize:]
	}
	if bc.HasStatement {
		end := len(rest) - StatementSize
		if bc.Statement, err = ParseStatement(rest[end:]); err != nil {
			return fmt.Errorf("read beacon: %w", err)
		}
		rest = rest[:end]
	}
	if bc.Held, err = parseRuns(bc.Held, rest); err != nil {
		return fmt.Errorf("read beacon: %w", err)
	}
	return nil
}

// checkBeacon makes sure that a BEACON's parts fill it exactly.
func checkBeacon(b []byte) error {
	rest := len(b) - beaconHeader - neighbourSize*int(b[countAt])
	if b[optionsAt]&optionAck != 0 {
		rest -= StatementSize
	}
	if rest < 0 || rest%runSize != 0 {
		return fmt.Errorf("%w: beacon of %d bytes with %d neighbours", ErrInvalid, len(b), b[countAt])
	}
	return nil
}

func appendRuns(dst []byte, runs []Run) ([]byte, error) {
	for _, r := range runs {
		if !validShort(r.Source) {
			return nil, fmt.Errorf("%w: source 0x%04x is no node", ErrInvalid, r.Source)
		}
		dst = binary.BigEndian.AppendUint16(dst, r.Source)
		dst = binary.BigEndian.AppendUint16(dst, r.Sequence)
		dst = append(dst, r.Earlier)
	}
	return dst, nil
}

// parseRuns appends the runs in b, whose length is a multiple of theirs.
func parseRuns(runs []Run, b []byte) ([]Run, error) {
	for ; len(b) >= runSize; b = b[runSize:] {
		r := Run{Source: binary.BigEndian.Uint16(b), Sequence: binary.BigEndian.Uint16(b[2:]), Earlier: b[4]}
		if !validShort(r.Source) {
			return runs, fmt.Errorf("%w: source 0x%04x is no node", ErrInvalid, r.Source)
		}
		runs = append(runs, r)
	}
	return runs, nil
}
