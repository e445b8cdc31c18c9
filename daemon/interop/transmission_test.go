package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// startTransmission runs transmission-daemon, which takes the torrent from its
// watched folder and checks what is there.
func startTransmission(t *testing.T, j job) *process {
	t.Helper()
	settings, err := json.Marshal(map[string]any{
		"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false,
		"encryption":                   0, // plaintext preferred
		"peer-port":                    6881,
		"download-dir":                 j.data,
		"rename-partial-files":         false,
		"rpc-port":                     9091,
		"watch-dir":                    filepath.Dir(j.torrent),
		"watch-dir-enabled":            true,
		"script-torrent-done-enabled":  true,
		"script-torrent-done-filename": j.doneScript(t),
		"message-level":                3,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.home, "settings.json"), settings, 0o644); err != nil {
		t.Fatal(err)
	}
	return start(t, j.namespace, j.home, "transmission-daemon", "--foreground", "--config-dir", j.home, "--log-debug")
}
