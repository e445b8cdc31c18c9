package lora

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/lora/ether"
	"lorrent/lora/link"
	"lorrent/lora/modem/boardtest"
)

func TestParseRadio(t *testing.T) {
	good := []struct {
		spec    string
		kind    radioKind
		address string
		ether   ether.Config
	}{
		{"off", radioOff, "", ether.Config{Speedup: 1}},
		{"sim", radioSim, "", ether.Config{Speedup: 1}},
		{"sim?loss=0.2&speedup=50&seed=7", radioSim, "", ether.Config{Loss: 0.2, Speedup: 50, Seed: 7}},
		{"native", radioNative, "", ether.Config{Speedup: 1}},
		{"native?relays=3&loss=0.1", radioNative, "", ether.Config{Loss: 0.1, Speedup: 1}},
		{"udp:239.76.82.84:8976", radioUDP, "239.76.82.84:8976", ether.Config{Speedup: 1}},
		{"udp:239.76.82.84:8976?loss=1", radioUDP, "239.76.82.84:8976", ether.Config{Loss: 1, Speedup: 1}},
		{"serial:/dev/ttyUSB0", radioSerial, "/dev/ttyUSB0", ether.Config{Speedup: 1}},
		{"rnode:/dev/ttyUSB0", radioSerial, "/dev/ttyUSB0", ether.Config{Speedup: 1}},
		{"board:/dev/ttyACM0", radioSerial, "/dev/ttyACM0", ether.Config{Speedup: 1}},
		{"meshcore:/dev/ttyUSB0", radioSerial, "/dev/ttyUSB0", ether.Config{Speedup: 1}},
		{"tcp:board.local:4403", radioTCP, "board.local:4403", ether.Config{Speedup: 1}},
		{"tcp:[::1]:4403", radioTCP, "[::1]:4403", ether.Config{Speedup: 1}},
	}
	for _, test := range good {
		t.Run(test.spec, func(t *testing.T) {
			cfg := Config{Radio: test.spec, Speedup: 1}
			r, err := parseRadio(cfg)
			if err != nil || r.kind != test.kind || r.address != test.address || r.ether != test.ether {
				t.Errorf("parseRadio = %+v, %v", r, err)
			}
		})
	}
	bad := []string{
		"", "on", "sim:1", "off:", "udp", "udp:239.76.82.84", "udp:127.0.0.1:8976", "udp:[ff02::1]:8976", "udp:239.76.82.84:0",
		"serial", "serial:", "rnode", "meshcore:", "rnode:/dev/ttyUSB0?loss=0.5", "tcp:", "tcp:host", "tcp::4403", "tcp:host:0", "tcp:host:port", "tcp:host:70000",
		"native:3", "native?relays=9", "native?relays=-1", "native?speedup=2", "sim?relays=1",
		"sim?loss=1.1", "sim?loss=-1", "sim?loss=NaN", "sim?speedup=0", "sim?speedup=Inf", "sim?seed=x", "sim?colour=red", "sim?%zz",
		"serial:/dev/ttyUSB0?loss=0.5", "off?loss=0.5",
	}
	for _, spec := range bad {
		t.Run("bad "+spec, func(t *testing.T) {
			if r, err := parseRadio(Config{Radio: spec, Speedup: 1}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", spec)) {
				t.Errorf("parseRadio = %+v, %v; want an error that quotes it", r, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "lorrent.db"))
	tests := []struct {
		name   string
		change func(*Config)
	}{
		{"unknown radio", func(c *Config) { c.Radio = "bluetooth" }},
		{"negative loss", func(c *Config) { c.Loss = -0.1 }},
		{"more than all lost", func(c *Config) { c.Loss = 2 }},
		{"negative speedup", func(c *Config) { c.Speedup = -1 }},
		{"SF13", func(c *Config) { c.Settings.BandwidthHz, c.Settings.SpreadingFactor = 125_000, 13 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := Config{Radio: "sim", Store: db, Events: event.New(1), Log: zerolog.Nop()}
			test.change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestNodeID(t *testing.T) {
	good := map[string]uint32{
		"!89abcdef": 0x89ABCDEF, "89abcdef": 0x89ABCDEF, "!89ABCDEF": 0x89ABCDEF, "00000001": 1,
		"all": Broadcast, "ALL": Broadcast, "*": Broadcast, "!ffffffff": Broadcast,
	}
	for s, want := range good {
		if got, err := ParseNodeID(s); err != nil || got != want {
			t.Errorf("ParseNodeID(%q) = %08x, %v; want %08x", s, got, err, want)
		}
	}
	for _, s := range []string{"", "!", "!89abcde", "!89abcdef0", "!!9abcdef", "+9abcdef", "0x9abcde", "!00000000", "everyone"} {
		if got, err := ParseNodeID(s); err == nil {
			t.Errorf("ParseNodeID(%q) = %08x, want an error", s, got)
		}
	}
	for _, id := range []uint32{1, 0x89ABCDEF, Broadcast} {
		if back, err := ParseNodeID(FormatNodeID(id)); err != nil || back != id {
			t.Errorf("%08x reads back as %08x, %v", id, back, err)
		}
	}
}

// Two bridges on the air that the processes of a machine share, in real time.
func TestSharedAir(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	radio := fmt.Sprintf("udp:239.76.82.84:%d?speedup=20&loss=0.1", c.LocalAddr().(*net.UDPAddr).Port)
	c.Close()
	join := func(c *Config) { c.Radio = radio }
	a, b := newStation(t, nil, join), newStation(t, nil, join)
	introduce(t, a, b)
	a.run()
	b.run()
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint(i))
		a.send(b.node, want[i])
		b.send(a.node, want[i])
	}
	for _, s := range []*station{a, b} {
		await(t, time.Minute, "delivery", func() bool { return s.states()["delivered"] == len(want) })
	}
	for _, s := range []*station{a, b} {
		if got := s.inbox(); !slices.Equal(got, want) {
			t.Errorf("inbox %q, want %q", got, want)
		}
	}
}

// Boards with different firmware understand each other; that of RNode makes
// the link byte itself.
func TestMixedBoards(t *testing.T) {
	var near *boardtest.Own
	var far *boardtest.RNode
	near = boardtest.NewOwn(t, 160*time.Millisecond, func(packet []byte) { far.Deliver(packet[1:], -90, 5) })
	far = boardtest.NewRNode(t, 160*time.Millisecond, func(packet []byte) { near.Deliver(append([]byte{0x50}, packet...), -91, 4.5) })
	a := newStation(t, nil, func(c *Config) { c.Radio = "serial:" + near.Path() })
	b := newStation(t, nil, func(c *Config) { c.Radio = "rnode:" + far.Path() })
	introduce(t, a, b)
	b.run()
	a.run()
	a.send(b.node, "hello")
	await(t, 2*time.Minute, "delivery", func() bool { return a.states()["delivered"] == 1 })
	b.send(a.node, "and back")
	await(t, 2*time.Minute, "delivery", func() bool { return b.states()["delivered"] == 1 })
	if got := append(b.inbox(), a.inbox()...); !slices.Equal(got, []string{"hello", "and back"}) {
		t.Errorf("inboxes %q", got)
	}
	set, stored := near.Radio()
	if set.DutyCycle != 1000 || stored.Radio != set {
		t.Errorf("board set to %+v, and without us %+v; want the 10 %% of its band in both", set, stored.Radio)
	}
	want := link.Display{Kind: link.DisplayMessage, Text: []byte(FormatNodeID(b.node) + "\x00and back")}
	await(t, time.Minute, "the screen", func() bool { return len(near.Displayed()) > 0 })
	if got := near.Displayed(); !reflect.DeepEqual(got, []link.Display{want}) {
		t.Errorf("screen shows %q, want %q", got, want)
	}
}

// plugged is a board of some firmware.
type plugged interface {
	Path() string
	Deliver(packet []byte, rssidBm, snrdB float64)
	Unplug()
}

// plug makes a board whose packets, link byte included, go to onTransmit.
func plug(t *testing.T, scheme string, onTransmit func([]byte)) plugged {
	switch scheme {
	case "board":
		return boardtest.NewOwn(t, 160*time.Millisecond, onTransmit)
	case "rnode":
		return strippedRNode{boardtest.NewRNode(t, 160*time.Millisecond, func(p []byte) { onTransmit(append([]byte{0xC0}, p...)) })}
	default:
		return boardtest.New(t, onTransmit)
	}
}

// strippedRNode takes off the link byte, as the firmware does.
type strippedRNode struct{ *boardtest.RNode }

func (b strippedRNode) Deliver(packet []byte, rssidBm, snrdB float64) {
	b.RNode.Deliver(packet[1:], rssidBm, snrdB)
}

// TestReplug pulls the board out while the bridge runs, as its supervisor runs it,
// and plugs another in: what was sent meanwhile is delivered.
func TestReplug(t *testing.T) {
	for _, scheme := range []string{"board", "rnode", "meshcore"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var near plugged
			far := boardtest.NewOwn(t, 160*time.Millisecond, func(packet []byte) {
				mu.Lock()
				defer mu.Unlock()
				near.Deliver(packet, -91, 4.5)
			})
			port := filepath.Join(t.TempDir(), "port")
			plugIn := func() {
				b := plug(t, scheme, func(packet []byte) { far.Deliver(packet, -90, 5) })
				mu.Lock()
				near = b
				mu.Unlock()
				if err := os.Symlink(b.Path(), port); err != nil {
					t.Fatal(err)
				}
			}
			plugIn()
			a := newStation(t, nil, func(c *Config) { c.Radio = scheme + ":" + port })
			b := newStation(t, nil, func(c *Config) { c.Radio = "board:" + far.Path() })
			introduce(t, a, b)
			b.run()
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			defer func() { cancel(); <-ended }()
			go func() {
				defer close(ended)
				for ctx.Err() == nil {
					_ = a.Run(ctx)
					select {
					case <-time.After(100 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}()
			await(t, time.Minute, "the radio", func() bool { return a.Status().Up })
			a.send(b.node, "before")
			await(t, time.Minute, "delivery", func() bool { return a.states()["delivered"] == 1 })
			mu.Lock()
			gone := near
			mu.Unlock()
			gone.Unplug()
			await(t, time.Minute, "the end of the radio", func() bool { return !a.Status().Up })
			a.send(b.node, "meanwhile")
			if err := os.Remove(port); err != nil {
				t.Fatal(err)
			}
			await(t, time.Minute, "an attempt without a board", func() bool { return strings.Contains(a.Status().Error, "no such file") })
			plugIn()
			await(t, 2*time.Minute, "delivery", func() bool { return a.states()["delivered"] == 2 })
			if got := b.inbox(); !slices.Equal(got, []string{"before", "meanwhile"}) {
				t.Errorf("inbox %q", got)
			}
		})
	}
}

// Two boards at serial ports, joined by a wire for an air. One is unplugged,
// and replaced by one at another port.
func TestBoards(t *testing.T) {
	var near, far *boardtest.Board
	near = boardtest.New(t, func(packet []byte) { far.Deliver(packet, -90, 5) })
	far = boardtest.New(t, func(packet []byte) { near.Deliver(packet, -91, 4.5) })
	a := newStation(t, nil, func(c *Config) { c.Radio = "serial:" + near.Path() })
	b := newStation(t, nil, func(c *Config) { c.Radio = "serial:" + far.Path() })
	introduce(t, a, b)
	b.run()
	a.run()
	if set, power := near.Radio(); set.FrequencyHz != 869_525_000 || set.SpreadingFactor != 9 || power != 14 {
		t.Errorf("board set to %+v at %d dBm", set, power)
	}
	a.send(b.node, "hello")
	await(t, 2*time.Minute, "delivery", func() bool { return a.states()["delivered"] == 1 })
	if nodes := b.Nodes(); len(nodes) != 1 || nodes[0].ID != a.node || nodes[0].RSSIdBm != -90 || nodes[0].SNRdB != 5 {
		t.Errorf("heard %+v", nodes)
	}
	near.Unplug()
	if err := <-a.ended; err == nil || errors.Is(err, context.Canceled) {
		t.Fatalf("Run without its board returned %v", err)
	}
	a.ended = nil
	a.send(b.node, "meanwhile")
	near = boardtest.New(t, func(packet []byte) { far.Deliver(packet, -90, 5) })
	again := stationOn(t, a.cfg.Store, a.path, nil, func(c *Config) { c.Radio = "serial:" + near.Path() })
	again.run()
	await(t, 2*time.Minute, "delivery", func() bool { return again.states()["delivered"] == 2 })
	if got := b.inbox(); !slices.Equal(got, []string{"hello", "meanwhile"}) {
		t.Errorf("inbox %q", got)
	}
}
