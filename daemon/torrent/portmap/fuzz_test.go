package portmap

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	igd2 "github.com/huin/goupnp/dcps/internetgateway2"
	natlib "github.com/jackpal/go-nat-pmp"
)

// What a router may say in answer to a search, and about itself.
const goldenFound = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n" +
	"USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\nSERVER: x UPnP/1.1 y\r\nLOCATION: http://192.168.1.1:5000/desc.xml\r\n\r\n"

const goldenDescription = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>` +
	`<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>` +
	`<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device>` +
	`<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>` +
	`<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>` +
	`<SCPDURL>/ip.xml</SCPDURL><controlURL>/ctl</controlURL><eventSubURL>/evt</eventSubURL>` +
	`</service></serviceList></device></deviceList></device></deviceList></device></root>`

// FuzzSearchReply reads the answer to a search (SSDP): nobody leads us out of the
// network, or to this host.
func FuzzSearchReply(f *testing.F) {
	f.Add([]byte(goldenFound))
	f.Add([]byte(strings.Replace(goldenFound, "192.168.1.1:5000", "[fe80::1%25eth0]:80", 1)))
	f.Add([]byte(strings.Replace(goldenFound, "http://192.168.1.1", "http://192.168.1.1@127.0.0.1", 1)))
	f.Add([]byte("HTTP/1.1 200\r\nLOCATION: ?\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			return
		}
		u, err := placeOf(resp)
		if err != nil {
			return
		}
		a, err := netip.ParseAddr(u.Hostname())
		if err != nil || u.Scheme != "http" || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() {
			t.Errorf("%q leads to %s", b, u)
		}
	})
}

// FuzzDescription reads the description of a device (UPnP): its services are on
// the same host.
func FuzzDescription(f *testing.F) {
	f.Add([]byte(goldenDescription))
	f.Add([]byte(strings.Replace(goldenDescription, "/ctl", "http://192.168.1.7/ctl", 1)))
	f.Add([]byte(strings.Replace(goldenDescription, "<device>", "<URLBase>http://127.0.0.1/</URLBase><device>", 1)))
	f.Add([]byte(strings.Repeat("<device>", 50)))
	place := &url.URL{Scheme: "http", Host: "192.168.1.1:5000", Path: "/desc.xml"}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := parseDescription(bytes.NewReader(b), place)
		if err != nil {
			return
		}
		for _, s := range services(root, place) {
			var at url.URL
			switch s := s.(type) {
			case *igd2.WANIPConnection1:
				at = s.SOAPClient.EndpointURL
			case *igd2.WANIPConnection2:
				at = s.SOAPClient.EndpointURL
			case *igd2.WANPPPConnection1:
				at = s.SOAPClient.EndpointURL
			}
			if at.Hostname() != "192.168.1.1" || at.Scheme != "http" {
				t.Errorf("a service at %s", &at)
			}
		}
	})
}

// A description as routers have it is understood.
func TestDescription(t *testing.T) {
	place := &url.URL{Scheme: "http", Host: "192.168.1.1:5000", Path: "/desc.xml"}
	root, err := parseDescription(strings.NewReader(goldenDescription), place)
	if err != nil {
		t.Fatal(err)
	}
	all := services(root, place)
	if len(all) != 1 || all[0].(*igd2.WANIPConnection1).SOAPClient.EndpointURL.String() != "http://192.168.1.1:5000/ctl" {
		t.Errorf("services: %+v", all)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(goldenFound)), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if u, err := placeOf(resp); err != nil || u.String() != place.String() {
		t.Errorf("it is at %v, %v", u, err)
	}
}

// FuzzNATPMP lets a router answer with anything.
func FuzzNATPMP(f *testing.F) {
	for _, s := range []string{"00820000" + "00000009" + "ca37" + "9c40" + "00000e10",
		"0082000200000009", "00800000" + "00000009" + "cb007105", "0080000100000000", ""} {
		f.Add(unhex(f, s))
	}
	server, conn := fuzzRouter(f)
	var mu sync.Mutex
	var answer []byte
	var wg sync.WaitGroup
	f.Cleanup(func() { conn.Close(); wg.Wait() })
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			mu.Lock()
			conn.WriteTo(answer, from)
			mu.Unlock()
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		mu.Lock()
		answer = bytes.Clone(b[:min(len(b), 1400)])
		mu.Unlock()
		ip := net.IP(server.AsSlice())
		n := &natpmp{natlib.NewClientWithLocalAndTimeout(ip, net.IPv4(127, 0, 0, 1), time.Second), 51767}
		m, err := n.open(t.Context(), mapping{proto: tcp, external: netip.AddrPortFrom(netip.Addr{}, 51767), lifetime: time.Hour})
		if err == nil && (len(b) < 16 || m.lifetime < 0) {
			t.Errorf("%x is %+v", b, m)
		}
	})
}

func fuzzRouter(f *testing.F) (netip.Addr, net.PacketConn) {
	f.Helper()
	for range 20 {
		a := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(250)), byte(1 + rand.IntN(250))})
		if conn, err := net.ListenPacket("udp", netip.AddrPortFrom(a, pcpPort).String()); err == nil {
			return a, conn
		}
	}
	f.Skip("no loopback address to be a router at")
	return netip.Addr{}, nil
}
