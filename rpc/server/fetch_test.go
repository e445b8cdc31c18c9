package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

func TestFetch(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "torrent") })
	mux.HandleFunc("/gone", http.NotFound)
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/hop/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.PathValue("n"), &n)
		to := "/ok"
		if n > 1 {
			to = fmt.Sprintf("/hop/%d", n-1)
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for range metainfo.MaxSize>>20 + 8 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "t")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	tests := []struct {
		path string
		says string // in the error; none if ""
	}{
		{"/ok", ""},
		{"/hop/5", ""},
		{"/hop/6", "more than 5 redirects"},
		{"/loop", "more than 5 redirects"},
		{"/gone", "HTTP 404"},
		{"/file", `redirect to scheme "file"`},
		{"/large", "larger than 32 MiB"},
		{"/drip?passkey=hunter2", "no complete answer"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.HasPrefix(tt.path, "/drip") {
				defer time.AfterFunc(100*time.Millisecond, cancel).Stop()
			}
			data, err := fetch(ctx, srv.URL+tt.path, nil)
			if tt.says != "" {
				wantError(t, err, rpc.CodeFetch, tt.says)
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the passkey is in %v", err)
				}
			} else if err != nil || string(data) != "torrent" {
				t.Errorf("got %q %v", data, err)
			}
		})
	}
	srv.Close()
	_, err := fetch(t.Context(), srv.URL, nil)
	wantError(t, err, rpc.CodeFetch, "refused")
}

// TestFetchFromPublicToPrivate pretends that the first answer came from the
// internet: then loopback must not be dialled, by whatever name.
func TestFetchFromPublicToPrivate(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; io.WriteString(w, "secret") }))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		f := &fetcher{here: true} // the connection before the redirect
		u.Host = host + ":" + u.Port()
		req := &http.Request{URL: u}
		if err := f.checkRedirect(req, []*http.Request{req}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.get(t.Context(), u); err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: got %v", host, err)
		}
	}
	if asked != 0 {
		t.Errorf("it was asked %d times", asked)
	}
	// From private to private is fine: a client may ask for what is here.
	f := new(fetcher)
	if data, err := f.get(t.Context(), u); err != nil || string(data) != "secret" || f.here {
		t.Errorf("got %q %v, public %v", data, err, f.here)
	}
}
