package hashtree

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// content is what the golden roots below are of: bytes (7i + seed + i/256).
func content(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + seed + i>>8)
	}
	return b
}

// The roots that libtorrent 2.0.8 computed of the same content.
func TestGoldenRoots(t *testing.T) {
	for _, c := range []struct {
		n, seed int
		want    string
	}{
		{100000, 1, goldenA}, {5000, 2, goldenB}, {40000, 3, goldenC}, {32768, 5, goldenZ},
	} {
		leaves := Leaves(content(c.n, c.seed))
		height := Height(int64(len(leaves)))
		if got := Root(leaves, 0, height); got.String() != c.want {
			t.Errorf("%d bytes: root %v, want %s", c.n, got, c.want)
		}
		tree := New(leaves, 0)
		if tree.Root() != Root(leaves, 0, height) || tree.Height() != height {
			t.Errorf("%d bytes: tree of height %d with root %v", c.n, tree.Height(), tree.Root())
		}
	}
}

// A tree of three blocks, written out.
func TestByHand(t *testing.T) {
	b := content(2*BlockSize+1, 9)
	h := func(parts ...[]byte) []byte {
		s := sha256.New()
		for _, p := range parts {
			s.Write(p)
		}
		return s.Sum(nil)
	}
	want := h(h(h(b[:BlockSize]), h(b[BlockSize:2*BlockSize])), h(h(b[2*BlockSize:]), make([]byte, 32)))
	if got := Root(Leaves(b), 0, 2); got != Hash(want) {
		t.Errorf("root %v, want %x", got, want)
	}
	if Pad(0) != (Hash{}) || Pad(2) != Hash(h(h(make([]byte, 64)), h(make([]byte, 64)))) {
		t.Error("padding")
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 1 << 40: 40, 1<<40 + 1: 41} {
		if got := Height(n); got != want {
			t.Errorf("Height(%d) = %d, want %d", n, got, want)
		}
	}
	for n, want := range map[int64]int64{0: 0, 1: 1, BlockSize: 1, BlockSize + 1: 2, 1<<63 - 1: 1 << 49} {
		if got := Blocks(n); got != want {
			t.Errorf("Blocks(%d) = %d, want %d", n, got, want)
		}
	}
	if h := Height(Blocks(1<<63 - 1)); h != MaxHeight {
		t.Errorf("the highest tree has %d layers", h)
	}
}

func randomLeaves(n int) []Hash {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	leaves := make([]Hash, n)
	for i := range leaves {
		for k := range leaves[i] {
			leaves[i][k] = byte(r.Uint32())
		}
	}
	return leaves
}

// Every run of every layer of trees of many sizes is proved, and no other one.
func TestProofs(t *testing.T) {
	for _, n := range []int{2, 3, 4, 5, 8, 13, 31, 64, 700} {
		tree := New(randomLeaves(n), 0)
		blocks := int64(n)
		for base := range tree.Height() {
			row := 1 << (tree.Height() - base)
			for length := 2; length <= min(row, MaxLength); length *= 2 {
				for index := 0; index < row; index += length {
					r := Whole(tree.Root(), blocks, base, index, length)
					if err := r.Check(blocks); err != nil {
						t.Fatalf("%d leaves, %+v: %v", n, r, err)
					}
					hashes := r.Answer(tree.At)
					if err := r.Verify(hashes, blocks); err != nil {
						t.Fatalf("%d leaves, %+v: %v", n, r, err)
					}
					for i := range hashes {
						hashes[i][3] ^= 1
						if err := r.Verify(hashes, blocks); !errors.Is(err, ErrProof) {
							t.Fatalf("%d leaves, %+v: hash %d is wrong: %v", n, r, i, err)
						}
						hashes[i][3] ^= 1
					}
				}
			}
		}
	}
}

// The number of uncles is that of the specification: the first log2(length)-1
// layers of proof have none.
func TestUncles(t *testing.T) {
	for _, c := range []struct{ length, proof, want int }{
		{2, 0, 0}, {2, 1, 1}, {2, 5, 5}, {4, 1, 0}, {4, 2, 1}, {8, 2, 0}, {8, 6, 4}, {512, 8, 0}, {512, 9, 1}, {1, 3, 3}, {3, 3, 2},
	} {
		if got := (Request{Length: uint32(c.length), Proof: uint32(c.proof)}).Uncles(); got != c.want {
			t.Errorf("length %d with %d layers of proof: %d uncles, want %d", c.length, c.proof, got, c.want)
		}
	}
}

// A run may stop where the layer does.
func TestCutRuns(t *testing.T) {
	tree := New(randomLeaves(13), 0)
	for _, r := range []Request{
		{Index: 8, Length: 5, Proof: 3}, {Index: 12, Length: 1, Proof: 3}, {Base: 1, Index: 6, Length: 1, Proof: 2}, {Base: 2, Index: 0, Length: 4, Proof: 1},
	} {
		r.Root = tree.Root()
		if err := r.Verify(r.Answer(tree.At), 13); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	const blocks = 13
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Length: 0}, "0 hashes"},
		{Request{Length: 1}, "1 hashes"},
		{Request{Length: 3}, "no power of two"},
		{Request{Length: 4, Index: 2}, "no multiple of the length"},
		{Request{Length: 2, Index: 16}, "hashes 16 to 18 of 16"},
		{Request{Length: 1 << 31, Index: 1 << 31}, "more than 512"},
		{Request{Length: 32}, "hashes 0 to 32 of 16"},
		{Request{Base: 4, Length: 2}, "layer 4 of a tree with 4"},
		{Request{Base: 1 << 31, Length: 2}, "of a tree with 4"},
		{Request{Length: 2, Proof: 4}, "4 layers of proof"},
		{Request{Length: 2, Proof: 1 << 31}, "layers of proof"},
		{Request{Base: 1, Length: 1, Index: 5}, "1 hashes"},
		{Request{Base: 0, Length: 512, Index: 0xfffffe00}, "of 16"},
	} {
		if err := c.r.Check(blocks); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.r, err, c.want)
		}
	}
	if err := (Request{Length: 2}).Check(1); err == nil {
		t.Error("a tree of one block has hashes to ask for")
	}
	r := Whole(Hash{}, blocks, 0, 0, 2)
	if err := r.Verify(make([]Hash, r.Count()-1), blocks); err == nil {
		t.Error("too few hashes")
	}
	r.Proof--
	if err := r.Verify(make([]Hash, r.Count()), blocks); err == nil || !strings.Contains(err.Error(), "proof ends at layer") {
		t.Errorf("a proof that stops early: %v", err)
	}
}

const goldenRequest = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20" + "00000002" + "00000200" + "00000100" + "00000009"

func TestWire(t *testing.T) {
	r := Request{Base: 2, Index: 512, Length: 256, Proof: 9}
	for i := range r.Root {
		r.Root[i] = byte(i + 1)
	}
	if got := hex.EncodeToString(r.Bytes()); got != goldenRequest {
		t.Errorf("Bytes = %s", got)
	}
	hashes := randomLeaves(3)
	got, list, err := ParseRequest(Append(r.Bytes(), hashes))
	if err != nil || got != r || fmt.Sprint(list) != fmt.Sprint(hashes) {
		t.Errorf("ParseRequest = %+v, %d hashes, %v", got, len(list), err)
	}
	for _, n := range []int{0, RequestLen - 1, RequestLen + 1, RequestLen + 33, MaxAnswer + 32} {
		if _, _, err := ParseRequest(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

func FuzzRequest(f *testing.F) {
	golden, _ := hex.DecodeString(goldenRequest)
	f.Add(golden, int64(3000))
	tree := New(randomLeaves(13), 0)
	r := Whole(tree.Root(), 13, 0, 4, 4)
	f.Add(Append(r.Bytes(), r.Answer(tree.At)), int64(13))
	f.Fuzz(func(t *testing.T, b []byte, blocks int64) {
		r, hashes, err := ParseRequest(b)
		if err != nil || r.Check(blocks) != nil {
			return
		}
		if r.Count() > MaxLength+MaxHeight || r.Top() > Height(blocks) {
			t.Fatalf("%+v of %d blocks: %d hashes to layer %d", r, blocks, r.Count(), r.Top())
		}
		if r.Verify(hashes, blocks) == nil {
			node, err := r.Climb(hashes)
			if err != nil || node != r.Root {
				t.Fatalf("%+v: verified, and leads to %v (%v)", r, node, err)
			}
		}
		answer := r.Answer(func(layer, index int) Hash { return Pad(layer) })
		if node, err := r.Climb(answer); err != nil || node != Pad(r.Top()) {
			t.Fatalf("%+v: a tree of padding has %v at layer %d (%v)", r, node, r.Top(), err)
		}
	})
}

// From a .torrent made by libtorrent 2.0.8.
const (
	goldenA = "40b486cd0cb80353441eb5affe6ef8c9c5ed42dbf4a958ca02a293fc0d16559a"
	goldenB = "4d979d6fcb687a288540467b06dc603ed3516aefe3b6f94529d17e13162d8b0c"
	goldenC = "5764e0451f9b5eeaccbeedef657b2e7e7be2f817560d0745002eaaf92b59929e"
	goldenZ = "f88250fa63d055b611ca5e3f8918cad488e7470e71452b5a99b3ca085211edc3"
)
