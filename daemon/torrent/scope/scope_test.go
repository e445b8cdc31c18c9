package scope

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]Scope{
		"127.0.0.1": Loopback, "127.9.9.9": Loopback, "::1": Loopback, "0.0.0.0": Loopback, "::": Loopback,
		"::ffff:127.0.0.1": Loopback, "64:ff9b::7f00:1": Loopback,
		"10.0.0.1": Private, "172.16.0.1": Private, "192.168.1.1": Private, "169.254.169.254": Private,
		"100.64.0.1": Private, "100.127.255.255": Private, "0.1.2.3": Private, "255.255.255.255": Private,
		"fe80::1": Private, "fd00::1": Private, "ff02::1": Private, "239.1.2.3": Private,
		"192.0.0.1": Private, "198.18.0.1": Private, "224.0.0.1": Private, "172.31.255.255": Private,
		"64:ff9b::c0a8:101": Private, "64:ff9b::a9fe:a9fe": Private, "2002:c0a8:101::1": Private, "fd12::1": Private,
		"2002:7f00:1::": Loopback, "127.255.0.1": Loopback, "fe80::1%eth0": Private, "::ffff:192.168.1.1": Private,
		"8.8.8.8": Public, "100.128.0.1": Public, "172.32.0.1": Public, "2001:db8::1": Public, "64:ff9b::808:808": Public,
		"1.1.1.1": Public, "2606:4700::1111": Public, "::ffff:8.8.8.8": Public, "2002:808:808::1": Public,
	} {
		if got := Of(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if got := Of(netip.Addr{}); got != Public {
		t.Errorf("no address is %s", got)
	}
}
