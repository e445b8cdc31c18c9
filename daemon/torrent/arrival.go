package torrent

import (
	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/picker"
	"lorrent/daemon/torrent/piece"
)

// arrival is a piece on its way from its senders to the disk.
//
// A piece of one extent is hashed when it is complete, and written if it is
// right. A larger one is written and hashed extent by extent while it arrives:
// what is still in the processor's cache costs a quarter less, and memory does
// not depend on the length of pieces. What is written counts for nothing until
// the hash of the whole piece is right.
type arrival struct {
	*piece.Buffer

	complete bool     // nothing more will come
	before   *arrival // of the same piece, given up when it was still being written

	custody // of the fields below

	check   *pieceCheck
	hashed  int    // extents, from the first one on
	written []bool // by extent
}

// arrival is where the blocks of a piece go.
func (s *session) arrival(p int32) *arrival {
	a := s.content.pieces[p]
	if a == nil {
		a = &arrival{Buffer: s.e.pool.New(int(p), int(s.content.info.PayloadSize(int(p))))}
		a.written = make([]bool, a.NumExtents())
		a.before = s.content.leaving[p]
		if c := s.content; a.NumExtents() > 1 {
			a.Pass = func() bool { return s.pass(c, a) }
		}
		s.content.pieces[p] = a
	}
	return a
}

// giveUp forgets a piece that is not complete. What is being written of it at that
// time has to be written before anything newer.
func (c *content) giveUp(p int32) {
	if a := c.pieces[p]; a != nil {
		a.Drop()
		delete(c.pieces, p)
		if a.watch() {
			c.leaving[p] = a
		}
	}
}

// pieceComplete takes a piece off its readers. Blocks that came over other
// connections may not have been heard of yet.
func (s *session) pieceComplete(a *arrival) {
	size := uint32(a.Size())
	for i, id := range a.Contributors() {
		begin := uint32(i) * peerwire.BlockSize
		s.content.picker.Received(picker.PeerID(id), blockOf(uint32(a.Index), begin, min(peerwire.BlockSize, size-begin)))
	}
	delete(s.content.pieces, int32(a.Index))
	a.complete = true
	s.advance(a)
}

// advance lets a worker take a piece as far as it can be.
func (s *session) advance(a *arrival) {
	if a.before != nil && a.before.watch() || !a.take(true) {
		return
	}
	if a.complete {
		s.verify(a)
		return
	}
	ready, size := a.ready(s.e.shortOfMemory())
	if a.NumExtents() == 1 || len(ready) == 0 {
		a.letGo(false)
		return
	}
	c := s.content
	s.handOver(a, size, func() func() {
		err := a.put(c, ready)
		a.letGo(err != nil)
		return func() {
			s.fetch.writing--
			s.advanced(a, err)
		}
	})
}

// handOver gives a piece, which was taken, to a worker that has size bytes to write.
func (s *session) handOver(a *arrival, size int64, work func() func()) {
	s.fetch.writing++
	s.e.gate.add(size)
	s.submit(s.e.disk, func() func() {
		defer s.e.gate.done(size)
		return work()
	})
}

// ready returns the extents that can be written, and the bytes of them: the full
// ones that are next to be hashed and, when memory is short, those behind a gap.
func (a *arrival) ready(short bool) (extents []int, size int64) {
	gap := false
	for i := a.hashed; i < a.NumExtents() && (short || !gap); i++ {
		switch {
		case a.written[i]:
			if gap {
				continue
			}
		default:
			data := a.Take(i)
			if data == nil {
				gap = true
				continue
			}
			size += int64(len(data))
		}
		extents = append(extents, i)
	}
	return extents, size
}

// advanced goes on after extents were put in their places.
func (s *session) advanced(a *arrival, err error) {
	if s.content.leaving[int32(a.Index)] == a { // given up meanwhile
		delete(s.content.leaving, int32(a.Index))
		if a = s.content.pieces[int32(a.Index)]; a != nil {
			s.advance(a)
		}
		return
	}
	switch {
	case err != nil:
		s.refusedByDisk(a, err)
		return
	case s.fetch.retry > 0: // everybody may have stopped meanwhile
		s.refillAll()
	}
	s.stale = s.draining // a part of a piece is not shown
	if !s.draining || a.complete {
		s.advance(a)
	}
}

// verify takes a complete piece to its verdict.
func (s *session) verify(a *arrival) {
	c, suspected := s.content, s.fetch.blame.remembers(a.Index)
	extents, size := a.ready(true)
	s.handOver(a, size, func() func() {
		right, blocks, err := a.finish(c, extents, suspected)
		return func() {
			a.letGo(false)
			s.verified(a, right, blocks, err)
		}
	})
}

// finish hashes what is left of a complete piece and judges it. It returns the
// hashes of the blocks if the piece is wrong, or was before.
func (a *arrival) finish(c *content, extents []int, suspected bool) (right bool, blocks []hashtree.Hash, err error) {
	whole := a.NumExtents() == 1
	if whole {
		a.check = newPieceCheck(c.info, a.Index)
		a.check.Write(a.Take(0))
	} else if err = a.put(c, extents); err != nil {
		return false, nil, err
	}
	right, err = a.check.right()
	if blocks = a.check.leaves; blocks == nil && (!right || suspected) && err == nil {
		blocks, err = a.leaves(c)
	}
	if whole && right && err == nil {
		err = a.write(c, 0)
	}
	return right, blocks, err
}

// put writes extents, hashes those whose turn it is, and gives their memory back.
func (a *arrival) put(c *content, extents []int) error {
	if a.check == nil {
		a.check = newPieceCheck(c.info, a.Index)
	}
	for _, i := range extents {
		if err := a.write(c, i); err != nil {
			return err
		}
		if i == a.hashed {
			data, err := a.bytes(c, i)
			if err != nil {
				return err
			}
			a.check.Write(data)
			a.hashed++
		}
		a.Free(i)
	}
	return nil
}

// write puts an extent in its place, once.
func (a *arrival) write(c *content, i int) error {
	if a.written[i] {
		return nil
	}
	if err := c.disk.WriteAt([][]byte{a.Take(i)}, a.offset(c, i)); err != nil {
		return err
	}
	a.written[i] = true
	return nil
}

func (a *arrival) offset(c *content, i int) int64 {
	return int64(a.Index)*c.info.PieceLength + int64(i)*piece.ExtentSize
}

// bytes returns an extent that was written: from memory, or when that was given
// back, from the disk.
func (a *arrival) bytes(c *content, i int) ([]byte, error) {
	if data := a.Take(i); data != nil {
		return data, nil
	}
	data := make([]byte, a.ExtentSize(i))
	return data, c.disk.ReadAt(data, a.offset(c, i))
}

// leaves hashes every block of a complete piece.
func (a *arrival) leaves(c *content) (all []hashtree.Hash, err error) {
	for i := range a.NumExtents() {
		data, err := a.bytes(c, i)
		if err != nil {
			return nil, err
		}
		all = append(all, hashtree.Leaves(data)...)
	}
	return all, nil
}
