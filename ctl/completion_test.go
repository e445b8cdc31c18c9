package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		t.Run(shell, func(t *testing.T) {
			r := invocation{}.run(t, "completion", shell)
			if r.code != exitOK || !strings.Contains(r.stdout, "__complete") {
				t.Errorf("exit code %d, %d bytes", r.code, len(r.stdout))
			}
			var object map[string]string
			invocation{}.run(t, "completion", shell, "--json").decode(t, &object)
			if object["script"] != r.stdout || object["shell"] != shell {
				t.Error("JSON has another script")
			}
		})
	}
	if r := (invocation{}).run(t, "completion", "tcsh"); r.code != exitUsage {
		t.Errorf("unknown shell: exit code %d", r.code)
	}
}

// TestBashParses checks that the script is one, where bash is installed; it
// is on every machine that runs the tests.
func TestBashParses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "completion.bash")
	if err := os.WriteFile(script, []byte(invocation{}.run(t, "completion", "bash").stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bash", "-n", script).CombinedOutput(); err != nil {
		t.Errorf("bash -n: %v\n%s", err, out)
	}
}

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string // the last one is being typed
		want []string // lines, without the directive
	}{
		{"all torrents", []string{"show", ""}, []string{"89abcdef01\tdebian.iso", "89abff0000\t本の名前", "1234000000\tevil\uFFFD[2J\uFFFD31m name"}},
		{"by prefix", []string{"stop", "89abf"}, []string{"89abff0000\t本の名前"}},
		{"longer than the short id", []string{"rm", "89abcdef0123"}, []string{hashISO + "\tdebian.iso"}},
		{"not twice", []string{"start", "89abc", "89"}, []string{"89abff0000\t本の名前"}},
		{"show takes one", []string{"show", "89abc", ""}, nil},
		{"nodes", []string{"send", ""}, []string{"all\teveryone in reach", "89abcdef\theard 1d12h ago"}},
		{"peer", []string{"inbox", "--peer", ""}, []string{"all\teveryone in reach", "89abcdef\theard 1d12h ago"}},
		{"text of a message", []string{"send", "all", ""}, nil},
		{"files of a torrent", []string{"files", "89abf"}, []string{"89abff0000\t本の名前"}},
		{"which files", []string{"files", "89abff", "--only", ""}, []string{"all"}},
		{"files to add", []string{"add", "--files", ""}, []string{"all"}},
		{"state", []string{"ls", "--state", ""}, states()},
		{"sort", []string{"ls", "--sort", ""}, orderNames()},
		{"type", []string{"watch", "--type", ""}, eventFamilies()},
		{"colour", []string{"ls", "--color", ""}, []string{"auto", "always", "never"}},
		{"shell", []string{"completion", "z"}, []string{"zsh"}},
		{"command", []string{"rech"}, []string{"recheck\tHash what is on disk"}},
		{"help topic", []string{"help", "exit"}, []string{"exit-codes\tWhat the exit codes mean"}},
		{"torrent file", []string{"add", ""}, []string{"torrent"}},
		{"no daemon", []string{"show", "--rpc", "unix:/nonexistent/rpc.sock", ""}, nil},
		{"no address", []string{"show", "--rpc", "nonsense", ""}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newFakeDaemon(t).ctl(append([]string{"__complete"}, test.args...)...)
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			directive := lines[len(lines)-1]
			got := strings.Join(lines[:len(lines)-1], "\n")
			if test.name == "help topic" { // one of many: the shell filters
				if !strings.Contains(got, test.want[0]) {
					t.Errorf("completes to %q", got)
				}
				return
			}
			if r.code != exitOK || !strings.HasPrefix(directive, ":") || got != strings.Join(test.want, "\n") {
				t.Errorf("exit code %d, completes to %q, want %q", r.code, got, test.want)
			}
		})
	}
}
