package utp

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	mergedBatch = 16       // messages of up to maxDatagram read at once
	singleBatch = 64       // messages of one packet each
	maxDatagram = 64 << 10 // what the kernel merges, and the longest datagram
	maxUnmerged = 2048     // without merging: longer than any uTP packet
	kernelRead  = 4 << 20  // socket buffers, as far as the system lets us
	kernelWrite = 1 << 20
)

// batcher reads and writes many datagrams in one system call.
type batcher interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// link is the UDP socket. One goroutine reads, one writes.
type link struct {
	conn   net.PacketConn
	udp    *net.UDPConn // nil when conn is something else
	batch  batcher      // nil: one packet at a time
	v6     bool
	merges bool // the kernel merges packets we read

	in []ipv4.Message // owned by the reader

	out      []ipv4.Message // owned by the writer
	segments bool           // the kernel splits what we write
}

func newLink(conn net.PacketConn) *link {
	l := &link{conn: conn}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		l.in = newMessages(1, maxDatagram)
		return l
	}
	l.udp = udp
	// Best effort: smaller buffers lose packets sooner, nothing else.
	_ = udp.SetReadBuffer(kernelRead)
	_ = udp.SetWriteBuffer(kernelWrite)
	if addr, ok := udp.LocalAddr().(*net.UDPAddr); ok && addr.IP.To4() == nil {
		l.v6, l.batch = true, ipv6.NewPacketConn(udp)
	} else {
		l.batch = ipv4.NewPacketConn(udp)
	}
	l.dontFragment(true)
	l.segments, l.merges = l.offload()
	if l.merges {
		l.in = newMessages(mergedBatch, maxDatagram)
	} else {
		l.in = newMessages(singleBatch, maxUnmerged)
	}
	l.out = make([]ipv4.Message, outboxMessages)
	for i := range l.out {
		l.out[i].Buffers = make([][]byte, 1)
	}
	return l
}

func newMessages(n, size int) []ipv4.Message {
	ms := make([]ipv4.Message, n)
	all := make([]byte, n*size)
	for i := range ms {
		ms[i].Buffers = [][]byte{all[i*size : (i+1)*size]}
		ms[i].OOB = make([]byte, controlSpace())
	}
	return ms
}

// read waits for packets and calls each for every one of them.
func (l *link) read(each func(b []byte, from netip.AddrPort)) error {
	if l.batch == nil {
		b := l.in[0].Buffers[0]
		n, from, err := l.conn.ReadFrom(b)
		if err != nil {
			return err
		}
		each(b[:n], addrPort(from))
		return nil
	}
	for i := range l.in {
		l.in[i].OOB = l.in[i].OOB[:cap(l.in[i].OOB)]
	}
	n, err := l.batch.ReadBatch(l.in, 0)
	if err != nil {
		return err
	}
	for _, m := range l.in[:n] {
		b, from := m.Buffers[0][:m.N], addrPort(m.Addr)
		size := len(b)
		if l.merges {
			if merged := segmentSize(m.OOB[:m.NN]); merged > 0 {
				size = merged
			}
		}
		for len(b) > size {
			each(b[:size], from)
			b = b[size:]
		}
		each(b, from)
	}
	return nil
}

func addrPort(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	from := udp.AddrPort()
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// write sends the outbox and empties it. A packet that cannot be sent is
// lost, as packets are; only a closed socket is an error.
func (l *link) write(o *outbox) error {
	defer o.reset()
	if l.batch == nil {
		for _, m := range o.messages {
			if _, err := l.conn.WriteTo(o.buffer[m.start:m.end], m.to); errors.Is(err, net.ErrClosed) {
				return err
			}
		}
		return nil
	}
	for rest := o.messages; len(rest) > 0; {
		n := 0
		for n < len(rest) && rest[n].fragment == rest[0].fragment {
			l.prepare(&l.out[n], &rest[n], o.buffer)
			n++
		}
		fragment := rest[0].fragment
		if fragment {
			l.dontFragment(false)
		}
		err := l.writeBatch(o, rest[:n])
		if fragment {
			l.dontFragment(true)
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (l *link) prepare(out *ipv4.Message, m *message, buffer []byte) {
	out.Buffers[0], out.Addr, out.OOB = buffer[m.start:m.end], m.to, out.OOB[:0]
	if m.end-m.start > m.segment {
		out.OOB = appendSegmentSize(out.OOB, m.segment)
	}
}

func (l *link) writeBatch(o *outbox, ms []message) error {
	for done := 0; done < len(ms); {
		n, err := l.batch.WriteBatch(l.out[done:len(ms)], 0)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil || n <= 0:
			if m := ms[done]; m.end-m.start > m.segment && cannotSegment(err) {
				o.merge, l.segments = false, false
				if err := l.writeSplit(o, m); err != nil {
					return err
				}
			}
			done++
		default:
			done += n
		}
	}
	return nil
}

// writeSplit sends the packets of a message one by one: the kernel says it
// splits messages, but not on the way to this peer.
func (l *link) writeSplit(o *outbox, m message) error {
	for start := m.start; start < m.end; start += m.segment {
		b := o.buffer[start:min(start+m.segment, m.end)]
		if _, err := l.udp.WriteToUDP(b, m.to); errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}
