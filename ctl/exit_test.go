package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/rpc"
)

func TestExitCodes(t *testing.T) {
	answer := func(code int, kind string) func(*fakeDaemon) {
		return func(d *fakeDaemon) { d.fail("Torrent.List", code, kind, "it \x1b[31mfailed") }
	}
	for _, test := range []struct {
		name    string
		prepare func(*fakeDaemon)
		args    string
		code    int
		rpcCode int
		kind    string
		stderr  string // must be contained
	}{
		{"internal", answer(rpc.CodeInternal, rpc.KindInternal), "ls", exitRPC, rpc.CodeInternal, "internal", "lorrentctl: it \uFFFD[31mfailed\n"},
		{"disk", answer(rpc.CodeDisk, rpc.KindDisk), "ls", exitRPC, 6, "disk", ""},
		{"closing", answer(rpc.CodeClosing, rpc.KindClosing), "ls", exitRPC, 9, "closing", ""},
		{"invalid", answer(rpc.CodeInvalid, rpc.KindInvalid), "ls", exitRPC, 3, "invalid", ""},
		{"busy", answer(rpc.CodeBusy, rpc.KindBusy), "ls", exitRPC, 4, "busy", ""},
		{"radio down", answer(rpc.CodeLoRaDown, rpc.KindLoRaDown), "ls", exitRPC, 7, "loraDown", "status --lora"},
		{"method not found", answer(rpc.CodeMethodNotFound, rpc.KindMethodNotFound), "ls", exitRPC, -32601, "methodNotFound", "lorrentctl version"},
		{"denied by an answer", answer(rpc.CodeDenied, rpc.KindDenied), "ls", exitDenied, 5, "denied", "usermod -aG"},
		{"time-out of the daemon", answer(rpc.CodeTimeout, rpc.KindTimeout), "ls", exitTimeout, 8, "timeout", ""},
		{"not found", nil, "show ffff", exitNotFound, 1, "notFound", "no torrent ffff"},
		{"ambiguous", nil, "show 89ab", exitRPC, 2, "ambiguous", "give more digits:\n  " + hashISO + "\n  " + hashBook + "\n"},
		{"ambiguous stop", nil, "stop 89", exitRPC, 2, "ambiguous", hashISO},
		{"unknown flag", nil, "ls --what", exitUsage, 0, "usage", "see: lorrentctl ls --help"},
		{"unknown command", nil, "frobnicate", exitUsage, 0, "usage", "unknown command"},
		{"unknown help topic", nil, "help frobnicate", exitUsage, 0, "usage", "no help topic"},
		{"too few arguments", nil, "show", exitUsage, 0, "usage", "see: lorrentctl show --help"},
		{"too many arguments", nil, "ls x", exitUsage, 0, "usage", ""},
		{"ids and --all", nil, "stop 1234 --all", exitUsage, 0, "usage", "or --all and none"},
		{"neither ids nor --all", nil, "stop", exitUsage, 0, "usage", ""},
		{"bad colour", nil, "ls --color red", exitUsage, 0, "usage", "auto, always or never"},
		{"bad state", nil, "ls --state sleeping", exitUsage, 0, "usage", "queued, metadata"},
		{"bad limit", nil, "limits --down fast", exitUsage, 0, "usage", "such as 5MB"},
		{"reset and a limit", nil, "limits --reset --down 1MB", exitUsage, 0, "usage", "no other flag"},
		{"alternative limits of a torrent", nil, "limits 1234 --alt on", exitUsage, 0, "usage", "only --down and --up"},
		{"bad files", nil, "files 1234 --skip x", exitRPC, 3, "invalid", `skip: files "x"`},
		{"files of nothing", nil, "files ffff", exitNotFound, 1, "notFound", "no torrent ffff"},
		{"files of two torrents", nil, "files 1234 89abff", exitUsage, 0, "usage", "see: lorrentctl files --help"},
		{"bad sort", nil, "ls --sort weight", exitUsage, 0, "usage", "added, name"},
		{"bad limit", nil, "inbox --limit 0", exitUsage, 0, "usage", "1 to 1000"},
		{"sent and all", nil, "inbox --sent --all", exitUsage, 0, "usage", ""},
		{"bad address", nil, "ls --rpc nonsense", exitUsage, 0, "usage", "rpc address"},
		{"bad time-out", nil, "ls --timeout -1s", exitUsage, 0, "usage", "negative"},
		{"bad interval", nil, "watch --interval 1ms", exitUsage, 0, "usage", "100ms"},
		{"no token file", nil, "ls --token-file /nonexistent", exitUsage, 0, "usage", "read token"},
		{"paused wait", nil, "add x --wait --paused", exitUsage, 0, "usage", "never completes"},
		{"rm data unasked", nil, "rm 1234 --data", exitUsage, 0, "usage", "--yes"},
		{"empty text", nil, "send all -", exitUsage, 0, "usage", "empty"},
		{"no file", nil, "add /nonexistent", exitUsage, 0, "file", "no such file"},
		{"unreachable", nil, "ls --rpc unix:/nonexistent/rpc.sock", exitUnreachable, 0, "unreachable", "start it: lorrentd"},
		{"unreachable health", nil, "health --rpc 127.0.0.1:1", exitUnreachable, 0, "unreachable", "--rpc unix:PATH"},
		{"time-out", nil, "watch --timeout 50ms", exitTimeout, 8, "timeout", "not done after 50ms"},
		{"time-out of a wait", nil, "add http://u --wait --timeout 100ms", exitTimeout, 8, "timeout", "goes on"},
		{"not ours", func(d *fakeDaemon) { d.gate = http.NotFound }, "ls", exitRPC, 0, "internal", "does not speak"},
	} {
		for _, mode := range []string{"text", "json"} {
			t.Run(test.name+" "+mode, func(t *testing.T) {
				d := newFakeDaemon(t)
				if test.prepare != nil {
					test.prepare(d)
				}
				args := strings.Fields(test.args)
				if mode == "json" {
					args = append(args, "--json")
				}
				r := d.ctl(args...)
				if r.code != test.code {
					t.Errorf("exit code %d, want %d (stdout %q, stderr %q)", r.code, test.code, r.stdout, r.stderr)
				}
				if mode == "text" {
					if !strings.HasPrefix(r.stderr[strings.LastIndex(r.stderr, program+": "):], program+": ") || !strings.Contains(r.stderr, test.stderr) {
						t.Errorf("stderr %q, want %q in it", r.stderr, test.stderr)
					}
					return
				}
				var failed errorObject
				r.decode(t, &failed)
				if failed.Error.Code != test.rpcCode || failed.Error.Kind != test.kind || failed.Error.Message == "" || r.stderr != "" {
					t.Errorf("error %+v, want code %d, kind %s (stderr %q)", failed, test.rpcCode, test.kind, r.stderr)
				}
				if test.kind == "ambiguous" && len(failed.Error.Matches) != 2 {
					t.Errorf("matches %v", failed.Error.Matches)
				}
			})
		}
	}
}

func TestExitCodesTopic(t *testing.T) {
	d := newFakeDaemon(t)
	for _, args := range [][]string{{"help", "exit-codes"}, {"exit-codes"}} {
		r := d.ctl(args...)
		for _, e := range exitTable() {
			if r.code != exitOK || !strings.Contains(r.stdout, fmt.Sprintf("%3d  %s\n", e.code, e.meaning)) {
				t.Errorf("%v: code %d is missing (exit code %d)", args, e.code, r.code)
			}
		}
	}
}

func TestDenied(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"torrents":[]}}`)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	blank := filepath.Join(t.TempDir(), "blank")
	for path, content := range map[string]string{token: "secret\n", blank: " \n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		env    []string
		args   []string
		code   int
		stderr string
	}{
		{"no token", nil, nil, exitDenied, "give the daemon's token with --token-file FILE or in LORRENT_TOKEN"},
		{"wrong token", []string{"LORRENT_TOKEN=guess"}, nil, exitDenied, "--token-file"},
		{"token in the environment", []string{"LORRENT_TOKEN=secret"}, nil, exitOK, ""},
		{"token in a file", nil, []string{"--token-file", token}, exitOK, ""},
		{"file before environment", []string{"LORRENT_TOKEN=guess"}, []string{"--token-file", token}, exitOK, ""},
		{"empty file", nil, []string{"--token-file", blank}, exitUsage, "holds no token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := invocation{env: test.env}.run(t, append([]string{"ls", "--no-header", "--rpc", server.URL}, test.args...)...)
			if r.code != test.code || !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("exit code %d, want %d, stderr %q", r.code, test.code, r.stderr)
			}
		})
	}
}

func TestSilentDaemon(t *testing.T) {
	d := newFakeDaemon(t)
	released := make(chan struct{})
	defer close(released)
	d.gate = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}
	r := d.ctl("health", "--timeout", "100ms")
	if r.code != exitTimeout || !strings.Contains(r.stderr, "not done after 100ms") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

// TestSeveralFailures checks that a batch goes on, reports each failure, and
// ends with the code of the first.
func TestSeveralFailures(t *testing.T) {
	d := newFakeDaemon(t)
	r := d.ctl("stop", "ffff", "1234", "89ab")
	r.want(t, exitNotFound, "stopped\t"+hashVideo+"\tevil\uFFFD[2J\uFFFD31m name\n")
	if strings.Count(r.stderr, program+": ") != 2 {
		t.Errorf("stderr %q", r.stderr)
	}
	var results []errorObject
	r = d.ctl("stop", "ffff", "1234", "89ab", "--json")
	r.decode(t, &results)
	if r.code != exitNotFound || len(results) != 3 || results[0].ID != "ffff" || results[0].Error.Kind != "notFound" ||
		results[1].Error.Kind != "" || results[2].Error.Kind != "ambiguous" {
		t.Errorf("exit code %d, %+v", r.code, results)
	}
	r = d.ctl("stop", "1", "2", "3", "--rpc", "unix:/nonexistent/rpc.sock")
	if r.code != exitUnreachable || strings.Count(r.stderr, program+": ") != 1 {
		t.Errorf("nobody there: exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestVersionWithoutDaemon(t *testing.T) {
	r := invocation{}.run(t, "version", "--rpc", "unix:/nonexistent/rpc.sock")
	if r.code != exitUnreachable || !strings.HasPrefix(r.stdout, program+"\t") {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
	if r = (invocation{}).run(t, "version", "--client"); r.code != exitOK || !strings.HasPrefix(r.stdout, program+"\t") {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
}
