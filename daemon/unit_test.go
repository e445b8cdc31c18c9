package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const unitFile = "systemd/lorrent.service"

// analyze runs systemd-analyze. It is there on every machine with systemd, and
// comes with the package of that name.
func analyze(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil && inCI() {
		t.Fatal("no systemd-analyze: install the package systemd")
	}
	if err != nil {
		t.Skip("no systemd-analyze: install the package systemd")
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	code, stdout, stderr := runToEnd(t, cmd)
	return code, stdout + stderr
}

// TestUnitExposure keeps the service in its box: systemd's own score, 0 is
// perfect and 10 is open.
func TestUnitExposure(t *testing.T) {
	const limit = 2.0
	code, output := analyze(t, "security", "--offline=true", "--no-pager", unitFile)
	m := regexp.MustCompile(`Overall exposure level for lorrent\.service: ([0-9.]+)`).FindStringSubmatch(output)
	if code != 0 || m == nil {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	exposure, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	if exposure > limit {
		t.Errorf("exposure %.1f, limit %.1f:\n%s", exposure, limit, output)
	}
	t.Logf("exposure %.1f", exposure)
}

// TestUnitIsValid lets systemd read the unit, with a program in place of the
// one that is not installed here.
func TestUnitIsValid(t *testing.T) {
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	const program = "ExecStart=/usr/local/bin/lorrentd run\n"
	if !strings.Contains(string(unit), program) {
		t.Fatalf("no line %q", program)
	}
	verify := func(text string) (int, string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "lorrent.service")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return analyze(t, "verify", "--man=no", path)
	}
	text := strings.Replace(string(unit), program, "ExecStart=/bin/true run\n", 1)
	if code, output := verify(text); code != 0 || output != "" {
		t.Errorf("exit code %d: %s", code, output)
	}
	// It would have said so.
	if _, output := verify(strings.Replace(text, "ProtectClock=yes", "ProtectClocks=yes", 1)); !strings.Contains(output, "ProtectClocks") {
		t.Errorf("a misspelt setting goes unnoticed: %q", output)
	}
}
