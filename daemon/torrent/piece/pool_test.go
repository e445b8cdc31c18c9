package piece

import "testing"

// Memory that lay idle between two Trims is given away, that in use is not.
func TestPoolTrim(t *testing.T) {
	const size, small = ExtentSize, 5000
	p := NewPool(64 * size)
	fill := func(n, size int) {
		var list [][]byte
		for range n {
			list = append(list, p.take(size))
		}
		for _, b := range list {
			p.give(b)
		}
	}
	kept := func(want int64) {
		t.Helper()
		var total int64
		for length, list := range p.free {
			total += int64(length * len(list))
		}
		if p.kept != want || total != want {
			t.Errorf("%d bytes kept, %d counted, want %d", total, p.kept, want)
		}
	}
	fill(10, size)
	fill(3, small)
	p.Trim() // they have just been used
	kept(10*size + 3*small)
	fill(4, size)
	p.Trim()
	kept(4 * size)
	a := p.take(size)
	p.Trim()
	kept(0)
	p.give(a)
	kept(size)
	p.Trim()
	kept(size)
	p.Trim()
	kept(0)
	if len(p.free) > 0 || len(p.low) > 0 || p.InUse() != 0 {
		t.Errorf("left: %v, %v, %d in use", p.free, p.low, p.InUse())
	}
	new(Pool).Trim()
}
