package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"lorrent/rpc"
)

// refusal is an answer given before anything of the body is looked at.
type refusal struct {
	status  int
	code    int
	message string
}

// admit decides whether a request may be answered; nil means yes.
func (s *Server) admit(r *http.Request, origins *http.CrossOriginProtection) *refusal {
	who := clientOf(r)
	if !who.socket && !s.hostAllowed(r) {
		return &refusal{http.StatusForbidden, rpc.CodeDenied, fmt.Sprintf("host %q is not one this daemon answers to", clip(r.Host, 100))}
	}
	if err := origins.Check(r); err != nil {
		return &refusal{http.StatusForbidden, rpc.CodeDenied, "cross-origin request refused"}
	}
	if !who.socket && !s.tokenValid(r.Header.Get("Authorization")) {
		return &refusal{http.StatusUnauthorized, rpc.CodeDenied, "a bearer token is missing or wrong"}
	}
	return nil
}

// hostAllowed guards against DNS rebinding: a page of example.org whose name
// suddenly means 127.0.0.1 still says example.org in its Host header. An
// address cannot be rebound, so the one that was connected to is fine.
func (s *Server) hostAllowed(r *http.Request) bool {
	host := hostName(r.Host)
	if s.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == ip.WithZone("")
}

// hostName strips port, brackets and a final dot, and lowers the case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func parseHosts(names []string) (map[string]bool, error) {
	hosts := map[string]bool{"localhost": true}
	for _, name := range names {
		host := hostName(name)
		if host == "" || strings.ContainsAny(host, "/*@ \t") {
			return nil, fmt.Errorf("allowed host %q is no host name", name)
		}
		hosts[host] = true
	}
	return hosts, nil
}

// tokenValid compares hashes, so that neither content nor length can be found
// out by the time it takes.
func (s *Server) tokenValid(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	s.mu.Lock()
	want := s.token
	s.mu.Unlock()
	equal := subtle.ConstantTimeCompare(given[:], want[:]) == 1
	return equal && strings.EqualFold(scheme, "Bearer")
}

const (
	minToken = 16
	maxToken = 1024
)

// loadToken reads the token file, making it when there is none. The caller
// holds mu.
func (s *Server) loadToken() error {
	token, err := readToken(s.cfg.TokenFile)
	if errors.Is(err, os.ErrNotExist) {
		if err = createToken(s.cfg.TokenFile); err == nil || errors.Is(err, os.ErrExist) {
			token, err = readToken(s.cfg.TokenFile)
		}
	}
	if err != nil {
		return fmt.Errorf("rpc token: %w", err)
	}
	s.token = sha256.Sum256([]byte(token))
	return nil
}

func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("%s can be used by others (mode %04o): make it 0600", path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken+2))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	switch {
	case len(token) < minToken:
		return "", fmt.Errorf("%s holds %d characters, at least %d are wanted", path, len(token), minToken)
	case len(data) > maxToken+1:
		return "", fmt.Errorf("%s holds more than %d characters", path, maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%s holds something other than printable ASCII", path)
	}
	return token, nil
}

// createToken writes a random token. The file appears complete or not at all.
func createToken(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".token-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	_, err = temp.WriteString(hex.EncodeToString(secret[:]) + "\n")
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), path)
}

// clip shortens what a client sent for use in a message.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
