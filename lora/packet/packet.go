package packet

import "errors"

const (
	// Broadcast is the address of every node that hears.
	Broadcast uint32 = 0xFFFFFFFF
	// MaxPacket is the longest packet, link byte included.
	MaxPacket = 255
)

// Type says what a packet is.
type Type uint8

// link is the first byte of every packet. Its high nibble is any on receipt, as
// RNode firmware draws it; the low nibble is zero.
const link = 0xC0

// Errors of decoders, for callers that count them apart.
var (
	ErrForeign = errors.New("not a packet of this network")
	ErrInvalid = errors.New("invalid packet")
)
