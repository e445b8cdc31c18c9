package metadata

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"time"
)

const (
	depth       = 2                // requests one peer has at a time
	askers      = 3                // peers that are asked for the same piece at a time
	answerWait  = 10 * time.Second // for an answer, then others are asked too
	restAfter   = 30 * time.Second // a peer that refused or did not answer is left alone
	maxUnasked  = 64               // messages nobody asked for before their sender is dropped
	maxHeld     = 2*MaxSize + 4<<20
	graceOfSlow = 5 * time.Second // an attempt this young is not judged by its speed
)

// Fetch gets one info dictionary. Peers that claim the same size work together
// on one attempt at it. When what they brought has a wrong hash, nobody knows
// who of them lied, and each of them is given an attempt of its own.
type Fetch struct {
	want  []byte // hash of the dictionary
	peers map[int32]*source
	tries map[key]*attempt
	solo  map[int]bool // sizes at which working together has failed
	held  int          // bytes in all attempts
}

// key names an attempt. peer is 0 for one that is shared.
type key struct {
	size int
	peer int32
}

// source is one peer that says it has the dictionary.
type source struct {
	size    int
	asked   map[int]time.Time // pieces, since when
	rest    time.Time         // not to be asked before
	unasked int
}

// attempt is a dictionary of one size on its way.
type attempt struct {
	began   time.Time
	pieces  [][]byte // by index, up to the last that has arrived
	askedOf map[int]int
	from    map[int32]bool // who sent pieces
	have    int            // pieces
	held    int            // bytes
	hashed  int            // pieces in sum
	sum     hash.Hash
}

// NewFetch begins to look for the dictionary with this hash: SHA-1 of 20 bytes
// or, of a v2 torrent (BEP 52), SHA-256 of 32.
func NewFetch(want []byte) *Fetch {
	return &Fetch{want: slices.Clone(want), peers: make(map[int32]*source), tries: make(map[key]*attempt), solo: make(map[int]bool)}
}

func (f *Fetch) newHash() hash.Hash {
	if len(f.want) == sha256.Size {
		return sha256.New()
	}
	return sha1.New()
}

// Add takes a peer that claims to have a dictionary of size bytes. An error
// says that this cannot be.
func (f *Fetch) Add(peer int32, size int) error {
	if size <= 0 || size > MaxSize {
		return fmt.Errorf("metadata_size %d is not between 1 and %d", size, MaxSize)
	}
	if s := f.peers[peer]; s != nil {
		if s.size != size {
			return fmt.Errorf("metadata_size was %d and is now %d", s.size, size)
		}
		return nil
	}
	f.peers[peer] = &source{size: size, asked: make(map[int]time.Time)}
	return nil
}

// Remove forgets a peer. What it has brought to a shared attempt stays.
func (f *Fetch) Remove(peer int32) {
	s := f.peers[peer]
	if s == nil {
		return
	}
	f.release(peer, s)
	delete(f.peers, peer)
	f.forget(key{s.size, peer})
	for _, other := range f.peers {
		if other.size == s.size {
			return
		}
	}
	f.forget(key{s.size, 0}) // nobody is left who could complete it
	delete(f.solo, s.size)
}

// Peers is the number of peers that claim to have the dictionary.
func (f *Fetch) Peers() int { return len(f.peers) }

// Held is the number of bytes in memory.
func (f *Fetch) Held() int { return f.held }

// Progress is how many of how many pieces the attempt that is furthest has.
func (f *Fetch) Progress() (have, of int) {
	for k, a := range f.tries {
		if n := NumPieces(k.size); of == 0 || a.have*of > have*n {
			have, of = a.have, n
		}
	}
	return have, of
}

// Next returns a piece to ask a peer for; false when there is none for now.
func (f *Fetch) Next(peer int32, now time.Time) (piece int, ok bool) {
	s := f.peers[peer]
	if s == nil || len(s.asked) >= depth || now.Before(s.rest) {
		return 0, false
	}
	k := f.keyOf(peer, s)
	a := f.tries[k]
	if a == nil {
		a = &attempt{began: now, askedOf: make(map[int]int), from: make(map[int32]bool), sum: f.newHash()}
		f.tries[k] = a
	}
	best := -1
	for p := range NumPieces(s.size) {
		if _, mine := s.asked[p]; mine || a.has(p) || a.askedOf[p] >= askers {
			continue
		}
		if best < 0 || a.askedOf[p] < a.askedOf[best] {
			if best = p; a.askedOf[p] == 0 {
				break
			}
		}
	}
	if best < 0 {
		return 0, false
	}
	s.asked[best] = now
	a.askedOf[best]++
	return best, true
}

func (f *Fetch) keyOf(peer int32, s *source) key {
	if f.solo[s.size] {
		return key{s.size, peer}
	}
	return key{s.size, 0}
}

func (a *attempt) has(piece int) bool { return piece < len(a.pieces) && a.pieces[piece] != nil }

// Data takes a piece. It returns the dictionary when that is complete and
// right, and the peers that are now known to have lied. An error says what is
// wrong with the message.
func (f *Fetch) Data(peer int32, m Message, now time.Time) (info []byte, liars []int32, err error) {
	s := f.peers[peer]
	if s == nil {
		return nil, nil, nil // it never said it had anything; nothing was asked
	}
	switch n := NumPieces(s.size); {
	case m.Piece < 0 || m.Piece >= n:
		return nil, nil, fmt.Errorf("metadata piece %d of %d", m.Piece, n)
	case m.TotalSize != 0 && m.TotalSize != s.size:
		return nil, nil, fmt.Errorf("metadata total_size %d after metadata_size %d", m.TotalSize, s.size)
	case len(m.Payload) != pieceLength(s.size, m.Piece):
		return nil, nil, fmt.Errorf("metadata piece %d has %d bytes, not %d", m.Piece, len(m.Payload), pieceLength(s.size, m.Piece))
	}
	k := f.keyOf(peer, s)
	a := f.tries[k]
	if _, asked := s.asked[m.Piece]; !asked {
		return nil, nil, s.count()
	}
	f.answered(s, a, m.Piece)
	s.rest = time.Time{}
	if a == nil || a.has(m.Piece) {
		return nil, nil, nil
	}
	for len(a.pieces) <= m.Piece {
		a.pieces = append(a.pieces, nil)
	}
	a.pieces[m.Piece] = m.Payload
	a.from[peer] = true
	a.have++
	a.held += len(m.Payload)
	f.held += len(m.Payload)
	for a.has(a.hashed) { // a bit at a time, so that nothing waits for the whole
		a.sum.Write(a.pieces[a.hashed])
		a.hashed++
	}
	if a.have < NumPieces(s.size) {
		return nil, f.shed(k, now), nil
	}
	if bytes.Equal(a.sum.Sum(nil), f.want) {
		return slices.Concat(a.pieces...), nil, nil
	}
	return nil, f.wrong(k, a), nil
}

// wrong deals with a complete attempt that has a wrong hash, and returns who
// is to blame when that is certain.
func (f *Fetch) wrong(k key, a *attempt) (liars []int32) {
	f.forget(k)
	for id, s := range f.peers {
		if s.size == k.size && (k.peer == 0 || k.peer == id) {
			clear(s.asked) // what still comes counts as unasked
		}
	}
	if len(a.from) == 1 {
		for id := range a.from {
			liars = append(liars, id)
		}
		return liars
	}
	f.solo[k.size] = true
	return nil
}

// shed gives up the slowest attempt but the current one when together they
// hold too much, and returns its peers.
func (f *Fetch) shed(current key, now time.Time) (slow []int32) {
	if f.held <= maxHeld {
		return nil
	}
	var worst key
	var lowest float64
	for k, a := range f.tries {
		age := now.Sub(a.began)
		if k == current || a.held == 0 || age < graceOfSlow {
			continue
		}
		if rate := float64(a.held) / age.Seconds(); worst.size == 0 || rate < lowest {
			worst, lowest = k, rate
		}
	}
	if worst.size == 0 {
		worst = current // all are young: the one that made it too much goes
	}
	f.forget(worst)
	for id, s := range f.peers {
		if s.size == worst.size && (worst.peer == 0 || worst.peer == id) {
			slow = append(slow, id)
		}
	}
	return slow
}

// Reject takes a peer's refusal. It may have the dictionary later.
func (f *Fetch) Reject(peer int32, piece int, now time.Time) error {
	s := f.peers[peer]
	if s == nil {
		return nil
	}
	if _, asked := s.asked[piece]; !asked {
		return s.count()
	}
	f.answered(s, f.tries[f.keyOf(peer, s)], piece)
	s.rest = now.Add(restAfter)
	return nil
}

// Expire lets others be asked for what a peer owes for too long.
func (f *Fetch) Expire(now time.Time) {
	for id, s := range f.peers {
		for _, since := range s.asked {
			if now.Sub(since) < answerWait {
				continue
			}
			f.release(id, s)
			s.rest = now.Add(restAfter)
			break
		}
	}
}

// count bounds what a peer may send without having been asked: answers that
// come late, and nonsense.
func (s *source) count() error {
	if s.unasked++; s.unasked > maxUnasked {
		return fmt.Errorf("%d metadata messages that nobody asked for", s.unasked)
	}
	return nil
}

// release takes back everything a peer was asked for.
func (f *Fetch) release(peer int32, s *source) {
	a := f.tries[f.keyOf(peer, s)]
	for p := range s.asked {
		f.answered(s, a, p)
	}
}

func (f *Fetch) answered(s *source, a *attempt, piece int) {
	delete(s.asked, piece)
	if a == nil {
		return
	}
	if a.askedOf[piece]--; a.askedOf[piece] <= 0 {
		delete(a.askedOf, piece)
	}
}

func (f *Fetch) forget(k key) {
	if a := f.tries[k]; a != nil {
		f.held -= a.held
		delete(f.tries, k)
	}
}
