package packet

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of version 1. Other numbers are reserved.
const (
	TypeFlood    Type = 0 // to everyone who holds the channel's key
	TypeRouted   Type = 1 // to one node, under the key of the pair
	TypeAck      Type = 2 // the receiver of a directed packet has stored it
	TypeBeacon   Type = 3 // whom a node hears, and what it keeps
	TypeFragment Type = 4 // part of a long message, to a channel or one node
	TypeNack     Type = 5 // one hop: floods that the sender lacks
	TypeIdentity Type = 6 // a signed public key, and perhaps a question for one
	TypePull     Type = 7 // one hop: all floods that the sender has, as a filter
	TypeBundle   Type = 8 // one hop: several others in one packet
)

// Sizes. What a packet carries beside the message itself:
//
//	FLOOD   FloodOverhead, network MAC     at most MaxFloodBody for the body
//	ROUTED  RoutedOverhead, network MAC    at most MaxRoutedBody, AckedSize less with a piggy-backed ack
//	FRAG    as one or the other, without the port but with FragmentSize
//
// A text with no piggy-backed ack takes PortSize less. The limits hold without a network
// key; one costs NetworkMACSize of each.
const (
	// TagSize is the length of the tag of FLOOD, ROUTED and FRAG.
	TagSize = 8
	// PortSize is the byte in front of a body.
	PortSize = 1
	// AckedSize is what a piggy-backed acknowledgement takes.
	AckedSize = 2 + 3
	// FragmentSize is the index and the number of data shares, in front of
	// every share.
	FragmentSize = 2

	FloodOverhead  = floodHeader + PortSize + TagSize
	RoutedOverhead = directedHeader + PortSize + TagSize
	MaxFloodBody   = MaxPacket - FloodOverhead
	MaxRoutedBody  = MaxPacket - RoutedOverhead

	MaxFloodShare  = MaxPacket - floodHeader - FragmentSize - TagSize
	MaxRoutedShare = MaxPacket - directedHeader - FragmentSize - TagSize

	// AckPacketSize is the length of an ACK, BriefAckSize of a brief one, HopAckSize of
	// one by a relay.
	AckPacketSize = HopAckSize + TokenSize
	BriefAckSize  = askHeader + TokenSize
	HopAckSize    = ackHeader

	// MaxTTL is the largest number of relays that a packet may be granted.
	MaxTTL = 15
	// MaxAttempt is the largest number of a repetition.
	MaxAttempt = 3
	// AnyNext as next hop means every node that hears the packet.
	AnyNext uint16 = 0xFFFF
)

// Where things are. The link byte is followed by version and type, then by
// the options: two flags, attempt, TTL.
const (
	onAirVersion = 1

	optionsAt  = 2
	sourceAt   = 3
	epochAt    = 7
	sequenceAt = 9
	txAt       = 12
	nextAt     = 14 // directed packets and ACK
	destAt     = 16 // directed packets
	channelAt  = 14 // others that are sealed

	floodHeader    = 15
	directedHeader = 18
	ackHeader      = 16
	beaconHeader   = 15
	identityHeader = 14

	optionDirected = 0x80
	optionAck      = 0x40 // wanted; in an ACK: by a relay; in a BEACON: a statement follows
	attemptShift   = 4
	ttlMask        = 0x0F
	fixedOptions   = optionDirected | optionAck
)

// Of the packets for one hop.
const (
	hopTxAt     = 3
	hopNextAt   = 5 // NACK, PULL and brief ACK
	askHeader   = 7
	bundleStart = 5
)

// ErrForged is a tag or a signature that does not fit: the packet was made or
// changed by someone without the key, or is for another key.
var ErrForged = errors.New("authentication failed")

// Header is what everyone who hears a packet can read without a key. None of
// it is proven until the packet has been opened, and Attempt, TTL, Tx and Next
// never are.
type Header struct {
	Type Type
	// Directed packets are for one node: ROUTED, ACK, and FRAG when it is part
	// of a direct message.
	Directed bool
	// AckWanted asks the destination of a directed packet for an ACK.
	AckWanted bool
	// Hop marks an ACK by which a relay says that it has got the packet. It has
	// no token and proves nothing.
	Hop bool
	// Brief marks an ACK that does not name its packet, for a neighbour that has it:
	// whose lock the token opens is acknowledged. It has no ID, and is not directed.
	Brief bool
	// Attempt, 0 to MaxAttempt, is counted up by the source when it repeats a
	// packet, so that those who have relayed it do so again. An ACK has the
	// attempt of what it acknowledges.
	Attempt uint8
	// TTL is how many more times the packet may be relayed.
	TTL uint8
	// ID of the packet; in an ACK, of the packet acknowledged, whose source is
	// the ACK's destination. A BEACON's sequence counts its source's beacons
	// alone. Packets for one hop have no ID.
	ID ID
	// Tx is the short id of the node that transmitted this copy.
	Tx uint16
	// Next is the short id of the one node that shall relay a directed packet,
	// or is asked by a NACK or PULL; AnyNext for whoever hears it.
	Next uint16
	// Dest is the short id of the destination of a directed packet.
	Dest uint16
	// Channel is the hash of the channel's key, in a FLOOD or a FRAG that is
	// not directed.
	Channel uint8
}

// Short is the part of a node id that stands for a neighbour or a destination
// on the air. Two nodes may share one; keys and packet ids tell them apart.
func Short(node uint32) uint16 { return uint16(node) }

// ValidNode says whether node can be the id of a node: neither half of the
// short ids that mean nobody and everybody ends it.
func ValidNode(node uint32) bool { return validShort(Short(node)) }

func validShort(short uint16) bool { return short != 0 && short != AnyNext }

// ParseHeader reads the header of a packet of version 1 and checks everything
// that can be checked without a key: length, flags and addresses, by type. The
// error is ErrForeign for bytes of another network or a later version, else
// ErrInvalid. It does not allocate, except for the error.
func ParseHeader(b []byte) (Header, error) {
	switch {
	case len(b) < sourceAt:
		return Header{}, fmt.Errorf("%w: %d bytes", ErrForeign, len(b))
	case len(b) > MaxPacket:
		return Header{}, fmt.Errorf("%w: %d bytes, want at most %d", ErrForeign, len(b), MaxPacket)
	case b[0]&0x0F != 0:
		return Header{}, fmt.Errorf("%w: link byte 0x%02x", ErrForeign, b[0])
	case b[1]>>4 != onAirVersion:
		return Header{}, fmt.Errorf("%w: version %d, want %d", ErrForeign, b[1]>>4, onAirVersion)
	}
	h := Header{
		Type:     Type(b[1] & 0x0F),
		Directed: b[optionsAt]&optionDirected != 0,
		Attempt:  b[optionsAt] >> attemptShift & MaxAttempt,
		TTL:      b[optionsAt] & ttlMask,
	}
	option := b[optionsAt]&optionAck != 0
	switch h.Type {
	case TypeAck:
		h.Hop, h.Brief = option, !h.Directed
	case TypeBeacon: // ParseBeacon looks at it
	default:
		h.AckWanted = option
	}
	if h.Brief {
		return h, h.parseBrief(b)
	}
	switch h.Type {
	case TypeFlood, TypeRouted, TypeAck, TypeBeacon, TypeFragment, TypeIdentity:
		return h, h.parseTravelling(b)
	case TypeNack, TypePull, TypeBundle:
		return h, h.parseOneHop(b)
	}
	return Header{}, fmt.Errorf("%w: type %d of a later version", ErrForeign, h.Type)
}

// parseTravelling reads the header of the types that may be relayed.
func (h *Header) parseTravelling(b []byte) error {
	if err := h.checkOptions(); err != nil { // first, since the length depends on them
		return err
	}
	if least := h.least(); len(b) < least {
		return fmt.Errorf("%w: type %d of %d bytes, want at least %d", ErrInvalid, h.Type, len(b), least)
	}
	h.ID = ID{
		Source:   binary.BigEndian.Uint32(b[sourceAt:]),
		Epoch:    binary.BigEndian.Uint16(b[epochAt:]),
		Sequence: uint32(b[sequenceAt])<<16 | uint32(binary.BigEndian.Uint16(b[sequenceAt+1:])),
	}
	h.Tx = binary.BigEndian.Uint16(b[txAt:])
	switch {
	case h.Directed:
		h.Next = binary.BigEndian.Uint16(b[nextAt:])
		if h.Type == TypeAck {
			h.Dest = Short(h.ID.Source)
		} else {
			h.Dest = binary.BigEndian.Uint16(b[destAt:])
		}
	case h.onChannel():
		h.Channel = b[channelAt]
	case h.Type == TypeBeacon:
		if err := checkBeacon(b); err != nil {
			return err
		}
	}
	return h.check(len(b))
}

// onChannel says whether the packet is for those who hold a channel's key.
func (h *Header) onChannel() bool {
	return h.Type == TypeFlood || h.Type == TypeFragment && !h.Directed
}

// least is how long a packet of this type is that carries as little as it may.
func (h *Header) least() int {
	switch {
	case h.Type == TypeAck && h.Hop:
		return HopAckSize
	case h.Type == TypeAck:
		return AckPacketSize
	case h.Type == TypeIdentity:
		return IdentityOverhead
	case h.Type == TypeBeacon:
		return beaconHeader
	case h.Type == TypeFragment && h.Directed:
		return directedHeader + FragmentSize + 1 + TagSize
	case h.Type == TypeFragment:
		return floodHeader + FragmentSize + 1 + TagSize
	case h.Directed:
		return RoutedOverhead
	}
	return FloodOverhead
}

// checkOptions says whether the type goes with the flags.
func (h *Header) checkOptions() error {
	directed := h.Type == TypeRouted || h.Type == TypeAck || h.Type == TypeFragment && h.Directed
	if h.Directed != directed || h.AckWanted && (!directed || h.Type == TypeAck) || h.Hop && h.Type != TypeAck {
		return fmt.Errorf("%w: type %d with directed %v, acknowledgement wanted %v", ErrInvalid, h.Type, h.Directed, h.AckWanted)
	}
	return nil
}

// check holds for the header of every packet that may be relayed, coming or
// going. The length is known to be enough.
func (h *Header) check(length int) error {
	if err := h.checkOptions(); err != nil {
		return err
	}
	switch {
	case h.Attempt > MaxAttempt || h.TTL > MaxTTL:
		return fmt.Errorf("%w: attempt %d, TTL %d", ErrInvalid, h.Attempt, h.TTL)
	case !ValidNode(h.ID.Source):
		return fmt.Errorf("%w: source 0x%08x is no node", ErrInvalid, h.ID.Source)
	case h.ID.Sequence > MaxSequence:
		return fmt.Errorf("%w: sequence %d, want at most %d", ErrInvalid, h.ID.Sequence, MaxSequence)
	case h.Type != TypeBeacon && LaneOf(h.ID.Sequence) != h.lane():
		return fmt.Errorf("%w: type %d with sequence 0x%06x of the other lane", ErrInvalid, h.Type, h.ID.Sequence)
	case !validShort(h.Tx):
		return fmt.Errorf("%w: transmitter 0x%04x is no node", ErrInvalid, h.Tx)
	case h.Directed && h.Next == 0:
		return fmt.Errorf("%w: no next hop", ErrInvalid)
	case h.Directed && !validShort(h.Dest):
		return fmt.Errorf("%w: destination 0x%04x is no node", ErrInvalid, h.Dest)
	case h.Type == TypeAck && length != h.least():
		return fmt.Errorf("%w: acknowledgement of %d bytes, want %d", ErrInvalid, length, h.least())
	case h.Type == TypeIdentity && length > IdentityOverhead+MaxName:
		return fmt.Errorf("%w: identity of %d bytes, want at most %d", ErrInvalid, length, IdentityOverhead+MaxName)
	}
	return nil
}

// lane is the lane that the type takes its sequence from.
func (h *Header) lane() Lane {
	if h.onChannel() {
		return LaneFlood
	}
	return LaneDirect
}

// size is how long the header is.
func (h *Header) size() int {
	switch {
	case h.Type == TypeAck:
		return ackHeader
	case h.Type == TypeIdentity:
		return identityHeader
	case h.Type == TypeBeacon:
		return beaconHeader
	case h.Directed:
		return directedHeader
	}
	return floodHeader
}

// append writes the header of a packet that may be relayed.
func (h *Header) append(dst []byte) []byte {
	dst = append(dst, link, onAirVersion<<4|byte(h.Type), h.options())
	dst = binary.BigEndian.AppendUint32(dst, h.ID.Source)
	dst = binary.BigEndian.AppendUint16(dst, h.ID.Epoch)
	dst = appendUint24(dst, h.ID.Sequence)
	dst = binary.BigEndian.AppendUint16(dst, h.Tx)
	switch {
	case h.Directed:
		dst = binary.BigEndian.AppendUint16(dst, h.Next)
		if h.Type != TypeAck {
			dst = binary.BigEndian.AppendUint16(dst, h.Dest)
		}
	case h.onChannel():
		dst = append(dst, h.Channel)
	}
	return dst
}

func (h *Header) options() byte {
	options := h.Attempt<<attemptShift | h.TTL
	if h.Directed {
		options |= optionDirected
	}
	if h.AckWanted || h.Hop {
		options |= optionAck
	}
	return options
}

// SetHop makes b, a packet that ParseHeader accepts, the copy that node tx
// transmits: with a new TTL and, if it is directed, for the given next hop.
// Nothing else of it may change on the way. A NACK, PULL, BUNDLE or brief ACK does
// not travel and stays as it is.
func SetHop(b []byte, ttl uint8, tx, next uint16) {
	t, directed := Type(b[1]&0x0F), b[optionsAt]&optionDirected != 0
	if t == TypeNack || t == TypePull || t == TypeBundle || t == TypeAck && !directed {
		return
	}
	b[optionsAt] = b[optionsAt]&^ttlMask | min(ttl, MaxTTL)
	binary.BigEndian.PutUint16(b[txAt:], tx)
	if directed {
		binary.BigEndian.PutUint16(b[nextAt:], next)
	}
}

// SetAttempt numbers a repetition of b, a packet that ParseHeader accepts. Only
// its source does this, and who acknowledges it.
func SetAttempt(b []byte, attempt uint8) {
	const mask = MaxAttempt << attemptShift
	b[optionsAt] = b[optionsAt]&^mask | min(attempt, MaxAttempt)<<attemptShift
}

// canonical appends to dst the bytes of b, a travelling packet or the begin of
// one, that nobody may change: from offset 1, with attempt, TTL, tx and next
// set to zero.
func canonical(dst, b []byte) []byte {
	start := len(dst)
	dst = append(dst, b[1:]...)
	c := dst[start:]
	c[optionsAt-1] &= fixedOptions
	clear(c[txAt-1 : txAt+1])
	if b[optionsAt]&optionDirected != 0 {
		clear(c[nextAt-1 : nextAt+1])
	}
	return dst
}

// Digest is the SHA-256 of what nobody may change of a packet on its way. It
// is the same for every copy, and different for a forgery under the same ID.
type Digest [sha256.Size]byte

// DigestOf computes the digest of b, a packet that ParseHeader accepts, and
// that is neither NACK, PULL, BUNDLE nor brief ACK. It does not allocate.
func DigestOf(b []byte) Digest {
	var buffer [MaxPacket]byte
	return sha256.Sum256(canonical(buffer[:0], b))
}

func appendUint24(dst []byte, v uint32) []byte {
	return append(dst, byte(v>>16), byte(v>>8), byte(v))
}

func uint24(b []byte) uint32 {
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}
