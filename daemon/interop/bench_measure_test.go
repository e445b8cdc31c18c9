package interop

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// run is what was measured in one run. Times are seconds, memory is bytes.
type run struct {
	bytes    int64   // of payload
	wall     float64 // from start of the process to complete, or to the first list
	first    float64 // from start of the process to the first payload
	transfer float64 // from the first payload to the last, as the sender's network counts it
	cpu      float64 // of the process and its children
	seedCPU  float64 // of the other side, meanwhile
	busy     float64 // share of the machine that others used just before
	peak     int64   // resident memory, mapped files included
	private  int64   // anonymous memory

	sentBefore, again      int64   // kill: payload bytes sent before, and sent twice
	back, done             float64 // kill: from the second start to payload, and to complete
	relist, idleCPU        float64 // idle: one more list, share of a core
	resident, residentZero int64   // idle: with the torrents, and without
}

func (r run) brief() string {
	if r.wall == 0 {
		return "failed"
	}
	return fmt.Sprintf("%.2f s, %.2f CPU-s a GiB (machine busy before: %.0f %%)", r.wall, r.cpu*gib/float64(r.bytes), 100*r.busy)
}

const (
	sampleEvery = 20 * time.Millisecond
	payloadStep = 8 << 10 // growth of the counter that is payload and no talk
)

// meter watches a run from outside: the sender's network interface, and the
// memory of the process.
type meter struct {
	began time.Time
	net   func() int64 // bytes sent by the sender's interface

	mu          sync.Mutex
	pid         int
	peak, anon  int64
	first, last time.Time // payload

	stop chan struct{}
	done sync.WaitGroup
}

// startMeter begins the measured time.
func startMeter(t *testing.T, sender *namespace) *meter {
	m := &meter{net: sender.sent, stop: make(chan struct{}), began: time.Now()}
	mark := m.net()
	m.done.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				mark = m.sample(now, mark)
			case <-m.stop:
				return
			}
		}
	})
	t.Cleanup(m.end)
	return m
}

func (m *meter) sample(now time.Time, mark int64) int64 {
	sent := m.net()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pid != 0 {
		m.peak = max(m.peak, memory(m.pid, "VmHWM"))
		m.anon = max(m.anon, memory(m.pid, "RssAnon"))
	}
	if sent-mark < payloadStep {
		return mark
	}
	if m.first.IsZero() {
		m.first = now
	}
	m.last = now
	return sent
}

// follow says which process is measured.
func (m *meter) follow(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pid = p.cmd.Process.Pid
}

// forget begins a new count of payload.
func (m *meter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first, m.last = time.Time{}, time.Time{}
}

func (m *meter) firstPayload() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first
}

// end stops sampling; calling it again does nothing.
func (m *meter) end() {
	m.mu.Lock()
	select {
	case <-m.stop:
	default:
		close(m.stop)
	}
	m.mu.Unlock()
	m.done.Wait()
}

// read ends the measured time and fills in what was seen.
func (m *meter) read(r *run) {
	r.wall = time.Since(m.began).Seconds()
	m.end()
	r.peak, r.private = m.peak, m.anon
	if !m.first.IsZero() {
		r.first = m.first.Sub(m.began).Seconds()
		r.transfer = max(m.last.Sub(m.first), sampleEvery).Seconds()
	}
}

// sent is the bytes that left through the cable.
func (n *namespace) sent() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/dev", n.thread))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(b), "cable:")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0
	}
	sent, _ := strconv.ParseInt(fields[8], 10, 64)
	return sent
}

// sysctl sets a parameter of the namespace's network.
func (n *namespace) sysctl(t *testing.T, name, value string) {
	t.Helper()
	err := n.do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		t.Fatalf("set %s to %s: %v", name, value, err)
	}
}

// memory is a figure of /proc/PID/status in bytes, 0 when the process is gone.
func memory(pid int, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(b), "\n"+name+":")
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// cpuSoFar is the seconds that a running process and its ended children used.
func (p *process) cpuSoFar() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return float64(ticks) / 100 // USER_HZ
}

// cpu is the seconds that an ended process and its children used.
func (p *process) cpu() float64 {
	<-p.ended
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// quiet lets the disk finish what earlier runs wrote, and returns the share of
// the machine that is in use although nothing is measured.
func quiet() float64 {
	unix.Sync()
	idle, all := cpuTimes()
	time.Sleep(quietTime)
	idleAfter, allAfter := cpuTimes()
	if all == allAfter {
		return 0
	}
	return 1 - float64(idleAfter-idle)/float64(allAfter-all)
}

func cpuTimes() (idle, all int64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, _ := strconv.ParseInt(field, 10, 64)
		all += n
		if i == 3 || i == 4 { // idle, and waiting for the disk
			idle += n
		}
	}
	return idle, all
}
