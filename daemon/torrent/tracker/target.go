package tracker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
)

// target is a parsed tracker URL. It prints without path and query.
type target struct {
	url  *url.URL
	host string
	port uint16 // 0 when an HTTP URL names none
}

func (t target) udp() bool { return t.url.Scheme == "udp" }

func (t target) String() string { return t.url.Scheme + "://" + cleanText(t.url.Host) }

func parseTarget(rawURL string) (target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// The parser's error repeats the URL and with it the passkey.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return target{}, fmt.Errorf("parse tracker URL: %w: %w", ErrUnsupported, err)
	}
	t := target{url: u, host: u.Hostname()}
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "udp" {
		return target{}, fmt.Errorf("parse tracker URL: scheme %q: %w", cleanText(u.Scheme), ErrUnsupported)
	}
	if t.host == "" {
		return target{}, fmt.Errorf("parse tracker URL: no host: %w", ErrUnsupported)
	}
	if p := u.Port(); p != "" || t.udp() {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return target{}, fmt.Errorf("parse tracker URL: port %q: %w", cleanText(p), ErrUnsupported)
		}
		t.port = uint16(n)
	}
	return t, nil
}

// resolve finds the address families over which the target can be reached, in
// the resolver's order of preference.
func (c *Client) resolve(ctx context.Context, t target) ([]path, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.HTTPTimeout)
	defer cancel()
	addrs, err := c.addrsOf(ctx, t.host, AnyFamily)
	if err != nil {
		return nil, err
	}
	var paths []path
	for _, a := range addrs {
		family := familyOf(a)
		i := 0
		for i < len(paths) && paths[i].family != family {
			i++
		}
		if i == len(paths) {
			paths = append(paths, path{family: family})
		}
		paths[i].addrs = append(paths[i].addrs, a)
	}
	return paths, nil
}

// addrsOf returns the addresses of host that the client may use and that are
// of the given family. It returns at least one, or an error.
func (c *Client) addrsOf(ctx context.Context, host string, family Family) ([]netip.Addr, error) {
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else if addrs, err = c.lookup(ctx, "ip", host); err != nil {
		return nil, fmt.Errorf("resolve host: %w", err)
	}
	var usable []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		ok := family == AnyFamily || family == familyOf(a)
		ok = ok && (c.cfg.Family == AnyFamily || c.cfg.Family == familyOf(a))
		ok = ok && (!c.cfg.LocalAddr.IsValid() || familyOf(c.cfg.LocalAddr) == familyOf(a))
		if ok {
			usable = append(usable, a)
		}
	}
	if len(usable) == 0 {
		return nil, errors.New("resolve host: no address of a usable family")
	}
	return usable, nil
}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}
