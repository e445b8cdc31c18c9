package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Addresses of the two ends of the cable.
const (
	ourIPv4, theirIPv4 = "10.77.0.1", "10.77.0.2"
	ourIPv6, theirIPv6 = "fd77::1", "fd77::2"
)

// namespace is a network of its own: a thread that has left the network of
// the process, and the goroutine that is tied to it. Sockets opened and
// programs started by do belong to it. It has no name, so the kernel removes it
// when the thread and its programs have ended, even if the test is killed.
type namespace struct {
	work   chan func()
	thread int
	ended  chan struct{}
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{work: make(chan func()), ended: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		defer close(n.ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		n.thread = unix.Gettid()
		ready <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-ready; errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		lacking(t, "network namespaces need root and a kernel that has them: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(n.work)
		<-n.ended
	})
	return n
}

// do calls f inside the namespace.
func (n *namespace) do(f func() error) error {
	done := make(chan error, 1)
	n.work <- func() { done <- f() }
	return <-done
}

// ip runs iproute2 inside the namespace.
func (n *namespace) ip(t *testing.T, args ...string) {
	t.Helper()
	err := n.do(func() error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %q: %w: %s", args, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// family says which addresses the ends of a cable have.
type family int

const (
	onlyIPv4 family = iota
	onlyIPv6
)

// network is two namespaces joined by a cable.
type network struct {
	ours, theirs      *namespace
	ourAddr, peerAddr string
}

func newNetwork(t *testing.T, f family) network {
	t.Helper()
	need(t, "ip", "iproute2")
	n := network{ours: newNamespace(t), theirs: newNamespace(t), ourAddr: ourIPv4, peerAddr: theirIPv4}
	if f == onlyIPv6 {
		n.ourAddr, n.peerAddr = ourIPv6, theirIPv6
	}
	n.ours.ip(t, "link", "add", "cable", "mtu", "1500", "type", "veth",
		"peer", "name", "cable", "mtu", "1500", "netns", strconv.Itoa(n.theirs.thread))
	n.ours.connect(t, n.ourAddr, f)
	n.theirs.connect(t, n.peerAddr, f)
	return n
}

// connect brings up loopback and the end of the cable.
func (n *namespace) connect(t *testing.T, addr string, f family) {
	t.Helper()
	n.ip(t, "link", "set", "lo", "up")
	n.ip(t, "link", "set", "cable", "up")
	if f == onlyIPv4 {
		n.ip(t, "addr", "add", addr+"/24", "dev", "cable")
		return
	}
	_ = n.do(func() error { // on where containers have it off
		return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("0"), 0)
	})
	n.ip(t, "addr", "add", addr+"/64", "dev", "cable", "nodad")
}
