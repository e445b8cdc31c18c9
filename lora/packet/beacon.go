package packet

import (
	"encoding/binary"
	"fmt"
)

const (
	beaconHeader  = 13 // number, load, battery and count of neighbours from 9
	numberAt      = 9
	loadAt        = 10
	batteryAt     = 11
	neighboursAt  = 12
	neighbourSize = 3
	runSize       = 5

	// MaxNeighbours is how many neighbours fit into a BEACON with nothing else.
	MaxNeighbours = (MaxPacket - beaconHeader) / neighbourSize

	// MinSNRdB and MaxSNRdB bound what a beacon can say of a neighbour.
	MinSNRdB, MaxSNRdB = -20, 11
	// MaxDelivery is a neighbour of whom everything is heard.
	MaxDelivery = 7

	// BatteryMains and BatteryUnknown are values of Battery beyond per cent.
	BatteryMains, BatteryUnknown = 101, 255

	runEarlier = 8
)

// Neighbour is how a node hears another one.
type Neighbour struct {
	ID       uint16 // short id
	SNRdB    int8   // MinSNRdB to MaxSNRdB
	Delivery uint8  // heard share of what the neighbour sent, in sevenths
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

// Beacon is what a node says of itself to those in range, and nobody relays.
// It is proven only by the network MAC, where there is one: a hint.
type Beacon struct {
	Source uint32
	Epoch  uint16
	// Number counts the sender's beacons, so that neighbours know how many of
	// them they miss.
	Number  uint8
	Load    uint8 // per cent of the time that the sender finds the air busy
	Battery uint8 // per cent, BatteryMains or BatteryUnknown
	// Neighbours whom the sender hears.
	Neighbours []Neighbour
	// Held are floods that the sender keeps and can send again.
	Held []Run
	// Statement about floods that the sender wrote, when HasStatement.
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

// AppendBeacon appends a BEACON to dst. SNR and delivery are clamped to what
// can be said. It fails with ErrInvalid on what ParseBeacon would refuse and on
// what is longer than a packet.
func AppendBeacon(dst []byte, bc *Beacon) ([]byte, error) {
	switch {
	case bc.Size() > MaxPacket:
		return nil, fmt.Errorf("make beacon: %w: %d bytes, want at most %d", ErrInvalid, bc.Size(), MaxPacket)
	case !ValidNode(bc.Source):
		return nil, fmt.Errorf("make beacon: %w: source 0x%08x is no node", ErrInvalid, bc.Source)
	case bc.Load > 100:
		return nil, fmt.Errorf("make beacon: %w: load of %d %%", ErrInvalid, bc.Load)
	}
	options := byte(0)
	if bc.HasStatement {
		options |= optionAck
	}
	dst = append(dst, link, onAirVersion<<4|byte(TypeBeacon), options)
	dst = binary.BigEndian.AppendUint32(dst, bc.Source)
	dst = binary.BigEndian.AppendUint16(dst, bc.Epoch)
	dst = append(dst, bc.Number, bc.Load, bc.Battery, byte(len(bc.Neighbours)))
	for _, n := range bc.Neighbours {
		if !validShort(n.ID) {
			return nil, fmt.Errorf("make beacon: %w: neighbour 0x%04x is no node", ErrInvalid, n.ID)
		}
		snr := min(max(int(n.SNRdB), MinSNRdB), MaxSNRdB) - MinSNRdB
		dst = binary.BigEndian.AppendUint16(dst, n.ID)
		dst = append(dst, byte(snr)<<3|min(n.Delivery, MaxDelivery))
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
		Source: h.ID.Source, Epoch: h.ID.Epoch,
		Number: b[numberAt], Load: b[loadAt], Battery: b[batteryAt],
		Neighbours: bc.Neighbours[:0], Held: bc.Held[:0],
		HasStatement: b[optionsAt]&optionAck != 0,
	}
	rest := b[beaconHeader:]
	for range b[neighboursAt] { // ParseHeader has checked that all of this fits
		n := Neighbour{
			ID:       binary.BigEndian.Uint16(rest),
			SNRdB:    int8(rest[2]>>3) + MinSNRdB,
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

// parseBeacon reads the header of a BEACON and checks its length.
func (h *Header) parseBeacon(b []byte) error {
	if len(b) < beaconHeader {
		return fmt.Errorf("%w: beacon of %d bytes, want at least %d", ErrInvalid, len(b), beaconHeader)
	}
	rest := len(b) - beaconHeader - neighbourSize*int(b[neighboursAt])
	if h.AckWanted {
		rest -= StatementSize
	}
	h.AckWanted = false // the bit says something else here
	h.ID = ID{Source: binary.BigEndian.Uint32(b[sourceAt:]), Epoch: binary.BigEndian.Uint16(b[epochAt:])}
	h.Tx = Short(h.ID.Source)
	switch {
	case b[optionsAt]&^optionAck != 0:
		return fmt.Errorf("%w: beacon with options 0x%02x", ErrInvalid, b[optionsAt])
	case rest < 0 || rest%runSize != 0:
		return fmt.Errorf("%w: beacon of %d bytes with %d neighbours", ErrInvalid, len(b), b[neighboursAt])
	case !ValidNode(h.ID.Source):
		return fmt.Errorf("%w: source 0x%08x is no node", ErrInvalid, h.ID.Source)
	case b[loadAt] > 100:
		return fmt.Errorf("%w: load of %d %%", ErrInvalid, b[loadAt])
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
