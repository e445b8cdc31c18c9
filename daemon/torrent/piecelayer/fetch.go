// Package piecelayer gets the piece layers of a v2 torrent from peers.
//
// They are not in the info dictionary, so who comes by a magnet link has to ask
// for them. Every answer proves itself: its hashes lead to the root of the file,
// which the info dictionary names. So a peer can be slow or refuse, but a wrong
// answer is its sender's fault and nobody else's.
//
// A Fetch belongs to one goroutine, has no clock and does no I/O.
//
// Spec: BEP 52 (hash request, hashes, hash reject).
package piecelayer

import (
	"fmt"
	"time"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
)

const (
	depth      = 8                // requests one peer has at a time
	answerWait = 10 * time.Second // for an answer, then others are asked
	restAfter  = 20 * time.Second // a peer that refused or did not answer is left alone
	maxUnasked = 64               // answers nobody asked for before their sender is dropped
)

// Fetch is the piece layers of one torrent on their way.
type Fetch struct {
	info  *metainfo.Info
	parts []part
	todo  []int // parts that nobody is asked for
	left  int   // parts that are not there
	held  int   // bytes
	peers map[int32]*source
}

// part is what one request asks for.
type part struct {
	file   int // index in Info.Files
	first  int // hash in the file's layer
	hashes []hashtree.Hash
}

type source struct {
	asked   map[hashtree.Request]ask
	rest    time.Time // not to be asked before
	unasked int
}

type ask struct {
	part int
	at   time.Time
}

// NewFetch begins to look for the layers of a torrent that has none yet.
func NewFetch(info *metainfo.Info) *Fetch {
	f := &Fetch{info: info, peers: make(map[int32]*source)}
	for i := range info.Files {
		file := &info.Files[i]
		if file.Pad || file.Length <= info.PieceLength {
			continue
		}
		n := int((file.Length + info.PieceLength - 1) / info.PieceLength)
		for first := 0; first < n; first += hashtree.MaxLength {
			f.parts = append(f.parts, part{file: i, first: first})
		}
	}
	f.left = len(f.parts)
	for i := len(f.parts) - 1; i >= 0; i-- {
		f.todo = append(f.todo, i) // taken from the end
	}
	return f
}

// Add takes a peer that may be asked.
func (f *Fetch) Add(peer int32) {
	if f.peers[peer] == nil {
		f.peers[peer] = &source{asked: make(map[hashtree.Request]ask)}
	}
}

// Remove forgets a peer; others are asked what it owes.
func (f *Fetch) Remove(peer int32) {
	if s := f.peers[peer]; s != nil {
		f.release(s)
		delete(f.peers, peer)
	}
}

// Peers is the number of peers that may be asked.
func (f *Fetch) Peers() int { return len(f.peers) }

// Held is the number of bytes in memory.
func (f *Fetch) Held() int { return f.held }

// Done reports whether every layer is there.
func (f *Fetch) Done() bool { return f.left == 0 }

// Next returns what to ask a peer for; false when there is nothing for now.
func (f *Fetch) Next(peer int32, now time.Time) (r hashtree.Request, ok bool) {
	s := f.peers[peer]
	if s == nil || len(s.asked) >= depth || now.Before(s.rest) || len(f.todo) == 0 {
		return r, false
	}
	last := len(f.todo) - 1
	i := f.todo[last]
	r = f.request(i)
	if _, twice := s.asked[r]; twice { // of two files that are the same, one after the other
		return r, false
	}
	f.todo = f.todo[:last]
	s.asked[r] = ask{i, now}
	return r, true
}

func (f *Fetch) request(i int) hashtree.Request {
	p := &f.parts[i]
	file := &f.info.Files[p.file]
	blocks, layer := hashtree.Blocks(file.Length), f.info.PieceLayer()
	row := 1 << (hashtree.Height(blocks) - layer)
	return hashtree.Whole(file.Root, blocks, layer, p.first, min(hashtree.MaxLength, row))
}

// Hashes takes an answer. An error says that the peer lied, or talks too much.
func (f *Fetch) Hashes(peer int32, r hashtree.Request, hashes []hashtree.Hash) error {
	s := f.peers[peer]
	if s == nil {
		return nil
	}
	a, ok := s.asked[r]
	if !ok {
		return s.count()
	}
	delete(s.asked, r)
	p := &f.parts[a.part]
	file := &f.info.Files[p.file]
	if err := r.Verify(hashes, hashtree.Blocks(file.Length)); err != nil {
		f.todo = append(f.todo, a.part)
		return fmt.Errorf("piece layer of file %d: %w", p.file+1, err)
	}
	n := int((file.Length+f.info.PieceLength-1)/f.info.PieceLength) - p.first
	p.hashes = append([]hashtree.Hash(nil), hashes[:min(n, int(r.Length))]...)
	f.held += len(p.hashes) * hashtree.Size
	f.left--
	return nil
}

// Reject takes a peer's refusal. It may have the layer later.
func (f *Fetch) Reject(peer int32, r hashtree.Request, now time.Time) error {
	s := f.peers[peer]
	if s == nil {
		return nil
	}
	a, ok := s.asked[r]
	if !ok {
		return s.count()
	}
	delete(s.asked, r)
	f.todo = append(f.todo, a.part)
	s.rest = now.Add(restAfter)
	return nil
}

// Expire lets others be asked for what a peer owes for too long.
func (f *Fetch) Expire(now time.Time) {
	for _, s := range f.peers {
		for _, a := range s.asked {
			if now.Sub(a.at) >= answerWait {
				f.release(s)
				s.rest = now.Add(restAfter)
				break
			}
		}
	}
}

// release takes back what a peer was asked for. An answer that still comes
// counts as unasked.
func (f *Fetch) release(s *source) {
	for _, a := range s.asked {
		f.todo = append(f.todo, a.part)
	}
	clear(s.asked)
}

func (s *source) count() error {
	if s.unasked++; s.unasked > maxUnasked {
		return fmt.Errorf("%d hash messages that nobody asked for", s.unasked)
	}
	return nil
}

// Layers are all of them one after the other, as Info.WithLayers takes them,
// once Done.
func (f *Fetch) Layers() []byte {
	b := make([]byte, 0, f.held)
	for i := range f.parts {
		b = hashtree.Append(b, f.parts[i].hashes)
	}
	return b
}
