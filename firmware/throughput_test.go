package firmware

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"
	"time"

	"lorrent/lora/link"
)

const (
	lineRate = 921600 / 10 // bytes a second of a serial line: 8N1
	lineHas  = 4096        // bytes that wait in it for a host who does not read
)

// pacedLine is a line to a board that brings bytes at the rate of a serial port.
type pacedLine struct {
	conn
	last time.Time
	due  float64 // bytes
}

func (l *pacedLine) Read(b []byte) (int, error) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		now := time.Now()
		l.due = min(l.due+now.Sub(l.last).Seconds()*lineRate, lineHas)
		l.last = now
		if l.due >= 1 {
			break
		}
		<-pace.C
	}
	n, err := l.conn.Read(b[:min(len(b), int(l.due))])
	l.due -= float64(n)
	return n, err
}

// noise is an air on which somebody talks all the time, half as fast again as the
// host's line can tell.
func noise(t *testing.T) *station {
	t.Helper()
	s := &station{path: filepath.Join(socketDir(t), "air")}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			node, err := l.Accept()
			if err != nil {
				return
			}
			talk(node)
			node.Close()
		}
	}()
	return s
}

// talk ends with the node.
func talk(node net.Conn) {
	asked := make(chan link.Frame)
	go func() {
		defer close(asked)
		for d := link.NewDecoder(node); ; {
			f, err := d.Next()
			if err != nil {
				return
			}
			asked <- f
		}
	}()
	heard := link.Append(nil, link.AirHeard{RSSITenths: -900, SNRTenths: 50, Packet: bytes.Repeat([]byte{0xC0, 0x10, 1}, 85)}, 0)
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	began, told := time.Now(), 0
	for {
		var say []byte
		select {
		case f, ok := <-asked:
			if !ok {
				return
			}
			if f.Type == link.TypeAirListen {
				say = link.Append(nil, link.AirListened{RSSITenths: -1140}, 0)
			}
		case now := <-pace.C:
			if told < int(now.Sub(began).Seconds()*lineRate*3/2) {
				say = heard
				told += len(heard)
			}
		}
		if _, err := node.Write(say); err != nil {
			node.Close() // which ends those who asked
		}
	}
}

// A host is told of four fifths of what a serial line at 921600 Bd carries, when the
// board has more to tell.
func TestThroughputToHost(t *testing.T) {
	p := startNative(t, noise(t))
	h := attachOver(t, &pacedLine{conn: dial(t, p), last: time.Now()})
	await[link.Rx](h, patience, nil)
	began, told, rate := time.Now(), 0, 0.0
	// What the line did not carry while the machine had other things to do is lost, so
	// that it is given time: the board has 2 KiB for what waits.
	for told < 3*lineRate || rate < 0.8*lineRate && told < 30*lineRate {
		f, ok := <-h.frames
		if !ok {
			t.Fatal("link is closed")
		}
		m, err := link.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(link.Rx); ok {
			told += len(link.Append(nil, m, f.Sequence))
			rate = float64(told) / time.Since(began).Seconds()
		}
	}
	state := want[link.StatusAnswer](h, link.AskStatus{}).State
	t.Logf("%.0f bytes/s of %d: %.1f %%; %d packets heard, %d reports lost", rate, lineRate, 100*rate/lineRate, state.Heard, state.LostReports)
	if rate < 0.8*lineRate || rate > 1.05*lineRate {
		t.Errorf("%.0f bytes/s, want 80 %% of %d, and no more than it carries", rate, lineRate)
	}
	if state.LostReports == 0 {
		t.Error("the board had no more to tell than the line carries, so that nothing was measured")
	}
}
