package mesh

import (
	"errors"
	"fmt"
	"time"

	"lorrent/lora/packet"
)

// ErrNotPlain is a packet that version 0 of the format cannot carry.
var ErrNotPlain = errors.New("version 0 has no such packet")

// EncodePlain writes a packet in version 0 of the format, whose payload is text
// in clear, which has no hops: the copy is for whoever it is addressed to.
func EncodePlain(p Packet) ([]byte, error) {
	switch p.Type {
	case Flood, Routed:
		return packet.Encode(packet.NewText(p.ID, p.To, string(p.Payload)))
	case Ack:
		return packet.Encode(packet.NewAck(p.ID, p.From))
	}
	return nil, fmt.Errorf("%w: type %d", ErrNotPlain, p.Type)
}

// DecodePlain reads a packet of version 0. Nobody relays it.
func DecodePlain(b []byte) (Packet, error) {
	v, err := packet.Decode(b)
	if err != nil {
		return Packet{}, err
	}
	p := Packet{ID: v.ID, To: v.To, From: v.From, Tx: Short(v.From), Next: Anybody}
	switch v.Type {
	case packet.Flood:
		p.Type, p.Payload = Flood, []byte(v.Text)
	case packet.Routed:
		p.Type, p.Payload = Routed, []byte(v.Text)
	case packet.Ack:
		p.Type = Ack
	default:
		return Packet{}, fmt.Errorf("%w: type %d", ErrNotPlain, v.Type)
	}
	return p, nil
}

// way is the next hop to a node; in version 0 there is none but the node itself.
func (m *Mesh) way(to uint16, tried []uint16, now time.Time) (step, bool) {
	if m.cfg.Plain {
		return step{}, false
	}
	m.links.busy = m.load.share(now)
	return m.links.way(to, tried, now)
}

// originTries is how often a source sends what nobody is heard to relay. In
// version 0 nobody relays: messages for everyone are sent twice.
func (m *Mesh) originTries(f *flood) int {
	switch {
	case !m.cfg.Plain:
		return originTries
	case f.key.kind == Flood:
		return 2
	}
	return 1
}

// plainPatience is how long an acknowledgement may take over one hop: the
// receiver stores, lets one packet of any length pass, and answers. It is
// doubled with every attempt.
func (m *Mesh) plainPatience(o *outgoing) time.Duration {
	d := m.cfg.Turnaround + 2*m.cfg.Airtime(packet.AckSize) + m.cfg.Airtime(packet.MaxPacket)
	for range o.tries - 1 {
		if d *= 2; d >= maxBackoff {
			d = maxBackoff
			break
		}
	}
	return d + m.jitter(d/2)
}
