package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"lorrent/daemon/torrent"
)

// load reads a configuration from flags and an environment that are given.
func load(t *testing.T, env map[string]string, args ...string) (*config, error) {
	t.Helper()
	var given settings
	flags := pflag.NewFlagSet("lorrentd", pflag.ContinueOnError)
	given.bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(&given, flags.Changed, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

// configAt writes a configuration file.
func configAt(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (o option) String() string {
	switch {
	case o.list != nil:
		return strings.Join(*o.list, ",")
	case o.number != nil:
		return strconv.Itoa(*o.number)
	}
	return *o.text
}

// line is the option in a file.
func (o option) line(value string) string {
	key := strings.ReplaceAll(o.flag, "-", "_")
	switch {
	case o.list != nil:
		return fmt.Sprintf("%s = [%q]\n", key, value)
	case o.number != nil:
		return fmt.Sprintf("%s = %s\n", key, value)
	}
	return fmt.Sprintf("%s = %q\n", key, value)
}

// TestPrecedence gives each setting in the file, then also in the environment,
// then also as a flag.
func TestPrecedence(t *testing.T) {
	tests := map[string]struct{ file, env, flag string }{
		"state-dir":             {"/f/state", "/e/state", "/a/state"},
		"download-dir":          {"/f/down", "/e/down", "/a/down"},
		"download-roots":        {"/f/root", "/e/root", "/a/root"},
		"listen":                {"127.0.0.1:1", "127.0.0.1:2", "[::1]:3"},
		"rpc":                   {"unix:/f.sock", "unix:/e.sock", "localhost:3"},
		"rpc-token-file":        {"/f/token", "/e/token", "/a/token"},
		"rpc-socket-group":      {"file", "env", "flag"},
		"rpc-allowed-hosts":     {"file.example", "env.example", "flag.example"},
		"lora":                  {"off", "udp:239.0.0.1:1", "rnode:/dev/ttyUSB0"},
		"lora-name":             {"file", "env", "flag"},
		"lora-region":           {"US915", "EU868", "US915"},
		"lora-channel":          {"869.525/250/9", "868.1/125/7", "869.525/125/12"},
		"lora-commands":         {"on", "off", "on"},
		"lora-notify":           {"file", "env", "#flag"},
		"log-level":             {"debug", "warn", "error"},
		"preallocate":           {"full", "sparse", "full"},
		"encryption":            {"require", "prefer", "disable"},
		"utp":                   {"only", "prefer-tcp", "off"},
		"port-mapping":          {"off", "on", "off"},
		"bind":                  {"127.0.0.1", "::1", "lo"},
		"proxy":                 {"socks5://f.example:1", "http://e.example:2", "socks5://a.example:3"},
		"dscp":                  {"1", "2", "3"},
		"blocklist":             {"/f/list", "/e/list", "https://a.example/list"},
		"dht":                   {"off", "read-only", "on"},
		"dht-bootstrap":         {"a.example:1", "192.0.2.1:2", "[2001:db8::1]:3"},
		"lsd":                   {"off", "on", "off"},
		"max-peers":             {"11", "12", "13"},
		"max-peers-per-torrent": {"21", "22", "23"},
		"upload-slots":          {"31", "32", "33"},
		"download-limit":        {"1MB", "2MB", "3MB"},
		"upload-limit":          {"1KiB", "2KiB", "3KiB"},
		"alt-download-limit":    {"4MB", "5MB", "6MB"},
		"alt-upload-limit":      {"4KiB", "5KiB", "6KiB"},
		"alt-schedule":          {"01:00-02:00", "mon 03:00-04:00", "sat-sun 05:00-06:00"},
		"buffer":                {"11MiB", "12MiB", "13MiB"},
	}
	names := (&settings{}).options()
	if len(names) != len(tests)+1 { // and --config
		t.Errorf("%d settings, %d of them tested", len(names), len(tests))
	}
	for i, o := range names {
		if o.flag == "config" {
			continue
		}
		t.Run(o.flag, func(t *testing.T) {
			values, ok := tests[o.flag]
			if !ok {
				t.Fatal("not tested")
			}
			file := configAt(t, filepath.Join(t.TempDir(), "c.toml"), names[i].line(values.file))
			env := map[string]string{"HOME": "/home/nobody"}
			check := func(what, want string, args ...string) {
				t.Helper()
				c, err := load(t, env, args...)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if got := c.options()[i].String(); got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			check("file", values.file, "--config", file)
			env[o.variable()] = ""
			check("an empty variable", values.file, "--config", file)
			env[o.variable()] = values.env
			check("environment over file", values.env, "--config", file)
			check("environment alone", values.env)
			check("flag over both", values.flag, "--config", file, "--"+o.flag, values.flag)
			env["LORRENT_CONFIG"] = file
			check("flag over both, with the file named by the environment", values.flag, "--"+o.flag+"="+values.flag)
			delete(env, o.variable())
			check("file named by the environment", values.file)
		})
	}
}

func TestListSettings(t *testing.T) {
	c, err := load(t, map[string]string{"LORRENT_RPC": "unix:/a, localhost:1"})
	if err != nil || !reflect.DeepEqual(c.RPC, []string{"unix:/a", "localhost:1"}) {
		t.Errorf("environment: %q %v", c.RPC, err)
	}
	c, err = load(t, map[string]string{"LORRENT_RPC": "unix:/a"}, "--rpc", "unix:/b,c", "--rpc", "localhost:2")
	if err != nil || !reflect.DeepEqual(c.RPC, []string{"unix:/b,c", "localhost:2"}) {
		t.Errorf("repeated flag: %q %v", c.RPC, err)
	}
}

func TestDefaults(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
	c, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":51767" || c.LoRa != "sim" || c.level.String() != "info" || c.buffer != 64<<20 || c.speed != (torrent.Speed{Mode: torrent.AltOff}) || c.encrypt != torrent.PreferEncryption || c.transport != torrent.PreferTCP {
		t.Errorf("got %+v", c)
	}
	if !reflect.DeepEqual(c.RPC, []string{"unix:/run/one/rpc.sock"}) {
		t.Errorf("RPC is on %q", c.RPC)
	}
	c, err = load(t, nil, "--download-limit", "5MB/s", "--upload-limit", "800KiB", "--buffer", "1GiB")
	if err != nil || c.speed.Limits != (torrent.Limits{Download: 5_000_000, Upload: 800 << 10}) || c.buffer != 1<<30 {
		t.Errorf("limits: %+v %v", c, err)
	}
	c, err = load(t, nil, "--alt-download-limit", "1MB", "--alt-schedule", "mon-fri 08:00-18:00")
	if err != nil || c.speed.Alternative.Download != 1_000_000 || c.speed.Mode != torrent.AltSchedule || c.speed.Schedule != "mon-fri 08:00-18:00" {
		t.Errorf("alternative limits: %+v %v", c, err)
	}
}

// TestFolders follows the folders of systemd, of XDG and of the user.
func TestFolders(t *testing.T) {
	tests := []struct {
		name                   string
		env                    map[string]string
		args                   []string
		state, download, token string
	}{
		{"nothing known", nil, nil, "/var/lib/lorrent", "/var/lib/lorrent/downloads", "/var/lib/lorrent/rpc.token"},
		{"home", map[string]string{"HOME": "/h"}, nil,
			"/h/.local/state/lorrent", "/h/.local/state/lorrent/downloads", "/h/.local/state/lorrent/rpc.token"},
		{"XDG", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/x"}, nil, "/x/lorrent", "/x/lorrent/downloads", "/x/lorrent/rpc.token"},
		{"relative XDG, which the specification forbids", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "x"}, nil,
			"/h/.local/state/lorrent", "/h/.local/state/lorrent/downloads", "/h/.local/state/lorrent/rpc.token"},
		{"systemd", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/x", "STATE_DIRECTORY": "/var/lib/a"}, nil,
			"/var/lib/a", "/var/lib/a/downloads", "/var/lib/a/rpc.token"},
		{"several of systemd", map[string]string{"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, nil,
			"/var/lib/a", "/var/lib/a/downloads", "/var/lib/a/rpc.token"},
		{"told, with what follows from it", map[string]string{"STATE_DIRECTORY": "/var/lib/a"}, []string{"--state-dir", "/s"},
			"/s", "/s/downloads", "/s/rpc.token"},
		{"all told", nil, []string{"--state-dir", "/s", "--download-dir", "/d/", "--rpc-token-file", "/t"}, "/s", "/d", "/t"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.env, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if c.StateDir != tt.state || c.DownloadDir != tt.download || c.RPCTokenFile != tt.token {
				t.Errorf("got %s, %s and %s", c.StateDir, c.DownloadDir, c.RPCTokenFile)
			}
		})
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, nil, "--state-dir", "s", "--download-dir", "d", "--download-roots", "r")
	if err != nil || c.StateDir != here+"/s" || c.DownloadDir != here+"/d" || c.DownloadRoots[0] != here+"/r" {
		t.Errorf("relative folders: %+v %v", c, err)
	}
}

// TestConfigFilePlaces puts a file in each usual place, the last one first:
// each beats those before it.
func TestConfigFilePlaces(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"HOME": dir + "/home"}
	check := func(what, group string) {
		t.Helper()
		c, err := load(t, env)
		if err != nil || c.RPCSocketGroup != group {
			t.Errorf("%s: %+v %v", what, c, err)
		}
	}
	file := func(path, group string) { configAt(t, dir+path, fmt.Sprintf("rpc_socket_group = %q\n", group)) }
	check("none anywhere", "")
	file("/home/.config/lorrent/config.toml", "home")
	check("the user's", "home")
	env["XDG_CONFIG_HOME"] = dir + "/xdg"
	file("/xdg/lorrent/config.toml", "xdg")
	check("XDG's", "xdg")
	env["CONFIGURATION_DIRECTORY"] = dir + "/etc:" + dir + "/other"
	check("systemd's folder without a file", "xdg")
	file("/etc/config.toml", "systemd")
	check("systemd's", "systemd")
	env["LORRENT_CONFIG"] = dir + "/named"
	file("/named", "named")
	check("the named", "named")
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name string
		file string
		env  map[string]string
		args []string
		says string // PATH is the file's
	}{
		{"unknown setting", "listen = ':1'\n\n  nonsense = 1\n", nil, nil, `PATH:3:3: unknown setting "nonsense"`},
		{"unknown table", "[torrent]\nlisten = ':1'\n", nil, nil, `PATH:1:2: unknown setting "torrent"`},
		{"flag's name in the file", "state-dir = '/x'\n", nil, nil, `PATH:1:1: unknown setting "state-dir"`},
		{"syntax", "lora = 'off'\nlisten = \n", nil, nil, "PATH:2:"},
		{"twice", "lora = 'off'\nlora = 'sim'\n", nil, nil, "PATH:2:"},
		{"text for a number", "\nmax_peers = 'many'\n", nil, nil, "PATH:2:"},
		{"number for a list", "rpc = 5\n", nil, nil, "PATH:1:"},
		{"number in the environment", "", map[string]string{"LORRENT_MAX_PEERS": "12 or so"}, nil, `LORRENT_MAX_PEERS: "12 or so" is not a number`},
		{"log level", "log_level = 'loud'\n", nil, nil, `log_level "loud"`},
		{"no log level", "", nil, []string{"--log-level="}, `log_level ""`},
		{"preallocate", "", nil, []string{"--preallocate", "some"}, `preallocate "some"`},
		{"encryption", "", nil, []string{"--encryption", "maybe"}, `encryption "maybe"`},
		{"port mapping", "port_mapping = 'maybe'\n", nil, nil, `port_mapping "maybe"`},
		{"bind", "", nil, []string{"--bind", "my interface"}, `bind "my interface"`},
		{"proxy", "", nil, []string{"--proxy", "socks4://h:1"}, "proxy: use socks5://"},
		{"mark", "dscp = 64\n", nil, nil, "dscp 64: use 0 to 63"},
		{"utp", "", nil, []string{"--utp", "maybe"}, `utp "maybe"`},
		{"buffer", "buffer = 'big'\n", nil, nil, `buffer "big"`},
		{"small buffer", "buffer = '1kB'\n", nil, nil, `buffer "1kB"`},
		{"download limit", "", nil, []string{"--download-limit", "fast"}, `download_limit "fast"`},
		{"negative download limit", "", nil, []string{"--download-limit", "-1"}, `download_limit "-1"`},
		{"upload limit", "upload_limit = '1 furlong'\n", nil, nil, `upload_limit "1 furlong"`},
		{"alternative limit", "alt_upload_limit = 'much'\n", nil, nil, `alt_upload_limit "much"`},
		{"alternative schedule", "alt_schedule = 'noon'\n", nil, nil, `alt_schedule: schedule "noon"`},
		{"no peers", "max_peers = 0\n", nil, nil, "max_peers 0: must be at least 1"},
		{"no peers of a torrent", "", nil, []string{"--max-peers-per-torrent", "-5"}, "max_peers_per_torrent -5"},
		{"no slots", "upload_slots = 0\n", nil, nil, "upload_slots 0"},
		{"listen without port", "", nil, []string{"--listen", "localhost"}, `listen "localhost"`},
		{"listen on a service's name", "", nil, []string{"--listen", ":http"}, `port "http"`},
		{"port", "", nil, []string{"--listen", ":65536"}, `port "65536"`},
		{"no rpc", "rpc = []\n", nil, nil, "rpc is empty"},
		{"rpc", "", nil, []string{"--rpc", "unix:/ok", "--rpc", "/run/rpc.sock"}, `rpc "/run/rpc.sock"`},
		{"rpc without path", "", nil, []string{"--rpc", "unix:"}, `rpc "unix:"`},
		{"dht", "dht = 'yes'\n", nil, nil, `dht "yes"`},
		{"dht bootstrap without port", "", nil, []string{"--dht-bootstrap", "router.example"}, `dht_bootstrap "router.example"`},
		{"dht bootstrap without host", "", nil, []string{"--dht-bootstrap", ":6881"}, `dht_bootstrap ":6881"`},
		{"lsd", "", nil, []string{"--lsd="}, `lsd ""`},
		{"lora", "lora = 'lorawan'\n", nil, nil, `lora "lorawan"`},
		{"lora without device", "lora = 'serial:'\n", nil, nil, `lora "serial:"`},
		{"lora with half a firmware", "lora = 'rnode'\n", nil, nil, `lora "rnode"`},
		{"no lora", "", nil, []string{"--lora="}, `lora ""`},
		{"no state dir", "", nil, []string{"--state-dir="}, "state_dir is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := configAt(t, filepath.Join(t.TempDir(), "c.toml"), tt.file)
			c, err := load(t, tt.env, append(tt.args, "--config", path)...)
			want := strings.ReplaceAll(tt.says, "PATH", path)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %+v %v, want an error with %s", c, err, want)
			}
		})
	}
}

// TestExitCodes runs whole command lines.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", "")
	missing := filepath.Join(dir, "missing.toml")
	bad := configAt(t, filepath.Join(dir, "bad.toml"), "a = 1\n")
	state := "--state-dir=" + dir
	tests := []struct {
		name string
		args []string
		code int
		says string // on stdout when the code is 0, else on stderr
	}{
		{"help", []string{"--help"}, exitOK, "--download-dir"},
		{"version", []string{"version"}, exitOK, "lorrentd " + version},
		{"no configuration file at all", []string{"config"}, exitOK, "# file: none"},
		{"an empty configuration file", []string{"config", "--config", os.DevNull}, exitOK, "listen = ':51767'"},
		{"a missing file that was named", []string{"config", "--config", missing}, exitUsage, missing},
		{"the same of run", []string{"run", "--config", missing}, exitUsage, missing},
		{"a bad file", []string{"run", "--config", bad}, exitUsage, bad + ":1:1: "},
		{"a folder as file", []string{"config", "--config", dir}, exitUsage, dir},
		{"an unknown flag", []string{"--speed=high"}, exitUsage, "--speed"},
		{"an unknown command", []string{"dance"}, exitUsage, "dance"},
		{"an argument too many", []string{"run", "fast"}, exitUsage, "fast"},
		{"a number that is none", []string{"--max-peers=x"}, exitUsage, "--max-peers"},
		{"a bad value", []string{"--lora=x"}, exitUsage, `lora "x"`},
		{"what turns out while starting", []string{"run", state, "--listen=192.0.2.1:1", "--rpc=unix:" + dir + "/s"}, exitFailed, "192.0.2.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // should one run after all
			defer cancel()
			code := execute(ctx, tt.args, &stdout, &stderr)
			text := stdout.String()
			if tt.code != exitOK {
				text = stderr.String()
				if !strings.HasPrefix(text, "lorrentd: ") || stdout.Len() > 0 {
					t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
				}
			}
			if code != tt.code || !strings.Contains(text, tt.says) {
				t.Errorf("exit code %d, want %d with %q; stdout %q, stderr %q", code, tt.code, tt.says, &stdout, &stderr)
			}
		})
	}
}

// TestConfigCommand feeds the output of `config` to the daemon.
func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	first := []string{"config", "--config", os.DevNull, "--state-dir", dir + "/with 'quotes' and \\ and ü", "--rpc", "unix:/a", "--rpc", "localhost:1",
		"--rpc-allowed-hosts", "box", "--lora", "sim?loss=0.5", "--download-limit", "5MB/s", "--max-peers", "7", "--log-level", "trace"}
	var printed, again, stderr bytes.Buffer
	if code := execute(t.Context(), first, &printed, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	path := configAt(t, filepath.Join(dir, "c.toml"), printed.String())
	if code := execute(t.Context(), []string{"config", "--config", path}, &again, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	comment, want, _ := strings.Cut(printed.String(), "\n")
	second, got, _ := strings.Cut(again.String(), "\n")
	if got != want || !strings.Contains(want, "max_peers = 7\n") {
		t.Errorf("printed\n%s\nand then\n%s", want, got)
	}
	if comment != "# file: "+os.DevNull || second != "# file: "+path {
		t.Errorf("the files are called %q and %q", comment, second)
	}
	c, err := load(t, nil, "--config", path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := load(t, nil, first[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	c.Config = d.Config
	c.DownloadRoots, d.DownloadRoots = append([]string{}, c.DownloadRoots...), append([]string{}, d.DownloadRoots...)
	if !reflect.DeepEqual(c, d) {
		t.Errorf("%+v is not %+v", c, d)
	}
}
