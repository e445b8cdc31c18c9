package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// probe reads the structure of every page of the database and refuses a damaged
// one. Opened for writing, bbolt walks the pages too, to find the free ones, but
// in a goroutine of its own whose panic over a damaged page nobody can recover:
// it would end the process. So this comes first, and asks bbolt only for what
// its checksummed meta page says.
func probe(path string, fileSize int64) error {
	db, err := openBolt(path, true)
	if err != nil {
		return err
	}
	err = guard(anyPanic, func() error {
		return db.View(func(tx *bolt.Tx) error {
			return probePages(path, fileSize, tx, int64(db.Info().PageSize))
		})
	})
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return err
}

func probePages(path string, fileSize int64, tx *bolt.Tx, pageSize int64) error {
	if tx.Size() > fileSize {
		return fmt.Errorf("%w: the file has %d bytes of %d", ErrCorrupt, fileSize, tx.Size())
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	p := prober{file: file, pageSize: pageSize, seen: make([]bool, tx.Size()/pageSize)}
	if err := p.page(uint64(tx.Cursor().Bucket().Root()), nil, nil, 0); err != nil {
		return err
	}
	return p.freeList(uint64(tx.ID()))
}

// The layout of bbolt's pages, file format 2, in the byte order of the machine.
// Page: id 8, flags 2, count 2, overflow pages 4, then an element per entry.
// Branch element: position 4, key size 4, page 8. Leaf element: flags 4,
// position 4, key size 4, value size 4. Positions count from the element. Free
// list: after the header a page number of 8 for each entry; with count 0xFFFF, the
// first is the number of those that follow. Meta page: page of the free list at
// 48, all ones when there is none; the transaction's number says which of the two
// it is in.
const (
	pageHeader  = 16
	pageElement = 16
	branchPage  = 1
	leafPage    = 2
	freePage    = 16
	bucketEntry = 1 // flag of a leaf element whose value is a bucket

	metaFreeList = 48
	noFreeList   = 1<<64 - 1
	manyFree     = 0xFFFF

	// Bucket: root page 8, sequence 8. Root page 0: its page follows right there.
	bucketHeader = 16

	// maxBuckets is how deep buckets lie in one another: the unnamed root, and ours.
	maxBuckets = 2
)

type prober struct {
	file     *os.File
	pageSize int64
	seen     []bool   // by page number
	spare    [][]byte // of a page each
}

// page checks a page and all below it. Its keys must lie in [low, high); nil
// means no bound.
func (p *prober) page(id uint64, low, high []byte, depth int) error {
	run, err := p.claim(id)
	if err != nil {
		return err
	}
	switch {
	case run.flags != branchPage && run.flags != leafPage:
		return run.damaged("type %#x", run.flags)
	case run.flags == branchPage && run.count == 0:
		return run.damaged("a branch without entries")
	}
	whole := run.head
	defer func() { p.spare = append(p.spare, whole) }() // no key in it is used any more
	if err := run.extend(int64(pageHeader + pageElement*run.count)); err != nil {
		return err
	}
	last := low
	for i := range run.count {
		e, err := run.entry(i)
		if err != nil {
			return err
		}
		if i > 0 && bytes.Compare(e.key, last) <= 0 || i == 0 && bytes.Compare(e.key, low) < 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			return run.damaged("key %d is out of order", i)
		}
		last = e.key
		if err := p.below(run, i, e, high, depth); err != nil {
			return err
		}
	}
	return nil
}

// below checks what entry i of a page leads to: a page, or a bucket's pages.
func (p *prober) below(run *pageRun, i int, e entry, high []byte, depth int) error {
	if run.flags == branchPage {
		if i+1 < run.count {
			next, err := run.entry(i + 1)
			if err != nil {
				return err
			}
			high = next.key
		}
		return p.page(e.child, e.key, high, depth)
	}
	if !e.bucket || e.child == 0 { // no bucket, or one inside the value
		return nil
	}
	if depth+1 >= maxBuckets {
		return run.damaged("a bucket where none should be")
	}
	return p.page(e.child, nil, nil, depth+1)
}

// pageRun is a page with its overflow pages, of which only the beginning is read.
type pageRun struct {
	file  *os.File
	id    uint64
	start int64 // in the file
	size  int64
	flags uint16
	count int
	head  []byte // header and elements at least
}

// claim reads a page, which must be inside the file and not in use elsewhere.
func (p *prober) claim(id uint64) (*pageRun, error) {
	r := &pageRun{file: p.file, id: id, size: p.pageSize, head: p.buffer()}
	if id < 2 || id >= uint64(len(p.seen)) {
		return nil, r.damaged("outside of the file")
	}
	r.start = int64(id) * p.pageSize
	if _, err := p.file.ReadAt(r.head, r.start); err != nil {
		return nil, r.damaged("%w", err)
	}
	order := binary.NativeEndian
	r.flags, r.count = order.Uint16(r.head[8:]), int(order.Uint16(r.head[10:]))
	overflow := uint64(order.Uint32(r.head[12:]))
	switch {
	case order.Uint64(r.head) != id:
		return nil, r.damaged("it says it is page %d", order.Uint64(r.head))
	case id+overflow >= uint64(len(p.seen)):
		return nil, r.damaged("%d overflow pages", overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if p.seen[i] {
			return nil, r.damaged("used twice")
		}
		p.seen[i] = true
	}
	r.size += int64(overflow) * p.pageSize
	return r, nil
}

// buffer is memory for a page. There are thousands of them, one at a time for
// each level.
func (p *prober) buffer() []byte {
	n := len(p.spare) - 1
	if n < 0 {
		return make([]byte, p.pageSize)
	}
	b := p.spare[n]
	p.spare = p.spare[:n]
	return b
}

// freeList checks the list of free pages that the transaction has, if it has one:
// none of them may be in use.
func (p *prober) freeList(tx uint64) error {
	order := binary.NativeEndian
	var field [8]byte
	if _, err := p.file.ReadAt(field[:], int64(tx%2)*p.pageSize+metaFreeList); err != nil {
		return err
	}
	id := order.Uint64(field[:])
	if id == noFreeList {
		return nil
	}
	run, err := p.claim(id)
	if err != nil {
		return err
	}
	if run.flags != freePage {
		return run.damaged("type %#x, and not a free list", run.flags)
	}
	at, count := int64(pageHeader), uint64(run.count)
	if count == manyFree {
		at, count = at+8, order.Uint64(run.head[at:])
	}
	if count > uint64(run.size-at)/8 {
		return run.damaged("%d free pages in %d bytes", count, run.size)
	}
	if err := run.extend(at + 8*int64(count)); err != nil {
		return err
	}
	for list := run.head[at : at+8*int64(count)]; len(list) > 0; list = list[8:] {
		free := order.Uint64(list)
		if free < 2 || free >= uint64(len(p.seen)) || p.seen[free] {
			return run.damaged("page %d is not free", free)
		}
		p.seen[free] = true
	}
	return nil
}

// extend makes head so long, where what is wanted does not end in the first page.
func (r *pageRun) extend(need int64) error {
	if need > r.size {
		return r.damaged("%d entries in %d bytes", r.count, r.size)
	}
	if need > int64(len(r.head)) {
		var err error
		if r.head, err = r.read(0, need); err != nil {
			return err
		}
	}
	return nil
}

type entry struct {
	key    []byte
	child  uint64 // page of a branch entry or root page of a bucket
	bucket bool
}

// entry reads entry i, which must lie inside the page with key and value.
func (r *pageRun) entry(i int) (e entry, err error) {
	order := binary.NativeEndian
	at := int64(pageHeader + pageElement*i)
	b := r.head[at : at+pageElement]
	var position, keySize, valueSize int64
	if r.flags == branchPage {
		position, keySize = int64(order.Uint32(b)), int64(order.Uint32(b[4:]))
		e.child = order.Uint64(b[8:])
	} else {
		position, keySize, valueSize = int64(order.Uint32(b[4:])), int64(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
		e.bucket = order.Uint32(b)&bucketEntry != 0
	}
	if position < pageElement || keySize > bolt.MaxKeySize || at+position+keySize+valueSize > r.size || e.bucket && valueSize < bucketHeader {
		return entry{}, r.damaged("entry %d ends outside", i)
	}
	if e.key, err = r.read(at+position, keySize); err != nil || !e.bucket {
		return e, err
	}
	root, err := r.read(at+position+keySize, 8)
	if err != nil {
		return e, err
	}
	e.child = order.Uint64(root)
	if e.child == 0 && valueSize < bucketHeader+pageHeader {
		return entry{}, r.damaged("bucket %d ends early", i)
	}
	return e, nil
}

// read returns n bytes at off of the page, which the caller has checked.
func (r *pageRun) read(off, n int64) ([]byte, error) {
	if off+n <= int64(len(r.head)) {
		return r.head[off : off+n], nil
	}
	b := make([]byte, n)
	if _, err := r.file.ReadAt(b, r.start+off); err != nil {
		return nil, r.damaged("%w", err)
	}
	return b, nil
}

func (r *pageRun) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %w", ErrCorrupt, r.id, fmt.Errorf(format, args...))
}
