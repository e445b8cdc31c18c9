package modem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// firmware is what a board at a serial port may run.
type firmware struct {
	scheme string // of radio names
	text   string
	baud   int
	start  func(ctx context.Context, name string, l port) (Modem, error)
}

// firmwares are tried in this order by detect.
func firmwares() []firmware {
	return []firmware{
		{"board", "our own", 921600, func(ctx context.Context, name string, l port) (Modem, error) {
			return modemOf(startOwn(ctx, name, l))
		}},
		{"meshcore", "the MeshCore KISS modem", 115200, func(ctx context.Context, name string, l port) (Modem, error) {
			return modemOf(start(ctx, name, l))
		}},
		{"rnode", "RNode", 115200, func(ctx context.Context, name string, l port) (Modem, error) {
			return modemOf(startRNode(ctx, name, l))
		}},
	}
}

// modemOf keeps a nil board from becoming a Modem that is not nil.
func modemOf[B Modem](b B, err error) (Modem, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// AnyPort in place of a path stands for all that Ports lists.
const AnyPort = "auto"

const (
	probeWait  = 1500 * time.Millisecond // for each firmware in turn
	detectWait = 15 * time.Second        // for a board to start, and to be understood
)

// Open opens a board at a serial port, 8N1 without flow control, and configures
// it. The scheme names its firmware: "board" (our own),
// "meshcore" or "rnode"; then it waits up to ten
// seconds until that answers. Or it is "serial": then it finds out within fifteen
// seconds which does; with the path AnyPort at each port that may have a board,
// until one answers. The port is locked against other processes: ErrLocked.
//
// RNode firmware makes the first byte of packets itself, as the link byte of
// firmware/PROTOCOL.md is made for, and does not say when a packet has left:
// Send finds out within a second.
func Open(ctx context.Context, scheme, path string, radio Radio) (Modem, error) {
	m, err := open(ctx, scheme, path)
	if err != nil {
		return nil, err
	}
	if err := m.Configure(ctx, radio); err != nil {
		m.Close()
		return nil, fmt.Errorf("open board at %s: %w", path, err)
	}
	return m, nil
}

func open(ctx context.Context, scheme, path string) (Modem, error) {
	if scheme == "serial" && path == AnyPort {
		list, err := Ports()
		if err != nil {
			return nil, err
		}
		return openAny(ctx, list)
	}
	if scheme == "serial" {
		return detect(ctx, path)
	}
	for _, f := range firmwares() {
		if f.scheme == scheme {
			return f.open(ctx, path)
		}
	}
	return nil, fmt.Errorf("open board at %s: unknown firmware %q", path, scheme)
}

// detect asks in the words of each firmware in turn. A board that is starting
// answers none of them at first.
func detect(ctx context.Context, path string) (Modem, error) {
	var names []string
	for end := time.Now().Add(detectWait); time.Now().Before(end); {
		names = names[:0]
		for _, f := range firmwares() {
			names = append(names, f.text)
			probe, cancel := context.WithTimeout(ctx, probeWait)
			m, err := f.open(probe, path)
			cancel()
			if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				return m, err
			}
		}
	}
	return nil, fmt.Errorf("open board at %s: %w: no answer within %v in the words of %s",
		path, ErrGone, detectWait, strings.Join(names, ", "))
}

func (f firmware) open(ctx context.Context, path string) (Modem, error) {
	port, err := openPort(path, f.baud)
	if err != nil {
		return nil, fmt.Errorf("open serial port %s: %w", path, err)
	}
	m, err := f.start(ctx, f.scheme+":"+path, port)
	if err != nil {
		return nil, fmt.Errorf("open board at %s: %w", path, err)
	}
	return m, nil
}
