package torrent

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/picker"
	"lorrent/daemon/torrent/selection"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// ErrFiles says that a choice of files makes no sense for the torrent.
var ErrFiles = errors.New("invalid choice of files")

// AllFiles stands for every file where ranges are asked for.
const AllFiles = "all"

// FileChange changes which files of a torrent are wanted. Each field names files
// by their positions, as "0,2,4-8", or is AllFiles, or empty. No file may be in
// two of the last four.
type FileChange struct {
	Only                    string // no others; those that were not are Normal then
	Skip, Low, Normal, High string
}

// apply returns the new priorities of files.
func (c FileChange) apply(files []selection.Priority) ([]selection.Priority, error) {
	files = slices.Clone(files)
	if c.Only != "" {
		only, err := parseFiles("only", c.Only, len(files))
		if err != nil {
			return nil, err
		}
		wanted := selection.Only(only).Files(len(files))
		for i, p := range wanted {
			if p == selection.Skip || files[i] == selection.Skip {
				files[i] = p
			}
		}
	}
	named := make([]bool, len(files))
	for p, text := range map[selection.Priority]string{
		selection.Skip: c.Skip, selection.Low: c.Low, selection.Normal: c.Normal, selection.High: c.High,
	} {
		if text == "" {
			continue
		}
		ranges, err := parseFiles(p.String(), text, len(files))
		if err != nil {
			return nil, err
		}
		for _, r := range ranges {
			for i := r.First; i <= r.Last; i++ {
				if other := files[i]; named[i] && other != p {
					return nil, fmt.Errorf("%w: file %d: both %s and %s", ErrFiles, i, min(p, other), max(p, other))
				}
				named[i], files[i] = true, p
			}
		}
	}
	return files, nil
}

// parseFiles reads the positions of some of a torrent's n files.
func parseFiles(name, text string, n int) ([]selection.Range, error) {
	if text == AllFiles {
		return []selection.Range{{First: 0, Last: n - 1}}, nil
	}
	ranges, err := selection.ParseRanges(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFiles, name, err)
	}
	for _, r := range ranges {
		if r.Last >= n {
			return nil, fmt.Errorf("%w: %s: there is no file %d, the torrent has 0 to %d", ErrFiles, name, r.Last, n-1)
		}
	}
	return ranges, nil
}

// chooseFiles puts into a new record which files are wanted. The info dictionary
// may be missing: then it is found out later which of them there are.
func chooseFiles(r *storage.Torrent, info *metainfo.Info, text string, linked []selection.Range) error {
	n := selection.MaxFiles
	if info != nil {
		n = len(info.Files)
	}
	if text != "" {
		var err error
		if linked, err = parseFiles("files", text, n); err != nil {
			return err
		}
	}
	if linked == nil || text == AllFiles {
		return nil
	}
	r.Files = selection.Only(linked).String()
	if info == nil {
		return nil
	}
	_, err := settle(r, info)
	return err
}

// settle works out what a record's choice of files means, now that it is known
// which there are.
func settle(r *storage.Torrent, info *metainfo.Info) (*selection.Plan, error) {
	chosen, err := selection.Parse(r.Files)
	if err != nil {
		return nil, err
	}
	plan, err := selection.NewPlan(info, chosen)
	r.Files, r.SkippedBytes = plan.Selection.String(), plan.Skipped
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrFiles, err)
	}
	return plan, err
}

// beyond returns a file that a record asks for and its torrent does not have, or -1.
func beyond(r *storage.Torrent, info *metainfo.Info) int {
	chosen, err := selection.Parse(r.Files)
	if err != nil {
		return -1
	}
	return chosen.Beyond(len(info.Files))
}

// wantedBytes is the payload in the pieces that are wanted, and how much of it is
// there.
func wantedBytes(r *storage.Torrent) (total, verified int64) {
	return r.TotalBytes - r.SkippedBytes, r.VerifiedBytes - r.SkippedVerifiedBytes
}

// finished reports whether everything that is wanted is there.
func finished(r *storage.Torrent) bool {
	total, verified := wantedBytes(r)
	return verified == total
}

// everything reports whether the torrent is there in full, as that of a seed.
func (s *session) everything() bool {
	return !s.unknown() && s.record.VerifiedBytes == s.record.TotalBytes
}

// count brings the record in step with the picker.
func (s *session) count() {
	c := s.content
	s.record.VerifiedBytes = c.picker.Verified()
	wanted := c.info.NumBytes - c.plan.Skipped
	s.record.SkippedVerifiedBytes = c.picker.Verified() - (wanted - c.picker.Left())
}

func (c *content) priority(piece int) picker.Priority { return picker.Priority(c.plan.Piece(piece)) }

// allocate sets space aside for what is wanted. A file that is not, but shares a
// piece with one that is, takes what spills into it.
func (c *content) allocate(plan *selection.Plan) error {
	return c.disk.AllocateFiles(func(file int) disk.Want {
		switch {
		case plan.Files[file] != selection.Skip:
			return disk.Whole
		case plan.Touched(file):
			return disk.Touched
		}
		return disk.Absent
	})
}

// SetFiles changes which files of a torrent are wanted, and how urgently. It is
// durable when it returns. What is there of a file stays when the file is no
// longer wanted. The errors are ErrNoMetadata and ErrFiles.
func (e *Engine) SetFiles(ctx context.Context, h metainfo.Hash, change FileChange) (st Status, err error) {
	t, ok := e.find(h)
	if !ok {
		return st, fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	n := t.snapshot().NumPieces
	if n == 0 {
		return st, fmt.Errorf("choose files of %s: %w", h, ErrNoMetadata)
	}
	info, err := e.storedInfo(t.hash)
	if err != nil {
		return st, err
	}
	have := e.storedBits(t.hash, n)
	err = e.command(ctx, h, func(s *session) error {
		err := s.setFiles(info, have, change)
		s.publish()
		st = s.status()
		return err
	})
	return st, err
}

func (s *session) setFiles(info *metainfo.Info, have *bitfield.Bitfield, change FileChange) error {
	if s.closing {
		return ErrClosed
	}
	record := s.record
	old, err := settle(&record, info)
	if old == nil {
		return err
	}
	files, err := change.apply(old.Files)
	if err != nil {
		return err
	}
	record.Files = selection.Of(files).String()
	plan, err := settle(&record, info)
	if err != nil {
		return err
	}
	s.record.Files, s.record.SkippedBytes = record.Files, record.SkippedBytes
	s.unallocated = s.unallocated || gains(old, plan)
	if s.content == nil || s.content.picker == nil {
		s.record.SkippedVerifiedBytes = plan.SkippedIn(have)
		if s.content != nil {
			s.content.plan = plan
		}
	} else {
		s.replan(plan)
	}
	failure := s.record.Error
	if strings.Contains(failure, selection.ErrNothing.Error()) {
		failure = "" // it is put right
	}
	if !finished(&s.record) {
		s.record.CompletedAt = time.Time{}
	}
	s.decide(s.record.Stopped, failure)
	if s.phase == resting {
		s.t.looked = false
		s.begin()
	}
	return nil
}

// gains reports whether a file is wanted that was not.
func gains(old, plan *selection.Plan) bool {
	for i, p := range plan.Files {
		if p != selection.Skip && old.Files[i] == selection.Skip {
			return true
		}
	}
	return false
}

// replan goes on with another choice of files. What is on its way and no longer
// wanted is taken back.
func (s *session) replan(plan *selection.Plan) {
	c := s.content
	was := c.picker.Left()
	c.plan = plan
	for _, r := range s.swarm.peers {
		if r.early == nil {
			blocks, _ := r.conn.GiveUp(true, func(piece uint32) bool { return c.priority(int(piece)) == picker.Unwanted })
			s.release(r, blocks)
		}
	}
	c.picker.SetPriorities(c.priority)
	s.count()
	s.resume.changed = true
	if s.phase != moving || s.draining {
		return // prepared looks what has changed
	}
	if s.unallocated || s.fetch.unprepared {
		s.fetch.unprepared = true
		s.prepareAgain()
	}
	switch left := c.picker.Left(); {
	case was > 0 && left == 0:
		s.completed(true)
		return
	case was == 0 && left > 0:
		s.resumeDownload()
	}
	for _, r := range s.swarm.peers {
		if r.early == nil {
			s.considerInterest(r)
			s.refill(r)
		}
	}
}

// resumeDownload begins again after everything that was wanted was there.
func (s *session) resumeDownload() {
	now := time.Now()
	s.sayUploadOnly(false)
	if !s.resume.busy && !s.resume.broken {
		s.checkpoint(true) // says that files may change
	}
	s.seeking.learnt = time.Time{}
	s.learnLinked(now)
	s.meet(now)
	s.webSeedTick(now)
	s.tell.force(now)
	s.announceTick(now)
}

// fileStatus counts the verified bytes of each file.
func fileStatus(info *metainfo.Info, have *bitfield.Bitfield, files []selection.Priority) []FileStatus {
	list := make([]FileStatus, 0, len(info.Files))
	for i, f := range info.Files {
		if f.Pad {
			continue
		}
		fs := FileStatus{Index: i, Path: path.Join(f.Path...), Length: f.Length, Priority: files[i].String()}
		end := f.Offset + f.Length
		for p := f.Offset / info.PieceLength; f.Length > 0 && p*info.PieceLength < end; p++ {
			if have.Has(int(p)) {
				fs.VerifiedBytes += min(end, (p+1)*info.PieceLength) - max(f.Offset, p*info.PieceLength)
			}
		}
		list = append(list, fs)
	}
	return list
}
