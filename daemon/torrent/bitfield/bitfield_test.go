package bitfield

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// of returns n bits with those at the given indexes set.
func of(n int, set ...int) *Bitfield {
	f := New(n)
	for _, i := range set {
		f.Set(i)
	}
	return f
}

func indexes(f *Bitfield) []int {
	var got []int
	for i := f.Next(0); i >= 0; i = f.Next(i + 1) {
		got = append(got, i)
	}
	return got
}

func TestWireOrder(t *testing.T) {
	tests := []struct {
		name string
		n    int
		set  []int
		wire []byte
	}{
		{"no pieces", 0, nil, []byte{}},
		{"piece 0 is the high bit", 1, []int{0}, []byte{0x80}},
		{"piece 7 is the low bit of byte 0", 8, []int{7}, []byte{0x01}},
		{"piece 8 begins byte 1", 9, []int{8}, []byte{0x00, 0x80}},
		{"spare bits stay clear", 13, []int{0, 1, 12}, []byte{0xc0, 0x08}},
		{"exactly one word", 64, []int{0, 63}, []byte{0x80, 0, 0, 0, 0, 0, 0, 0x01}},
		{"one bit over a word", 65, []int{63, 64}, []byte{0, 0, 0, 0, 0, 0, 0, 0x01, 0x80}},
		{"two words less one byte", 120, []int{64, 119}, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x01}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := of(tt.n, tt.set...).Wire(); !bytes.Equal(got, tt.wire) {
				t.Errorf("Wire() = %x, want %x", got, tt.wire)
			}
			f, err := FromWire(tt.wire, tt.n)
			if err != nil {
				t.Fatal(err)
			}
			if got := indexes(f); !slices.Equal(got, tt.set) {
				t.Errorf("FromWire set %v, want %v", got, tt.set)
			}
			if f.Count() != len(tt.set) || f.Len() != tt.n {
				t.Errorf("Count, Len = %d, %d, want %d, %d", f.Count(), f.Len(), len(tt.set), tt.n)
			}
		})
	}
}

func TestFromWireRefuses(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
		n    int
		want string
	}{
		{"empty", nil, 1, "0 bytes for 1 pieces, want 1"},
		{"too short", []byte{0xff}, 9, "1 bytes for 9 pieces, want 2"},
		{"too long", []byte{0xff, 0}, 8, "2 bytes for 8 pieces, want 1"},
		{"bytes for no pieces", []byte{0}, 0, "1 bytes for 0 pieces, want 0"},
		{"first spare bit", []byte{0, 0x04}, 13, "spare bits set"},
		{"last spare bit", []byte{0, 0x01}, 13, "spare bits set"},
		{"negative", nil, -1, "negative length -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := FromWire(tt.wire, tt.n)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("FromWire = %v, %v, want an error with %q", f, err, tt.want)
			}
		})
	}
}

func TestFromWireCopies(t *testing.T) {
	wire := []byte{0x80}
	f, err := FromWire(wire, 8)
	if err != nil {
		t.Fatal(err)
	}
	wire[0] = 0
	if !f.Has(0) {
		t.Error("field changed with the caller's bytes")
	}
}

// TestAgainstBools drives a field and a plain []bool with the same random
// steps and compares everything that can be asked.
func TestAgainstBools(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 7, 8, 63, 64, 65, 128, 1000} {
		f, model := New(n), make([]bool, n)
		for range 500 {
			i := rnd.IntN(n)
			if rnd.IntN(3) == 0 {
				f.Clear(i)
				model[i] = false
			} else {
				f.Set(i)
				model[i] = true
			}
			count := 0
			for j, want := range model {
				if f.Has(j) != want {
					t.Fatalf("n=%d: Has(%d) = %t", n, j, f.Has(j))
				}
				if want {
					count++
				}
			}
			if f.Count() != count || f.All() != (count == n) || f.None() != (count == 0) {
				t.Fatalf("n=%d: Count, All, None = %d, %t, %t with %d set", n, f.Count(), f.All(), f.None(), count)
			}
			from := rnd.IntN(n + 1)
			want := -1
			if k := slices.Index(model[from:], true); k >= 0 {
				want = from + k
			}
			if got := f.Next(from); got != want {
				t.Fatalf("n=%d: Next(%d) = %d, want %d", n, from, got, want)
			}
		}
	}
}

func TestSetAll(t *testing.T) {
	for _, n := range []int{0, 1, 8, 63, 64, 65, 130} {
		f := New(n)
		f.SetAll()
		if !f.All() || f.Count() != n || len(indexes(f)) != n {
			t.Errorf("n=%d: All, Count, bits = %t, %d, %d", n, f.All(), f.Count(), len(indexes(f)))
		}
		if _, err := FromWire(f.Wire(), n); err != nil {
			t.Errorf("n=%d: %v", n, err)
		}
	}
}

func TestAndNotAny(t *testing.T) {
	tests := []struct {
		name         string
		peer, ours   *Bitfield
		interesting  bool
		reversedWant bool
	}{
		{"both empty", of(100), of(100), false, false},
		{"peer has one more", of(100, 99), of(100), true, false},
		{"same", of(100, 5, 70), of(100, 5, 70), false, false},
		{"peer has fewer but another", of(100, 64), of(100, 1, 2, 3), true, true},
		{"peer has a part of ours", of(100, 2), of(100, 1, 2, 3), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.peer.AndNotAny(tt.ours); got != tt.interesting {
				t.Errorf("AndNotAny = %t", got)
			}
			if got := tt.ours.AndNotAny(tt.peer); got != tt.reversedWant {
				t.Errorf("reversed AndNotAny = %t", got)
			}
		})
	}
}

func TestClone(t *testing.T) {
	f := of(70, 1, 69)
	c := f.Clone()
	c.Clear(1)
	c.Set(2)
	if !f.Has(1) || f.Has(2) || f.Count() != 2 {
		t.Errorf("original has %v after its clone changed", indexes(f))
	}
	if got := indexes(c); !slices.Equal(got, []int{2, 69}) {
		t.Errorf("clone has %v", got)
	}
}

func TestIndexesOutside(t *testing.T) {
	f := New(70)
	f.SetAll()
	for _, i := range []int{-1, 70, 71, 127, 128, 1 << 40} {
		if f.Has(i) {
			t.Errorf("Has(%d) = true of 70 bits", i)
		}
		for name, call := range map[string]func(int){"Set": f.Set, "Clear": f.Clear} {
			if !panics(func() { call(i) }) {
				t.Errorf("%s(%d) of 70 bits did not panic", name, i)
			}
		}
	}
	if f.Next(-5) != 0 || f.Next(70) != -1 {
		t.Errorf("Next(-5), Next(70) = %d, %d, want 0, -1", f.Next(-5), f.Next(70))
	}
	if !panics(func() { f.AndNotAny(New(71)) }) {
		t.Error("AndNotAny of different lengths did not panic")
	}
}

func panics(fn func()) (did bool) {
	defer func() { did = recover() != nil }()
	fn()
	return false
}

func TestQueriesDoNotAllocate(t *testing.T) {
	f, g := of(5000, 17, 4999), of(5000, 17, 4999)
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		f.Set(30)
		f.Clear(30)
		if f.Has(17) && !f.AndNotAny(g) && !f.All() && !f.None() {
			sum += f.Next(18) + f.Count()
		}
	}); n != 0 || sum == 0 {
		t.Errorf("%v allocations a run, sum %d", n, sum)
	}
}

func FuzzFromWire(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0x80}, 1)
	f.Add([]byte{0xff, 0xf8}, 13)
	f.Add([]byte{0xff, 0xff}, 13)
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0x80}, 65)
	f.Fuzz(func(t *testing.T, wire []byte, n int) {
		b, err := FromWire(wire, n)
		if err != nil {
			return
		}
		if got := b.Wire(); !bytes.Equal(got, wire) {
			t.Fatalf("round trip of %x gave %x", wire, got)
		}
		if b.Len() != n || len(indexes(b)) != b.Count() {
			t.Fatalf("Len %d, Count %d, bits %d of n %d", b.Len(), b.Count(), len(indexes(b)), n)
		}
		if last := b.Next(n - 1); last >= n {
			t.Fatalf("Next found bit %d of %d", last, n)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	f := of(100_000, 99_999)
	for b.Loop() {
		if f.Next(0) != 99_999 {
			b.Fatal("lost the bit")
		}
	}
}

func BenchmarkAndNotAny(b *testing.B) {
	peer, ours := New(100_000), New(100_000)
	peer.SetAll()
	ours.SetAll()
	for b.Loop() {
		if peer.AndNotAny(ours) {
			b.Fatal("nothing can be missing")
		}
	}
}

func BenchmarkSetHas(b *testing.B) {
	f := New(100_000)
	i := 0
	for b.Loop() {
		f.Set(i)
		if !f.Has(i) {
			b.Fatal("lost the bit")
		}
		if i++; i == f.Len() {
			i = 0
		}
	}
}

func BenchmarkFromWire(b *testing.B) {
	wire := New(100_000).Wire()
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		if _, err := FromWire(wire, 100_000); err != nil {
			b.Fatal(err)
		}
	}
}
