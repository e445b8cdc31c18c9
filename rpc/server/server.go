// Package server is the daemon's RPC endpoint: JSON-RPC 2.0 over POST /rpc, on
// unix sockets and on TCP.
//
// A call passes four doors, each in a file of its own. listen.go opens sockets
// and knows who connected. access.go decides who is let in: on a unix socket
// the file mode is the lock (0660); on TCP the Host header must be a known name
// (DNS rebinding), a browser must come from the same origin, and a bearer
// token is wanted. front.go turns a body into calls (batches, notifications,
// malformed ones, panics). params.go decodes arguments strictly. What is left
// for a handler, one file a service, is decode, call, translate; errors.go
// maps what the domain packages return to the codes of package rpc.
//
// Everybody who gets in is an administrator: the daemon reads the files and
// URLs they name, with its own rights, and writes where they say, within
// Config.DownloadRoots.
//
// Everything is bounded: connections, calls at once, polls at once, body
// sizes, and the time of each step.
package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/rs/zerolog"

	"lorrent/daemon/event"
)

// Config is what a Server needs. Engine, LoRa, Events and Listen are required.
type Config struct {
	Engine Engine
	LoRa   LoRa
	Events *event.Ring
	Info   Info

	// Listen holds "unix:PATH" and "HOST:PORT" addresses.
	Listen []string
	// SocketGroup is the name or number of the group that may use the unix
	// sockets; the daemon's own when empty.
	SocketGroup string
	// TokenFile holds the bearer token for TCP. It is created, mode 0600, with
	// a random token when it is missing. Needed as soon as Listen has TCP.
	TokenFile string
	// AllowedHosts are the names that a Host header on TCP may carry, besides
	// localhost, loopback addresses and the address that was connected to.
	AllowedHosts []string
	// DownloadRoots are the folders in which clients may put torrents, and
	// their subfolders; anywhere when empty.
	Out           Way // how a url is fetched; nil is whatever way the host has
	DownloadRoots []string

	// Shutdown starts the end of the daemon and returns. It is called after
	// Daemon.Shutdown has been answered. Nil refuses that call.
	Shutdown func()
	Log      zerolog.Logger
}

// Info is what Daemon.Status and Daemon.Version tell about the process.
type Info struct {
	Version     string
	Revision    string
	StartedAt   time.Time
	CleanStart  bool
	StateDir    string
	DownloadDir string
	// FreeBytes returns the free space in DownloadDir, -1 when unknown. Nil
	// counts as unknown.
	FreeBytes func() int64
}

// limits are the bounds of a server. They are fields so that tests need not
// wait for them.
type limits struct {
	headerTimeout time.Duration // from connect, or the first byte of a request, to the end of the headers
	readTimeout   time.Duration // to the end of the body
	callTimeout   time.Duration // all calls of one body together
	writeTimeout  time.Duration // for the answer
	idleTimeout   time.Duration // between requests
	drainTimeout  time.Duration // for calls under way when the daemon ends
	maxPoll       time.Duration // of one Event.Poll

	maxConns  int   // per listener
	maxCalls  int   // HTTP requests at once
	maxPolls  int   // Event.Poll at once, of maxCalls
	maxLarge  int   // bodies of more than smallBody at once
	smallBody int64 // bytes
	maxBody   int64 // bytes: a torrent of 32 MiB in base64, and room
	maxBatch  int   // calls in one body
}

func defaultLimits() limits {
	return limits{
		headerTimeout: 10 * time.Second,
		readTimeout:   time.Minute,
		callTimeout:   75 * time.Second,
		writeTimeout:  time.Minute,
		idleTimeout:   2 * time.Minute,
		drainTimeout:  5 * time.Second,
		maxPoll:       time.Minute,
		maxConns:      256,
		maxCalls:      128,
		maxPolls:      64,
		maxLarge:      4,
		smallBody:     1 << 20,
		maxBody:       48 << 20,
		maxBatch:      50,
	}
}

// Server answers calls. Make one with New, then Run it; it can be run again
// after Run has returned.
type Server struct {
	// immutable after New
	cfg      Config
	limits   limits
	specs    []listenSpec
	hosts    map[string]bool
	handler  http.Handler
	calls    chan struct{} // one slot a request
	profiles chan struct{} // one slot: they cost
	large    chan struct{} // one slot a large body

	// guarded by mu
	mu        sync.Mutex
	listeners []*listener
	token     [sha256.Size]byte // hash of the token; read by Listen
}

// New checks the configuration and returns a server. It opens nothing.
func New(cfg Config) (*Server, error) { return newServer(cfg, defaultLimits()) }

func newServer(cfg Config, l limits) (*Server, error) {
	if cfg.Engine == nil || cfg.LoRa == nil || cfg.Events == nil {
		return nil, errors.New("rpc server: engine, LoRa bridge or event ring missing")
	}
	for _, root := range cfg.DownloadRoots {
		if !filepath.IsAbs(root) {
			return nil, fmt.Errorf("rpc server: download root %q is not absolute", root)
		}
	}
	s := &Server{
		cfg:      cfg,
		limits:   l,
		calls:    make(chan struct{}, l.maxCalls),
		profiles: make(chan struct{}, 1),
		large:    make(chan struct{}, l.maxLarge),
	}
	var err error
	if s.specs, err = parseListen(cfg); err != nil {
		return nil, fmt.Errorf("rpc server: %w", err)
	}
	if s.hosts, err = parseHosts(cfg.AllowedHosts); err != nil {
		return nil, fmt.Errorf("rpc server: %w", err)
	}
	f := &front{rpc: gorilla.NewServer(), maxBatch: l.maxBatch, log: cfg.Log}
	f.rpc.RegisterCodec(newCodec(f.log), "application/json")
	for name, service := range services(cfg, l) {
		if err := f.rpc.RegisterService(service, name); err != nil {
			return nil, fmt.Errorf("rpc server: %w", err)
		}
	}
	s.handler = s.routes(f)
	return s, nil
}

// services are the receivers of all methods, by the name in front of the dot.
func services(cfg Config, l limits) map[string]any {
	return map[string]any{
		"Torrent": &TorrentService{engine: cfg.Engine, out: cfg.Out, roots: cfg.DownloadRoots},
		"Message": &MessageService{lora: cfg.LoRa},
		"LoRa":    &LoRaService{lora: cfg.LoRa},
		"Event":   &EventService{events: cfg.Events, maxPoll: l.maxPoll, polls: make(chan struct{}, l.maxPolls)},
		"Daemon":  &DaemonService{cfg: cfg},
		"rpc":     &DiscoverService{},
	}
}

// Run serves until ctx ends, then lets calls under way finish for a bounded
// time, ends polls at once, and returns nil. It opens the listeners unless
// Listen has. It returns an error when a listener fails.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	listeners := s.takeListeners()
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	var conns sync.WaitGroup // every connection's goroutine
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.limits.headerTimeout,
		ReadTimeout:       s.limits.readTimeout,
		WriteTimeout:      s.limits.readTimeout + s.limits.callTimeout + s.limits.writeTimeout,
		IdleTimeout:       s.limits.idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(debugWriter{s.cfg.Log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext: func(connCtx context.Context, c net.Conn) context.Context {
			return withClient(connCtx, c, ctx)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed:
				conns.Done()
			}
		},
	}
	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve rpc on %s: %w", l.name, err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop() // ends polls
	s.drain(srv, cancel)
	serving.Wait()
	for _, l := range listeners {
		l.Close() // a second time for those that served
	}
	if !waitFor(&conns, s.limits.drainTimeout) {
		s.cfg.Log.Error().Msg("rpc calls do not end, giving up on them")
	}
	return err
}

// drain waits for calls under way, then cancels what is left.
func (s *Server) drain(srv *http.Server, cancel context.CancelFunc) {
	ctx, done := context.WithTimeout(context.Background(), s.limits.drainTimeout)
	defer done()
	if err := srv.Shutdown(ctx); err != nil {
		s.cfg.Log.Warn().Msg("rpc calls cut off at shutdown")
	}
	cancel()
	srv.Close()
}

// waitFor says whether wg came to zero in time.
func waitFor(wg *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// debugWriter takes what net/http has to say, which is about clients.
type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug().Msg(string(p[:max(0, len(p)-1)]))
	return len(p), nil
}
