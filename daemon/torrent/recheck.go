package torrent

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"lorrent/daemon/torrent/bitfield"
)

// checkBatch is the payload of one job at least.
const checkBatch = 512 << 10

// recheck hashes pieces that are on disk, a few at a time.
type recheck struct {
	have   *bitfield.Bitfield // believed, and found right
	todo   *bitfield.Bitfield
	next   int
	flying int
	bytes  int64 // looked at so far
}

// startCheck hashes the pieces of todo and goes on with those that are right
// and those in have.
func (s *session) startCheck(have, todo *bitfield.Bitfield) {
	if todo.None() {
		s.resume.changed = true // a recheck of nothing has found nothing
		s.checked(have)
		return
	}
	s.log.Info().Int("pieces", todo.Count()).Str("name", s.record.Name).Msg("checking files")
	s.phase = checking
	s.check = &recheck{have: have, todo: todo}
	s.check.bytes = verifiedBytes(have, s.content.info.PayloadSize)
	s.hashMore()
}

// hashMore keeps the disk workers busy with this check.
func (s *session) hashMore() {
	c, content := s.check, s.content
	for c.flying < s.e.disk.n && !s.draining {
		pieces := c.batch(content.info.PayloadSize)
		if pieces == nil {
			break
		}
		c.flying++
		s.submit(s.e.disk, func() func() {
			right, err := content.piecesOnDisk(pieces)
			return func() { s.hashed(pieces, right, err) }
		})
	}
	if c.flying == 0 && !s.draining {
		s.check = nil
		s.resume.wrote(c.bytes, time.Now()) // worth a checkpoint soon
		s.checked(c.have)
	}
}

// batch takes the next pieces that are to be hashed: one, or as many small ones
// as are worth a worker's while.
func (c *recheck) batch(size func(int) int64) (pieces []int) {
	var bytes int64
	for bytes < checkBatch {
		p := c.todo.Next(c.next)
		if p < 0 {
			break
		}
		c.next = p + 1
		pieces, bytes = append(pieces, p), bytes+size(p)
	}
	return pieces
}

// piecesOnDisk returns those of pieces that are there and right.
func (c *content) piecesOnDisk(pieces []int) (right []int, err error) {
	for _, p := range pieces {
		ok, err := c.pieceOnDisk(p)
		if err != nil {
			return right, err
		}
		if ok {
			right = append(right, p)
		}
	}
	return right, nil
}

// pieceOnDisk hashes one piece. Files that are missing or short mean that it
// is not there; other errors are errors, errConflict among them.
func (c *content) pieceOnDisk(p int) (bool, error) {
	check, err := c.hashPiece(p)
	if check == nil || err != nil {
		return false, err
	}
	return check.right()
}

// hashPiece reads one piece, and returns nil when it is not there.
func (c *content) hashPiece(p int) (*pieceCheck, error) {
	info := c.info
	buf := make([]byte, min(info.PayloadSize(p), 1<<20))
	check := newPieceCheck(info, p)
	for off, left := int64(p)*info.PieceLength, info.PayloadSize(p); left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		err := c.disk.ReadAt(b, off)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		check.Write(b)
		off, left = off+int64(len(b)), left-int64(len(b))
	}
	return check, nil
}

func (s *session) hashed(pieces, right []int, err error) {
	c := s.check
	c.flying--
	for _, p := range pieces {
		c.bytes += s.content.info.PayloadSize(p)
	}
	for _, p := range right {
		c.have.Set(p)
	}
	if err != nil && !s.draining {
		s.fail(err)
	}
	s.hashMore()
}
