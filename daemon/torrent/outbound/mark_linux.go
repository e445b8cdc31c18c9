package outbound

import (
	"strings"

	"golang.org/x/sys/unix"
)

// mark binds a socket to a device and sets the mark of its packets.
func mark(fd uintptr, network, device string, dscp int) error {
	if device != "" {
		if err := unix.BindToDevice(int(fd), device); err != nil {
			return err
		}
	}
	if dscp == 0 {
		return nil
	}
	// A socket of both families has both marks. One that cannot be set costs
	// nothing but the mark.
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, dscp<<2)
	if !strings.HasSuffix(network, "4") {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2)
	}
	return nil
}
