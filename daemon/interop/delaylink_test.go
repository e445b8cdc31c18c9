package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// link is a long line. It stands in for netem, which not every kernel has.
type link struct {
	rtt  time.Duration // half of it each way
	rate float64       // bytes per second each way, packet headers included; 0 is no limit
	loss float64       // share of the packets that are lost, each way
}

const (
	linkMTU      = 1500
	linkQueue    = 1 << 20 // bytes that wait for a line of limited rate, at least
	linkTxQueue  = "10000" // packets, so that the kernel drops none before the link sees it
	tunHeader    = 10      // struct virtio_net_hdr
	maxPacket    = tunHeader + 1<<16
	maxLinkQueue = 1 << 16 // packets under way
)

// newDelayedNetwork joins two namespaces by a link: a TUN device in each, and
// this process between them.
func newDelayedNetwork(t *testing.T, l link) network {
	t.Helper()
	need(t, "ip", "iproute2")
	n := network{ours: newNamespace(t), theirs: newNamespace(t), ourAddr: ourIPv4, peerAddr: theirIPv4}
	ends := [2]*os.File{l.open(t, n.ours), l.open(t, n.theirs)}
	n.ours.connect(t, n.ourAddr, onlyIPv4)
	n.theirs.connect(t, n.peerAddr, onlyIPv4)
	var wg sync.WaitGroup
	for i := range ends {
		way := oneWay{link: l, from: ends[i], to: ends[1-i], packets: make(chan packet, maxLinkQueue)}
		wg.Go(way.take)
		wg.Go(way.deliver)
	}
	t.Cleanup(func() {
		ends[0].Close()
		ends[1].Close()
		wg.Wait()
	})
	return n
}

// open makes the TUN device "cable". A line without limits carries what TCP
// hands down in one piece, up to 64 KiB, as a real cable's driver takes it;
// one that counts or loses packets sees every packet.
func (l link) open(t *testing.T, n *namespace) *os.File {
	t.Helper()
	var fd int
	err := n.do(func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open TUN device: %w", err)
		}
		request, err := unix.NewIfreq("cable")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return fmt.Errorf("make TUN device: %w", err)
		}
		if l.rate > 0 || l.loss > 0 {
			return nil
		}
		return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4)
	})
	if err != nil {
		lacking(t, "a link with delay needs TUN devices: %v", err)
	}
	n.ip(t, "link", "set", "cable", "mtu", fmt.Sprint(linkMTU), "txqueuelen", linkTxQueue)
	return os.NewFile(uintptr(fd), "tun")
}

// packet is on its way until due.
type packet struct {
	bytes *[]byte
	size  int
	due   time.Time
}

// oneWay is one direction of a link.
type oneWay struct {
	link
	from, to *os.File
	packets  chan packet
	buffers  sync.Pool
}

func (w *oneWay) buffer() *[]byte {
	if b, ok := w.buffers.Get().(*[]byte); ok {
		return b
	}
	size := tunHeader + linkMTU
	if w.rate == 0 && w.loss == 0 {
		size = maxPacket
	}
	b := make([]byte, size)
	return &b
}

// take reads packets until the device is closed, loses some, and says when the
// others arrive. The queue of a line with a rate drops what does not fit.
func (w *oneWay) take() {
	defer close(w.packets)
	queue := max(linkQueue, w.rate*w.rtt.Seconds())
	var free time.Time // when the line has sent what it holds
	b := w.buffer()
	for {
		n, err := w.from.Read(*b)
		if err != nil {
			return
		}
		if w.loss > 0 && rand.Float64() < w.loss {
			continue
		}
		due := time.Now()
		if w.rate > 0 {
			if free.Before(due) {
				free = due
			}
			if free.Sub(due).Seconds()*w.rate > queue {
				continue
			}
			free = free.Add(time.Duration(float64(n-tunHeader) / w.rate * float64(time.Second)))
			due = free
		}
		w.packets <- packet{b, n, due.Add(w.rtt / 2)}
		b = w.buffer()
	}
}

// deliver hands the packets over when they are due.
func (w *oneWay) deliver() {
	for p := range w.packets {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait) // it is what a long line does
		}
		_, _ = w.to.Write((*p.bytes)[:p.size]) // closed, or the far end is not up: lost
		w.buffers.Put(p.bytes)
	}
}
