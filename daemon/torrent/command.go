package torrent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// AddOptions are what a user may say about a new torrent.
type AddOptions struct {
	Dir    string // absolute; the engine's download directory when empty
	Paused bool
	Limits Limits

	SuperSeed bool // give every piece away once, until there is another seed (BEP 16)

	// Files names those to download by their positions, as "0,2,4-8", or is
	// AllFiles. Empty is what a magnet link says (so=), and without that all.
	Files string
}

// AmbiguousError says that a prefix names several torrents.
type AmbiguousError struct {
	Prefix  string
	Matches []metainfo.Hash
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("id %q is ambiguous: %d torrents begin with it", e.Prefix, len(e.Matches))
}

// Add stores a torrent and starts it unless it is to be paused. It is durable
// when Add returns. A torrent that is there already learns new trackers and web
// seeds, unless it is private, and is otherwise left as it is.
func (e *Engine) Add(ctx context.Context, data []byte, o AddOptions) (s Status, duplicate bool, err error) {
	m, err := metainfo.Parse(data)
	if err != nil {
		return s, false, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := o.Limits.check(); err != nil {
		return s, false, err
	}
	if e.lifetime() == nil {
		return s, false, ErrClosed
	}
	record := newRecord(m, o, e.cfg.DownloadDir)
	if err := chooseFiles(&record, m.Info, o.Files, nil); err != nil {
		return s, false, err
	}
	hashes := identityOf(&record).hashes()
	t, err := e.reserve(ctx, hashes...)
	if err != nil {
		return s, false, fmt.Errorf("add %s: %w", m.Info.Hash, err)
	}
	if t != nil && t.snapshot().NumPieces == 0 { // what its magnet link still looks for
		err = e.supply(ctx, t, m.Info)
	}
	if t != nil {
		if err == nil {
			err = e.merge(ctx, t, m.Trackers, m.URLList, nil)
		}
		return t.snapshot(), true, err
	}
	defer e.unreserve(hashes...)
	resume := storage.Resume{Bitfield: bitfield.New(m.Info.NumPieces()).Wire()}
	s, err = e.enter(record, storedMetadata(m.Info), resume)
	return s, false, err
}

// enter stores a new torrent, makes it known, and starts it unless it is
// stopped. The caller has reserved it.
func (e *Engine) enter(record storage.Torrent, m storage.Metadata, resume storage.Resume) (Status, error) {
	if err := e.cfg.Store.AddTorrent(record, m, resume); err != nil {
		return Status{}, fmt.Errorf("store torrent %s: %w", metainfo.Hash(record.InfoHash), err)
	}
	t := newTorrent(e, record)
	e.mu.Lock()
	e.enlist(t)
	e.mu.Unlock()
	e.cfg.Events.Publish(event.TorrentAdded{InfoHash: t.hash.String(), Name: record.Name})
	var err error
	if !record.Stopped {
		err = t.post(func(*session) {})
	}
	return t.snapshot(), err
}

// reserve returns the torrent when one of its hashes is there; otherwise the
// caller alone may add it, until unreserve. It waits for whoever is adding it
// now.
func (e *Engine) reserve(ctx context.Context, hashes ...metainfo.Hash) (*torrent, error) {
	for {
		e.mu.Lock()
		var t *torrent
		for _, h := range hashes {
			if t == nil {
				t = e.known(h)
			}
		}
		busy := e.beingAdded(hashes)
		if t == nil && busy == nil {
			done := make(chan struct{})
			for _, h := range hashes {
				e.adding[h] = done
			}
		}
		e.mu.Unlock()
		if t != nil || busy == nil {
			return t, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *Engine) unreserve(hashes ...metainfo.Hash) {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.adding[hashes[0]])
	for _, h := range hashes {
		delete(e.adding, h)
	}
}

func newRecord(m *metainfo.MetaInfo, o AddOptions, dir string) storage.Torrent {
	if o.Dir != "" {
		dir = filepath.Clean(o.Dir)
	}
	r := storage.Torrent{
		InfoHash: m.Info.Hash,
		Dir:      dir,
		Trackers: m.Trackers,
		WebSeeds: m.URLList[:min(len(m.URLList), maxWebSeeds)],
		AddedAt:  time.Now().UTC(),
		Stopped:  o.Paused,

		DownloadLimit: o.Limits.Download,
		UploadLimit:   o.Limits.Upload,

		SuperSeed: o.SuperSeed,
	}
	describe(&r, m.Info)
	return r
}

// List returns every torrent, oldest first. It waits for nobody.
func (e *Engine) List() []Status {
	e.mu.RLock()
	list := make([]Status, 0, len(e.torrents))
	for _, t := range e.torrents {
		list = append(list, t.snapshot())
	}
	e.mu.RUnlock()
	slices.SortFunc(list, func(a, b Status) int {
		if c := a.AddedAt.Compare(b.AddedAt); c != 0 {
			return c
		}
		return slices.Compare(a.InfoHash[:], b.InfoHash[:])
	})
	return list
}

// Stats sums up every torrent.
func (e *Engine) Stats() Stats {
	s := Stats{ByState: make(map[State]int), PortMapping: e.portMapping(), Peers: e.peers.value(), BufferBytes: e.pool.InUse(), DiskQueueBytes: e.gate.bytes()}
	if len(e.listeners) > 0 {
		s.ListenAddress = e.listeners[0].Addr().String()
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.torrents {
		st := t.snapshot()
		s.Torrents++
		s.ByState[st.State]++
		s.DownloadRate += st.DownloadRate
		s.UploadRate += st.UploadRate
	}
	return s
}

// Resolve finds the torrent one of whose info hashes, v1 or v2, is or begins
// with prefix (hex), and that of no other torrent. It returns ErrNotFound or an *AmbiguousError.
func (e *Engine) Resolve(prefix string) (metainfo.Hash, error) {
	prefix = strings.ToLower(prefix)
	var matches []metainfo.Hash
	e.mu.RLock()
	for h, t := range e.torrents {
		if prefix != "" && t.id.Load().hasPrefix(prefix) {
			matches = append(matches, h)
		}
	}
	e.mu.RUnlock()
	switch len(matches) {
	case 0:
		return metainfo.Hash{}, fmt.Errorf("%w: %q", ErrNotFound, prefix)
	case 1:
		return matches[0], nil
	}
	slices.SortFunc(matches, func(a, b metainfo.Hash) int { return slices.Compare(a[:], b[:]) })
	return metainfo.Hash{}, &AmbiguousError{Prefix: prefix, Matches: matches}
}

// Start lets a stopped or failed torrent go on. It is durable when it returns.
func (e *Engine) Start(ctx context.Context, h metainfo.Hash) error {
	return e.command(ctx, h, func(s *session) error { return s.start() })
}

// Stop ends a torrent's traffic and keeps it. It is durable when it returns.
func (e *Engine) Stop(ctx context.Context, h metainfo.Hash) error {
	return e.command(ctx, h, func(s *session) error { return s.stop() })
}

// Recheck hashes everything on disk again and believes only that.
func (e *Engine) Recheck(ctx context.Context, h metainfo.Hash) error {
	return e.command(ctx, h, func(s *session) error { return s.startRecheck() })
}

// Reannounce asks the trackers for peers as soon as they allow.
func (e *Engine) Reannounce(ctx context.Context, h metainfo.Hash) error {
	return e.command(ctx, h, func(s *session) error { return s.reannounce() })
}

// command runs fn in the torrent's session and makes what it decided durable.
func (e *Engine) command(ctx context.Context, h metainfo.Hash, fn func(*session) error) error {
	t, ok := e.find(h)
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	if err := t.call(ctx, fn); err != nil {
		return err
	}
	if err := t.save(); err != nil {
		return fmt.Errorf("store what was decided about %s: %w", h, err)
	}
	return nil
}

// Remove forgets a torrent, and deletes its files when deleteData is set.
func (e *Engine) Remove(ctx context.Context, h metainfo.Hash, deleteData bool) error {
	t, ok := e.find(h)
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	var ended <-chan struct{}
	// A session always answers; giving up on it would leave us guessing.
	err := t.call(context.WithoutCancel(ctx), func(s *session) error {
		ended = s.finish()
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case <-ended:
		err = e.forget(t, deleteData)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		t.revive()
		return fmt.Errorf("remove %s: %w", h, err)
	}
	e.mu.Lock()
	e.strike(t)
	e.mu.Unlock()
	e.alarms.clear(t)
	e.cfg.Events.Publish(event.TorrentRemoved{InfoHash: h.String(), Name: t.snapshot().Name, DataDeleted: deleteData})
	return nil
}

// forget deletes what is stored of a torrent whose session has ended.
func (e *Engine) forget(t *torrent, deleteData bool) error {
	if deleteData && t.snapshot().NumPieces > 0 {
		if err := e.deleteData(t.hash, t.snapshot().Dir); err != nil {
			return fmt.Errorf("delete its data: %w", err)
		}
	}
	if err := e.cfg.Store.RemoveTorrent(t.hash); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return nil
}

func (e *Engine) deleteData(h metainfo.Hash, dir string) error {
	info, err := e.storedInfo(h)
	if err != nil {
		return err
	}
	d, err := openDisk(info, dir, e.cfg.Allocate)
	if errors.Is(err, disk.ErrRootMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Remove()
}
