// Package native runs nodes with the firmware of firmware/core as processes of
// this machine, on a simulated air: several hops on one desk, without a board.
//
// They stand in a line, each in reach of the next only: the host's node, whose
// link is a pseudo-terminal as a board's is a serial port, and relays that
// nobody is attached to, which begin ten seconds after the start. Where the
// line ends, End says; what stands there is the caller's business.
package native

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/modem"
)

// MaxRelays is how many a line may have.
const MaxRelays = 8

// startWait is how long a node may take until its link is there.
const startWait = 10 * time.Second

// Config sets a line up.
type Config struct {
	Air      *ether.Air
	Settings modem.Radio
	Relays   int // between the host's node and the end; 0 to MaxRelays
}

// Line is a line of nodes that run. It is a modem: that of the host's node.
type Line struct {
	modem.Modem
	cfg     Config
	dir     string
	cancel  context.CancelFunc
	running sync.WaitGroup // processes, and what serves them
}

// Start finds or builds the node (see Program), starts the line, tells the relays
// how to, and opens the host's node. Close ends all of it.
func Start(ctx context.Context, cfg Config) (*Line, error) {
	program, err := Program(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lorrent-nodes-")
	if err != nil {
		return nil, fmt.Errorf("start nodes: %w", err)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Line{cfg: cfg, dir: dir, cancel: cancel}
	if err := l.start(ctx, life, program); err != nil {
		l.end()
		return nil, fmt.Errorf("start nodes: %w", err)
	}
	return l, nil
}

func (l *Line) start(ctx, life context.Context, program string) error {
	host, err := l.node(life, program, 0)
	if err != nil {
		return err
	}
	for i := 1; i <= l.cfg.Relays; i++ {
		path, err := l.node(life, program, i)
		if err != nil {
			return err
		}
		// Opening it stores the settings in its flash; then it is left alone.
		m, err := modem.Open(ctx, "board", path, l.cfg.Settings)
		if err != nil {
			return err
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	l.Modem, err = modem.Open(ctx, "board", host, l.cfg.Settings)
	return err
}

// String is the name of the radio.
func (l *Line) String() string { return "native" }

// Close ends the nodes and waits for them.
func (l *Line) Close() error {
	err := l.Modem.Close()
	l.end()
	return err
}

func (l *Line) end() {
	l.cancel()
	l.running.Wait()
	// What a temporary folder leaves behind is nobody's loss.
	_ = os.RemoveAll(l.dir)
}

// End is where the line ends: in reach of the last node only.
func (l *Line) End() ether.Position { return l.position(l.cfg.Relays + 1) }

// position is out of reach of all but the neighbours: twice the distance is more
// than a carrier is sensed at.
func (l *Line) position(i int) ether.Position {
	const share = 2.0 / 3
	return ether.Position{X: float64(i) * share * ether.Range(l.cfg.Settings)}
}

// node starts one, with a door to the air of its own, and returns the path of its
// link.
func (l *Line) node(life context.Context, program string, i int) (path string, err error) {
	socket := filepath.Join(l.dir, fmt.Sprintf("air%d", i))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", err
	}
	l.running.Go(func() { l.serve(life, listener, i) })
	cmd := exec.CommandContext(life, program, "--air", socket, "--flash", filepath.Join(l.dir, fmt.Sprintf("flash%d", i)))
	cmd.SysProcAttr = leash()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line := make(chan string, 1)
	l.running.Go(func() {
		first, _ := bufio.NewReader(out).ReadString('\n') // it says no more
		line <- strings.TrimSpace(first)
		_ = cmd.Wait() // killed, in the end
	})
	select {
	case first := <-line:
		if path, ok := strings.CutPrefix(first, "host "); ok {
			return path, nil
		}
		return "", fmt.Errorf("%s did not say where its link is, but %q", program, first)
	case <-time.After(startWait):
		return "", fmt.Errorf("%s did not say where its link is within %v", program, startWait)
	}
}

// serve is the radio of node i, for one connection after the other.
func (l *Line) serve(life context.Context, listener net.Listener, i int) {
	stop := context.AfterFunc(life, func() { listener.Close() })
	defer stop()
	defer listener.Close()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		port := l.cfg.Air.Join(fmt.Sprintf("node %d", i), l.position(i))
		_ = ether.Serve(life, conn, port) // the node connects again
		port.Close()
	}
}

// errNoProgram says what one can do about it.
var errNoProgram = errors.New("the native node is not there: put lorrent-node on the PATH, " +
	"or start in a copy of the sources, with g++ installed, and it is built")
