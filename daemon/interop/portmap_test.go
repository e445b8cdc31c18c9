package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

// Addresses of a home with a router. The one outside must be none of those
// that are reserved, or miniupnpd takes itself for no router; nobody leaves
// these namespaces.
const (
	routerInside, routerOutside = "10.77.0.1", "25.0.0.1"
	homeAddr, strangerAddr      = "10.77.0.2", "25.0.0.2"
)

// home is a daemon's network behind a router, and a stranger outside.
type home struct {
	inside, router, outside *namespace
	*process                // miniupnpd
}

// The chains that miniupnpd fills. What nobody asked for stays outside.
const ruleset = `table inet filter {
	chain forward { type filter hook forward priority 0; policy drop; iifname "lan" accept; ct state established,related accept; jump miniupnpd; }
	chain miniupnpd { }
	chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
	chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
	chain prerouting_miniupnpd { }
	chain postrouting_miniupnpd { }
}
`

func newHome(t *testing.T, natPMP, upnp string) home {
	t.Helper()
	need(t, "ip", "iproute2")
	need(t, "nft", "nftables")
	program := need(t, "miniupnpd", "miniupnpd-nftables")
	h := home{inside: newNamespace(t), router: newNamespace(t), outside: newNamespace(t)}
	join := func(name string, peer *namespace, routerAddr, peerAddr string) {
		h.router.ip(t, "link", "add", name, "type", "veth", "peer", "name", "cable", "netns", strconv.Itoa(peer.thread))
		h.router.ip(t, "addr", "add", routerAddr+"/24", "dev", name)
		h.router.ip(t, "link", "set", name, "up")
		peer.connect(t, peerAddr, onlyIPv4)
	}
	h.router.ip(t, "link", "set", "lo", "up")
	join("lan", h.inside, routerInside, homeAddr)
	join("wan", h.outside, routerOutside, strangerAddr)
	h.inside.ip(t, "route", "add", "default", "via", routerInside)
	if err := h.router.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }); err != nil {
		t.Fatal(err)
	}
	dir := scratch(t)
	rules := filepath.Join(dir, "rules")
	if err := os.WriteFile(rules, []byte(ruleset), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := h.nft("-f", rules); err != nil {
		lacking(t, "nftables do not work here: %v: %s", err, out)
	}
	conf := filepath.Join(dir, "conf")
	err := os.WriteFile(conf, []byte(fmt.Sprintf(`ext_ifname=wan
listening_ip=lan
enable_natpmp=%s
enable_upnp=%s
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
min_lifetime=2
max_lifetime=10
allow 1024-65535 0.0.0.0/0 1024-65535
`, natPMP, upnp)), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	h.process = start(t, h.router, dir, program, "-d", "-f", conf, "-P", filepath.Join(dir, "pid"))
	return h
}

func (h home) nft(args ...string) (out []byte, err error) {
	err = h.router.do(func() (err error) { out, err = exec.Command("nft", args...).CombinedOutput(); return err })
	return out, err
}

// mapped counts the rules that lead to the daemon's port.
func (h home) mapped(t *testing.T) int {
	t.Helper()
	out, err := h.nft("list", "chain", "inet", "filter", "prerouting_miniupnpd")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Count(string(out), homeAddr+":"+lorrentPort)
}

// call tries to reach the daemon from outside.
func (h home) call() error {
	return h.outside.do(func() error {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(routerOutside, lorrentPort), 2*time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

func (l *lorrent) portMapping(t *testing.T, ctx context.Context) string {
	t.Helper()
	s, err := l.client.DaemonStatus(ctx, rpc.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	return s.PortMapping
}

// A router as Debian ships it maps the daemon's port by PCP, or by UPnP where
// that is all it has, and the mapping is gone when the daemon is. The PCP
// lifetime is ten seconds, so that the mapping would end if it were not renewed.
func TestPortMapping(t *testing.T) {
	for _, c := range []struct{ method, natPMP, upnp string }{{"PCP", "yes", "no"}, {"UPnP", "no", "yes"}} {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, c.natPMP, c.upnp)
			ctx := begin(t)
			await(t, ctx, "start of miniupnpd", func() (bool, error) {
				log, err := os.ReadFile(h.log)
				return strings.Contains(string(log), "istening"), err
			})
			if err := h.call(); err == nil {
				t.Fatal("the daemon can be reached before it is there")
			}
			ours := startLorrent(t, ctx, h.inside, scratch(t))
			await(t, ctx, "mapping", func() (bool, error) {
				return strings.HasPrefix(ours.portMapping(t, ctx), "mapped"), h.alive()
			})
			if got, want := ours.portMapping(t, ctx), "mapped by "+c.method+" "+routerOutside+":"+lorrentPort; got != want {
				t.Errorf("port mapping is %q, want %q", got, want)
			}
			if n := h.mapped(t); n != 2 {
				t.Errorf("%d rules, want TCP and UDP", n)
			}
			if err := h.call(); err != nil {
				t.Errorf("from outside: %v", err)
			}
			if c.method == "PCP" {
				renewed := func() int {
					log, err := os.ReadFile(h.log)
					if err != nil {
						t.Fatal(err)
					}
					return strings.Count(string(log), "PCP MAP: ")
				}
				before := renewed()
				await(t, ctx, "renewals", func() (bool, error) { return renewed() >= before+6, h.alive() })
				if n := h.mapped(t); n != 2 {
					t.Errorf("%d rules after renewals", n)
				}
			}
			if _, err := ours.client.DaemonShutdown(ctx, rpc.Empty{}); err != nil {
				t.Fatal(err)
			}
			if err := ours.process.wait(ctx); err != nil {
				t.Error(err)
			}
			if n := h.mapped(t); n != 0 {
				t.Errorf("%d rules left behind", n)
			}
		})
	}
}
