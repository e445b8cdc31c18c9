package torrent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/storage"
)

// maxInbox bounds the closures that wait for a session.
const maxInbox = 1024

// torrent is the handle of one torrent: all that an idle one costs. Its
// session, the actor, runs only while there is something to do.
type torrent struct {
	e    *Engine
	hash metainfo.Hash

	id      atomic.Pointer[identity] // written with the engine's mu locked
	status  atomic.Pointer[Status]   // what List shows; written by the session
	decided atomic.Pointer[decision] // nil until this process decides; written by the session
	saving  sync.Mutex               // held while decided is stored

	mu       sync.Mutex // may be held while taking the engine's, never the other way round
	inbox    []func(*session)
	running  bool
	finished bool          // being removed: nothing may be posted any more
	ended    chan struct{} // closed when a finished torrent's session is over
	signal   chan struct{} // the inbox has something

	// handed from session to session
	record   storage.Torrent
	standing *standing // nil before the first session
	web      []*webSeed
	search   *search
	looked   bool // at the files, since the engine was started

	alarm alarm // guarded by the engine's alarms
}

func newTorrent(e *Engine, r storage.Torrent) *torrent {
	t := &torrent{e: e, hash: r.InfoHash, record: r, web: newWebSeeds(r.WebSeeds), search: &search{found: -1}, ended: make(chan struct{}), signal: make(chan struct{}, 1)}
	id := identityOf(&r)
	t.id.Store(&id)
	t.publish(statusOf(r))
	return t
}

// statusOf is the status of a torrent nobody is working on.
func statusOf(r storage.Torrent) Status {
	id := identityOf(&r)
	wanted, wantedVerified := wantedBytes(&r)
	s := Status{
		InfoHash:      r.InfoHash,
		HashV1:        id.v1,
		HashV2:        id.v2,
		Name:          r.Name,
		State:         Queued,
		Error:         r.Error,
		Dir:           r.Dir,
		TotalBytes:    r.TotalBytes,
		VerifiedBytes: r.VerifiedBytes,

		WantedBytes:         wanted,
		WantedVerifiedBytes: wantedVerified,

		CheckedBytes:    -1,
		DownloadedBytes: r.DownloadedBytes,
		UploadedBytes:   r.UploadedBytes,
		WastedBytes:     r.WastedBytes,
		ETASeconds:      -1,
		Private:         r.Private,
		Limits:          Limits{Download: r.DownloadLimit, Upload: r.UploadLimit},
		PieceLength:     r.PieceLength,
		NumPieces:       r.NumPieces,
		NumFiles:        r.NumFiles,
		AddedAt:         r.AddedAt,
		CompletedAt:     r.CompletedAt,
	}
	switch {
	case r.Stopped:
		s.State = Stopped
	case r.Error != "":
		s.State = Failed
	case unknown(&r):
		s.State = Metadata
	case finished(&r):
		s.State, s.ETASeconds = Seeding, 0
		s.SuperSeeding = r.SuperSeed && r.VerifiedBytes == r.TotalBytes
	}
	return s
}

func (t *torrent) snapshot() Status { return *t.status.Load() }

func (t *torrent) publish(s Status) { t.status.Store(&s) }

// wantsToRun reports whether the torrent is neither stopped nor failed.
func (t *torrent) wantsToRun() bool {
	state := t.snapshot().State
	return state != Stopped && state != Failed
}

// post hands a closure to the session, and starts one if there is none.
func (t *torrent) post(fn func(*session)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return ErrNotFound
	}
	if len(t.inbox) >= maxInbox {
		return fmt.Errorf("torrent %s is too busy", t.hash)
	}
	if t.running {
		t.inbox = append(t.inbox, fn)
		select {
		case t.signal <- struct{}{}:
		default:
		}
		return nil
	}
	if !t.e.launch(func(ctx context.Context) { newSession(t).run(ctx) }) {
		return ErrClosed
	}
	t.inbox = append(t.inbox, fn)
	t.running = true
	t.signal <- struct{}{}
	return nil
}

// decision is what the user wants of a torrent, or why it cannot be had.
type decision struct {
	stopped bool
	failure string
	limits  Limits

	files                    string
	skipped, skippedVerified int64
	unfinished               bool
	superSeed                bool
}

// save makes the session's last decision durable. It waits for the database,
// so the session does not call it; whoever is last stores the newest.
func (t *torrent) save() error {
	t.saving.Lock()
	defer t.saving.Unlock()
	d := t.decided.Load()
	if d == nil {
		return nil
	}
	return t.e.cfg.Store.UpdateTorrent(t.hash, func(r *storage.Torrent) {
		r.Stopped, r.Error = d.stopped, d.failure
		r.DownloadLimit, r.UploadLimit = d.limits.Download, d.limits.Upload
		r.Files, r.SkippedBytes, r.SkippedVerifiedBytes = d.files, d.skipped, d.skippedVerified
		r.SuperSeed = d.superSeed
		if d.unfinished {
			r.CompletedAt = time.Time{}
		}
	})
}

// call runs fn in the session and waits for its answer.
func (t *torrent) call(ctx context.Context, fn func(*session) error) error {
	answer := make(chan error, 1)
	err := t.post(func(s *session) {
		reply := fmt.Errorf("torrent %s failed by a bug", t.hash)
		defer func() { answer <- reply }() // also when fn panics
		reply = fn(s)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take empties the inbox.
func (t *torrent) take() []func(*session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	inbox := t.inbox
	t.inbox = nil
	return inbox
}

// park ends the session unless something came in meanwhile.
func (t *torrent) park() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.inbox) > 0 {
		return false
	}
	t.running = false
	select {
	case <-t.signal:
	default:
	}
	if t.finished {
		close(t.ended)
	}
	return true
}

// succeed ends a session that failed, and starts another one for what its
// inbox still holds.
func (t *torrent) succeed(rest []func(*session)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inbox = append(rest, t.inbox...)
	select {
	case <-t.signal:
	default:
	}
	if len(t.inbox) > 0 && t.e.launch(func(ctx context.Context) { newSession(t).run(ctx) }) {
		t.signal <- struct{}{}
		return
	}
	t.inbox, t.running = nil, false
	if t.finished {
		close(t.ended)
	}
}

// finish refuses everything from now on. What it returns is closed when the
// session is over.
func (t *torrent) finish() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
	return t.ended
}

// revive takes back finish, when the removal that followed it has failed.
func (t *torrent) revive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished {
		return
	}
	t.finished = false
	t.ended = make(chan struct{})
}
