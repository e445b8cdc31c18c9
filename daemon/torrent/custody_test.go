package torrent

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"lorrent/daemon/torrent/piece"
	"lorrent/storage/disk"
)

// passScene is a session with one large piece of which the first extents have arrived.
type passScene struct {
	*session
	content *content
	piece   *arrival
	pool    *piece.Pool
}

func newPassScene(t *testing.T, extents int) passScene {
	t.Helper()
	_, info, data := largeScene(t, largePiece)
	d, err := openDisk(info, t.TempDir(), disk.Sparse)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Allocate(); err != nil {
		t.Fatal(err)
	}
	pool := piece.NewPool(0)
	a := &arrival{Buffer: pool.New(0, len(data)), written: make([]bool, 4)}
	fillExtent(t, a.Buffer, data, 0, extents*piece.ExtentSize)
	s := &session{e: &Engine{pool: pool, cfg: Config{BufferBytes: 64 << 20}}, passed: make(chan passage, 1)}
	return passScene{s, &content{info: info, disk: d}, a, pool}
}

// told is what the actor hears, nil when that is nothing.
func (s passScene) told() *passage {
	select {
	case p := <-s.passed:
		return &p
	default:
		return nil
	}
}

func TestPass(t *testing.T) {
	t.Parallel()
	s := newPassScene(t, 2)
	if !s.pass(s.content, s.piece) || s.told() != nil {
		t.Error("full extents were not passed on in silence")
	}
	if want := []bool{true, true, false, false}; !slices.Equal(s.piece.written, want) || s.piece.hashed != 2 || s.pool.InUse() != 0 {
		t.Errorf("written %v, %d hashed, %d bytes in use", s.piece.written, s.piece.hashed, s.pool.InUse())
	}
	if !s.piece.take(true) {
		t.Error("the reader has kept the piece")
	}
}

// Nobody else touches what somebody has.
func TestPassOfAPieceInHand(t *testing.T) {
	t.Parallel()
	s := newPassScene(t, 1)
	s.piece.take(true)
	if s.pass(s.content, s.piece) || s.piece.written[0] {
		t.Error("a reader has written what a worker has")
	}
	if s.piece.letGo(false) {
		t.Error("the actor is said to wait where a reader tried")
	}
}

// The actor does not miss the end of what it could not have.
func TestActorWaitsForReader(t *testing.T) {
	t.Parallel()
	var c custody
	if !c.take(false) || c.take(true) || !c.letGo(false) {
		t.Error("the actor's wish was forgotten")
	}
	if !c.take(true) || c.letGo(false) {
		t.Error("the wish outlived its fulfilment")
	}
	c.take(false)
	if !c.watch() || !c.letGo(false) || c.watch() {
		t.Error("who watches was not told")
	}
}

// A piece begun anew waits until what is left of its last life is written.
func TestPassBehindAnEarlierLife(t *testing.T) {
	t.Parallel()
	s := newPassScene(t, 1)
	before := new(arrival)
	before.take(false)
	s.piece.before = before
	if s.pass(s.content, s.piece) || s.piece.written[0] {
		t.Error("written over by an earlier life")
	}
	if !before.letGo(false) {
		t.Error("the actor does not hear that the earlier life has ended")
	}
	if !s.pass(s.content, s.piece) {
		t.Error("waits for nothing")
	}
}

// What the disk refuses a reader waits for the actor, who is told why.
func TestRefusedPass(t *testing.T) {
	t.Parallel()
	s := newPassScene(t, 1)
	s.content.disk.Close()
	s.pass(s.content, s.piece)
	p := s.told()
	if p == nil || p.arrival != s.piece || !errors.Is(p.err, fs.ErrClosed) {
		t.Fatalf("the actor was told %+v", p)
	}
	if s.piece.take(false) || s.piece.take(true) {
		t.Error("tried again at once")
	}
	if s.piece.letGo(false); !s.piece.take(true) {
		t.Error("the actor cannot try again")
	}
}
