package interop

import (
	"strconv"
	"testing"
)

// startAria2 runs aria2c, which checks what is there, downloads the rest, and
// seeds until it is stopped.
func startAria2(t *testing.T, j job) *process {
	t.Helper()
	level := "info"
	if j.measured {
		level = "notice"
	}
	args := append([]string{"--no-conf=true", "--dir=" + j.data,
		"--enable-dht=false", "--enable-dht6=false", "--enable-peer-exchange=false", "--bt-enable-lpd=false",
		"--listen-port=6881", "--file-allocation=falloc", "--check-integrity=true", "--allow-overwrite=true",
		"--seed-ratio=0.0", "--on-bt-download-complete=" + j.doneScript(t),
		"--max-concurrent-downloads=" + strconv.Itoa(len(j.torrents)),
		"--console-log-level=" + level, "--enable-color=false", "--summary-interval=0"}, j.torrents...)
	return start(t, j.namespace, j.home, "aria2c", args...)
}
