package mesh

import (
	"fmt"

	"lorrent/lora/packet"
)

// Encode writes a packet for the air, in version 1 of the format.
func Encode(p *Packet) ([]byte, error) {
	h := packet.Header{ID: p.ID, Attempt: p.Attempt, TTL: p.TTL, Tx: p.Tx, Next: p.Next}
	switch p.Type {
	case Flood:
		h.Type, h.Channel = packet.TypeFlood, p.Channel
		if p.Fragment {
			h.Type = packet.TypeFragment
		}
		return packet.Join(nil, h, p.Payload)
	case Routed:
		h.Type, h.Directed, h.AckWanted, h.Dest = packet.TypeRouted, true, !p.Quiet, Short(p.To)
		if p.Fragment {
			h.Type = packet.TypeFragment
		}
		return packet.Join(nil, h, p.Payload)
	case Card:
		h.Type = packet.TypeIdentity
		return packet.Join(nil, h, p.Payload)
	case Ack:
		if p.Hop {
			return packet.AppendHopAck(nil, h)
		}
		h.Brief = p.Brief
		return packet.AppendAck(nil, h, p.Token)
	case Beacon:
		return encodeBeacon(h, p.Heard)
	case Pull:
		return packet.AppendPull(nil, &packet.Pull{Tx: p.Tx, Next: p.Next, Salt: p.Have.Salt, Filter: p.Have.Bits})
	case Bundle:
		return encodeBundle(p)
	}
	return nil, fmt.Errorf("encode packet: %w: type %d", packet.ErrInvalid, p.Type)
}

func encodeBeacon(h packet.Header, heard []Link) ([]byte, error) {
	bc := packet.Beacon{Header: h}
	for _, link := range heard {
		n := packet.Neighbour{ID: link.ID, MarginDB: link.Margin, Delivery: packet.MaxDelivery}
		switch {
		case link.Endless:
			n.Delivery = packet.EndlessDelivery
		case link.Restless:
			n.Delivery = 0
		}
		bc.Neighbours = append(bc.Neighbours, n)
	}
	return packet.AppendBeacon(nil, &bc)
}

func encodeBundle(p *Packet) ([]byte, error) {
	items := make([][]byte, len(p.Inner))
	for i := range p.Inner {
		inner := p.Inner[i]
		inner.Tx = p.Tx
		var err error
		if items[i], err = Encode(&inner); err != nil {
			return nil, err
		}
	}
	return packet.AppendBundle(nil, p.Tx, items...)
}

// Decode reads a packet from the air. It proves nothing: whether a message is
// authentic is seen by who has its key. Of a Routed the receiver is the short
// id; the caller, if that is its own and its key opens the message, puts in the
// whole one. Errors are those of packet.ParseHeader.
func Decode(b []byte) (Packet, error) {
	h, err := packet.ParseHeader(b)
	if err != nil {
		return Packet{}, err
	}
	p := Packet{ID: h.ID, From: h.ID.Source, To: packet.Broadcast, Tx: h.Tx, TTL: h.TTL, Attempt: h.Attempt}
	switch h.Type {
	case packet.TypeFlood, packet.TypeRouted, packet.TypeFragment:
		p.Type, p.Fragment, p.Channel = Flood, h.Type == packet.TypeFragment, h.Channel
		if h.Directed {
			p.Type, p.To, p.Next, p.Quiet = Routed, uint32(h.Dest), h.Next, !h.AckWanted
		}
		p.Payload = packet.Sealed(b)
	case packet.TypeIdentity:
		p.Type, p.Payload = Card, packet.Sealed(b)
	case packet.TypeAck:
		p.Type, p.From, p.To, p.Next, p.Hop, p.Brief = Ack, 0, h.ID.Source, h.Next, h.Hop, h.Brief
		if !h.Hop {
			_, p.Token, err = packet.ParseAck(b)
		}
	case packet.TypeBeacon:
		err = p.decodeBeacon(b)
	case packet.TypePull:
		err = p.decodePull(b)
	case packet.TypeBundle:
		err = p.decodeBundle(b)
	default:
		err = fmt.Errorf("%w: type %d is of no use here", packet.ErrForeign, h.Type)
	}
	return p, err
}

func (p *Packet) decodeBeacon(b []byte) error {
	var bc packet.Beacon
	if err := packet.ParseBeacon(b, &bc); err != nil {
		return err
	}
	p.Type = Beacon
	for _, n := range bc.Neighbours {
		p.Heard = append(p.Heard, Link{ID: n.ID, Margin: n.MarginDB, Restless: n.Delivery == 0, Endless: n.Delivery == packet.EndlessDelivery})
	}
	return nil
}

func (p *Packet) decodePull(b []byte) error {
	pull, err := packet.ParsePull(b)
	if err != nil {
		return err
	}
	p.Type, p.From, p.Next = Pull, uint32(pull.Tx), pull.Next
	p.Have = Filter{Salt: pull.Salt, Bits: pull.Filter}
	return nil
}

func (p *Packet) decodeBundle(b []byte) error {
	items, err := packet.SplitBundle(nil, b)
	if err != nil {
		return err
	}
	p.Type = Bundle
	for _, item := range items {
		inner, err := Decode(item)
		if err != nil {
			return err
		}
		inner.Repair = inner.Type == Flood && inner.TTL == 0
		p.Inner = append(p.Inner, inner)
	}
	return nil
}

// Opens is Config.Opens for packets of version 1.
func Opens(ack, message *Packet) bool {
	if len(message.Payload) < packet.TagSize {
		return false
	}
	return ack.Token.Opens(packet.LockOf(message.Payload))
}
