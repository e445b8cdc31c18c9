package lab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// coreRandom draws as the firmware does.
type coreRandom uint32

func (r *coreRandom) draw(below int) int {
	*r ^= *r << 13
	*r ^= *r >> 17
	*r ^= *r << 5
	return int(uint32(*r) % uint32(below))
}

// traffic is a packet to send, and what else is on the channel meanwhile.
type traffic struct {
	offered time.Duration
	slots   int
	others  []foreign
}

// foreign is a time for which the channel is taken, by what is received or only sensed.
type foreign struct {
	begin, end time.Duration
	received   bool
}

// taken says whether the channel is, and until when by what is received.
func (t *traffic) taken(now time.Duration) (receivedUntil time.Duration, taken bool) {
	for _, o := range t.others {
		if o.begin <= now && now < o.end {
			taken = true
			if o.received {
				receivedUntil = max(receivedUntil, o.end)
			}
		}
	}
	return receivedUntil, taken
}

// randomTraffic is a packet for a channel that is more or less busy, or all but full. No
// reception is longer than a packet can be: the board restarts a radio that says so.
func randomTraffic(at time.Duration, random *rand.Rand) traffic {
	t := traffic{offered: at, slots: []int{1, 2, 8, 8, 8, 64, 200}[random.IntN(7)]}
	ms := func(most int) time.Duration { return time.Duration(1+random.IntN(most)) * time.Millisecond }
	free := []int{1, 500, 2000, 2000}[random.IntN(4)]
	for begin := at - time.Second; begin < at+patience; {
		end := begin + ms(2000)
		t.others = append(t.others, foreign{begin, end, random.IntN(3) > 0})
		begin = end + ms(free)
	}
	return t
}

// The laboratory's modem is the board: with the same random numbers, on the same channel,
// both send at the same time.
func TestModemIsTheBoard(t *testing.T) {
	if _, err := exec.LookPath("g++"); err != nil {
		if os.Getenv("LORRENT_CI") == "1" {
			t.Fatal("g++ is not installed")
		}
		t.Skip("g++ is not installed")
	}
	program := filepath.Join(t.TempDir(), "backoff")
	sources, err := filepath.Glob("../../../firmware/core/*.cpp")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("g++", append(append([]string{"-std=c++17", "-O1"}, sources...), "../../../firmware/test/backoff.cpp", "-o", program)...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	preset, err := ParsePreset("SF11/250")
	if err != nil {
		t.Fatal(err)
	}
	const look = 28 * time.Millisecond
	seed := rand.Uint32() | 1
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	var input, want strings.Builder
	fmt.Fprintln(&input, seed, look.Milliseconds())
	var a agenda
	drawn := coreRandom(seed)
	dropped := 0
	for i := range 300 {
		at := time.Duration(i+1) * 5 * time.Minute
		packet := randomTraffic(at, random)
		packet.write(&input)
		m := modem{
			agenda: &a, draw: drawn.draw, slot: boardSlot(preset.Params), sense: look,
			receiving: func() (time.Duration, bool) { until, _ := packet.taken(a.now); return until, until > 0 },
			busy:      func() bool { _, taken := packet.taken(a.now); return taken },
		}
		a.after(at-a.now, func() {
			m.offer(min(packet.slots, lastWindow), func() { fmt.Fprintln(&want, (a.now - at).Milliseconds()) },
				func() { fmt.Fprintln(&want, -1); dropped++ })
		})
		a.run(at + 4*time.Minute)
	}
	fmt.Fprintln(&want, drawn.draw(1_000_000))
	if dropped < 10 || dropped > 200 {
		t.Errorf("%d of 300 were dropped: want some, and others sent", dropped)
	}
	board := exec.Command(program)
	board.Stdin, board.Stderr = strings.NewReader(input.String()), t.Output()
	out, err := board.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Fields(string(out)), strings.Fields(want.String())
	if len(got) != len(wanted) {
		t.Fatalf("the board sent %d, the modem %d", len(got), len(wanted))
	}
	for i := range got {
		if got[i] != wanted[i] {
			t.Fatalf("packet %d: the board sends it after %s ms, the modem after %s", i, got[i], wanted[i])
		}
	}
}

// write tells the board of it.
func (t *traffic) write(to *strings.Builder) {
	fmt.Fprintf(to, "%d %d %d", t.offered.Milliseconds(), t.slots, len(t.others))
	for _, o := range t.others {
		received := 0
		if o.received {
			received = 1
		}
		fmt.Fprint(to, " ", o.begin.Milliseconds(), " ", o.end.Milliseconds(), " ", received)
	}
	fmt.Fprintln(to)
}
