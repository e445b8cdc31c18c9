package rpc

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	tests := []struct {
		address     string
		url, socket string
		says        string // in the error
	}{
		{"unix:/run/lorrent/rpc.sock", "http://localhost/rpc", "/run/lorrent/rpc.sock", ""},
		{"unix:rpc.sock", "http://localhost/rpc", "rpc.sock", ""},
		{"unix:///run/x", "http://localhost/rpc", "/run/x", ""},
		{"localhost:7890", "http://localhost:7890/rpc", "", ""},
		{"[::1]:7890", "http://[::1]:7890/rpc", "", ""},
		{"192.0.2.1:1", "http://192.0.2.1:1/rpc", "", ""},
		{"http://box:7890", "http://box:7890/rpc", "", ""},
		{"http://box:7890/", "http://box:7890/rpc", "", ""},
		{"https://box", "https://box/rpc", "", ""},
		{"https://box/lorrent/rpc", "https://box/lorrent/rpc", "", ""},
		{"", "", "", "empty"},
		{"unix:", "", "", "no path"},
		{"unix:///", "http://localhost/rpc", "/", ""},
		{"unix:a\x00b", "", "", "zero byte"},
		{"unix:/" + strings.Repeat("x", 107), "", "", "108 bytes, 107 fit"},
		{"/run/x.sock", "", "", "unix:/run/x.sock"},
		{"./x.sock", "", "", "unix:./x.sock"},
		{"localhost", "", "", "missing port"},
		{":7890", "", "", "no host"},
		{"localhost:", "", "", `port ""`},
		{"localhost:http", "", "", `port "http"`},
		{"localhost:0", "", "", `port "0"`},
		{"localhost:65536", "", "", `port "65536"`},
		{"http://box:99999", "", "", `port "99999"`},
		{"::1:7890", "", "", "too many colons"},
		{"a/b:80", "", "", "no host name"},
		{"u@h:80", "", "", "no host name"},
		{"http://", "", "", "no host"},
		{"http://u:p@box", "", "", "credentials"},
		{"http://box/?a=b", "", "", "query"},
		{"http://box/%zz", "", "", "invalid URL escape"},
		{"ftp://box", "", "", `scheme "ftp"`},
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			end, err := parseAddress(tt.address)
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %+v %v, want an error saying %q", end, err, tt.says)
				}
				if _, err := Dial(tt.address, Options{}); err == nil || !strings.HasPrefix(err.Error(), "rpc address ") {
					t.Errorf("Dial: %v", err)
				}
				return
			}
			if err != nil || end.url != tt.url || end.socket != tt.socket {
				t.Errorf("got %+v %v, want %s %s", end, err, tt.url, tt.socket)
			}
		})
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"unix:/x", "localhost:1", "http://[::1]:2/x", "https://a", "", "::", "http://%", "a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		end, err := parseAddress(address)
		if err == nil && !strings.HasPrefix(end.url, "http") {
			t.Errorf("%q gives %+v", address, end)
		}
	})
}

func TestDefaultAddress(t *testing.T) {
	dir := t.TempDir()
	runtime, xdg := filepath.Join(dir, "r"), filepath.Join(dir, "x")
	socketAt := func(path string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	t.Setenv(AddressVariable, "")
	t.Setenv("RUNTIME_DIRECTORY", runtime+":/run/other")
	t.Setenv("XDG_RUNTIME_DIR", xdg)
	check := func(what, want string) {
		t.Helper()
		if got := DefaultAddress(); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	if _, err := os.Stat("/run/lorrent/rpc.sock"); err != nil {
		check("no socket anywhere", "unix:"+runtime+"/rpc.sock")
	}
	socketAt(xdg + "/lorrent/rpc.sock")
	check("the second exists", "unix:"+xdg+"/lorrent/rpc.sock")
	if err := os.MkdirAll(runtime+"/rpc.sock", 0o700); err != nil {
		t.Fatal(err)
	}
	check("the first is a folder", "unix:"+xdg+"/lorrent/rpc.sock")
	if err := os.Remove(runtime + "/rpc.sock"); err != nil {
		t.Fatal(err)
	}
	socketAt(runtime + "/rpc.sock")
	check("both exist", "unix:"+runtime+"/rpc.sock")
	t.Setenv(AddressVariable, "box:1")
	check("told", "box:1")
	t.Setenv("RUNTIME_DIRECTORY", "relative")
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := SocketPaths(); len(got) != 1 || got[0] != "/run/lorrent/rpc.sock" {
		t.Errorf("got %v", got)
	}
}
