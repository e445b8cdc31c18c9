// Package portmap asks the router to let peers in.
//
// A Mapper tries PCP, NAT-PMP and UPnP, in this order, at the default gateway
// (UPnP finds its devices itself) until one of them opens the port, for TCP and
// UDP alike and preferably under the same number. The mapping is renewed at half
// of its lifetime and taken back when Run ends. Where the router guards IPv6
// with a firewall, a pinhole for our global address is opened the same way.
//
// Routers and whoever answers in their name are not trusted: answers are
// bounded, and UPnP descriptions are fetched from addresses of the own network
// only.
//
// Spec: RFC 6887 (PCP), RFC 6886 (NAT-PMP), UPnP IGD:1 and IGD:2 (WANIPConnection
// 1 and 2, WANPPPConnection 1, WANIPv6FirewallControl 1).
package portmap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	defaultLifetime = time.Hour
	minLifetime     = 10 * time.Second // shorter answers are renewed no more often
	retryAfter      = 5 * time.Minute  // when nothing worked
	deleteTimeout   = 2 * time.Second
	methodTimeout   = 12 * time.Second
)

// protocol is what a mapping is for.
type protocol string

const (
	tcp protocol = "tcp"
	udp protocol = "udp"
)

// Config says what is to be mapped.
type Config struct {
	Port      uint16        // of ours, TCP and UDP, and preferably outside
	Name      string        // shown in routers' lists
	Lifetime  time.Duration // asked for; 0 is an hour
	Interface string        // whose gateway is asked; "" is any
	Changed   func(Status)  // unless nil, called from Run when the status has changed
}

// Status is what came of it.
type Status struct {
	Method   string         // "PCP", "NAT-PMP" or "UPnP"; "" when there is no mapping
	External netip.AddrPort // where peers reach us; the address may be missing
	Pinhole  netip.AddrPort // our IPv6 address that the router lets peers reach, if it had to be asked
	Expires  time.Time      // zero for a mapping without end
	Error    string         // why there is no mapping
}

// String is the line for people.
func (s Status) String() string {
	switch {
	case s.Method == "" && s.Error != "":
		return "not mapped: " + s.Error
	case s.Method == "":
		return "being mapped"
	}
	text := fmt.Sprintf("mapped by %s", s.Method)
	if s.External.Addr().IsValid() {
		text += " " + s.External.String()
		if private(s.External.Addr()) {
			text += " (a private address: there is another router behind it)"
		}
	} else if s.External.Port() != 0 {
		text += fmt.Sprintf(" port %d", s.External.Port())
	}
	if s.Pinhole.IsValid() {
		text += ", open for " + s.Pinhole.String()
	}
	return text
}

// mapping is one open port.
type mapping struct {
	proto    protocol
	external netip.AddrPort
	lifetime time.Duration // 0 is for ever
	nonce    [12]byte      // PCP
}

// method is one way to ask. Its methods return within their context.
type method interface {
	name() string
	// open asks for a mapping, or to renew one. The router may choose
	// another external port and a shorter lifetime.
	open(ctx context.Context, want mapping) (mapping, error)
	close(ctx context.Context, m mapping) error
}

// pinholer is a method that opens a firewall for an IPv6 address.
type pinholer interface {
	openPinhole(ctx context.Context, lifetime time.Duration) (netip.AddrPort, time.Duration, error)
	closePinhole(ctx context.Context)
}

// Mapper keeps one port mapped.
type Mapper struct {
	cfg     Config
	methods func(ctx context.Context) []candidate // tried in order

	mu     sync.Mutex
	status Status
}

// candidate begins to use a method; some have to find a device first.
type candidate struct {
	name  string
	begin func(ctx context.Context) (method, error)
}

// New returns a Mapper that does nothing until Run.
func New(cfg Config) *Mapper {
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = defaultLifetime
	}
	m := &Mapper{cfg: cfg}
	m.methods = m.standard
	return m
}

// Status is what came of it so far.
func (m *Mapper) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

func (m *Mapper) set(s Status) {
	m.mu.Lock()
	changed := m.status != s
	m.status = s
	m.mu.Unlock()
	if changed && m.cfg.Changed != nil {
		m.cfg.Changed(s)
	}
}

// Run keeps the port mapped until ctx ends, and then takes the mapping back.
func (m *Mapper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		way, open, err := m.find(ctx)
		if err != nil {
			if ctx.Err() == nil {
				m.set(Status{Error: err.Error()})
			}
			wait(ctx, retryAfter)
			continue
		}
		err = m.hold(ctx, way, open)
		if err != nil {
			m.set(Status{Error: err.Error()})
		}
	}
	return ctx.Err()
}

// find tries one method after the other.
func (m *Mapper) find(ctx context.Context) (method, []mapping, error) {
	var failures []string
	for _, c := range m.methods(ctx) {
		way, open, err := m.try(ctx, c)
		if err == nil {
			return way, open, nil
		}
		failures = append(failures, c.name+": "+short(err))
	}
	if len(failures) == 0 {
		failures = []string{"there is no router to ask"}
	}
	return nil, nil, errors.New(strings.Join(failures, "; "))
}

func (m *Mapper) try(ctx context.Context, c candidate) (method, []mapping, error) {
	ctx, cancel := context.WithTimeout(ctx, methodTimeout)
	defer cancel()
	way, err := c.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	open, err := m.openBoth(ctx, way, nil)
	return way, open, err
}

// openBoth maps TCP and then UDP to the same port outside if the router lets
// it. Without UDP, TCP is worth having.
func (m *Mapper) openBoth(ctx context.Context, way method, before []mapping) ([]mapping, error) {
	want := mapping{proto: tcp, external: netip.AddrPortFrom(netip.Addr{}, m.cfg.Port), lifetime: m.cfg.Lifetime}
	if len(before) > 0 {
		want.external, want.nonce = before[0].external, before[0].nonce
	}
	first, err := way.open(ctx, want)
	if err != nil {
		return nil, err
	}
	open := []mapping{first}
	want.proto, want.external, want.nonce = udp, first.external, [12]byte{}
	if len(before) > 1 {
		want.nonce = before[1].nonce
	}
	if second, err := way.open(ctx, want); err == nil {
		open = append(open, second)
	}
	return open, nil
}

// hold renews a mapping until that fails or ctx ends, and then takes it back.
func (m *Mapper) hold(ctx context.Context, way method, open []mapping) (err error) {
	guard, guarded := way.(pinholer)
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
		defer cancel()
		for _, o := range open {
			way.close(after, o)
		}
		if guarded {
			guard.closePinhole(after)
		}
	}()
	for {
		s := Status{Method: way.name(), External: open[0].external}
		next := time.Duration(0)
		if open[0].lifetime > 0 {
			s.Expires = time.Now().Add(open[0].lifetime)
			next = max(open[0].lifetime, minLifetime) / 2
		}
		if guarded {
			pctx, cancel := context.WithTimeout(ctx, methodTimeout)
			hole, lifetime, err := guard.openPinhole(pctx, m.cfg.Lifetime)
			cancel()
			if err == nil {
				s.Pinhole = hole
				if half := max(lifetime, minLifetime) / 2; next == 0 || half < next {
					next = half
				}
			}
		}
		m.set(s)
		if next == 0 { // it never ends, but the router may have been started anew
			next = defaultLifetime / 2
		}
		if !wait(ctx, next) {
			return nil
		}
		rctx, cancel := context.WithTimeout(ctx, methodTimeout)
		renewed, err := m.openBoth(rctx, way, open)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("renew: %s: %w", way.name(), err)
		}
		open = renewed
	}
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// short is an error as one line of bounded length.
func short(err error) string {
	const longest = 160
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "")), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}
