package mesh

import (
	"lorrent/lora/packet"
)

// Type says what a packet is.
type Type uint8

// Types of packets.
const (
	Flood  Type = iota // a message for everyone
	Routed             // a message for one node
	Ack                // the receiver has stored a Routed
	Beacon             // whom a node hears
	Pull               // what a node has, to be sent what it lacks
	Bundle             // several of these in one packet
	Card               // who a node is, for everyone; it spreads like a Flood
)

// Addresses of the hops of a packet: the low 16 bits of a node id. Two nodes
// that share them cost transmissions, never a message.
const (
	nobody  uint16 = 0
	Anybody uint16 = 0xFFFF // every node that hears it, as a flood
)

// Short is the address of a node as a hop.
func Short(node uint32) uint16 { return uint16(node) }

// Packet is one packet, decoded. Payload is sealed by whoever wrote the
// message: relays pass it on unread.
type Packet struct {
	Type Type
	// ID of the message; of an Ack, of the message acknowledged; of a Beacon,
	// the beacon's own.
	ID packet.ID
	// To is the receiver of a Routed, of which the air tells the short id, or of an
	// Ack: the source of its message.
	To uint32
	// From is who wrote the packet: the receiver of the message for an Ack, else
	// the source. On the air an Ack does not say it: 0 is unknown. A Pull says the
	// short id.
	From uint32

	Tx   uint16 // who sends this copy
	Next uint16 // of a Routed, Ack or Pull: whom this copy is for, or Anybody
	TTL  uint8  // how many more times it may be relayed

	// Attempt counts the times that the source tried, from 0 on, and around: the
	// same of a Routed and its Ack. Each goes its way anew.
	Attempt uint8
	// Hop marks an Ack that says only that the copy reached the next hop.
	Hop bool
	// Brief marks an Ack that does not name its message, for who has that. It has neither
	// ID nor To on the air.
	Brief bool
	// Repair marks a Flood sent to those who lack it, some time after it spread.
	Repair bool

	// Quiet is a Routed that its receiver does not acknowledge.
	Quiet bool
	// Fragment of a long message, which a Flood or Routed may be.
	Fragment bool
	Channel  uint8        // of a Flood: by which its key is known
	Token    packet.Token // of an Ack: what proves it

	Payload []byte   // of a Flood, Routed or Card: what follows the header
	Heard   []Link   // of a Beacon
	Have    Filter   // of a Pull
	Inner   []Packet // of a Bundle, whose Tx is that of the bundle
}

// Link is a node that the sender of a beacon hears.
type Link struct {
	ID     uint16
	Margin uint8 // dB above the weakest signal that is received
	// Restless says that the link may not last, since one of the two moves.
	Restless bool
	// Endless says that the node talks so much that little else is heard beside it.
	Endless bool
}

// Lengths on the air without what varies.
const (
	floodSize  = 15
	routedSize = 18
	cardSize   = 14
	ackSize    = packet.AckPacketSize
	hopAckSize = packet.HopAckSize
	briefSize  = packet.BriefAckSize
	beaconSize = 15
	linkSize   = 3
	pullSize   = 8
	attempts   = 4 // that can be told apart
	bundleSize = packet.BundleOverhead
	// MaxPacket is the longest packet, link byte included.
	MaxPacket = 255
	// MaxPayload is the longest payload: that of a Routed.
	MaxPayload = MaxPacket - routedSize
)

// named says whether From is the whole id of a node, as the packet has it. Of
// others it is a short id, or nothing.
func (p *Packet) named() bool {
	switch p.Type {
	case Flood, Routed, Beacon, Card:
		return true
	}
	return false
}

// Size is how many bytes the packet takes on the air.
func (p *Packet) Size() int {
	switch p.Type {
	case Flood:
		return floodSize + len(p.Payload)
	case Routed:
		return routedSize + len(p.Payload)
	case Card:
		return cardSize + len(p.Payload)
	case Ack:
		if p.Hop {
			return hopAckSize
		}
		if p.Brief {
			return briefSize
		}
		return ackSize
	case Beacon:
		return beaconSize + linkSize*len(p.Heard)
	case Pull:
		return pullSize + len(p.Have.Bits)
	case Bundle:
		size := bundleSize
		for i := range p.Inner {
			size += p.Inner[i].itemSize()
		}
		return size
	}
	return 0
}

// itemSize is how many bytes the packet takes in a Bundle.
func (p *Packet) itemSize() int {
	switch p.Type {
	case Routed, Ack, Pull:
		return p.Size() - packet.DirectedSaving
	}
	return p.Size() - packet.BundleSaving
}
