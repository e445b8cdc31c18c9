package utp

import (
	"math"
	"net"
)

const (
	outboxSize     = 256 << 10 // bytes of packets collected before they are sent
	outboxMessages = 128
	maxSegments    = 64 // the kernel's limit for one send (UDP_MAX_SEGMENTS)
	maxSend        = math.MaxUint16 - udpHeader - ipv6Header
	packetRoom     = maxPath // of an outbox that takes another packet
)

// message is one datagram, or several of one size (the last may be shorter)
// to one peer that the kernel takes in one piece.
type message struct {
	to       *net.UDPAddr
	start    int // in the outbox's buffer
	end      int
	segment  int  // size of each packet but the last
	closed   bool // the last packet is shorter: nothing may follow
	fragment bool // may be sent in fragments
}

// outbox collects packets to send.
type outbox struct {
	to       *net.UDPAddr // where the next packets go
	merge    bool         // packets may share a message
	buffer   []byte
	messages []message
	packets  int
}

func newOutbox(merge bool) *outbox {
	return &outbox{
		merge: merge, buffer: make([]byte, 0, outboxSize), messages: make([]message, 0, outboxMessages),
	}
}

// full says that the outbox must be sent before it takes another packet.
func (o *outbox) full() bool {
	return cap(o.buffer)-len(o.buffer) < packetRoom || len(o.messages) == outboxMessages
}

func (o *outbox) reset() {
	o.buffer, o.messages, o.packets = o.buffer[:0], o.messages[:0], 0
}

// packet returns the space for a packet of n bytes, at most packetRoom. Its
// content is arbitrary.
func (o *outbox) packet(n int, fragment bool) []byte {
	o.packets++
	start := len(o.buffer)
	o.buffer = o.buffer[:start+n]
	space := o.buffer[start : start+n : start+n]
	if last := len(o.messages) - 1; last >= 0 && o.merge && !fragment {
		m := &o.messages[last]
		if m.to == o.to && !m.closed && !m.fragment && n <= m.segment &&
			m.end-m.start+n <= maxSend && m.end-m.start < maxSegments*m.segment {
			m.end += n
			m.closed = n < m.segment
			return space
		}
	}
	o.messages = append(o.messages, message{
		to: o.to, start: start, end: start + n, segment: n, fragment: fragment,
	})
	return space
}
