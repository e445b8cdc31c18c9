package hashtree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	// MaxLength is the largest number of hashes of its base layer that a
	// request should ask for.
	MaxLength = 512

	// RequestLen is the length in bytes of a request on the wire.
	RequestLen = Size + 4*4

	// MaxAnswer is the length in bytes of the longest answer.
	MaxAnswer = RequestLen + (MaxLength+MaxHeight)*Size
)

// Request names a run of hashes of one layer of a file's tree, and how much is
// to come with them to prove that they belong there. It is the payload of the
// messages "hash request" and "hash reject", and begins that of "hashes".
type Request struct {
	Root   Hash   // of the file
	Base   uint32 // layer of the run, 0 for leaves
	Index  uint32 // of its first hash in the layer, a multiple of Length
	Length uint32 // of the run
	Proof  uint32 // layers above the base that uncles may come from
}

// ErrProof says that hashes do not belong where they are said to.
var ErrProof = errors.New("hashes do not lead to the root")

// rise is how many layers above the run the node is that covers all of it. A
// run of one is one of two that the end of the layer has cut short.
func (r Request) rise() int { return max(1, Height(int64(r.Length))) }

// Uncles is how many hashes follow the run. The node that covers the run, and
// each one above it, needs its sibling; the layers between the run and that
// node count as proof layers and need none.
func (r Request) Uncles() int {
	return max(0, int(r.Proof)-r.rise()+1)
}

// Top is the layer that the run and its uncles lead to.
func (r Request) Top() int { return int(r.Base) + r.rise() + r.Uncles() }

// Count is how many hashes an answer has.
func (r Request) Count() int { return int(r.Length) + r.Uncles() }

// Check says what is wrong with a request about a file of that many blocks.
func (r Request) Check(blocks int64) error {
	height := Height(blocks)
	if int(r.Base) >= height || r.Base > MaxHeight {
		return fmt.Errorf("layer %d of a tree with %d", r.Base, height)
	}
	row := int64(1) << (height - int(r.Base))
	end := int64(r.Index) + int64(r.Length)
	whole := bits.OnesCount32(r.Length) == 1
	switch {
	case r.Length < 2 && end != Above(blocks, int(r.Base)), r.Length == 0:
		return fmt.Errorf("%d hashes", r.Length)
	case r.Length > MaxLength:
		return fmt.Errorf("%d hashes are more than %d", r.Length, MaxLength)
	case end > row:
		return fmt.Errorf("hashes %d to %d of %d", r.Index, end, row)
	case !whole && end != Above(blocks, int(r.Base)):
		return fmt.Errorf("%d hashes are no power of two, nor the end of the layer", r.Length)
	case r.Index%(uint32(1)<<r.rise()) != 0:
		return fmt.Errorf("index %d is no multiple of the length %d", r.Index, r.Length)
	case r.Proof > MaxHeight || int(r.Base)+int(r.Proof) >= height:
		return fmt.Errorf("%d layers of proof above layer %d of a tree with %d", r.Proof, r.Base, height)
	}
	return nil
}

// Whole is a request for the run with all the proof there is, in a file of that
// many blocks.
func Whole(root Hash, blocks int64, base, index, length int) Request {
	return Request{Root: root, Base: uint32(base), Index: uint32(index), Length: uint32(length), Proof: uint32(max(0, Height(blocks)-base-1))}
}

// Answer collects what a request asks for. It has passed Check, and at gives
// the nodes of the layers from the base on.
func (r Request) Answer(at func(layer, index int) Hash) []Hash {
	hashes := make([]Hash, 0, r.Count())
	for i := range int(r.Length) {
		hashes = append(hashes, at(int(r.Base), int(r.Index)+i))
	}
	layer, index := int(r.Base)+r.rise(), int(r.Index)>>r.rise()
	for range r.Uncles() {
		hashes = append(hashes, at(layer, index^1))
		layer, index = layer+1, index>>1
	}
	return hashes
}

// Climb returns the node of layer Top that the hashes of an answer lead to. The
// request has passed Check.
func (r Request) Climb(hashes []Hash) (Hash, error) {
	if len(hashes) != r.Count() {
		return Hash{}, fmt.Errorf("%d hashes in place of %d", len(hashes), r.Count())
	}
	node := Root(hashes[:r.Length], int(r.Base), r.rise())
	index := int(r.Index) >> r.rise()
	for _, uncle := range hashes[r.Length:] {
		if index&1 == 0 {
			node = join(node, uncle)
		} else {
			node = join(uncle, node)
		}
		index >>= 1
	}
	return node, nil
}

// Verify checks an answer to a request with all the proof there is, about a
// file of that many blocks.
func (r Request) Verify(hashes []Hash, blocks int64) error {
	if err := r.Check(blocks); err != nil {
		return err
	}
	if r.Top() != Height(blocks) {
		return fmt.Errorf("proof ends at layer %d of %d", r.Top(), Height(blocks))
	}
	node, err := r.Climb(hashes)
	if err == nil && node != r.Root {
		err = ErrProof
	}
	return err
}

// Bytes is the request on the wire.
func (r Request) Bytes() []byte {
	b := make([]byte, 0, RequestLen)
	b = append(b, r.Root[:]...)
	for _, v := range []uint32{r.Base, r.Index, r.Length, r.Proof} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// ParseRequest reads what Bytes writes, and hashes that follow it.
func ParseRequest(b []byte) (r Request, hashes []Hash, err error) {
	if len(b) < RequestLen || len(b) > MaxAnswer {
		return r, nil, fmt.Errorf("hash message of %d bytes", len(b))
	}
	copy(r.Root[:], b)
	for i, to := range []*uint32{&r.Base, &r.Index, &r.Length, &r.Proof} {
		*to = binary.BigEndian.Uint32(b[Size+4*i:])
	}
	if hashes, err = Parse(b[RequestLen:]); err != nil {
		return r, nil, fmt.Errorf("hash message: %w", err)
	}
	return r, hashes, nil
}
