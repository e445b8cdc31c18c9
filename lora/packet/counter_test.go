package packet

import (
	"errors"
	"testing"
)

// settings is a store; writes counts what was stored.
type settings struct {
	kept   map[string][]byte
	writes int
	fail   error
}

func newSettings() *settings { return &settings{kept: make(map[string][]byte)} }

func (s *settings) Setting(key string) ([]byte, error) { return s.kept[key], s.fail }

func (s *settings) SetSetting(key string, value []byte) error {
	if s.fail == nil {
		s.kept[key] = value
		s.writes++
	}
	return s.fail
}

func newCounter(t *testing.T, s Store, epoch uint16) *Counter {
	t.Helper()
	c, err := NewCounter(s, 0x01020304, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, c *Counter, lane Lane, n int) ID {
	t.Helper()
	id, err := c.Next(lane, n)
	if err != nil {
		t.Fatal(err)
	}
	if LaneOf(id.Sequence) != lane {
		t.Fatalf("Next(%d) = %v: of the other lane", lane, id)
	}
	return id
}

// Whatever is given out, and whenever the process is killed, no sequence is
// given out twice, and the store is written once a block.
func TestCounterCrashes(t *testing.T) {
	store := newSettings()
	used := make(map[uint32]bool)
	given := 0
	for start := range 50 {
		c := newCounter(t, store, uint16(start))
		for i := range start * 7 % 150 {
			n := 1 + i%11
			first := next(t, c, Lane(i%2), n)
			if first.Source != 0x01020304 || first.Epoch != uint16(start) || c.Epoch() != first.Epoch {
				t.Fatalf("Next() = %v at start %d", first, start)
			}
			for sequence := first.Sequence; sequence < first.Sequence+uint32(n); sequence++ {
				if used[sequence] {
					t.Fatalf("sequence %06x given out again at start %d", sequence, start)
				}
				used[sequence] = true
				given++
			}
		}
	}
	if most := given/CounterBlock + 2*50; store.writes > most {
		t.Errorf("%d writes for %d sequences, want at most %d", store.writes, given, most)
	}
}

// An orderly stop leaves no gap; a crash less than a block.
func TestCounterGaps(t *testing.T) {
	store := newSettings()
	c := newCounter(t, store, 1)
	next(t, c, LaneFlood, 5)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(LaneFlood, 1); err == nil {
		t.Error("Next after Close: no error")
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	c = newCounter(t, store, 2)
	if id := next(t, c, LaneFlood, 1); id.Sequence != 5 {
		t.Errorf("after an orderly stop %06x, want 000005", id.Sequence)
	}
	c = newCounter(t, store, 3)
	if id := next(t, c, LaneFlood, 1); id.Sequence != CounterBlock {
		t.Errorf("after a crash %06x, want %06x", id.Sequence, CounterBlock)
	}
	if id := next(t, c, LaneDirect, 1); id.Sequence != laneBit {
		t.Errorf("the other lane is at %06x, want its first", id.Sequence)
	}
}

func TestCounterStoreFails(t *testing.T) {
	store := newSettings()
	c := newCounter(t, store, 1)
	store.fail = errors.New("disk full")
	if _, err := c.Next(LaneFlood, 1); !errors.Is(err, store.fail) {
		t.Errorf("Next() = %v, want the store's error", err)
	}
	if _, err := NewCounter(store, 1, 1); !errors.Is(err, store.fail) {
		t.Errorf("NewCounter() = %v, want the store's error", err)
	}
	store.fail = nil
	if id := next(t, c, LaneFlood, 1); id.Sequence != 0 {
		t.Errorf("then %06x, want 000000", id.Sequence)
	}
	if store.writes != 1 {
		t.Errorf("%d writes before the first sequence is used, want 1", store.writes)
	}
}

func TestCounterExhausted(t *testing.T) {
	store := newSettings()
	store.kept[SettingCounter] = []byte{0, 0x7F, 0xFF, 0xFE, 0, 0x80, 0, 0}
	c := newCounter(t, store, 1)
	if _, err := c.Next(LaneFlood, 3); !errors.Is(err, ErrExhausted) {
		t.Errorf("Next(3) with two left: %v, want ErrExhausted", err)
	}
	if id := next(t, c, LaneFlood, 2); id.Sequence != 0x7FFFFE {
		t.Errorf("Next(2) = %v, want the last two", id)
	}
	for _, lane := range []Lane{LaneFlood, LaneDirect} {
		if _, err := c.Next(lane, 1); !errors.Is(err, ErrExhausted) {
			t.Errorf("Next of lane %d with none left: %v, want ErrExhausted", lane, err)
		}
	}
	if _, err := newCounter(t, store, 2).Next(LaneFlood, 1); !errors.Is(err, ErrExhausted) {
		t.Errorf("Next after a start with none left: %v, want ErrExhausted", err)
	}
}

func TestCounterRefuses(t *testing.T) {
	for _, kept := range [][]byte{{}, make([]byte, 7), make([]byte, 9), {0, 0x80, 0, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 0xFF, 0, 0, 0}} {
		store := newSettings()
		store.kept[SettingCounter] = kept
		if _, err := NewCounter(store, 1, 1); err == nil {
			t.Errorf("NewCounter with %x kept: no error", kept)
		}
	}
	c := newCounter(t, newSettings(), 1)
	for _, n := range []int{-1, 0, MaxRun + 1} {
		if _, err := c.Next(LaneFlood, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("Next(%d) = %v, want ErrInvalid", n, err)
		}
	}
	if _, err := c.Next(2, 1); !errors.Is(err, ErrInvalid) {
		t.Errorf("Next of lane 2 = %v, want ErrInvalid", err)
	}
}
