package server

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/rpc"
)

const versionCall = `{"jsonrpc":"2.0","id":1,"method":"Daemon.Version"}`

// TestDoors tries every way to be kept out before a call is looked at, on
// both kinds of listener.
func TestDoors(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.maxBody, l.smallBody = 4096, 1024 })
	const socket, tcp = "socket", "tcp"
	tests := []struct {
		name   string
		where  string
		edit   func(r *http.Request)
		status int
		kind   string
	}{
		{"socket as it is", socket, func(*http.Request) {}, 200, ""},
		{"socket, any host", socket, func(r *http.Request) { r.Host = "evil.example" }, 200, ""},
		{"socket, wrong token", socket, func(r *http.Request) { r.Header.Set("Authorization", "Bearer nonsense") }, 200, ""},
		{"socket, cross-site", socket, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, rpc.KindDenied},
		{"tcp as it is", tcp, func(*http.Request) {}, 200, ""},
		{"tcp, localhost", tcp, func(r *http.Request) { r.Host = "LocalHost.:80" }, 200, ""},
		{"tcp, loopback v6", tcp, func(r *http.Request) { r.Host = "[::1]:1" }, 200, ""},
		{"tcp, other loopback", tcp, func(r *http.Request) { r.Host = "127.9.9.9" }, 200, ""},
		{"tcp, configured name", tcp, func(r *http.Request) { r.Host = "box.EXAMPLE:7890" }, 200, ""},
		{"tcp, foreign name", tcp, func(r *http.Request) { r.Host = "evil.example" }, 403, rpc.KindDenied},
		{"tcp, name that begins right", tcp, func(r *http.Request) { r.Host = "localhost.evil.example" }, 403, rpc.KindDenied},
		{"tcp, address of somebody", tcp, func(r *http.Request) { r.Host = "192.0.2.1" }, 403, rpc.KindDenied},
		{"tcp, mapped address of somebody", tcp, func(r *http.Request) { r.Host = "[::ffff:192.0.2.1]" }, 403, rpc.KindDenied},
		{"tcp, no token", tcp, func(r *http.Request) { r.Header.Del("Authorization") }, 401, rpc.KindDenied},
		{"tcp, empty token", tcp, func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401, rpc.KindDenied},
		{"tcp, wrong token", tcp, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", 64)) }, 401, rpc.KindDenied},
		{"tcp, half a token", tcp, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+f.token[:32]) }, 401, rpc.KindDenied},
		{"tcp, wrong scheme", tcp, func(r *http.Request) { r.Header.Set("Authorization", "Basic "+f.token) }, 401, rpc.KindDenied},
		{"tcp, token in the URL", tcp, func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "token=" + f.token }, 401, rpc.KindDenied},
		{"tcp, scheme in small letters", tcp, func(r *http.Request) { r.Header.Set("Authorization", "bearer "+f.token) }, 200, ""},
		{"tcp, cross-origin", tcp, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403, rpc.KindDenied},
		{"tcp, sandboxed page", tcp, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, rpc.KindDenied},
		{"tcp, same-site", tcp, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403, rpc.KindDenied},
		{"tcp, same origin", tcp, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200, ""},
		{"GET", socket, func(r *http.Request) { r.Method = "GET" }, 405, rpc.KindInvalidRequest},
		{"PUT", socket, func(r *http.Request) { r.Method = "PUT" }, 405, rpc.KindInvalidRequest},
		{"OPTIONS", socket, func(r *http.Request) { r.Method = "OPTIONS" }, 405, rpc.KindInvalidRequest},
		{"text/plain", socket, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, rpc.KindInvalidRequest},
		{"form", socket, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, rpc.KindInvalidRequest},
		{"no content type", socket, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, rpc.KindInvalidRequest},
		{"like JSON", socket, func(r *http.Request) { r.Header.Set("Content-Type", "application/jsonp") }, 415, rpc.KindInvalidRequest},
		{"with charset", socket, func(r *http.Request) { r.Header.Set("Content-Type", "Application/JSON ; charset=utf-8") }, 200, ""},
		{"compressed", socket, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, rpc.KindInvalidRequest},
		{"huge", socket, func(r *http.Request) { setBody(r, strings.Repeat(" ", 5000)) }, 413, rpc.KindInvalidRequest},
		{"huge, length unknown", socket, func(r *http.Request) { setBody(r, strings.Repeat(" ", 5000)); r.ContentLength = -1 }, 413, rpc.KindInvalidRequest},
		{"large", socket, func(r *http.Request) { setBody(r, strings.Repeat(" ", 4000)+versionCall) }, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := post(t, versionCall)
			if tt.where == tcp {
				req = postTo(t, "http://"+f.tcp+"/rpc", strings.NewReader(versionCall))
				req.Header.Set("Authorization", "Bearer "+f.token)
			}
			tt.edit(req)
			status, header, body := f.request(t, req)
			code, kind, _, _ := replyError(t, body)
			if status != tt.status || kind != tt.kind || kinds[code] != kind {
				t.Errorf("HTTP %d, code %d, kind %q; want %d and %q", status, code, kind, tt.status, tt.kind)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no X-Content-Type-Options")
			}
			if status == 405 && header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", header.Get("Allow"))
			}
			if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate is %q", header.Get("WWW-Authenticate"))
			}
		})
	}
	if strings.Contains(f.log.String(), f.token) {
		t.Error("the token is in the log")
	}
}

func setBody(r *http.Request, body string) {
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(body))
}

// TestOwnAddressIsAnAllowedHost has a client connect to 10.1.2.3.
func TestOwnAddressIsAnAllowedHost(t *testing.T) {
	s := &Server{hosts: map[string]bool{"localhost": true}}
	for host, want := range map[string]bool{"10.1.2.3:80": true, "[::ffff:10.1.2.3]": true, "10.1.2.4": false, "": false, "[": false, "fe80::1": false} {
		local := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 80}
		r := post(t, "")
		r = r.WithContext(contextWithLocal(r.Context(), local))
		r.Host = host
		if got := s.hostAllowed(r); got != want {
			t.Errorf("host %q: %v", host, got)
		}
	}
}

func TestHealth(t *testing.T) {
	f := start(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.tcp+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := f.request(t, req); status != 200 || body != "ok\n" {
		t.Errorf("HTTP %d %q", status, body)
	}
}

// Profiles are for those who may use the socket.
func TestProfile(t *testing.T) {
	f := start(t, nil)
	for host, want := range map[string]int{f.tcp: 404, "socket": 200} {
		for path, says := range map[string]string{"goroutine?debug=1": "goroutine profile: total ", "heap?gc=1&debug=1": "# HeapInuse = ", "": "goroutine"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/debug/pprof/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+f.token)
			status, _, body := f.request(t, req)
			if status != want || status == 200 && !strings.Contains(body, says) {
				t.Errorf("%s at %s: HTTP %d %.100q", path, host, status, body)
			}
		}
	}
}

func TestTokenFile(t *testing.T) {
	write := func(content string, mode os.FileMode) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, []byte(content), mode); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	good := strings.Repeat("k", 32)
	tests := []struct {
		name string
		make func(path string) error
		says string // in the error; none if ""
	}{
		{"missing", func(string) error { return nil }, ""},
		{"good", write(good+"\n", 0o600), ""},
		{"read only", write(good, 0o400), ""},
		{"readable by the group", write(good, 0o640), "make it 0600"},
		{"readable by all", write(good, 0o604), "make it 0600"},
		{"empty", write("", 0o600), "0 characters"},
		{"short", write("secret\n", 0o600), "6 characters"},
		{"long", write(strings.Repeat("k", 2000), 0o600), "more than"},
		{"two lines", write(good+"\n"+good, 0o600), "printable"},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o700) }, "regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			s := &Server{cfg: Config{TokenFile: path}}
			err := s.loadToken()
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want an error saying %q", err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if info, _ := os.Stat(path); info.Mode().Perm()&0o177 != 0 {
				t.Errorf("mode %v", info.Mode())
			}
			if !s.tokenValid("Bearer "+strings.TrimSpace(string(content))) || s.tokenValid("Bearer ") {
				t.Error("the token in the file is not the one that counts")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
