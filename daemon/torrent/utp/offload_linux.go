package utp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// controlSpace holds one control message with an int.
func controlSpace() int { return unix.CmsgSpace(4) }

// control calls fn with the socket, and says whether it succeeded.
func (l *link) control(fn func(fd int) error) bool {
	raw, err := l.udp.SyscallConn()
	if err != nil {
		return false
	}
	failed := raw.Control(func(fd uintptr) { err = fn(int(fd)) })
	return failed == nil && err == nil
}

// offload asks the kernel to split what we write (4.18) and to merge what we
// read (5.0), and says which of the two it does.
func (l *link) offload() (segments, merges bool) {
	segments = l.control(func(fd int) error {
		_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
		return err
	})
	merges = l.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	})
	return segments, merges
}

// dontFragment sets the flag on every packet, whatever the kernel thinks of the
// path: finding its MTU is our own work.
func (l *link) dontFragment(on bool) {
	l.control(func(fd int) error {
		v4, v6 := unix.IP_PMTUDISC_PROBE, unix.IPV6_PMTUDISC_PROBE
		if !on {
			v4, v6 = unix.IP_PMTUDISC_DONT, unix.IPV6_PMTUDISC_DONT
		}
		if l.v6 {
			_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, v6)
		}
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, v4)
	})
}

// segmentSize finds the size of the packets merged into one message, 0 if it
// is a single one.
func segmentSize(control []byte) int {
	for len(control) >= unix.SizeofCmsghdr {
		length, level, kind := controlHeader(control)
		if length < unix.SizeofCmsghdr || length > len(control) {
			return 0
		}
		if level == unix.SOL_UDP && kind == unix.UDP_GRO && length >= unix.CmsgLen(4) {
			return int(int32(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):])))
		}
		control = control[min(unix.CmsgSpace(length-unix.CmsgLen(0)), len(control)):]
	}
	return 0
}

// controlHeader decodes a cmsghdr: a word, and two ints.
func controlHeader(b []byte) (length int, level, kind int32) {
	word := unix.SizeofCmsghdr - 8
	if word == 8 {
		length = int(binary.NativeEndian.Uint64(b))
	} else {
		length = int(binary.NativeEndian.Uint32(b))
	}
	return length, int32(binary.NativeEndian.Uint32(b[word:])), int32(binary.NativeEndian.Uint32(b[word+4:]))
}

// appendSegmentSize appends the control message that has the kernel split a
// message into packets of size bytes.
func appendSegmentSize(b []byte, size int) []byte {
	word := unix.SizeofCmsghdr - 8
	if word == 8 {
		b = binary.NativeEndian.AppendUint64(b, uint64(unix.CmsgLen(2)))
	} else {
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.CmsgLen(2)))
	}
	b = binary.NativeEndian.AppendUint32(b, unix.SOL_UDP)
	b = binary.NativeEndian.AppendUint32(b, unix.UDP_SEGMENT)
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	for len(b)%word != 0 {
		b = append(b, 0)
	}
	return b
}

// cannotSegment says that a message was refused because of its size, not of
// its destination.
func cannotSegment(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOPNOTSUPP)
}

// routeMTU is the MTU of the route to a peer; maxPath when nobody knows. It
// connects a socket of its own for a moment, which sends nothing.
func routeMTU(to netip.AddrPort) int {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return maxPath
	}
	defer conn.Close()
	mtu := 0
	known := (&link{udp: conn}).control(func(fd int) error {
		var err error
		if to.Addr().Is4() {
			mtu, err = unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU)
		} else {
			mtu, err = unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU)
		}
		return err
	})
	if !known || mtu <= 0 {
		return maxPath
	}
	return mtu
}
