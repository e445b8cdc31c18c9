package mesh

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The relay in the firmware decides as this package does: it has the same rule
// and the same numbers. Whoever changes rule.go or Tuning changes
// firmware/core/rule.cpp or rule.hpp.
func TestFirmwareDecidesAlike(t *testing.T) {
	if _, err := exec.LookPath("g++"); err != nil {
		if os.Getenv("LORRENT_CI") == "1" {
			t.Fatal("g++ is not installed")
		}
		t.Skip("g++ is not installed")
	}
	program := filepath.Join(t.TempDir(), "decide")
	build := exec.Command("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=address,undefined",
		"-fno-sanitize-recover=all", "../../firmware/test/decide.cpp", "../../firmware/core/rule.cpp", "-o", program)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	scenes := make([]scene, 10_000)
	var input strings.Builder
	for i := range scenes {
		scenes[i] = randomScene(random)
		writeScene(&input, &scenes[i])
	}
	decide := exec.Command(program)
	decide.Stdin, decide.Stderr = strings.NewReader(input.String()), t.Output()
	out, err := decide.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(bytes.NewReader(out))
	tuning := Tuning{}.complete()
	if numbers := nextLine(t, answers); numbers != numbersOf(tuning) {
		t.Fatalf("the firmware's tuning is\n     %s\nwant %s", numbers, numbersOf(tuning))
	}
	relayed := 0
	for i := range scenes {
		var relays int
		var rank float64
		if _, err := fmt.Sscan(nextLine(t, answers), &relays, &rank); err != nil {
			t.Fatal(err)
		}
		relayed += relays
		if want := tuning.relays(&scenes[i]); (relays == 1) != want {
			t.Errorf("scene %d %+v: firmware says %d, want %v", i, scenes[i], relays, want)
		}
		if want := tuning.rank(&scenes[i]); !(math.Abs(rank-want) < 1e-9) {
			t.Errorf("scene %d %+v: firmware's rank %v, want %v", i, scenes[i], rank, want)
		}
	}
	if relayed < len(scenes)/10 || relayed > len(scenes)*9/10 {
		t.Errorf("%d of %d scenes are relayed: too one-sided to tell much", relayed, len(scenes))
	}
	t.Logf("%d scenes, %d relayed", len(scenes), relayed)
}

func randomScene(r *rand.Rand) scene {
	s := scene{
		load: r.Float64() * r.Float64() * r.Float64(), own: r.IntN(8) == 0, confirmed: r.IntN(2) == 0, tries: 1 + r.IntN(3), copies: r.IntN(5), sent: r.IntN(3) * r.IntN(2),
	}
	if r.IntN(4) == 0 {
		s.load = 0
	}
	for range r.IntN(12) {
		s.listeners = append(s.listeners, listener{ways: 1 + r.IntN(20), has: r.IntN(2) == 0, copies: r.IntN(3)})
	}
	for range r.IntN(12) {
		s.beyond = append(s.beyond, beyond{ways: 1 + r.IntN(20), blind: r.IntN(6) == 0})
	}
	return s
}

func writeScene(w *strings.Builder, s *scene) {
	bit := map[bool]int{true: 1}
	fmt.Fprintf(w, "%.17g %d %d %d %d %d", s.load, bit[s.own], bit[s.confirmed], s.tries, s.copies, s.sent)
	fmt.Fprintf(w, " %d", len(s.listeners))
	for _, l := range s.listeners {
		fmt.Fprintf(w, " %d %d %d", l.ways, bit[l.has], l.copies)
	}
	fmt.Fprintf(w, " %d", len(s.beyond))
	for _, b := range s.beyond {
		fmt.Fprintf(w, " %d %d", b.ways, bit[b.blind])
	}
	fmt.Fprintln(w)
}

// numbersOf are the numbers of the rule, as the firmware writes them.
func numbersOf(t Tuning) string {
	var text []string
	for _, v := range []float64{t.Threshold, t.ThresholdLoad, t.Window, t.WindowLoad, t.Again, t.AgainLoad, t.Received, t.ReceivedLoad} {
		text = append(text, fmt.Sprintf("%.17g", v))
	}
	return strings.Join(text, " ")
}

func nextLine(t *testing.T, s *bufio.Scanner) string {
	t.Helper()
	if !s.Scan() {
		t.Fatal("the firmware stopped answering")
	}
	return s.Text()
}
