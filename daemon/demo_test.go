package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"
)

// TestDemo runs the whole demonstration. It starts this program again as the
// daemon. How long it takes beside other tests and with the race detector says
// little: .ci/run gives the program as it is released a minute.
func TestDemo(t *testing.T) {
	t.Setenv(asDaemon, "1")
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	started := time.Now()
	if code := execute(t.Context(), []string{"demo"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, &stdout, &stderr)
	}
	took := time.Since(started)
	rest := stdout.Bytes()
	for _, line := range []string{
		`A tracker and 3 seeds are up, with 5 files of 256 MiB in all\.`,
		`The daemon \(process \d+\) answers after `,
		`Added demo \([0-9a-f]{8}\), 256 MiB\.`,
		`\[#+\.+\] +\d+ % .* \d+ peers`,
		`Killed the daemon \(SIGKILL\) with [12]\d\d MiB verified\. Starting it again\.`,
		`The daemon \(process \d+\) answers after `,
		`It kept \d+ MiB and goes on from there\.`,
		`\[#{40}\] 100 %`,
		`Complete\. SHA-256 of source and download:`,
		`  [0-9a-f]{16}  file-0\.bin: the same`,
		`  [0-9a-f]{16}  more/file-3\.bin: the same`,
		`Sent "Hello from the daemon" to ![0-9a-f]{8} over the simulated air\.`,
		`All of it held\.\n$`,
	} {
		at := regexp.MustCompile(line).FindIndex(rest)
		if at == nil {
			t.Fatalf("no %s in time and place:\n%s", line, &stdout)
		}
		rest = rest[at[1]:]
	}
	for _, line := range []string{ // in either order
		`  acknowledged: the other node has stored it \(\d+ times on air\)\.`,
		`  answer from ![0-9a-f]{8}: Got "Hello from the daemon" loud and clear\. \(-\d+ dBm, SNR -?\d+\.\d dB\)`,
	} {
		if !regexp.MustCompile(line).Match(stdout.Bytes()) {
			t.Errorf("no %s:\n%s", line, &stdout)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind, %v", left, err)
	}
	t.Logf("%s", took.Round(time.Millisecond))
}
