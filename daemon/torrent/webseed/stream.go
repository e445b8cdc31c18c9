package webseed

import (
	"context"
	"errors"
	"io"
)

// maxResumed is how often one run is gone on with after its answer broke off.
const maxResumed = 3

// stream reads a run of the torrent's bytes, over as many requests as there
// are files in it.
type stream struct {
	s       *Seed
	ctx     context.Context
	at, end int64 // in the torrent
	from    io.ReadCloser
	left    int64 // of from
	fresh   bool  // nothing came from it yet
	resumed int
}

func (r *stream) Read(p []byte) (int, error) {
	for {
		if r.at >= r.end {
			return 0, io.EOF
		}
		if r.left == 0 {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
		r.at += int64(n)
		r.left -= int64(n)
		r.fresh = r.fresh && n == 0
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			continue
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return 0, plain(err)
		case r.fresh || r.resumed == maxResumed:
			return 0, errShort
		}
		// It broke off in the middle, as servers do with long answers.
		r.resumed++
		r.left = 0
	}
}

// next asks for what follows.
func (r *stream) next() (err error) {
	r.close()
	at := r.s.spans(r.at, r.end-r.at)
	if len(at) == 0 {
		return io.EOF
	}
	r.from, r.left, err = r.s.open(r.ctx, at[0])
	r.fresh = true
	return err
}

func (r *stream) close() {
	if r.from != nil {
		r.from.Close()
		r.from = nil
	}
}
