package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// listenSpec is one parsed entry of Config.Listen.
type listenSpec struct {
	socket string // path, or
	tcp    string // host:port
}

func (l listenSpec) String() string {
	if l.socket != "" {
		return "unix:" + l.socket
	}
	return l.tcp
}

// maxSocketPath is what fits sockaddr_un, without the closing zero.
const maxSocketPath = 107

func parseListen(cfg Config) ([]listenSpec, error) {
	if len(cfg.Listen) == 0 {
		return nil, errors.New("no address to listen on")
	}
	var specs []listenSpec
	for _, address := range cfg.Listen {
		spec := listenSpec{tcp: address}
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			switch {
			case path == "" || strings.ContainsRune(path, 0) || path[0] == '@':
				return nil, fmt.Errorf("listen address %q: want unix:PATH", address)
			case len(path) > maxSocketPath:
				return nil, fmt.Errorf("listen address %q: the path has %d bytes, %d fit", address, len(path), maxSocketPath)
			}
			specs = append(specs, listenSpec{socket: filepath.Clean(path)})
			continue
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: want unix:PATH or HOST:PORT", address)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, fmt.Errorf("listen address %q: port %q is not a number up to 65535", address, port)
		}
		if cfg.TokenFile == "" {
			return nil, fmt.Errorf("listen address %q: TCP needs a token file", address)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// Listen opens every address, so that clients may connect; they are answered
// once Run runs. It does nothing when they are open already. A socket file of
// a daemon that died is replaced; one of a living daemon is an error.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	var opened []*listener
	for _, spec := range s.specs {
		l, err := s.open(spec)
		if err != nil {
			for _, o := range opened {
				o.Close()
			}
			return fmt.Errorf("listen on %s: %w", spec, err)
		}
		opened = append(opened, l)
	}
	s.listeners = opened
	return nil
}

// takeListeners hands the open listeners to Run, which closes them.
func (s *Server) takeListeners() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	listeners := s.listeners
	s.listeners = nil
	return listeners
}

func (s *Server) open(spec listenSpec) (*listener, error) {
	if spec.socket != "" {
		inner, cleanup, err := openSocket(spec.socket, s.cfg.SocketGroup)
		if err != nil {
			return nil, err
		}
		return s.wrap(inner, spec.String(), cleanup), nil
	}
	if err := s.loadToken(); err != nil {
		return nil, err
	}
	inner, err := net.Listen("tcp", spec.tcp)
	if err != nil {
		return nil, err
	}
	if ip := inner.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		s.cfg.Log.Warn().Str("address", inner.Addr().String()).
			Msg("rpc listens beyond this machine without encryption: put TLS in front of it")
	}
	return s.wrap(inner, inner.Addr().String(), func() {}), nil
}

func (s *Server) wrap(inner net.Listener, name string, cleanup func()) *listener {
	return &listener{
		Listener: inner,
		name:     name,
		cleanup:  cleanup,
		slots:    make(chan struct{}, s.limits.maxConns),
		closed:   make(chan struct{}),
		log:      s.cfg.Log,
	}
}

// Addrs returns the open addresses as a client would dial them: "unix:PATH"
// and "HOST:PORT", with the port that was chosen where 0 was asked for. It is
// of use between Listen and Run.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []string
	for _, l := range s.listeners {
		addrs = append(addrs, l.name)
	}
	return addrs
}

// openSocket binds a unix socket. Nobody can connect before mode and group
// are set, as it listens only after that; net.Listen has no such order.
func openSocket(path, group string) (_ net.Listener, cleanup func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), path) // net.FileListener duplicates it
	defer file.Close()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, nil, fmt.Errorf("bind: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, nil, err
	}
	if group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return nil, nil, err
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return nil, nil, err
		}
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Listen(fd, 128); err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	inner, err := net.FileListener(file)
	if err != nil {
		return nil, nil, err
	}
	inner.(*net.UnixListener).SetUnlinkOnClose(false)
	return inner, func() {
		// Only our own: another daemon may have taken the place by now, and
		// even the inode number.
		if now, err := os.Lstat(path); err == nil && os.SameFile(made, now) && made.ModTime().Equal(now.ModTime()) {
			os.Remove(path)
		}
	}, nil
}

// removeStale makes room for a socket at path, unless somebody answers there
// or it is no socket at all.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return errors.New("there is a file of that name which is no socket")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return errors.New("another daemon answers there")
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("see whether the socket is in use: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func lookupGroup(name string) (int, error) {
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(group.Gid)
}

// listener bounds the connections of a listener and finds out who connects.
type listener struct {
	net.Listener
	name    string
	cleanup func()
	slots   chan struct{}
	once    sync.Once
	closed  chan struct{}
	log     zerolog.Logger
}

// Accept waits until a connection may be had, and for one.
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		inner, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		who, err := identify(inner)
		if err != nil {
			l.log.Warn().Err(err).Str("listener", l.name).Msg("rpc client refused")
			inner.Close()
			<-l.slots
			continue
		}
		l.log.Debug().Str("listener", l.name).Str("client", who.name).Msg("rpc client connected")
		return &conn{Conn: inner, client: who, release: sync.OnceFunc(func() { <-l.slots })}, nil
	}
}

func (l *listener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.cleanup()
	})
	return err
}

// conn gives its slot back when it is closed.
type conn struct {
	net.Conn
	client  client
	release func()
}

func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// client is who is at the other end of a connection.
type client struct {
	socket   bool            // unix, otherwise TCP
	name     string          // for the log
	stopping context.Context // ends when the server is asked to end
}

// identify asks the kernel for the process behind a unix socket. Its right to
// be here was proven when it connected: that takes write permission on the
// socket file, so it is root, the daemon's own user, or in the file's group.
// A peer the kernel cannot name is none of them.
func identify(c net.Conn) (client, error) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return client{name: c.RemoteAddr().String()}, nil
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return client{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return client{}, fmt.Errorf("read peer credentials: %w", err)
	}
	return client{socket: true, name: fmt.Sprintf("uid %d gid %d pid %d", cred.Uid, cred.Gid, cred.Pid)}, nil
}

type clientKey struct{}

// withClient notes in a connection's context who its client is.
func withClient(ctx context.Context, c net.Conn, stopping context.Context) context.Context {
	var who client
	if c, ok := c.(*conn); ok {
		who = c.client
	}
	who.stopping = stopping
	return context.WithValue(ctx, clientKey{}, who)
}

// clientOf is what withClient noted. A request from nowhere counts as TCP.
func clientOf(r *http.Request) client {
	who, ok := r.Context().Value(clientKey{}).(client)
	if !ok {
		who.stopping = r.Context()
	}
	return who
}
