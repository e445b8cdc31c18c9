// Package lsd is local service discovery: peers of a home network find each
// other by multicast, without a tracker.
//
// Rules: a packet is read up to a limit of torrents, and only so many packets
// a second; ours are dropped by their cookie, and so are those that did not
// come by the group. Announcements are put together, and sent no faster than
// one packet a second on each interface. Which torrents are announced, and how
// often, is the caller's business; a private one never is.
//
// Spec: BEP 14.
package lsd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

const (
	maxQueued         = 10000 // torrents that wait to be announced
	sendInterval      = time.Second
	packetsPerSecond  = 20 // that are read
	packetBurst       = 40
	interfaceInterval = time.Minute // between looks at what interfaces there are
)

// Config is what an LSD needs.
type Config struct {
	Port int // that peers reach us at
	// Found is called with each torrent somebody on the network has. It must
	// not wait.
	Found func(infoHash [20]byte, peer netip.AddrPort)
	Log   zerolog.Logger
}

// LSD announces torrents on the networks we are on, and hears those of others.
type LSD struct {
	cfg    Config
	cookie string

	mu     sync.Mutex
	queue  [][20]byte
	queued map[[20]byte]bool
	more   chan struct{}
}

// New prepares an LSD; Run brings it to life.
func New(cfg Config) *LSD {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return &LSD{cfg: cfg, cookie: "lorrent-" + hex.EncodeToString(b[:]), queued: make(map[[20]byte]bool), more: make(chan struct{}, 1)}
}

// Announce queues a torrent. It does not wait.
func (l *LSD) Announce(infoHash [20]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queued[infoHash] || len(l.queue) >= maxQueued {
		return
	}
	l.queue = append(l.queue, infoHash)
	l.queued[infoHash] = true
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// take removes from the queue what fits a packet.
func (l *LSD) take() [][20]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), maxSent)
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	for _, h := range batch {
		delete(l.queued, h)
	}
	if len(l.queue) > 0 {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}
	return batch
}

// Run announces and listens until ctx ends, which is no error. It is one when
// neither family has a socket.
func (l *LSD) Run(ctx context.Context) error {
	var groups []group
	var errs []error
	for _, open := range []func() (group, error){open4, open6} {
		g, err := open()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return errors.Join(errs...)
	}
	var wg sync.WaitGroup
	for _, g := range groups {
		wg.Go(func() { l.listen(g) })
	}
	l.send(ctx, groups)
	for _, g := range groups {
		g.close()
	}
	wg.Wait()
	return nil
}

// listen hands on what others announce until the socket is closed.
func (l *LSD) listen(g group) {
	limit := rate.NewLimiter(packetsPerSecond, packetBurst)
	b := make([]byte, maxPacket)
	for {
		n, from, meant, err := g.read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || !meant || !limit.Allow() {
			if err != nil && limit.Wait(context.Background()) != nil {
				return
			}
			continue
		}
		l.hear(b[:n], from)
	}
}

func (l *LSD) hear(b []byte, from netip.AddrPort) {
	m, err := Parse(b)
	if err != nil {
		l.cfg.Log.Trace().Err(err).Stringer("from", from).Msg("packet dropped")
		return
	}
	addr := from.Addr().Unmap()
	if m.Cookie == l.cookie || addr.IsLinkLocalUnicast() {
		return // ourselves, or an address that means nothing without its interface
	}
	for _, h := range m.InfoHashes {
		l.cfg.Found(h, netip.AddrPortFrom(addr.WithZone(""), m.Port))
	}
}

// send announces what is queued, a packet at a time, on every interface.
func (l *LSD) send(ctx context.Context, groups []group) {
	pause := time.NewTicker(sendInterval)
	defer pause.Stop()
	var interfaces []net.Interface
	var looked time.Time
	for {
		if now := time.Now(); now.Sub(looked) >= interfaceInterval {
			looked = now
			interfaces = multicasting()
			for _, g := range groups {
				g.join(interfaces)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-l.more:
		default:
			continue
		}
		batch := l.take()
		if len(batch) == 0 {
			continue
		}
		for _, g := range groups {
			b := Append(nil, Message{Host: g.host(), Port: uint16(l.cfg.Port), Cookie: l.cookie, InfoHashes: batch})
			for _, i := range interfaces {
				if err := g.write(b, i); err != nil {
					l.cfg.Log.Trace().Err(err).Str("interface", i.Name).Msg("local announce not sent")
				}
			}
		}
	}
}

// multicasting are the interfaces that are up and can do it.
func multicasting() (list []net.Interface) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	const want = net.FlagUp | net.FlagMulticast
	for _, i := range all {
		if i.Flags&want == want && i.Flags&net.FlagLoopback == 0 {
			list = append(list, i)
		}
	}
	return list
}
