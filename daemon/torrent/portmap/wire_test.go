package portmap

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// The request of RFC 6887, section 7.1 and 11.1, byte by byte.
const goldenRequest = "02010000" + "00000e10" + "00000000000000000000ffff0a4d0002" + // version, opcode, lifetime, client
	"000102030405060708090a0b" + "06000000" + "ca37" + "ca37" + "00000000000000000000ffff00000000"

const goldenAnswer = "02810000" + "00000708" + "00001234" + "000000000000000000000000" + // version, opcode, result, lifetime, epoch
	"000102030405060708090a0b" + "06000000" + "ca37" + "ca38" + "00000000000000000000ffffcb007105"

var goldenNonce = [12]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPCPRequest(t *testing.T) {
	r := pcpRequest{client: netip.MustParseAddr("10.77.0.2"), lifetime: 3600, nonce: goldenNonce, protocol: 6, internal: 51767,
		external: netip.AddrPortFrom(netip.Addr{}, 51767)}
	if got := hex.EncodeToString(r.append(nil)); got != goldenRequest {
		t.Errorf("got  %s\nwant %s", got, goldenRequest)
	}
	r = pcpRequest{client: netip.MustParseAddr("2001:db8::2"), protocol: 17, internal: 1}
	if b := r.append(nil); len(b) != pcpMapLen || b[36] != 17 || b[59] != 0 {
		t.Errorf("%x", b)
	}
}

func TestPCPAnswer(t *testing.T) {
	a, err := parsePCP(unhex(t, goldenAnswer))
	want := pcpAnswer{lifetime: 1800, epoch: 0x1234, nonce: goldenNonce, protocol: 6, internal: 51767, external: netip.MustParseAddrPort("203.0.113.5:51768")}
	if err != nil || a != want || a.err() != nil {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []struct{ name, packet, want string }{
		{"nothing", "", "0 bytes"},
		{"NAT-PMP", "00000001" + "00000000", "does not speak it"},
		{"cut", goldenAnswer[:80], "40 bytes"},
		{"odd length", goldenAnswer + "00", "61 bytes"},
		{"another opcode", "02800000" + goldenAnswer[8:], "opcode 0x80"},
		{"a request", goldenRequest, "opcode 0x1"},
		{"huge", goldenAnswer + strings.Repeat("00000000", 300), "bytes"},
	} {
		if _, err := parsePCP(unhex(t, c.packet)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	refusal, err := parsePCP(unhex(t, "02810002"+goldenAnswer[8:]))
	if err != nil || refusal.err() == nil || refusal.err().Error() != "not authorised" {
		t.Errorf("%v, %v", refusal.err(), err)
	}
	if a := (pcpAnswer{result: 200}); a.err().Error() != "result 200" {
		t.Error(a.err())
	}
}

func FuzzPCPAnswer(f *testing.F) {
	for _, s := range []string{goldenAnswer, goldenRequest, "00000001", "02810002" + goldenAnswer[8:48], ""} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parsePCP(b)
		if err == nil && a.result == 0 && (len(b) < pcpMapLen || !a.external.Addr().IsValid()) {
			t.Errorf("%x is %+v", b, a)
		}
		if err == nil {
			_ = a.err()
		}
	})
}

func TestRoutes(t *testing.T) {
	const table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
		"eth0\t00000000\t01004D0A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n" +
		"half\t00000000\t01\n"
	for iface, want := range map[string]string{"": "10.77.0.1", "wlan0": "192.168.1.1"} {
		if a, err := parseRoutes4(strings.NewReader(table), iface); err != nil || a.String() != want {
			t.Errorf("over %q: %s, %v, want %s", iface, a, err, want)
		}
	}
	if _, err := parseRoutes4(strings.NewReader(table), "tun0"); !errors.Is(err, errNoGateway) {
		t.Error(err)
	}
	const table6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n" +
		"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
	if a, err := parseRoutes6(strings.NewReader(table6), ""); err != nil || a.String() != "fe80::1%eth0" {
		t.Errorf("%s, %v", a, err)
	}
	if _, err := parseRoutes6(strings.NewReader(table6), "lo"); !errors.Is(err, errNoGateway) {
		t.Error(err)
	}
}
