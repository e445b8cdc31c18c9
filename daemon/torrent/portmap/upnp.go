package portmap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	igd2 "github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/httpu"
	"github.com/huin/goupnp/soap"
	"github.com/huin/goupnp/ssdp"

	"lorrent/daemon/torrent/scope"
)

const (
	searchTime   = 2 * time.Second
	maxXML       = 512 << 10 // of a description or an answer
	maxDevices   = 8         // descriptions that are read
	portTries    = 4         // external ports that are tried
	errConflict  = 718       // ConflictInMappingEntry
	errPermanent = 725       // OnlyPermanentLeasesSupported
)

// What is searched for, the newer first.
var searchTargets = []string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
}

// igd is what the services that map ports have in common.
type igd interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string, internalPort uint16, internalClient string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
}

// upnp is one router found by UPnP.
type upnp struct {
	service  igd
	firewall *igd2.WANIPv6FirewallControl1 // nil when it has none
	local    netip.Addr                    // ours, as the router sees it
	port     uint16
	title    string
	holes    []uint16 // pinholes
	hole     netip.Addr
	global   func() (netip.Addr, bool)
}

// findUPnP searches the networks of the interface, or all, for a router.
func findUPnP(ctx context.Context, iface string, port uint16, title string) (*upnp, error) {
	places, err := search(ctx, iface)
	if err != nil {
		return nil, err
	}
	err = errors.New("no router answers")
	for _, place := range places[:min(len(places), maxDevices)] {
		var u *upnp
		if u, err = describe(ctx, place); err == nil {
			u.port, u.title, u.global = port, title, global6
			return u, nil
		}
	}
	return nil, err
}

// search returns where routers say that their descriptions are.
func search(ctx context.Context, iface string) ([]*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	type found struct {
		responses []*http.Response
		err       error
	}
	addrs, err := localAddrs(iface)
	if err != nil {
		return nil, err
	}
	results := make(chan found)
	for _, a := range addrs {
		for _, target := range searchTargets {
			go func() {
				client, err := httpu.NewHTTPUClientAddr(a.String())
				if err != nil {
					results <- found{nil, err}
					return
				}
				defer client.Close()
				r, err := ssdp.RawSearch(ctx, client, target, 2)
				results <- found{r, err}
			}()
		}
	}
	var places []*url.URL
	seen := make(map[string]bool)
	for range len(addrs) * len(searchTargets) {
		r := <-results
		if r.err != nil {
			err = r.err
		}
		for _, resp := range r.responses {
			if u, err := placeOf(resp); err == nil && !seen[u.String()] {
				seen[u.String()] = true
				places = append(places, u)
			}
		}
	}
	if len(places) == 0 && err == nil {
		err = errors.New("no router answers")
	}
	if len(places) > 0 {
		err = nil
	}
	return places, err
}

// placeOf is where the sender of an answer to a search says that its description
// is, if that is in the own network.
func placeOf(resp *http.Response) (*url.URL, error) {
	u, err := resp.Location()
	if err == nil {
		err = near(u)
	}
	return u, err
}

// localAddrs are our IPv4 addresses on networks with multicast.
func localAddrs(iface string) (addrs []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || iface != "" && i.Name != iface {
			continue
		}
		list, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range list {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				addrs = append(addrs, p.Addr())
			}
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("no network with multicast")
	}
	return addrs, nil
}

// near refuses URLs that lead out of the own network, or to this host: anybody
// in the network may have answered.
func near(u *url.URL) error {
	a, err := netip.ParseAddr(u.Hostname())
	if u.Scheme != "http" || err != nil || scope.Of(a) != scope.Private || a.IsMulticast() {
		return errors.New("its description is not in this network")
	}
	return nil
}

// client does not follow redirects, and reads no more than maxXML.
func client() http.Client {
	return http.Client{
		Transport: bounded{&http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, ResponseHeaderTimeout: 5 * time.Second}},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxXML), resp.Body}
	}
	return resp, err
}

// describe reads a router's description and picks its services.
func describe(ctx context.Context, place *url.URL) (*upnp, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return nil, err
	}
	c := client()
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its description: HTTP %d", resp.StatusCode)
	}
	root, err := parseDescription(resp.Body, place)
	if err != nil {
		return nil, fmt.Errorf("its description: %w", err)
	}
	u := &upnp{}
	if u.service, err = service(ctx, services(root, place)); err != nil {
		return nil, err
	}
	if list, err := igd2.NewWANIPv6FirewallControl1ClientsFromRootDevice(root, place); err == nil && tame(list[0].SOAPClient, place) {
		u.firewall = list[0]
	}
	at, err := netip.ParseAddr(place.Hostname())
	if err == nil {
		u.local, err = localTo(at)
	}
	return u, err
}

// parseDescription reads the description of a device, which came from place.
func parseDescription(r io.Reader, place *url.URL) (*goupnp.RootDevice, error) {
	root := new(goupnp.RootDevice)
	d := xml.NewDecoder(r)
	d.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := d.Decode(root); err != nil {
		return nil, err
	}
	base := place
	if root.URLBaseStr != "" {
		if u, err := url.Parse(root.URLBaseStr); err == nil && u.Hostname() == place.Hostname() {
			base = u
		}
	}
	root.SetURLBase(base)
	return root, nil
}

// services are those of a device that can map ports, IGD:2 before IGD:1.
func services(root *goupnp.RootDevice, place *url.URL) (all []igd) {
	if list, err := igd2.NewWANIPConnection2ClientsFromRootDevice(root, place); err == nil {
		for _, c := range list {
			if tame(c.SOAPClient, place) {
				all = append(all, c)
			}
		}
	}
	if list, err := igd2.NewWANIPConnection1ClientsFromRootDevice(root, place); err == nil {
		for _, c := range list {
			if tame(c.SOAPClient, place) {
				all = append(all, c)
			}
		}
	}
	if list, err := igd2.NewWANPPPConnection1ClientsFromRootDevice(root, place); err == nil {
		for _, c := range list {
			if tame(c.SOAPClient, place) {
				all = append(all, c)
			}
		}
	}
	return all
}

// service picks the connection that is up.
func service(ctx context.Context, all []igd) (igd, error) {
	if len(all) == 0 {
		return nil, errors.New("it has no service that maps ports")
	}
	for _, s := range all[:min(len(all), maxDevices)] {
		if text, err := s.GetExternalIPAddressCtx(ctx); err == nil {
			if a, err := netip.ParseAddr(text); err == nil && !a.IsUnspecified() {
				return s, nil
			}
		}
	}
	return all[0], nil
}

// tame bounds what a service can do to us, and refuses one on another host
// than its description.
func tame(c *soap.SOAPClient, place *url.URL) bool {
	c.HTTPClient = client()
	return c.EndpointURL.Hostname() == place.Hostname() && near(&c.EndpointURL) == nil
}

func (u *upnp) name() string { return "UPnP" }

func (u *upnp) open(ctx context.Context, want mapping) (mapping, error) {
	port, lease := want.external.Port(), uint32(want.lifetime/time.Second)
	for try := 1; ; try++ {
		err := u.service.AddPortMappingCtx(ctx, "", port, strings.ToUpper(string(want.proto)), u.port, u.local.String(), true, u.title, lease)
		code := codeOf(err)
		switch {
		case err == nil:
			m := mapping{proto: want.proto, external: netip.AddrPortFrom(netip.Addr{}, port), lifetime: time.Duration(lease) * time.Second}
			if text, err := u.service.GetExternalIPAddressCtx(ctx); err == nil {
				if a, err := netip.ParseAddr(text); err == nil && !a.IsUnspecified() {
					m.external = netip.AddrPortFrom(a, port)
				}
			}
			return m, nil
		case try >= portTries || ctx.Err() != nil:
			return mapping{}, explain(err)
		case code == errPermanent && lease > 0:
			lease = 0
		case code == errConflict:
			port = uint16(20000 + rand.IntN(40000))
		default:
			return mapping{}, explain(err)
		}
	}
}

func (u *upnp) close(ctx context.Context, m mapping) error {
	return explain(u.service.DeletePortMappingCtx(ctx, "", m.external.Port(), strings.ToUpper(string(m.proto))))
}

// codeOf is the UPnP error in an answer, 0 for any other.
func codeOf(err error) int {
	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) {
		return fault.Detail.UPnPError.Errorcode
	}
	return 0
}

// explain is an error in few words.
func explain(err error) error {
	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) && fault.Detail.UPnPError.Errorcode != 0 {
		return fmt.Errorf("error %d %s", fault.Detail.UPnPError.Errorcode, short(errors.New(fault.Detail.UPnPError.ErrorDescription)))
	}
	return err
}

// openPinhole lets peers reach our global IPv6 address, or renews that.
func (u *upnp) openPinhole(ctx context.Context, lifetime time.Duration) (netip.AddrPort, time.Duration, error) {
	if u.firewall == nil {
		return netip.AddrPort{}, 0, errors.New("it guards no IPv6")
	}
	a, ok := u.global()
	if !ok {
		return netip.AddrPort{}, 0, errors.New("we have no global IPv6 address")
	}
	if enabled, allowed, err := u.firewall.GetFirewallStatusCtx(ctx); err != nil || !enabled || !allowed {
		return netip.AddrPort{}, 0, errors.New("it opens no pinholes")
	}
	lease := uint32(min(lifetime, 24*time.Hour) / time.Second) // the standard's longest
	if a == u.hole && u.renewPinholes(ctx, lease) {
		return netip.AddrPortFrom(a, u.port), lifetime, nil
	}
	u.closePinhole(ctx)
	for _, proto := range []protocol{tcp, udp} {
		id, err := u.firewall.AddPinholeCtx(ctx, "", 0, a.String(), u.port, uint16(number(proto)), lease)
		if err != nil {
			return netip.AddrPort{}, 0, explain(err)
		}
		u.holes = append(u.holes, id)
	}
	u.hole = a
	return netip.AddrPortFrom(a, u.port), lifetime, nil
}

func (u *upnp) renewPinholes(ctx context.Context, lease uint32) bool {
	for _, id := range u.holes {
		if err := u.firewall.UpdatePinholeCtx(ctx, id, lease); err != nil {
			return false
		}
	}
	return len(u.holes) > 0
}

func (u *upnp) closePinhole(ctx context.Context) {
	for _, id := range u.holes {
		u.firewall.DeletePinholeCtx(ctx, id)
	}
	u.holes, u.hole = nil, netip.Addr{}
}
