package packet

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestReplay(t *testing.T) {
	type accept struct {
		epoch    uint16
		sequence uint32
	}
	var starts []accept // one packet at each of 400 starts
	for i := range 400 {
		starts = append(starts, accept{uint16(1000 + i), uint32(10 * i)})
	}
	// A long life, and one more after the sender's store was put back.
	second := []accept{{1, 5000}}
	for i := range 400 {
		second = append(second, accept{uint16(1000 + i), uint32(i)})
	}
	tests := []struct {
		name     string
		accepted []accept
		epoch    uint16
		sequence uint32
		want     Verdict
	}{
		{"the first of all", nil, 1, 0, Fresh},
		{"the same again", []accept{{1, 5}}, 1, 5, Repeated},
		{"the next", []accept{{1, 5}}, 1, 6, Fresh},
		{"one that was overtaken", []accept{{1, 5}}, 1, 4, Fresh},
		{"one that was overtaken, again", []accept{{1, 5}, {1, 4}}, 1, 4, Repeated},
		{"the last of the window", []accept{{1, 100}}, 1, 37, Fresh},
		{"the last of the window, again", []accept{{1, 37}, {1, 100}}, 1, 37, Repeated},
		{"behind the window", []accept{{1, 100}}, 1, 36, Unknown},
		{"a jump of a window", []accept{{1, 100}, {1, 164}}, 1, 100, Unknown},
		{"a jump of a window less one", []accept{{1, 100}, {1, 163}}, 1, 100, Repeated},
		{"a jump far ahead", []accept{{1, 100}, {1, 1 << 20}}, 1, 1<<20 - 1, Fresh},
		{"an ignored packet leaves no trace", []accept{{1, 100}, {1, 2}}, 1, 99, Fresh},
		{"a new epoch", []accept{{1, 100}}, 2, 0, Fresh},
		{"the same sequence in a new epoch", []accept{{1, 100}}, 2, 100, Fresh},
		{"an earlier epoch, once more", []accept{{1, 100}, {2, 120}}, 1, 100, Repeated},
		{"an earlier epoch, late", []accept{{1, 100}, {2, 120}}, 1, 101, Fresh},
		{"the fourth epoch before", starts[:4], 1000, 0, Repeated},
		{"the fifth epoch before", starts[:5], 1000, 0, Unknown},
		{"the fifth epoch before, unseen packet", starts[:5], 1000, 9, Unknown},
		{"the oldest epoch known by name", starts, 1140, 1409, Unknown},
		{"an epoch forgotten by name", starts, 1000, 0, Unknown},
		{"an epoch forgotten by name, unseen packet", starts, 1000, 9, Unknown},
		{"an epoch never heard, from before the open ones", starts, 7, 3950, Unknown},
		{"an epoch never heard, from among the open ones", starts, 7, 3951, Fresh},
		{"a forgotten epoch of a sender that was put back", second, 1, 5000, Unknown},
		{"a new epoch after 400", starts, 7, 4000, Fresh},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r Replay
			for _, a := range test.accepted {
				r.Accept(a.epoch, a.sequence)
			}
			if got := r.Check(test.epoch, test.sequence); got != test.want {
				t.Errorf("Check(%d, %d) = %v, want %v", test.epoch, test.sequence, got, test.want)
			}
			kept, err := r.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var again Replay
			if err := again.UnmarshalBinary(kept); err != nil {
				t.Fatal(err)
			}
			if got := again.Check(test.epoch, test.sequence); got != test.want {
				t.Errorf("kept and put back: Check = %v, want %v", got, test.want)
			}
		})
	}
}

// Against a list of everything accepted: nothing accepted is ever called
// fresh, what is called repeated was accepted, and the state stays small. The
// process stops and starts in between, and once the sender's store is put back.
func TestReplayAgainstList(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	type key struct {
		epoch    uint16
		sequence uint32
	}
	accepted := make(map[key]bool)
	var all []key
	var r Replay
	epoch, top, largest := uint16(0), uint32(0), 0
	for step := range 60_000 {
		switch {
		case random.IntN(100) == 0: // a start
			epoch += 1 + uint16(random.IntN(50))
			top += uint32(random.IntN(CounterBlock))
			if step > 30_000 && top > 10_000 {
				top /= 2 // from an old copy
			}
		case random.IntN(10) == 0:
			kept, err := r.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, len(kept))
			if err := r.UnmarshalBinary(kept); err != nil {
				t.Fatal(err)
			}
		}
		k := key{epoch, top}
		switch random.IntN(3) {
		case 0: // the next
			top++
		case 1: // one from a while ago, perhaps a repetition
			k.sequence -= min(uint32(random.IntN(100)), top)
		case 2: // a replay of anything ever sent
			if len(all) > 0 {
				k = all[random.IntN(len(all))]
			}
		}
		verdict := r.Check(k.epoch, k.sequence)
		if verdict == Fresh && accepted[k] || verdict == Repeated && !accepted[k] {
			t.Fatalf("step %d: Check(%d, %d) = %v, accepted %v", step, k.epoch, k.sequence, verdict, accepted[k])
		}
		r.Accept(k.epoch, k.sequence)
		if verdict == Fresh {
			if r.Check(k.epoch, k.sequence) != Repeated {
				t.Fatalf("step %d: accepted and then %v", step, r.Check(k.epoch, k.sequence))
			}
			accepted[k] = true
			all = append(all, k)
		}
	}
	if most := 6 + 4*openEpochSize + 2*maxClosedEpochs; largest != most {
		t.Errorf("the state grew to %d bytes, want %d", largest, most)
	}
}

func TestReplayUnmarshalRefuses(t *testing.T) {
	var r Replay
	for i := range 6 {
		r.Accept(uint16(i), uint32(i))
	}
	good, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(good) {
		if size == 6+4*openEpochSize || size == 6+4*openEpochSize+2 {
			continue // fewer closed epochs
		}
		if r.UnmarshalBinary(good[:size]) == nil {
			t.Errorf("the first %d bytes of %d: no error", size, len(good))
		}
	}
	for name, bad := range map[string][]byte{
		"version":     append([]byte{9}, good[1:]...),
		"open epochs": append([]byte{replayVersion, 5}, make([]byte, 4+5*openEpochSize)...),
		"closed":      append([]byte{replayVersion, 0}, make([]byte, 4+2*(maxClosedEpochs+1))...),
	} {
		if r.UnmarshalBinary(bad) == nil {
			t.Errorf("bad %s: no error", name)
		}
	}
	if again, _ := r.MarshalBinary(); !bytes.Equal(again, good) {
		t.Error("a refused state changed the window")
	}
}

func FuzzReplay(f *testing.F) {
	var r Replay
	for i := range 6 {
		r.Accept(uint16(i), uint32(i))
	}
	good, err := r.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Replay
		if r.UnmarshalBinary(b) != nil {
			return
		}
		r.Check(1, 1)
		r.Accept(1, 1)
		kept, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(kept); err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%x put back: %v", kept, err)
		}
	})
}
