package torrent

import (
	"fmt"
	"time"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// countersInterval is how often counters alone are stored.
const countersInterval = time.Minute

// resume keeps the stored state of a torrent in step with its files. A
// checkpoint captures the bits of the pieces that are written, syncs the
// files, and only then commits the bits: a stored bit means bytes on stable
// storage.
type resume struct {
	busy       bool      // a checkpoint is under way
	changed    bool      // bits or counters differ from what is stored
	writing    bool      // the stored record says that files may change
	dirtyBytes int64     // written since the last checkpoint began
	dirtySince time.Time // first of them
	stored     time.Time // end of the last checkpoint

	files  []storage.FileStamp
	broken bool // a checkpoint failed: no other may be made
}

func (r *resume) load(stored storage.Resume) {
	*r = resume{files: stored.Files, writing: stored.Writing}
}

func (r *resume) touch(now time.Time) { r.stored = now }

// wrote counts a piece that has reached the files.
func (r *resume) wrote(n int64, now time.Time) {
	if r.dirtyBytes == 0 {
		r.dirtySince = now
	}
	r.dirtyBytes += n
	r.changed = true
}

// dirty reports whether there is something only memory knows.
func (r *resume) dirty() bool { return r.busy || r.dirtyBytes > 0 || r.changed || r.writing }

// resumeRecord is what a checkpoint stores, with the files as they were at
// the last one.
func (s *session) resumeRecord(writing bool) storage.Resume {
	return storage.Resume{
		Bitfield:        s.content.picker.Have().Wire(),
		Files:           s.resume.files,
		Writing:         writing,
		VerifiedBytes:   s.record.VerifiedBytes,
		DownloadedBytes: s.record.DownloadedBytes,
		UploadedBytes:   s.record.UploadedBytes,
		WastedBytes:     s.record.WastedBytes,

		SkippedVerifiedBytes: s.record.SkippedVerifiedBytes,

		CompletedAt: s.record.CompletedAt,
	}
}

// checkpointTick begins a checkpoint when one is due.
func (s *session) checkpointTick(now time.Time) {
	r := &s.resume
	switch {
	case r.busy, r.broken:
	case r.dirtyBytes > 0 && now.Sub(r.dirtySince) >= s.e.cfg.CheckpointInterval-tickInterval/10,
		r.dirtyBytes >= s.e.cfg.CheckpointBytes,
		r.writing && s.complete(),
		r.changed && s.complete() && len(s.swarm.peers) == 0, // then the session can end
		r.changed && now.Sub(r.stored) >= countersInterval:
		s.checkpoint(!s.complete())
	}
}

// lastCheckpoint stores what is not stored yet before the content goes. It
// reports whether that is still under way.
func (s *session) lastCheckpoint() bool {
	if s.content == nil || s.content.picker == nil || s.resume.broken {
		return false
	}
	if !s.resume.busy && s.resume.dirty() {
		s.checkpoint(false)
	}
	return s.resume.busy
}

// checkpoint makes everything durable that is written by now. writing says
// that more will be written after it.
func (s *session) checkpoint(writing bool) {
	r, c := &s.resume, s.content
	for _, peer := range s.swarm.peers {
		s.account(peer)
	}
	rec := s.resumeRecord(writing)
	r.busy, r.changed, r.dirtyBytes = true, false, 0
	s.submit(s.e.sync, func() func() {
		files, err := syncAndStat(c.disk)
		if err == nil {
			rec.Files = files
			err = s.e.cfg.Store.SaveResume(s.t.hash, rec)
		}
		return func() { s.checkpointed(rec, err) }
	})
}

func syncAndStat(d *disk.Torrent) ([]storage.FileStamp, error) {
	if err := d.Sync(); err != nil {
		return nil, fmt.Errorf("sync files: %w", err)
	}
	stamps, err := d.Stat()
	if err != nil {
		return nil, err
	}
	files := make([]storage.FileStamp, len(stamps))
	for i, st := range stamps {
		files[i] = storage.FileStamp{Size: st.Size, ModTime: st.ModTime, Exists: st.Exists}
	}
	return files, nil
}

func (s *session) checkpointed(rec storage.Resume, err error) {
	r := &s.resume
	r.busy = false
	r.stored = time.Now()
	if err != nil {
		// After a failed sync nobody knows which bytes are safe. The last
		// good record stands; what came after it is found by a recheck.
		r.broken = true
		s.fail(fmt.Errorf("checkpoint: %w; recheck the torrent", err))
		return
	}
	r.files, r.writing = rec.Files, rec.Writing
	if !s.draining && r.dirtyBytes >= s.e.cfg.CheckpointBytes {
		s.checkpoint(!s.complete())
	}
}

// verifiedBytes is the length of the pieces in have.
func verifiedBytes(have *bitfield.Bitfield, size func(int) int64) (n int64) {
	for p := have.Next(0); p >= 0; p = have.Next(p + 1) {
		n += size(p)
	}
	return n
}
