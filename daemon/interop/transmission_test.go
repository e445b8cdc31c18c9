package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// startTransmission runs transmission-daemon, which takes the torrents from
// its watched folder and checks what is there. It always has TCP.
func startTransmission(t *testing.T, j job) *process {
	t.Helper()
	level, args := 3, []string{"--foreground", "--config-dir", j.home}
	if j.measured {
		level = 1 // errors
	} else {
		args = append(args, "--log-debug")
	}
	encryption := 0 // plaintext preferred
	if j.encrypted {
		encryption = 2 // required
	}
	settings, err := json.Marshal(map[string]any{
		"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": j.utp, "port-forwarding-enabled": false,
		"encryption":                   encryption,
		"peer-port":                    6881,
		"download-dir":                 j.data,
		"rename-partial-files":         false,
		"rpc-port":                     9091,
		"watch-dir":                    j.folder,
		"watch-dir-enabled":            true,
		"script-torrent-done-enabled":  true,
		"script-torrent-done-filename": j.doneScript(t),
		"message-level":                level,
		"download-queue-enabled":       false,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.home, "settings.json"), settings, 0o644); err != nil {
		t.Fatal(err)
	}
	return start(t, j.namespace, j.home, "transmission-daemon", args...)
}
