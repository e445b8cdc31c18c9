package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// environments are those of board/platformio.ini, each with its build flags.
func environments(t testing.TB) map[string][]string {
	t.Helper()
	ini, err := os.ReadFile("board/platformio.ini")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, section := range regexp.MustCompile(`(?m)^\[env:`).Split(string(ini), -1)[1:] {
		name, rest, _ := strings.Cut(section, "]")
		flags := regexp.MustCompile(`-D\S+`).FindAllString(rest, -1)
		if len(flags) == 0 || !strings.Contains(rest, "${env.build_flags}") {
			t.Errorf("environment %s: no board is named in its build flags, or the common ones are missing", name)
		}
		all[name] = flags
	}
	if len(all) == 0 {
		t.Fatal("no environments")
	}
	return all
}

// typeCheck compiles a file of the board layer against our own declarations of
// the libraries, and writes nothing.
func typeCheck(flags []string, file string) ([]byte, error) {
	args := append([]string{"-fsyntax-only", "-Icore", "-Iboard/src", "-Iboard/stub"}, strict...)
	return exec.Command("g++", slices.Concat(args, flags, []string{file})...).CombinedOutput()
}

// TestBoardTypes checks names and types of what cannot be built here.
func TestBoardTypes(t *testing.T) {
	need(t, "g++")
	for name, flags := range environments(t) {
		t.Run(name, func(t *testing.T) {
			for _, file := range sources(t, "board/src/*.cpp") {
				if out, err := typeCheck(flags, file); err != nil {
					t.Errorf("%s: %v\n%s", file, err, out)
				}
			}
		})
	}
	if out, err := typeCheck(nil, "board/src/main.cpp"); err == nil || !strings.Contains(string(out), "which board?") {
		t.Errorf("without a board: %v\n%s", err, out)
	}
}

// TestBoardMisspelt checks that the check checks: every call of a library, misspelt,
// has to fail for some board.
func TestBoardMisspelt(t *testing.T) {
	need(t, "g++")
	library := regexp.MustCompile(`\b((?:chip|oled|flash|Serial|SPI|ESP)\.|)(\w+)(\()`)
	bare := []string{"pinMode", "digitalWrite", "digitalRead", "analogReadMilliVolts", "millis", "delay",
		"esp_restart", "esp_random", "esp_reset_reason", "esp_task_wdt_init", "esp_task_wdt_add", "esp_task_wdt_reset"}
	tried := make(map[string]bool)
	for _, file := range sources(t, "board/src/*.cpp") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range library.FindAllSubmatchIndex(source, -1) {
			object, call := string(source[m[2]:m[3]]), string(source[m[4]:m[5]])
			if tried[object+call] || object == "" && !slices.Contains(bare, call) {
				continue
			}
			tried[object+call] = true
			misspelt := call[:len(call)-1] + "_" + call[len(call)-1:]
			broken := string(source[:m[4]]) + misspelt + string(source[m[5]:])
			path := filepath.Join(t.TempDir(), filepath.Base(file))
			if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			if !refused(t, path, misspelt) {
				t.Errorf("%s: %s%s compiles for every board", file, object, misspelt)
			}
		}
	}
	if len(tried) < 40 {
		t.Errorf("%d calls found, want 40 at least: %v", len(tried), tried)
	}
}

// refused says whether a file does not compile for some board, because of a word.
func refused(t *testing.T, file, word string) bool {
	t.Helper()
	for _, flags := range environments(t) {
		if out, err := typeCheck(flags, file); err != nil && strings.Contains(string(out), word) {
			return true
		}
	}
	return false
}
