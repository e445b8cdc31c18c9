package portmap

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huin/goupnp/soap"
)

// router answers on port 5351 of a loopback address of its own, as answer says.
func router(t *testing.T, answer func(request []byte) []byte) netip.Addr {
	t.Helper()
	for range 20 {
		a := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(250)), byte(1 + rand.IntN(250))})
		conn, err := net.ListenPacket("udp", netip.AddrPortFrom(a, pcpPort).String())
		if err != nil {
			continue
		}
		var wg sync.WaitGroup
		t.Cleanup(func() { conn.Close(); wg.Wait() })
		wg.Go(func() {
			buf := make([]byte, 2000)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				if b := answer(slices.Clone(buf[:n])); b != nil {
					conn.WriteTo(b, from)
				}
			}
		})
		return a
	}
	t.Skip("no loopback address to be a router at")
	return netip.Addr{}
}

// asPCP answers a MAP request by granting it.
func asPCP(request []byte, lifetime uint32, external string) []byte {
	b := slices.Clone(request)
	b[1] |= pcpReply
	b[3] = 0
	if binary.BigEndian.Uint32(b[4:]) != 0 {
		binary.BigEndian.PutUint32(b[4:], lifetime)
	}
	copy(b[8:24], make([]byte, 16))
	a := netip.MustParseAddr(external).As16()
	copy(b[44:], a[:])
	return b
}

func TestPCPAgainstRouter(t *testing.T) {
	var mu sync.Mutex
	var lifetimes []uint32
	var nonces [][12]byte
	drop := 2
	server := router(t, func(b []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		if drop--; drop >= 0 {
			return nil // lost: it is sent again
		}
		lifetimes = append(lifetimes, binary.BigEndian.Uint32(b[4:]))
		nonces = append(nonces, [12]byte(b[24:]))
		return asPCP(b, 1800, "203.0.113.5")
	})
	p := &pcp{server: netip.AddrPortFrom(server, pcpPort), port: 51767}
	m, err := p.open(t.Context(), mapping{proto: tcp, external: netip.AddrPortFrom(netip.Addr{}, 51767), lifetime: time.Hour})
	if err != nil || m.external.String() != "203.0.113.5:51767" || m.lifetime != 30*time.Minute {
		t.Fatalf("%+v, %v", m, err)
	}
	if m, err = p.open(t.Context(), m); err != nil { // renewed
		t.Fatal(err)
	}
	if err := p.close(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(lifetimes, []uint32{3600, 1800, 0}) || nonces[0] != nonces[1] || nonces[1] != nonces[2] {
		t.Errorf("lifetimes %v, nonces %x", lifetimes, nonces)
	}
}

func TestPCPRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func([]byte) []byte
		want   string
	}{
		{"silent", func([]byte) []byte { return nil }, "no answer"},
		{"NAT-PMP only", func(b []byte) []byte { return []byte{0, 128, 0, 1, 0, 0, 0, 0} }, "does not speak it"},
		{"refuses", func(b []byte) []byte { b[1] |= pcpReply; b[3] = 2; return b }, "not authorised"},
		{"somebody else's", func(b []byte) []byte { b = asPCP(b, 60, "203.0.113.5"); b[30] ^= 1; return b }, "no answer"},
		{"garbage", func(b []byte) []byte { return []byte("garbage, and much of it") }, "does not speak it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &pcp{server: netip.AddrPortFrom(router(t, c.answer), pcpPort), port: 1000}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := p.open(ctx, mapping{proto: udp, lifetime: time.Minute})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	// A mapper that is told to end does not wait for a silent router.
	p := &pcp{server: netip.AddrPortFrom(router(t, func([]byte) []byte { return nil }), pcpPort), port: 1000}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.open(ctx, mapping{proto: tcp}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The gateway speaks NAT-PMP and nothing else: it is found, and the mapping is
// taken back.
func TestNATPMPAgainstRouter(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := router(t, func(b []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		if b[0] != 0 {
			return []byte{0, b[1] | 128, 0, 1, 0, 0, 0, 0}
		}
		switch b[1] {
		case 0:
			return []byte{0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 5}
		case 1, 2:
			lifetime := binary.BigEndian.Uint32(b[8:])
			asked = append(asked, map[byte]string{1: "udp", 2: "tcp"}[b[1]]+map[bool]string{true: " opened", false: " closed"}[lifetime > 0])
			r := []byte{0, 128 + b[1], 0, 0, 0, 0, 0, 9}
			r = append(r, b[4:6]...)
			r = binary.BigEndian.AppendUint16(r, 40000) // it chooses the port
			return binary.BigEndian.AppendUint32(r, lifetime)
		}
		return nil
	})
	m := New(Config{Port: 51767})
	m.methods = func(context.Context) []candidate { return m.atGateway(server) }
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan Status, 10)
	m.cfg.Changed = func(s Status) { changed <- s }
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	s := <-changed
	if s.String() != "mapped by NAT-PMP 203.0.113.5:40000" || s.Expires.IsZero() {
		t.Errorf("%s, %+v", s, s)
	}
	cancel()
	<-ended
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"tcp opened", "udp opened", "tcp closed", "udp closed"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// fakeIGD is a service that refuses with the codes it is given.
type fakeIGD struct {
	refuse []int
	asked  []uint16 // ports
	leases []uint32
}

func (f *fakeIGD) AddPortMappingCtx(_ context.Context, _ string, port uint16, _ string, _ uint16, _ string, _ bool, _ string, lease uint32) error {
	f.asked, f.leases = append(f.asked, port), append(f.leases, lease)
	if len(f.refuse) == 0 {
		return nil
	}
	fault := &soap.SOAPFaultError{FaultCode: "s:Client"}
	fault.Detail.UPnPError.Errorcode, fault.Detail.UPnPError.ErrorDescription = f.refuse[0], "So\x1bSorry"
	f.refuse = f.refuse[1:]
	return fault
}

func (f *fakeIGD) DeletePortMappingCtx(context.Context, string, uint16, string) error { return nil }
func (f *fakeIGD) GetExternalIPAddressCtx(context.Context) (string, error)            { return "203.0.113.5", nil }

func TestUPnPErrors(t *testing.T) {
	want := mapping{proto: tcp, external: netip.AddrPortFrom(netip.Addr{}, 51767), lifetime: time.Hour}
	open := func(codes ...int) (*fakeIGD, mapping, error) {
		f := &fakeIGD{refuse: codes}
		m, err := (&upnp{service: f, port: 51767}).open(t.Context(), want)
		return f, m, err
	}
	if _, m, err := open(); err != nil || m.external.String() != "203.0.113.5:51767" || m.lifetime != time.Hour {
		t.Errorf("%+v, %v", m, err)
	}
	if f, m, err := open(errPermanent); err != nil || m.lifetime != 0 || !slices.Equal(f.leases, []uint32{3600, 0}) {
		t.Errorf("only for ever: %+v, %v, %v", m, f.leases, err)
	}
	if f, m, err := open(errConflict); err != nil || m.external.Port() == 51767 || f.asked[0] != 51767 {
		t.Errorf("taken: %+v, %v, %v", m, f.asked, err)
	}
	if f, _, err := open(errConflict, errConflict, errConflict, errConflict, errConflict); err == nil || len(f.asked) != portTries {
		t.Errorf("all taken: %v, %v", f.asked, err)
	}
	if _, _, err := open(606); err == nil || !strings.HasPrefix(err.Error(), "error 606") {
		t.Errorf("not authorised: %v", err)
	}
}

// Anybody in the network can answer a search: what they say is fetched from
// the network alone.
func TestDescriptionsElsewhereAreRefused(t *testing.T) {
	for _, place := range []string{
		"http://203.0.113.5/desc.xml", "http://127.0.0.1/desc.xml", "https://192.168.1.1/desc.xml", "http://router.lan/desc.xml",
		"file:///etc/passwd", "http://239.255.255.250/x", "http://[::1]/x",
	} {
		u, err := url.Parse(place)
		if err != nil {
			t.Fatal(err)
		}
		if near(u) == nil {
			t.Errorf("%s is taken", place)
		}
	}
	if u, _ := url.Parse("http://192.168.1.1:5000/desc.xml"); near(u) != nil {
		t.Errorf("%s is refused", u)
	}
}

func TestHostileDescriptions(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("<root><device>"))
			for range 4 << 20 / 100 {
				w.Write([]byte(strings.Repeat("<a>", 33)))
			}
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
		},
		"no XML": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) },
		"another thing": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`<root xmlns="urn:schemas-upnp-org:device-1-0"><device/></root>`))
		},
		"not there": http.NotFound,
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(handler)
			defer srv.Close()
			u, _ := url.Parse(srv.URL)
			if _, err := describe(t.Context(), u); err == nil {
				t.Error("taken for a router")
			}
		})
	}
}
