package firmware

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The core's own tests, in C++ and in virtual time: golden vectors, hosts and
// radios that misbehave, the clock that goes around, torn flash, the limits of
// the duty cycle.
func TestCore(t *testing.T) {
	var tests program
	flags := append([]string{"-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}, strict...)
	path := tests.build(t, "core_test", "g++", append(sources(t, "test/*_test.cpp", "core/*.cpp"), flags...)...)
	out, err := exec.Command(path, "link.txt", "vectors.txt").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ok   torn slot") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%d tests are ok", strings.Count(string(out), "ok   "))
}

// Whatever comes from host and radio, a node keeps to its limits. LORRENT_FUZZ_RUNS
// says how often; 10,000,000 runs take most of an hour.
func TestFuzzNode(t *testing.T) {
	runs := "20000"
	if n := os.Getenv("LORRENT_FUZZ_RUNS"); n != "" {
		runs = n
	}
	var fuzz program
	flags := append([]string{"-O2", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"}, strict...)
	path := fuzz.build(t, "fuzz", "clang++", append(sources(t, "test/fuzz.cpp", "core/*.cpp"), flags...)...)
	cmd := exec.Command(path, "-runs="+runs, "-max_len=400", "-print_final_stats=1")
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s runs, no finding", runs)
}

// Limits of the core, in bytes, without what the compiler's own library adds.
const mostText, mostRAM = 16 << 10, 16 << 10

// The core fits into small microcontrollers.
func TestSizes(t *testing.T) {
	for _, test := range []struct {
		name, tools string
		flags       []string
	}{
		{"Cortex-M3", "arm-none-eabi-", cortexM3},
		{"Xtensa", "xtensa-lx106-elf-", nil}, // of the family of the boards' chips, which have 4 MB
	} {
		t.Run(test.name, func(t *testing.T) {
			need(t, test.tools+"g++")
			text := 0
			args := append(append(sources(t, "test/size.cpp", "core/*.cpp"), bareMetal...), test.flags...)
			args = append(args, "-nostdlib", "-Wl,--gc-sections,-r,-e,lives,-u,node")
			var linked program
			path := linked.build(t, "size-"+test.name, test.tools+"g++", args...)
			out, err := exec.Command(test.tools+"size", "-A", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			ram := 0
			for _, m := range regexp.MustCompile(`(?m)^\.(text|rodata|literal|data|bss)\S*\s+(\d+)`).FindAllStringSubmatch(string(out), -1) {
				n, err := strconv.Atoi(m[2])
				if err != nil {
					t.Fatal(err)
				}
				switch m[1] {
				case "data", "bss":
					ram += n
				default:
					text += n
				}
			}
			t.Logf("%s: %d bytes of text, %d of RAM", test.name, text, ram)
			if text == 0 || text > mostText || ram < 1024 || ram > mostRAM {
				t.Errorf("%s: %d bytes of text, %d of RAM, want at most %d and %d", test.name, text, ram, mostText, mostRAM)
			}
		})
	}
}
