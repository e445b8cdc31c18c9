package peerwire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// portioned is a source whose bytes are all there, given out in portions.
type portioned struct {
	scripted
	calls int
}

func (p *portioned) ReadVector(f filler) (n int, err error) {
	p.calls++
	buffers := f.buffers()
	if p.calls%7 == 0 { // nothing is there yet
		f.nothing()
		buffers = f.buffers()
	}
	left := p.portion
	for _, b := range buffers {
		b = b[:min(len(b), left)]
		m := copy(b, p.data)
		p.data = p.data[m:]
		if n, left = n+m, left-m; m < len(b) || left == 0 {
			break
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// guess expects the same blocks each time it is asked.
type guess struct {
	make  func() []Block
	given []Block
	taken int // places that the reader has
}

func (g *guess) Claim() []Block {
	g.given = g.make()
	g.taken = len(g.given)
	return g.given
}

func (g *guess) Keep(n int) { g.given, g.taken = g.given[:n], n }

// script is messages of a peer: blocks of some length, and a have message where the
// length is 0.
type script []int

func (s script) wire() (wire []byte, blocks [][]byte) {
	for i, length := range s {
		if length == 0 {
			wire = AppendIndex(wire, Have, uint32(i))
			blocks = append(blocks, nil)
			continue
		}
		b := make([]byte, length)
		for j := range b {
			b[j] = byte(i + j*7 + j>>8)
		}
		wire = append(AppendPieceHeader(wire, uint32(i), uint32(i)*2, uint32(length)), b...)
		blocks = append(blocks, b)
	}
	return wire, blocks
}

// expect names the blocks behind number i, as if nothing came between them; one of
// them wrongly where wrong says so.
func (s script) expect(i, n, wrong int) (list []Block) {
	for j := i + 1; j < len(s) && len(list) < n; j++ {
		if s[j] == 0 {
			continue
		}
		b := Block{Index: uint32(j), Begin: uint32(j) * 2, Data: make([]byte, s[j])}
		switch {
		case len(list) != wrong:
		case j%3 == 0:
			b.Index++
		case j%3 == 1:
			b.Begin++
		default:
			b.Data = make([]byte, s[j]%BlockSize+1)
		}
		list = append(list, b)
	}
	return list
}

// readExpecting reads a script, expecting n blocks at each that is read. Every
// message must come out as it went in.
func readExpecting(t *testing.T, s script, portion, n, wrong int) (calls int) {
	t.Helper()
	wire, blocks := s.wire()
	src := &portioned{scripted: scripted{data: wire, portion: portion}}
	r := newReader(src, 1)
	var begun []Block
	for i, block := range blocks {
		m, err := r.Next()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if block == nil {
			if m.ID != Have || m.Index != uint32(i) || len(begun) > 0 {
				t.Fatalf("message %d: %+v, %d blocks begun", i, m, len(begun))
			}
			continue
		}
		if m.ID != Piece || m.Index != uint32(i) || m.Begin != uint32(i)*2 || int(m.Length) != len(block) {
			t.Fatalf("message %d: %+v", i, m)
		}
		dst := make([]byte, len(block))
		if len(begun) > 0 {
			dst, begun = begun[0].Data, begun[1:]
			if i%5 == 0 { // not wanted any more
				if err := r.SkipBlock(); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				continue
			}
		}
		g := &guess{make: func() []Block { return s.expect(i, n, wrong) }}
		if err := r.ReadBlock(dst, g); err != nil || !bytes.Equal(dst, block) {
			t.Fatalf("message %d: another block, %v", i, err)
		}
		begun = append(begun, g.given...)
		if g.taken != len(g.given) || len(begun) > 0 && !r.Buffered() {
			t.Fatalf("message %d: %d places kept for %d blocks, buffered %t", i, g.taken, len(begun), r.Buffered())
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	return src.calls
}

func TestExpectedBlocks(t *testing.T) {
	const b = BlockSize
	scripts := map[string]script{
		"blocks only":             {b, b, b, b, b, b, b, b, b, b},
		"a message between":       {b, b, 0, b, b, 0, 0, b, b, b, 0},
		"the end of a piece":      {b, b, 77, b, b, 1, b, 5000, b},
		"small blocks":            {100, 1, 2, 3, 4, 5, 6, 7, 100, 1, 1, 1},
		"small ones and messages": {b, 1, 0, 1, 0, 1, b, 0, 0, 1},
	}
	for name, s := range scripts {
		for _, portion := range []int{11, 12, 13, 14, b - 1, b + 13, 2*b + 30, 4 * b, 10 * b, 1 << 20} {
			for wrong := -1; wrong < MaxExpected; wrong++ {
				for n := range MaxExpected + 2 {
					t.Run(fmt.Sprintf("%s, portions of %d, %d expected, %d wrong", name, portion, n, wrong), func(t *testing.T) {
						readExpecting(t, s, portion, n, wrong)
					})
				}
			}
		}
	}
}

// TestExpectedBlocksSaveCalls counts the system calls.
func TestExpectedBlocksSaveCalls(t *testing.T) {
	s := make(script, 400)
	for i := range s {
		s[i] = BlockSize
	}
	alone := readExpecting(t, s, 1<<20, 0, -1)
	together := readExpecting(t, s, 1<<20, MaxExpected, -1)
	if together > alone/3 {
		t.Errorf("%d calls without expectations, %d with them", alone, together)
	}
}

// TestPlacesAreFreeMeanwhile waits for a block: the places of those behind it must not
// be kept from others.
func TestPlacesAreFreeMeanwhile(t *testing.T) {
	here, there := dialTCP(t)
	defer here.Close()
	defer there.Close()
	s := script{BlockSize, BlockSize}
	wire, blocks := s.wire()
	if _, err := there.Write(wire[:PieceHeaderLen]); err != nil {
		t.Fatal(err)
	}
	r := NewReader(here, 1)
	r.ahead.full = true
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	free := make(chan int, 10)
	g := &watched{guess: guess{make: func() []Block { return s.expect(0, 1, -1) }}, free: free}
	dst, done := make([]byte, BlockSize), make(chan error)
	go func() { done <- r.ReadBlock(dst, g) }()
	if n := <-free; n != 0 {
		t.Errorf("%d places kept", n)
	}
	if _, err := there.Write(wire[PieceHeaderLen:]); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !bytes.Equal(dst, blocks[0]) {
		t.Errorf("another block, %v", err)
	}
}

// watched says how many places the reader keeps.
type watched struct {
	guess
	free chan<- int
}

func (w *watched) Keep(n int) {
	w.guess.Keep(n)
	w.free <- n
}

func FuzzExpectedBlocks(f *testing.F) {
	f.Add(uint64(1), uint16(50_000), byte(3), byte(1))
	f.Add(uint64(2), uint16(100), byte(2), byte(200))
	f.Fuzz(func(t *testing.T, seed uint64, portion uint16, n, wrong byte) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := make(script, rnd.IntN(30))
		for i := range s {
			switch rnd.IntN(4) {
			case 0:
				s[i] = rnd.IntN(BlockSize + 1)
			case 1:
				s[i] = rnd.IntN(20)
			default:
				s[i] = BlockSize
			}
		}
		readExpecting(t, s, 1+int(portion), int(n%6), int(wrong))
	})
}
