package tracker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// ServerConfig tunes a Server. Only Addr is needed.
type ServerConfig struct {
	// Addr is "HOST:PORT" for both protocols. Port 0 picks a free one. No host
	// means every address of the machine, "localhost" 127.0.0.1 and ::1.
	Addr        string
	Interval    time.Duration // told to clients; default 30 min. Silent peers are forgotten after twice that
	MinInterval time.Duration // told to clients; default 1 min, at most Interval
	MaxTorrents int           // default 10,000
	MaxPeers    int           // of all torrents together; default 100,000
	MaxConns    int           // HTTP connections at a time; default 500
}

// ServerStats counts what a Server has done since it was made.
type ServerStats struct {
	Announces int // answered, over both protocols
	Scrapes   int
	Rejected  int // requests with a mistake, or beyond a limit
	Torrents  int // known now
	Peers     int
}

// Server is a tracker for private swarms. It keeps everything in memory and
// bounds it, takes any info hash, and believes no address but the one a request
// comes from.
type Server struct {
	// immutable after NewServer
	cfg    ServerConfig
	host   string
	tcp    []net.Listener
	udp    []*net.UDPConn
	secret [32]byte // makes connection ids unguessable
	swarms *swarms
}

// NewServer opens the sockets; requests are answered once Run is called. A
// Server that is never run must be closed.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = 30 * time.Minute
	}
	cfg.Interval = max(cfg.Interval, time.Second)
	if cfg.MinInterval <= 0 {
		cfg.MinInterval = time.Minute
	}
	cfg.MinInterval = min(cfg.MinInterval, cfg.Interval)
	if cfg.MaxTorrents <= 0 {
		cfg.MaxTorrents = 10_000
	}
	if cfg.MaxPeers <= 0 {
		cfg.MaxPeers = 100_000
	}
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = 500
	}
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", cfg.Addr, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: port must be 0 to 65535", cfg.Addr)
	}
	s := &Server{cfg: cfg, host: host, swarms: newSwarms(cfg)}
	_, _ = rand.Read(s.secret[:]) // never fails, see its documentation
	// The port that TCP was given may be taken for UDP: try another.
	for attempt := 0; ; attempt++ {
		err = s.listen(host, int(port))
		if err == nil {
			return s, nil
		}
		s.closeSockets()
		if port != 0 || attempt == 9 {
			return nil, fmt.Errorf("listen on %q: %w", cfg.Addr, err)
		}
	}
}

// listen opens TCP and UDP on every address of host, all with one port number.
func (s *Server) listen(host string, port int) error {
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	for i, h := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(h, strconv.Itoa(port)))
		if err != nil {
			if i > 0 && h == "::1" && !hasIPv6Loopback() {
				continue
			}
			return err
		}
		s.tcp = append(s.tcp, l)
		bound := l.Addr().(*net.TCPAddr)
		port = bound.Port
		// The address TCP was bound to, so that a host name means one address.
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: bound.IP, Port: port, Zone: bound.Zone})
		if err != nil {
			return err
		}
		s.udp = append(s.udp, u)
	}
	return nil
}

// hasIPv6Loopback reports whether ::1 can be bound at all.
func hasIPv6Loopback() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func (s *Server) closeSockets() {
	for _, l := range s.tcp {
		_ = l.Close()
	}
	for _, u := range s.udp {
		_ = u.Close()
	}
	s.tcp, s.udp = nil, nil
}

// Close closes the sockets of a Server that is not run. Run does so itself.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.tcp {
		errs = append(errs, ignoreClosed(l.Close()))
	}
	for _, u := range s.udp {
		errs = append(errs, ignoreClosed(u.Close()))
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// URL returns the announce URL for HTTP.
func (s *Server) URL() string { return "http://" + s.hostPort() + "/announce" }

// UDPURL returns the announce URL for UDP.
func (s *Server) UDPURL() string { return "udp://" + s.hostPort() + "/announce" }

func (s *Server) hostPort() string {
	bound := s.tcp[0].Addr().(*net.TCPAddr)
	host := s.host
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // where to find a tracker on every address
		if bound.IP.To4() == nil && !bound.IP.IsUnspecified() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(bound.Port))
}

// Stats returns the counters.
func (s *Server) Stats() ServerStats { return s.swarms.statistics() }

// Announces returns how many announces were answered.
func (s *Server) Announces() int { return s.Stats().Announces }

// Run answers until ctx ends or a socket fails. It closes the sockets, and
// can be called only once. The error is nil when ctx ended it.
func (s *Server) Run(ctx context.Context) error {
	web := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // hostile clients must not fill a log
	}
	var running sync.WaitGroup
	failed := make(chan error, len(s.tcp)+len(s.udp))
	slots := make(chan struct{}, s.cfg.MaxConns)
	for _, l := range s.tcp {
		running.Go(func() {
			if err := web.Serve(&limitListener{Listener: l, slots: slots, closed: make(chan struct{})}); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve HTTP: %w", err)
			}
		})
	}
	for _, u := range s.udp {
		running.Go(func() {
			if err := s.serveUDP(u); err != nil {
				failed <- fmt.Errorf("serve UDP: %w", err)
			}
		})
	}
	sweep := time.NewTicker(s.cfg.Interval / 2)
	defer sweep.Stop()
	var err error
	for err == nil && ctx.Err() == nil {
		select {
		case now := <-sweep.C:
			s.swarms.sweep(now)
		case err = <-failed:
		case <-ctx.Done():
		}
	}
	// Handlers never block on anything but their client: a second is plenty.
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if web.Shutdown(grace) != nil {
		_ = web.Close()
	}
	_ = s.Close()
	running.Wait()
	return err
}

// limitListener accepts at most cap(slots) connections at a time; further ones
// wait in the kernel's backlog.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, slots: l.slots}, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once  sync.Once
	slots chan struct{}
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.slots })
	return err
}
