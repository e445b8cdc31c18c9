package priority

import (
	"hash/crc32"
	"net/netip"
	"testing"
)

func TestPriority(t *testing.T) {
	crc := func(b ...byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	tests := []struct {
		name string
		a, b string
		want uint32
	}{
		{"BEP 40: different /16", "123.213.32.10:1", "98.76.54.32:2", 0xec2d7224},
		{"BEP 40: same /24", "123.213.32.10:1", "123.213.32.234:2", 0x99568189},
		{"known answer: different /16", "206.248.98.111:6881", "142.147.89.224:6881", 0x2b41d456},
		{"same /16 keeps the third byte whole", "10.1.255.255:1", "10.1.2.255:1",
			crc(10, 1, 2, 0x55, 10, 1, 255, 0x55)},
		{"same address: ports, smaller first, big endian", "10.0.0.1:6882", "10.0.0.1:258",
			crc(0x01, 0x02, 0x1a, 0xe2)},
		{"IPv6, different /48", "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "2001:db8:2:ffff:ffff:ffff:ffff:ffff",
			crc(0x20, 1, 0x0d, 0xb8, 0, 1, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
				0x20, 1, 0x0d, 0xb8, 0, 2, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55)},
		{"IPv6, same /48", "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "2001:db8:1:0fff:ffff:ffff:ffff:ffff",
			crc(0x20, 1, 0x0d, 0xb8, 0, 1, 0x0f, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
				0x20, 1, 0x0d, 0xb8, 0, 1, 0xff, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55)},
		{"IPv6, same /56", "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "2001:db8:1:ff00:ffff:ffff:ffff:ffff",
			crc(0x20, 1, 0x0d, 0xb8, 0, 1, 0xff, 0x00, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
				0x20, 1, 0x0d, 0xb8, 0, 1, 0xff, 0xff, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55)},
		{"IPv4 mapped is IPv4", "[::ffff:123.213.32.10]:1", "98.76.54.32:2", 0xec2d7224},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := parse(t, tt.a), parse(t, tt.b)
			if got := Priority(a, b); got != tt.want {
				t.Errorf("Priority(a, b) = %#08x, want %#08x", got, tt.want)
			}
			if got := Priority(b, a); got != tt.want {
				t.Errorf("Priority(b, a) = %#08x, want %#08x: not symmetric", got, tt.want)
			}
		})
	}
}

func TestPriorityMixedFamiliesIsSymmetric(t *testing.T) {
	a, b := parse(t, "10.0.0.1:1"), parse(t, "2001:db8::1")
	if Priority(a, b) != Priority(b, a) {
		t.Error("priority depends on the order of the ends")
	}
}

// parse takes ADDRESS:PORT, or a bare IPv6 address with port 1.
func parse(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(addr, 1)
}
