package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFlashInfo wants a command for each environment that firmware/board has, with
// the port of a board that is plugged in, and for none that it has not.
func TestFlashInfo(t *testing.T) {
	ini, err := os.ReadFile("../firmware/board/platformio.ini")
	if err != nil {
		t.Fatal(err)
	}
	var environments []string
	for _, m := range regexp.MustCompile(`(?m)^\[env:(\w+)\]`).FindAllSubmatch(ini, -1) {
		environments = append(environments, string(m[1]))
	}
	var got []string
	for _, f := range flashables() {
		got = append(got, f.Environment)
	}
	if !slices.Equal(got, environments) {
		t.Errorf("environments %q, platformio.ini has %q", got, environments)
	}

	d := newFakeDaemon(t)
	r := invocation{env: d.env()}.run(t, "lora", "flash-info")
	for _, want := range []string{
		"pio run -d firmware/board -e heltec_v2 -t upload --upload-port /dev/ttyUSB0\n",
		"esptool --chip esp32s3 --port /dev/ttyUSB0 --baud 921600 write_flash 0x0 lorrent-heltec_v3-merged.bin\n",
	} {
		if r.code != exitOK || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, %q lacks %q", r.code, r.stdout, want)
		}
	}
	r = invocation{env: d.env()}.run(t, "lora", "flash-info", "--json")
	var list []flashable
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) != len(environments) || !slices.Equal(list[0].Ports, []string{"/dev/ttyUSB0"}) {
		t.Errorf("%q: %+v, %v", r.stdout, list, err)
	}
	// No daemon is needed to be told how.
	r = invocation{}.run(t, "--rpc", "unix:"+filepath.Join(t.TempDir(), "none"), "lora", "flash-info")
	if r.code != exitOK || !strings.Contains(r.stdout, "none plugged in") || !strings.Contains(r.stdout, "--port PORT") {
		t.Errorf("without a daemon: exit code %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	if r := (invocation{env: d.env()}).run(t, "lora"); r.code != exitUsage {
		t.Errorf("lora alone: exit code %d", r.code)
	}
}
