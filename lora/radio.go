package lora

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"lorrent/lora/ether"
	"lorrent/lora/modem"
	"lorrent/lora/native"
)

// radioKind is how a radio is reached.
type radioKind int

const (
	radioOff radioKind = iota
	radioSim
	radioUDP
	radioNative
	radioSerial
	radioTCP
)

// radio is the parsed form of Config.Radio.
type radio struct {
	kind     radioKind
	scheme   string // the part before the colon
	address  string // the part after the colon
	group    netip.AddrPort
	air      *ether.Air // to join; nil: one of its own
	ether    ether.Config
	speedup  float64
	relays   int // of native
	settings modem.Radio
}

// Where stations stand on the simulated air, in metres: the daemon in the
// middle, the echo node some way off.
var (
	simPosition  = ether.Position{}
	echoPosition = ether.Position{X: 800}
)

// parseRadio reads "off", "sim", "native", "udp:GROUP:PORT", "serial:DEVICE", or
// the name of a firmware in its place, and "tcp:HOST:PORT". The simulated airs take
// options, such as "sim?loss=0.2&speedup=10", which go before those of cfg.
func parseRadio(cfg Config) (radio, error) {
	spec, query, hasQuery := strings.Cut(cfg.Radio, "?")
	scheme, address, _ := strings.Cut(spec, ":")
	r := radio{
		scheme: scheme, address: address, air: cfg.Air, speedup: 1, settings: cfg.Settings,
		ether: ether.Config{Loss: cfg.Loss, Speedup: cfg.Speedup, Seed: cfg.Seed},
	}
	bad := func(want string) error { return fmt.Errorf("radio %q: want %s", cfg.Radio, want) }
	switch scheme {
	case "off", "sim", "native":
		switch scheme {
		case "sim":
			r.kind = radioSim
		case "native": // the nodes' clocks are the world's
			r.kind, r.relays, r.ether.Speedup = radioNative, 1, 1
		}
		if spec != scheme {
			return radio{}, bad(scheme + " alone")
		}
	case "udp":
		group, err := netip.ParseAddrPort(address)
		if err != nil || !group.Addr().Is4() || !group.Addr().IsMulticast() || group.Port() == 0 {
			return radio{}, bad("udp:GROUP:PORT with an IPv4 multicast group, such as udp:239.76.82.84:8976")
		}
		r.kind, r.group = radioUDP, group
	case "serial", "board", "meshcore", "rnode":
		if address == "" {
			return radio{}, bad(scheme + ":DEVICE, such as " + scheme + ":/dev/ttyUSB0")
		}
		r.kind = radioSerial
	case "tcp":
		host, port, ok := cutLast(address, ":")
		if n, err := strconv.ParseUint(port, 10, 16); !ok || host == "" || err != nil || n == 0 {
			return radio{}, bad("tcp:HOST:PORT")
		}
		r.kind = radioTCP
	default:
		return radio{}, bad("off, sim, native, udp:GROUP:PORT, serial:DEVICE, board:DEVICE, meshcore:DEVICE, rnode:DEVICE or tcp:HOST:PORT")
	}
	if r.kind != radioSim && r.kind != radioUDP && r.kind != radioNative {
		if hasQuery {
			return radio{}, bad("no options: only sim, udp and native have them")
		}
		return r, nil
	}
	if err := r.setOptions(query); err != nil {
		return radio{}, fmt.Errorf("radio %q: %w", cfg.Radio, err)
	}
	r.speedup = r.ether.Speedup
	if r.kind == radioSim && r.air != nil {
		r.speedup = r.air.Speedup()
	}
	return r, nil
}

// setOptions reads "loss=0.2&speedup=10&seed=1".
func (r *radio) setOptions(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("options %q: %w", query, err)
	}
	for key := range values {
		value := values.Get(key)
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case key == "loss" && err == nil && number >= 0 && number <= 1:
			r.ether.Loss = number
		case key == "relays" && err == nil && r.kind == radioNative && number >= 0 && number <= native.MaxRelays:
			r.relays = int(number)
		case key == "speedup" && err == nil && r.kind != radioNative && number > 0 && number <= 1e6:
			r.ether.Speedup = number
		case key == "seed":
			if r.ether.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
				return fmt.Errorf("option seed=%s: want a number", value)
			}
		default:
			if r.kind == radioNative {
				return fmt.Errorf("option %s=%s: want loss from 0 to 1, relays from 0 to %d, or seed", key, value, native.MaxRelays)
			}
			return fmt.Errorf("option %s=%s: want loss from 0 to 1, speedup above 0, or seed", key, value)
		}
	}
	return nil
}

// open returns the modem, and for an air of one's own the echo node that shall
// run beside it.
func (r radio) open(ctx context.Context) (m modem.Modem, companion func(context.Context), err error) {
	switch r.kind {
	case radioSim:
		air := r.air
		if air == nil {
			air = ether.NewAir(r.ether)
			companion = func(ctx context.Context) { _ = air.RunEcho(ctx, echoPosition, r.settings) } // ends with ctx
		}
		return air.Join("sim", simPosition), companion, nil
	case radioUDP:
		somewhere := ether.Position{X: 1000 * rand.Float64(), Y: 1000 * rand.Float64()}
		m, err = ether.OpenUDP(ctx, r.group, somewhere, r.ether)
	case radioNative:
		air := ether.NewAir(r.ether)
		line, err := native.Start(ctx, native.Config{Air: air, Settings: r.settings, Relays: r.relays})
		if err != nil {
			return nil, nil, err
		}
		return line, func(ctx context.Context) { _ = air.RunEcho(ctx, line.End(), r.settings) }, nil
	case radioSerial:
		m, err = modem.Open(ctx, r.scheme, r.address, r.settings)
	case radioTCP:
		m, err = modem.OpenTCP(ctx, r.address)
	}
	return m, nil, err
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
