package torrent

import (
	"context"
	"time"

	"lorrent/storage"
)

const (
	// lookBurst torrents are looked at every lookSpacing: 800 a second at most,
	// which leaves the machine to those who wait for it.
	lookBurst   = 8
	lookSpacing = 10 * time.Millisecond
	// lookLot is after how many looks the pages they have read are given back.
	lookLot = 8 * lookBurst
	// lookDelay leaves the first moments to those who want to see the list.
	lookDelay = time.Second

	releaseEvery = time.Minute
)

// lookThrough looks at the files of torrents that nobody works on and that are
// complete by their records, one after the other. Until then such a torrent
// counts as what its record says; should a peer come first, its session looks
// before it serves. One whose files are as they were costs no session, and
// announces itself when its turn comes. The others get one, to find out what is
// wrong.
func (e *Engine) lookThrough(ctx context.Context, all []*torrent) {
	select {
	case <-time.After(lookDelay):
	case <-ctx.Done():
	}
	tick := time.NewTicker(lookSpacing)
	defer tick.Stop()
	for seen := 0; len(all) > 0 && ctx.Err() == nil; {
		n := min(lookBurst, len(all))
		for _, t := range all[:n] {
			e.lookAt(t)
		}
		all = all[n:]
		if seen += n; seen >= lookLot {
			seen = 0
			e.releaseRead()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (e *Engine) lookAt(t *torrent) {
	r, ok := t.unseen()
	switch {
	case !ok:
	case !e.intact(r):
		_ = t.post(func(*session) {}) // if it cannot, it is being removed, or we end
	case t.seen() && e.toldOf(r):
		e.alarms.set(t, time.Now())
	}
}

// toldOf reports whether there is anybody to be told of a torrent.
func (e *Engine) toldOf(r storage.Torrent) bool {
	d := &e.discovery
	return len(r.Trackers) > 0 || !r.Private && (d.dht != nil || d.local != nil)
}

// intact reports whether the files of a torrent are as its record says, and
// nothing of it remains to be done.
func (e *Engine) intact(r storage.Torrent) bool {
	o, err := e.open(r.InfoHash, r.Dir, false)
	if err != nil {
		return false
	}
	defer o.disk.Close()
	redescribe(&r, o.info)
	o.plan, err = settle(&r, o.info)
	return err == nil && o.intact()
}

// intact reports whether all that is wanted is there and can be believed.
func (o *opened) intact() bool { return o.check.None() && o.plan.Complete(o.have) }

// unseen returns the record of a torrent that is complete, as far as is known,
// and whose files nobody has looked at or is about to. The record of one that has
// a session is the session's.
func (t *torrent) unseen() (r storage.Torrent, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running || t.finished || t.looked || !t.wantsToRun() {
		return storage.Torrent{}, false
	}
	return t.record, true
}

// seen notes that somebody has looked, and reports whether that was of use: a
// session that began meanwhile looks itself.
func (t *torrent) seen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running || t.finished {
		return false
	}
	t.looked = true
	return true
}

// releaseIdle gives back what reading the database has taken, the memory of pieces
// that nothing came for and, while there are no peers, what the heap holds for later,
// now and each releaseEvery. It may wait for a writer, and so the engine's loop is no
// place for it.
func (e *Engine) releaseIdle(ctx context.Context) {
	tick := time.NewTicker(releaseEvery)
	defer tick.Stop()
	var g garbage
	for ctx.Err() == nil {
		e.releaseRead()
		e.pool.Trim()
		if e.peers.value() == 0 {
			g.release()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// releaseRead gives back the pages of the database that were read. Failing costs
// memory and nothing else.
func (e *Engine) releaseRead() {
	if err := e.cfg.Store.Release(); err != nil {
		e.log.Warn().Err(err).Msg("release memory of the database")
	}
}
