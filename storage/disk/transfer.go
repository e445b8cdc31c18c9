package disk

import (
	"errors"
	"fmt"
	"io"
)

const (
	// maxVectors is IOV_MAX of Linux: buffers that one pwritev takes.
	maxVectors = 1024
	// maxWrite bounds one pwritev, in bytes. Linux takes memory for as much of the
	// page cache at once as is written at once, and up to this size (8 pages,
	// PAGE_ALLOC_COSTLY_ORDER) from lists of the processor's own, where what was
	// used last is found first: 0.3 CPU-seconds per GiB, where writes of 1 MiB take
	// 0.3 to 2.6, as what they find had been given back to a hypervisor or not.
	maxWrite = 32 << 10
)

// ReadAt fills p from the torrent's byte space at off, or fails with an error
// that names the file and the offset in it: io.ErrUnexpectedEOF when the file is
// too short, fs.ErrNotExist when it is missing.
func (t *Torrent) ReadAt(p []byte, off int64) error {
	if err := t.layout.check(off, int64(len(p))); err != nil {
		return fmt.Errorf("read payload: %w", err)
	}
	return t.layout.each(off, int64(len(p)), func(s Span) error {
		part := p[:s.Length]
		p = p[s.Length:]
		if t.layout.files[s.File].pad {
			clear(part)
			return nil
		}
		return t.readSpan(part, s)
	})
}

func (t *Torrent) readSpan(p []byte, s Span) error {
	h, err := t.acquire(s.File, false)
	if err != nil {
		return t.fail("read", s.File, s.Offset, err)
	}
	defer t.release(h)
	n, err := h.file.ReadAt(p, s.Offset)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t.fail("read", s.File, s.Offset+int64(n), err)
}

// WriteAt writes bufs one behind the other into the torrent's byte space at
// off. After an error any part of it may have been written. The files must
// exist: see Allocate. Only Sync makes it last.
func (t *Torrent) WriteAt(bufs [][]byte, off int64) error {
	var length int64
	for _, b := range bufs {
		length += int64(len(b))
	}
	if err := t.layout.check(off, length); err != nil {
		return fmt.Errorf("write payload: %w", err)
	}
	g := gather{bufs: bufs}
	return t.layout.each(off, length, func(s Span) error {
		if t.layout.files[s.File].pad {
			g.skip(int(s.Length))
			return nil
		}
		return t.writeSpan(&g, s)
	})
}

func (t *Torrent) writeSpan(g *gather, s Span) error {
	h, err := t.acquire(s.File, true)
	if err != nil {
		return t.fail("write", s.File, s.Offset, err)
	}
	defer t.release(h)
	// Marked after the write, whatever its outcome: marked before, a Sync in
	// between would clear the mark without having seen the data.
	defer t.markDirty(s.File)
	h.writing.Lock()
	defer h.writing.Unlock()
	fd := int(h.file.Fd())
	for s.Length > 0 {
		n, err := t.sys.pwritev(fd, g.next(min(s.Length, maxWrite-s.Offset%maxWrite)), s.Offset)
		if err == nil && n <= 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return t.fail("write", s.File, s.Offset, err)
		}
		g.skip(n)
		s.Offset += int64(n)
		s.Length -= int64(n)
	}
	return nil
}

func (t *Torrent) markDirty(i int) {
	t.mu.Lock()
	if !t.dirty[i] {
		t.dirty[i] = true
	}
	t.mu.Unlock()
}

// gather walks a list of buffers without changing it.
type gather struct {
	bufs    [][]byte
	done    int // bytes of bufs[0] already passed
	vectors [][]byte
}

// next returns the following bytes, at most length and maxVectors buffers. The
// result is valid until the next call.
func (g *gather) next(length int64) [][]byte {
	g.vectors = g.vectors[:0]
	skip := g.done
	for _, b := range g.bufs {
		if length == 0 || len(g.vectors) == maxVectors {
			break
		}
		b = b[skip:]
		skip = 0
		if int64(len(b)) > length {
			b = b[:length]
		}
		if len(b) > 0 {
			g.vectors = append(g.vectors, b)
			length -= int64(len(b))
		}
	}
	return g.vectors
}

// skip passes n bytes.
func (g *gather) skip(n int) {
	g.done += n
	for len(g.bufs) > 0 && g.done >= len(g.bufs[0]) {
		g.done -= len(g.bufs[0])
		g.bufs = g.bufs[1:]
	}
}
