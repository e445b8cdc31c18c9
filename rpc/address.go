package rpc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// AddressVariable is the environment variable that DefaultAddress looks at
// first.
const AddressVariable = "LORRENT_RPC"

// DefaultAddress is where a client looks for the daemon when it was told
// nothing: $LORRENT_RPC, else the first of SocketPaths that exists, else the
// first of them.
func DefaultAddress() string {
	if address := os.Getenv(AddressVariable); address != "" {
		return address
	}
	paths := SocketPaths()
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			return "unix:" + path
		}
	}
	return "unix:" + paths[0]
}

// SocketPaths lists where a daemon may have put its socket, the most private
// place first: $RUNTIME_DIRECTORY/rpc.sock (systemd sets it for a unit),
// $XDG_RUNTIME_DIR/lorrent/rpc.sock, /run/lorrent/rpc.sock. A daemon with no
// other orders listens on the first.
func SocketPaths() []string {
	var paths []string
	// systemd separates several directories by colons.
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "rpc.sock"))
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "lorrent", "rpc.sock"))
	}
	return append(paths, "/run/lorrent/rpc.sock")
}

// maxSocketPath is what fits sockaddr_un on Linux, without the closing zero.
const maxSocketPath = 107

// endpoint is a parsed address: a URL to post to and, for a unix socket, the
// file to dial instead of the URL's host.
type endpoint struct {
	url    string
	socket string
}

// parseAddress understands "unix:PATH", "HOST:PORT", "http://HOST:PORT" and
// "https://HOST[:PORT]". A URL may carry a path, for a proxy that has moved
// the endpoint; without one it is Path.
func parseAddress(address string) (endpoint, error) {
	switch {
	case address == "":
		return endpoint{}, errors.New("it is empty")
	case strings.HasPrefix(address, "unix:"):
		return parseSocket(strings.TrimPrefix(address, "unix:"))
	case strings.HasPrefix(address, "http://"), strings.HasPrefix(address, "https://"):
		return parseURL(address)
	case strings.Contains(address, "://"):
		scheme, _, _ := strings.Cut(address, "://")
		return endpoint{}, fmt.Errorf("unknown scheme %q: want unix:PATH, HOST:PORT or an http or https URL", scheme)
	case strings.HasPrefix(address, "/"), strings.HasPrefix(address, "."):
		return endpoint{}, fmt.Errorf("a socket is written unix:%s", address)
	}
	return parseHostPort(address)
}

func parseSocket(path string) (endpoint, error) {
	if rest, ok := strings.CutPrefix(path, "//"); ok { // unix:///run/x
		path = rest
	}
	switch {
	case path == "":
		return endpoint{}, errors.New("no path after unix")
	case strings.ContainsRune(path, 0):
		return endpoint{}, errors.New("the socket path has a zero byte in it")
	case len(path) > maxSocketPath:
		return endpoint{}, fmt.Errorf("the socket path has %d bytes, %d fit", len(path), maxSocketPath)
	}
	// The host is only a word in the Host header.
	return endpoint{url: "http://localhost" + Path, socket: path}, nil
}

func parseURL(address string) (endpoint, error) {
	u, err := url.Parse(address)
	if err != nil {
		return endpoint{}, errors.Unwrap(err) // without the address, which the caller names
	}
	switch {
	case u.Hostname() == "":
		return endpoint{}, errors.New("no host in the URL")
	case u.User != nil:
		return endpoint{}, errors.New("credentials do not belong in the URL: use a token")
	case u.RawQuery != "" || u.Fragment != "":
		return endpoint{}, errors.New("a query or fragment does not belong in the URL")
	}
	if port := u.Port(); port != "" {
		if err := checkPort(port); err != nil {
			return endpoint{}, err
		}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = Path
	}
	return endpoint{url: u.String()}, nil
}

func parseHostPort(address string) (endpoint, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		var addr *net.AddrError
		if errors.As(err, &addr) {
			return endpoint{}, fmt.Errorf("%s: want unix:PATH, HOST:PORT or an http or https URL", addr.Err)
		}
		return endpoint{}, err
	}
	if host == "" {
		return endpoint{}, errors.New("no host before the port")
	}
	if err := checkPort(port); err != nil {
		return endpoint{}, err
	}
	u, err := url.Parse("http://" + net.JoinHostPort(host, port))
	if err != nil || u.Hostname() != host || u.Path != "" || u.User != nil {
		return endpoint{}, fmt.Errorf("%q is no host name", host)
	}
	return endpoint{url: u.String() + Path}, nil
}

func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return nil
}
