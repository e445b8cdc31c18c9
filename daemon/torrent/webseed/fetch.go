package webseed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxSkip is how much of an answer is thrown away to get to what was asked
// for, when a server ignores ranges.
const maxSkip = 4 << 20

var (
	errStalled = errors.New("the server stopped sending")
	errShort   = errors.New("the answer is shorter than it should be")
)

// open asks for a span and returns the n first bytes of it: all, or fewer
// where the server says so.
func (s *Seed) open(ctx context.Context, at span) (from io.ReadCloser, n int64, err error) {
	f := &s.cfg.Info.Files[at.file]
	if f.Pad {
		return io.NopCloser(zeros{}), at.length, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := s.cfg.Client.get(ctx, s.fileURL(at.file), at.offset, at.offset+at.length-1)
	if err != nil {
		cancel(nil)
		return nil, 0, plain(err)
	}
	b := &body{ctx: ctx, cancel: cancel, stall: s.cfg.Stall, from: resp.Body}
	b.timer = time.AfterFunc(s.cfg.Stall, func() { cancel(errStalled) })
	b.timer.Stop()
	n, skip, err := judge(resp, at, f.Length)
	if err == nil && skip > 0 {
		_, err = io.CopyN(io.Discard, b, skip)
	}
	if err != nil {
		b.Close()
		return nil, 0, err
	}
	return b, n, nil
}

// judge says how many bytes of an answer are of use, and how many come before
// them.
func judge(resp *http.Response, at span, size int64) (n, skip int64, err error) {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		n, err = judgeRange(resp, at, size)
		return n, 0, err
	case http.StatusOK: // the whole file
		switch {
		case resp.ContentLength >= 0 && resp.ContentLength != size:
			return 0, 0, otherSize(at.file, resp.ContentLength, size)
		case at.offset > maxSkip:
			return 0, 0, errors.New("the server does not answer requests for ranges")
		}
		return at.length, at.offset, nil
	case http.StatusNotFound, http.StatusGone:
		return 0, 0, &MissingError{File: at.file, Reason: fmt.Sprintf("the server answered HTTP %d", resp.StatusCode)}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return 0, 0, &BusyError{Status: resp.StatusCode, After: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return 0, 0, fmt.Errorf("the server answered HTTP %d", resp.StatusCode)
}

// judgeRange reads Content-Range, which must begin where we asked and tell the
// file's size if it tells any. A server may send less than it was asked for.
func judgeRange(resp *http.Response, at span, size int64) (int64, error) {
	text := resp.Header.Get("Content-Range")
	first, last, total, ok := parseRange(text)
	switch {
	case !ok:
		return 0, fmt.Errorf("Content-Range %.60q makes no sense", text)
	case total >= 0 && total != size:
		return 0, otherSize(at.file, total, size)
	case first != at.offset, last >= at.offset+at.length:
		return 0, fmt.Errorf("the server sent bytes %d to %d for %d to %d", first, last, at.offset, at.offset+at.length-1)
	case resp.ContentLength >= 0 && resp.ContentLength != last-first+1:
		return 0, fmt.Errorf("the server announced %d bytes for bytes %d to %d", resp.ContentLength, first, last)
	}
	return last - first + 1, nil
}

func otherSize(file int, theirs, ours int64) error {
	return &MissingError{File: file, Reason: fmt.Sprintf("the server's has %d bytes, the torrent's %d", theirs, ours)}
}

// parseRange reads "bytes 0-99/1234"; total is -1 for "*".
func parseRange(text string) (first, last, total int64, ok bool) {
	unit, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	span, size, _ := strings.Cut(rest, "/")
	from, to, _ := strings.Cut(span, "-")
	first, err1 := number(from)
	last, err2 := number(to)
	total, err3 := number(size)
	if strings.TrimSpace(size) == "*" {
		total, err3 = -1, nil
	}
	ok = strings.EqualFold(unit, "bytes") && err1 == nil && err2 == nil && err3 == nil && first <= last && (total < 0 || last < total)
	return first, last, total, ok
}

func number(text string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 63)
	return int64(n), err
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := number(text); err == nil {
		return time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// plain is an error without the URL that net/http puts into it, and short.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	const longest = 200
	if text := err.Error(); len(text) > longest { // it repeats what the server said
		return errors.New(strings.ToValidUTF8(text[:longest], ""))
	}
	return err
}

// body is an answer. Only the time that the server takes counts as a stall, not
// that of whoever reads.
type body struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	from   io.ReadCloser
}

func (b *body) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.from.Read(p)
	b.timer.Stop()
	if err != nil && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close keeps the connection for the next request when the answer was read to
// its end.
func (b *body) Close() error {
	b.timer.Stop()
	err := b.from.Close()
	b.cancel(nil)
	return err
}

// zeros is what pad files hold.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
