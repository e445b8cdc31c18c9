package torrent

import (
	"errors"
	"fmt"
	"time"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/picker"
	"lorrent/daemon/torrent/selection"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// content is what a torrent with something to do has in memory.
type content struct {
	info   *metainfo.Info
	disk   *disk.Torrent
	plan   *selection.Plan // which of its files are wanted
	picker *picker.Picker

	allocated *selection.Plan    // what space was last set aside for
	pieces    map[int32]*arrival // being filled

	leaving map[int32]*arrival // given up while a worker wrote them

	trees    *trees // of a v2 torrent
	deriving bool   // piece layers are being computed, or were

	rechecked bool // the user wanted everything hashed
}

// opened is what opening a torrent finds out.
type opened struct {
	full   bool // everything was to be hashed
	info   *metainfo.Info
	disk   *disk.Torrent
	resume storage.Resume
	plan   *selection.Plan
	trust
}

func openDisk(info *metainfo.Info, dir string, mode disk.Mode) (*disk.Torrent, error) {
	files := make([]disk.File, len(info.Files))
	for i, f := range info.Files {
		files[i] = disk.File{Path: f.Path, Length: f.Length, Pad: f.Pad}
	}
	return disk.Open(disk.Config{Root: dir, Files: files, Mode: mode})
}

// open loads the content. It reads the database and looks at every file, so
// it runs outside the actor.
func (s *session) open() {
	s.phase = opening
	hash, dir, checkAll := s.t.hash, s.record.Dir, s.checkAll
	s.checkAll, s.hashAll = false, checkAll
	work := func() func() {
		o, err := s.e.open(hash, dir, checkAll)
		return func() { s.opened(o, err) }
	}
	if s.looking { // as all torrents do when the engine starts: a few at a time
		s.submit(s.e.disk, work)
		return
	}
	ctx := s.net
	s.spawn(func() func() {
		if !s.e.openings.acquire(ctx.Done()) {
			return func() { s.opened(opened{}, ctx.Err()) }
		}
		defer s.e.openings.release()
		return work()
	})
}

func (e *Engine) open(hash metainfo.Hash, dir string, checkAll bool) (o opened, err error) {
	b, err := e.cfg.Store.Info(hash)
	if err != nil {
		return o, fmt.Errorf("read the info of %s: %w", hash, err)
	}
	if o.info, err = e.parseStored(hash, b); err != nil {
		return o, fmt.Errorf("parse the stored info of %s: %w", hash, err)
	}
	if err := e.redescribe(hash, o.info); err != nil {
		return o, err
	}
	if o.resume, err = e.cfg.Store.Resume(hash); err != nil {
		e.log.Warn().Err(err).Stringer("torrent", hash).Msg("resume data cannot be used, everything is checked")
		o.resume, checkAll = storage.Resume{}, true
	}
	if o.disk, err = openDisk(o.info, dir, e.cfg.Allocate); err != nil {
		return o, fmt.Errorf("open %s: %w", dir, err)
	}
	o.full = checkAll
	padding, err := padding(o.info)
	if err == nil {
		o.trust, err = o.judge(padding, checkAll)
	}
	if err != nil {
		o.disk.Close()
	}
	return o, err
}

// judge looks at the files. Pieces that are all padding are there whatever they
// say.
func (o *opened) judge(padding *bitfield.Bitfield, checkAll bool) (t trust, err error) {
	stamps, err := o.disk.Stat()
	if err != nil {
		return t, err
	}
	if t, err = judge(o.info, o.resume, stamps, padding, checkAll); err != nil {
		return t, err
	}
	for p := padding.Next(0); p >= 0; p = padding.Next(p + 1) {
		t.have.Set(p)
		t.check.Clear(p)
	}
	return t, nil
}

// opened takes over what open found.
func (s *session) opened(o opened, err error) {
	s.phase, s.t.looked = resting, true
	looking := s.looking
	s.looking, s.hashAll = false, false
	if err == nil && !s.draining {
		redescribe(&s.record, o.info)
		if o.plan, err = settle(&s.record, o.info); err != nil {
			o.disk.Close()
		}
	}
	switch {
	case s.draining:
		if err == nil {
			o.disk.Close()
		}
		return
	case err == nil && looking && o.intact() && !s.unallocated && len(s.waiting) == 0:
		o.disk.Close() // all is well
		s.announceTick(time.Now())
		return
	case errors.Is(err, disk.ErrRootMissing):
		s.fail(fmt.Errorf("folder %s is missing (an unmounted disk?): bring it back and start the torrent again", s.record.Dir))
		return
	case err != nil:
		s.fail(err)
		return
	}
	if !o.check.None() && !s.inTurn() {
		o.disk.Close()
		s.awaitTurn(o.full)
		return
	}
	s.content = &content{info: o.info, disk: o.disk, plan: o.plan, pieces: make(map[int32]*arrival), leaving: make(map[int32]*arrival), trees: newTrees(o.info), rechecked: o.full}
	s.resume.load(o.resume)
	s.startCheck(o.have, o.check)
}

// unload forgets the content.
func (s *session) unload() {
	s.giveTurn()
	s.seeking.fetch, s.seeking.layers = nil, nil
	s.countHeld()
	if s.phase == fetching {
		s.phase = resting
	}
	if s.content == nil {
		return
	}
	for _, b := range s.content.pieces {
		b.Drop()
	}
	for _, a := range s.fetch.blocked {
		a.Release()
	}
	for _, a := range s.fetch.sifting {
		a.Release()
	}
	s.obstacle = ""
	if err := s.content.disk.Close(); err != nil {
		s.log.Warn().Err(err).Msg("close files")
	}
	s.content, s.check = nil, nil
	s.fetch = download{}
	s.phase = resting
}

// checked goes on with the pieces that are there: to seeding, or by way of
// setting space aside to downloading.
func (s *session) checked(have *bitfield.Bitfield) {
	c := s.content
	c.picker = picker.New(picker.Config{
		NumPieces:       c.info.NumPieces(),
		PieceLength:     c.info.PieceLength,
		TotalLength:     c.info.TotalLength,
		PieceSize:       c.info.PayloadSize,
		Have:            have,
		Priority:        c.priority,
		MaxPartialBytes: s.e.cfg.BufferBytes / 2,
		Rand:            s.rnd,
		Dropped:         func(piece int) { c.giveUp(int32(piece)) },
	})
	s.count()
	if s.record.Stopped {
		s.drain() // it was only to be checked
		return
	}
	if c.picker.Left() == 0 && !s.unallocated {
		s.move()
		return
	}
	s.prepare()
}

// prepare sets space aside.
func (s *session) prepare() {
	c := s.content
	s.phase = preparing
	// The record says that files may change before the first one does.
	s.resume.writing = true
	r := s.resumeRecord(true)
	plan := c.plan
	c.allocated = plan
	s.spawn(func() func() {
		err := s.e.cfg.Store.SaveResume(s.t.hash, r)
		if err == nil {
			err = c.allocate(plan)
		}
		return func() { s.prepared(err) }
	})
}

func (s *session) prepared(err error) {
	s.phase = resting
	if s.draining {
		return
	}
	if err != nil && !passing(err) {
		s.fail(fmt.Errorf("set space aside in %s: %w", s.record.Dir, err))
		return
	}
	if s.content.allocated != s.content.plan { // the user changed it meanwhile
		s.prepare()
		return
	}
	s.unallocated = err != nil
	if err != nil { // what is there can be seeded meanwhile
		s.fetch.unprepared = true
		s.stall(err)
	}
	s.move()
}

// move begins the traffic.
func (s *session) move() {
	s.phase = moving
	s.beginSuperSeed()
	s.resume.touch(time.Now())
	for _, r := range s.swarm.peers {
		s.catchUp(r)
	}
	if s.content.picker.Left() == 0 {
		s.completed(false)
	} else if s.tell.seed {
		s.tell.force(time.Now()) // trackers do not tell seeds of seeds
	}
	waiting := s.waiting
	s.waiting = nil
	for _, in := range waiting {
		s.connected(in)
	}
	s.learnLinked(time.Now())
	s.meet(time.Now())
	s.webSeedTick(time.Now())
	s.announceTick(time.Now())
}
