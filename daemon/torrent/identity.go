package torrent

import (
	"fmt"
	"slices"
	"strings"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/mse"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/storage"
)

// identity is the info hashes that a torrent is known by. A hybrid one has two
// and a swarm of each; its key, by which it is stored, is one of them.
type identity struct {
	key metainfo.Hash
	v1  metainfo.Hash   // zero in a torrent that is v2 only, or not known to be a v1 one
	v2  metainfo.HashV2 // likewise
}

func identityOf(r *storage.Torrent) identity {
	id := identity{key: r.InfoHash}
	if r.HashV2 != "" {
		id.v2, _ = metainfo.ParseHashV2(r.HashV2) // zero if it is none
	}
	if r.HashV1 != "" {
		id.v1, _ = metainfo.ParseHash(r.HashV1)
	}
	if !id.isV1() && (!id.isV2() || id.key != id.v2.Short()) {
		id.v1 = id.key
	}
	return id
}

func (id identity) isV1() bool { return id.v1 != metainfo.Hash{} }
func (id identity) isV2() bool { return id.v2 != metainfo.HashV2{} }

// hashes are those of the torrent's swarms, as peers and trackers know them.
func (id identity) hashes() (list []metainfo.Hash) {
	if id.isV1() {
		list = append(list, id.v1)
	}
	if id.isV2() {
		list = append(list, id.v2.Short())
	}
	return list
}

// metadata is what the info dictionary's hash must be.
func (id identity) metadata() []byte {
	if id.isV2() {
		return id.v2[:]
	}
	return id.v1[:]
}

// hasPrefix reports whether one of the hashes begins with hexadecimal digits.
func (id identity) hasPrefix(digits string) bool {
	return strings.HasPrefix(id.key.String(), digits) ||
		id.isV1() && strings.HasPrefix(id.v1.String(), digits) || id.isV2() && strings.HasPrefix(id.v2.String(), digits)
}

// identify puts into a record by which hashes its info dictionary is known.
func identify(r *storage.Torrent, info *metainfo.Info) {
	r.HashV1, r.HashV2 = "", ""
	if info.IsV2() {
		r.HashV2 = info.V2.String()
	}
	if info.IsHybrid() && info.Hash != metainfo.Hash(r.InfoHash) {
		r.HashV1 = info.Hash.String()
	}
}

// redescribe brings a record up to date that was written when less of the info
// dictionary was understood, and reports whether it had to.
func redescribe(r *storage.Torrent, info *metainfo.Info) bool {
	was, all := *r, r.VerifiedBytes == r.TotalBytes
	describe(r, info)
	if all {
		r.VerifiedBytes = r.TotalBytes
	}
	return r.TotalBytes != was.TotalBytes || r.NumFiles != was.NumFiles || r.HashV1 != was.HashV1 || r.HashV2 != was.HashV2
}

// redescribe does the same with what is stored.
func (e *Engine) redescribe(h metainfo.Hash, info *metainfo.Info) error {
	t, ok := e.find(h)
	if !ok {
		return ErrNotFound
	}
	st := t.snapshot()
	if st.TotalBytes == info.NumBytes && st.NumFiles == info.NumFiles() && st.HashV2 == info.V2 {
		return nil
	}
	if err := e.unite(t, info); err != nil {
		return err
	}
	return e.cfg.Store.UpdateTorrent(h, func(r *storage.Torrent) { redescribe(r, info) })
}

// hashes are those of the session's swarms. There is one, or two in a hybrid
// torrent.
func (s *session) hashes() []metainfo.Hash { return identityOf(&s.record).hashes() }

// enlist makes a torrent known by all its hashes; strike takes it back. mu is
// locked, or nobody else is there yet.
func (e *Engine) enlist(t *torrent) {
	e.torrents[t.hash] = t
	for _, h := range t.id.Load().hashes() {
		e.names[mse.Name(h)] = h
		if h != t.hash {
			e.aliases[h] = t.hash
		}
	}
}

func (e *Engine) strike(t *torrent) {
	delete(e.torrents, t.hash)
	for _, h := range t.id.Load().hashes() {
		delete(e.names, mse.Name(h))
		delete(e.aliases, h)
	}
}

// known finds a torrent by any of its hashes; mu is locked.
func (e *Engine) known(h metainfo.Hash) *torrent {
	if key, ok := e.aliases[h]; ok {
		h = key
	}
	return e.torrents[h]
}

func (e *Engine) find(h metainfo.Hash) (*torrent, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	t := e.known(h)
	return t, t != nil
}

// unite makes a torrent known by the hashes of its info dictionary, which a
// magnet link need not have named. That can show that it is there already.
func (e *Engine) unite(t *torrent, info *metainfo.Info) error {
	id := *t.id.Load()
	if info.IsV2() {
		if id.isV2() && id.v2 != info.V2 {
			return fmt.Errorf("its v2 info hash is %v, not %v", info.V2, id.v2)
		}
		id.v2 = info.V2
	}
	if info.Pieces != nil {
		if id.isV1() && id.v1 != info.Hash {
			return fmt.Errorf("its v1 info hash is %v, not %v: the link names two torrents", info.Hash, id.v1)
		}
		id.v1 = info.Hash
	}
	if info.Pieces == nil && id.isV1() || !info.IsV2() && id.isV2() {
		return fmt.Errorf("the link names a hybrid torrent, and it is none")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range id.hashes() {
		if other := e.known(h); other != nil && other != t {
			return fmt.Errorf("it is torrent %v, which is there already: remove one of them", other.hash)
		}
	}
	if e.torrents[t.hash] != t {
		return ErrNotFound // being removed
	}
	e.strike(t)
	t.id.Store(&id)
	e.enlist(t)
	return nil
}

// answerTo is the hash to answer a handshake with, and whether v2 is spoken from
// then on: a peer that called by the v1 hash and speaks v2 gets the other one.
func (id identity) answerTo(theirs peerwire.Handshake) (h metainfo.Hash, v2 bool) {
	h = theirs.InfoHash
	if id.isV2() && theirs.V2() {
		h = id.v2.Short()
	}
	return h, id.isV2() && h == id.v2.Short()
}

// agreed reports whether an answer to our call by hash h is about the same
// torrent, and whether v2 is spoken from then on.
func (e *Engine) agreed(h, answer metainfo.Hash) (v2, ok bool) {
	t, found := e.find(h)
	if !found {
		return false, h == answer
	}
	id := t.id.Load()
	v2 = id.isV2() && answer == id.v2.Short()
	return v2, h == answer || v2
}

// callBy is the hash to call a peer by. One that does not answer may be in the
// other swarm of a hybrid torrent only.
func (s *session) callBy(failures int) metainfo.Hash {
	list := s.hashes()
	return list[failures%len(list)]
}

// beingAdded returns what is closed once one of the hashes is no longer being
// added, nil when none is; mu is locked.
func (e *Engine) beingAdded(hashes []metainfo.Hash) chan struct{} {
	i := slices.IndexFunc(hashes, func(h metainfo.Hash) bool { return e.adding[h] != nil })
	if i < 0 {
		return nil
	}
	return e.adding[hashes[i]]
}
