package picker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"lorrent/daemon/torrent/bitfield"
)

// TestSimulation plays random swarms against the picker and compares it after
// every step with a model too simple to be wrong; in the end, with honest peers,
// everything must be there.
func TestSimulation(t *testing.T) {
	const runs = uint64(80)
	for seed := range runs {
		s := newSimulation(t, seed)
		for range 300 {
			s.step()
			s.check()
		}
		s.finish()
	}
}

type simBlock struct {
	by       []PeerID
	received bool
}

type simPeer struct {
	id      PeerID
	has     []bool
	choking bool
	mode    Mode
	parole  map[int32]bool // pieces picked on parole and not touched by others since
}

type simulation struct {
	t      *testing.T
	seed   uint64
	rnd    *rand.Rand
	p      *Picker
	cfg    Config
	have   []bool
	level  []Priority   // by piece
	blocks [][]simBlock // by piece
	peers  []*simPeer
	next   PeerID
	log    string // last step
	lost   []int  // pieces dropped in it
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	rnd := rand.New(rand.NewPCG(seed, 1))
	n := 1 + rnd.IntN(40)
	pieceLength := []int64{1000, BlockSize, 40_000, 4 * BlockSize, 9*BlockSize + 5}[rnd.IntN(5)]
	s := &simulation{t: t, seed: seed, rnd: rnd, have: make([]bool, n), blocks: make([][]simBlock, n)}
	s.cfg = Config{
		NumPieces:       n,
		PieceLength:     pieceLength,
		TotalLength:     int64(n-1)*pieceLength + 1 + rnd.Int64N(pieceLength),
		MaxPartialBytes: pieceLength * int64(1+rnd.IntN(5)),
		Have:            bitfield.New(n),
		Rand:            rnd,
		Dropped:         s.dropped,
	}
	s.level = s.levels()
	s.cfg.Priority = func(piece int) Priority { return s.level[piece] }
	for i := range n {
		if rnd.IntN(10) == 0 {
			s.cfg.Have.Set(i)
			s.have[i] = true
		}
	}
	s.p = New(s.cfg)
	for i := range n {
		s.blocks[i] = make([]simBlock, (s.p.pieceSize(i)+BlockSize-1)/BlockSize)
	}
	return s
}

func (s *simulation) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, after %s: %s", s.seed, s.log, fmt.Sprintf(format, args...))
}

// levels draws priorities: most often the usual one for all.
func (s *simulation) levels() []Priority {
	level := make([]Priority, len(s.have))
	usual := s.rnd.IntN(2) == 0
	for i := range level {
		level[i] = Normal
		if !usual {
			level[i] = Priority(s.rnd.IntN(priorities))
		}
	}
	return level
}

// prioritise changes the user's mind.
func (s *simulation) prioritise() {
	s.log = "new priorities"
	s.level = s.levels()
	for piece, level := range s.level {
		if level == Unwanted && !s.complete(piece) {
			clear(s.blocks[piece])
			s.free(piece)
		}
	}
	s.p.SetPriorities(func(piece int) Priority { return s.level[piece] })
}

// dropped is the picker's callback.
func (s *simulation) dropped(piece int) {
	s.lost = append(s.lost, piece)
	for i, bl := range s.blocks[piece] {
		if !bl.received && slices.ContainsFunc(bl.by, func(id PeerID) bool { return id != s.releasing() }) {
			s.fatalf("dropped piece %d while block %d is requested by %v", piece, i, bl.by)
		}
		s.blocks[piece][i] = simBlock{}
	}
	s.free(piece)
}

// free ends that a piece is closed to others on account of parole.
func (s *simulation) free(piece int) {
	for _, pr := range s.peers {
		delete(pr.parole, int32(piece))
	}
}

// releasing returns the peer whose requests the step at hand ends.
func (s *simulation) releasing() PeerID {
	var id PeerID = -1
	_, _ = fmt.Sscanf(s.log, "release %d", &id)
	return id
}

func (s *simulation) step() {
	kind := s.rnd.IntN(100)
	if kind < 5 || len(s.peers) == 0 {
		if len(s.peers) < 8 {
			s.join()
		}
		return
	}
	pr := s.peers[s.rnd.IntN(len(s.peers))]
	switch {
	case kind < 8:
		s.log = fmt.Sprintf("release %d by removal", pr.id)
		s.p.RemovePeer(pr.id)
		s.ended(pr.id)
		s.peers = slices.DeleteFunc(s.peers, func(other *simPeer) bool { return other == pr })
	case kind < 14:
		piece := s.rnd.IntN(s.cfg.NumPieces)
		s.log = fmt.Sprintf("have %d of %d", piece, pr.id)
		s.p.PeerHave(pr.id, piece)
		pr.has[piece] = true
	case kind < 15:
		piece := s.rnd.IntN(s.cfg.NumPieces)
		s.log = fmt.Sprintf("%d of %d is lost", piece, pr.id)
		s.p.PeerLost(pr.id, piece)
		pr.has[piece] = false
	case kind < 17:
		s.bitfield(pr)
	case kind < 20:
		s.log = fmt.Sprintf("release %d by choke", pr.id)
		pr.choking = true
		s.p.ReleaseAll(pr.id)
		s.ended(pr.id)
	case kind < 24:
		pr.choking = false
	case kind < 28:
		s.changeMode(pr)
	case kind < 32:
		if b, ok := s.owed(pr.id); ok {
			s.log = fmt.Sprintf("release %d of %v", pr.id, b)
			s.p.Release(pr.id, b)
			s.endedOne(pr.id, b)
		}
	case kind < 65:
		if b, ok := s.owed(pr.id); ok {
			s.receive(pr, b)
		}
	case kind < 69:
		s.verdict()
	case kind < 70:
		if piece := s.rnd.IntN(s.cfg.NumPieces); !s.have[piece] && !s.p.Started(piece) && s.rnd.IntN(4) == 0 {
			s.log = fmt.Sprintf("%d found on disk", piece)
			s.p.PieceVerified(piece)
			s.have[piece] = true
		}
	case kind < 72:
		s.prioritise()
	default:
		s.pick(pr, 1+s.rnd.IntN(12))
	}
}

func (s *simulation) join() {
	s.next++
	pr := &simPeer{id: s.next, has: make([]bool, s.cfg.NumPieces), parole: map[int32]bool{}}
	s.log = fmt.Sprintf("join of %d", pr.id)
	s.peers = append(s.peers, pr)
	s.p.AddPeer(pr.id)
	s.bitfield(pr)
}

func (s *simulation) bitfield(pr *simPeer) {
	s.log = fmt.Sprintf("bitfield of %d", pr.id)
	bf := bitfield.New(s.cfg.NumPieces)
	density := s.rnd.IntN(5)
	for i := range pr.has {
		pr.has[i] = density == 4 || s.rnd.IntN(4) < density
		if pr.has[i] {
			bf.Set(i)
		}
	}
	if density == 4 && s.rnd.IntN(2) == 0 {
		s.p.PeerHaveAll(pr.id)
		return
	}
	s.p.PeerBitfield(pr.id, bf)
}

func (s *simulation) changeMode(pr *simPeer) {
	pr.mode = Mode{}
	switch s.rnd.IntN(5) {
	case 0:
		pr.mode.Snubbed = true
	case 1:
		pr.mode.Parole = true
	case 2, 3:
		pr.mode.Rate = s.cfg.PieceLength
	}
}

func (s *simulation) block(b Block) *simBlock { return &s.blocks[b.Piece][b.Begin/BlockSize] }

func (s *simulation) endedOne(id PeerID, b Block) {
	bl := s.block(b)
	bl.by = slices.DeleteFunc(bl.by, func(other PeerID) bool { return other == id })
}

func (s *simulation) ended(id PeerID) {
	for piece := range s.blocks {
		for i := range s.blocks[piece] {
			s.endedOne(id, Block{Piece: int32(piece), Begin: int32(i) * BlockSize})
		}
	}
}

// owed returns a block that the peer was asked for.
func (s *simulation) owed(id PeerID) (Block, bool) {
	var all []Block
	for piece := range s.blocks {
		for i, bl := range s.blocks[piece] {
			if slices.Contains(bl.by, id) {
				all = append(all, s.name(piece, i))
			}
		}
	}
	if len(all) == 0 {
		return Block{}, false
	}
	return all[s.rnd.IntN(len(all))], true
}

func (s *simulation) name(piece, i int) Block {
	begin := int64(i) * BlockSize
	return Block{int32(piece), int32(begin), int32(min(BlockSize, s.p.pieceSize(piece)-begin))}
}

func (s *simulation) receive(pr *simPeer, b Block) {
	s.log = fmt.Sprintf("block %v from %d", b, pr.id)
	bl := s.block(b)
	wantOK := !bl.received
	s.endedOne(pr.id, b)
	bl.received = true
	ok, complete := s.p.Received(pr.id, b)
	if ok != wantOK {
		s.fatalf("ok %v, want %v", ok, wantOK)
	}
	if want := ok && s.complete(int(b.Piece)); complete != want {
		s.fatalf("complete %v, want %v", complete, want)
	}
	others := s.p.Others(b, pr.id, nil)
	slices.Sort(others)
	want := slices.Clone(bl.by)
	slices.Sort(want)
	if !slices.Equal(others, want) {
		s.fatalf("others %v, want %v", others, want)
	}
	if s.rnd.IntN(4) > 0 { // else the cancel crosses the block
		for _, id := range others {
			s.p.Release(id, b)
			s.endedOne(id, b)
		}
	}
	if again, _ := s.p.Received(pr.id, b); again {
		s.fatalf("the same block was wanted twice")
	}
}

func (s *simulation) complete(piece int) bool {
	return !slices.ContainsFunc(s.blocks[piece], func(bl simBlock) bool { return !bl.received })
}

// verdict ends the wait of one complete piece.
func (s *simulation) verdict() {
	for piece := range s.blocks {
		if s.have[piece] || !s.complete(piece) {
			continue
		}
		clear(s.blocks[piece])
		s.free(piece)
		if s.rnd.IntN(5) == 0 {
			s.log = fmt.Sprintf("failure of %d", piece)
			s.p.PieceFailed(piece)
			return
		}
		s.log = fmt.Sprintf("verification of %d", piece)
		s.p.PieceVerified(piece)
		s.have[piece] = true
		return
	}
}

func (s *simulation) inflight() (n int) {
	for _, piece := range s.blocks {
		for _, bl := range piece {
			if len(bl.by) > 0 && !bl.received {
				n++
			}
		}
	}
	return n
}

// unasked reports whether a wanted block is neither requested nor received.
func (s *simulation) unasked(usable func(piece int) bool) bool {
	for piece := range s.blocks {
		if !s.have[piece] && s.level[piece] != Unwanted && usable(piece) &&
			slices.ContainsFunc(s.blocks[piece], func(bl simBlock) bool { return !bl.received && len(bl.by) == 0 }) {
			return true
		}
	}
	return false
}

func (s *simulation) pick(pr *simPeer, n int) {
	m := pr.mode
	if pr.choking {
		m.AllowedFast = []int32{int32(s.rnd.IntN(s.cfg.NumPieces)), int32(s.rnd.IntN(s.cfg.NumPieces)), 1 << 20, -1}
	}
	s.log = fmt.Sprintf("pick of %d for %d, %+v", n, pr.id, m)
	s.lost = nil
	idle := s.inflight() == 0
	_, busy := s.owed(pr.id)
	endgame := !s.unasked(func(int) bool { return true })
	useful := s.unasked(func(piece int) bool { return pr.has[piece] })

	picked := s.p.Pick(pr.id, n, m, []Block{{Piece: -7}})
	if picked[0].Piece != -7 {
		s.fatalf("pick did not append")
	}
	picked = picked[1:]
	s.log += fmt.Sprintf(" = %v", picked)
	if len(picked) > n {
		s.fatalf("more blocks than asked for")
	}
	if idle && useful && !pr.choking && len(picked) == 0 {
		s.fatalf("nothing is in flight, the peer has wanted blocks, but none is picked")
	}
	for _, b := range picked {
		s.checkPicked(pr, b, m, endgame)
	}
	if endgame && (len(picked) > 1 || len(picked) == 1 && busy) {
		s.fatalf("endgame picks %d for a peer that is busy: %v", len(picked), busy)
	}
	if m.Parole && !idle {
		for _, b := range picked {
			s.checkAlone(pr, b)
			pr.parole[b.Piece] = true
		}
	}
}

func (s *simulation) checkPicked(pr *simPeer, b Block, m Mode, endgame bool) {
	piece := int(b.Piece)
	if piece < 0 || piece >= len(s.blocks) || b != s.name(piece, int(b.Begin/BlockSize)) {
		s.fatalf("no such block: %v", b)
	}
	bl := s.block(b)
	switch {
	case s.have[piece] || bl.received:
		s.fatalf("block %v is there already", b)
	case !pr.has[piece]:
		s.fatalf("the peer lacks piece %d", piece)
	case s.level[piece] == Unwanted:
		s.fatalf("piece %d is not wanted", piece)
	case s.untouched(piece) && slices.ContainsFunc(s.higher(piece), func(other int) bool {
		return pr.has[other] && s.untouched(other) && (m.AllowedFast == nil || slices.Contains(m.AllowedFast, int32(other))) && !slices.Contains(s.lost, other)
	}):
		s.fatalf("piece %d of priority %d was begun before others", piece, s.level[piece])
	case m.AllowedFast != nil && !slices.Contains(m.AllowedFast, b.Piece):
		s.fatalf("piece %d is not allowed while choked", piece)
	case slices.Contains(bl.by, pr.id):
		s.fatalf("block %v was asked from this peer already", b)
	case len(bl.by) > 0 && (!endgame || len(bl.by) >= maxRequesters || m.Parole):
		s.fatalf("block %v is requested already by %v, endgame %v", b, bl.by, endgame)
	}
	bl.by = append(bl.by, pr.id)
	for _, other := range s.peers {
		if other == pr || !other.parole[b.Piece] {
			continue
		}
		delete(other.parole, b.Piece)
		if slices.ContainsFunc(s.blocks[piece], func(bl simBlock) bool { return !bl.received && slices.Contains(bl.by, other.id) }) {
			s.fatalf("joined piece %d of %d, which is on parole", piece, other.id)
		}
	}
}

// untouched reports whether nobody was asked for any of a piece.
func (s *simulation) untouched(piece int) bool {
	return !s.have[piece] && !slices.ContainsFunc(s.blocks[piece], func(bl simBlock) bool { return bl.received || len(bl.by) > 0 })
}

// higher are the pieces of a higher priority.
func (s *simulation) higher(piece int) (list []int) {
	for other, level := range s.level {
		if level > s.level[piece] {
			list = append(list, other)
		}
	}
	return list
}

// checkAlone fails when others have a part in a piece picked on parole.
func (s *simulation) checkAlone(pr *simPeer, b Block) {
	for _, bl := range s.blocks[b.Piece] {
		if slices.ContainsFunc(bl.by, func(id PeerID) bool { return id != pr.id }) {
			s.fatalf("on parole, but piece %d is shared", b.Piece)
		}
	}
}

func (s *simulation) check() {
	s.checkCounts()
	for _, pr := range s.peers {
		interesting := false
		for piece, has := range pr.has {
			interesting = interesting || has && !s.have[piece] && s.level[piece] != Unwanted
			if got := s.p.PeerHas(pr.id, piece); got != has {
				s.fatalf("peer %d has %d: %v, want %v", pr.id, piece, got, has)
			}
		}
		if got := s.p.Interesting(pr.id); got != interesting {
			s.fatalf("peer %d interesting: %v, want %v", pr.id, got, interesting)
		}
	}
	for piece, got := range s.p.Availability() {
		want := 0
		for _, pr := range s.peers {
			if pr.has[piece] {
				want++
			}
		}
		if got != want {
			s.fatalf("availability of %d: %d, want %d", piece, got, want)
		}
	}
	s.checkRarity()
}

func (s *simulation) checkCounts() {
	var left, verified, partialBytes int64
	partials, requests := 0, 0
	for piece := range s.blocks {
		started := s.complete(piece) && !s.have[piece]
		for _, bl := range s.blocks[piece] {
			started = started || len(bl.by) > 0 || bl.received
			requests += len(bl.by)
		}
		if got := s.p.Started(piece); got != started {
			s.fatalf("piece %d started: %v, want %v", piece, got, started)
		}
		if started && !s.complete(piece) {
			partials++
			partialBytes += s.p.pieceSize(piece)
		}
		if got := s.p.Have().Has(piece); got != s.have[piece] {
			s.fatalf("have %d: %v, want %v", piece, got, s.have[piece])
		}
		switch {
		case s.have[piece]:
			verified += s.p.pieceSize(piece)
		case s.level[piece] != Unwanted:
			left += s.p.pieceSize(piece)
		}
	}
	if s.p.Left() != left || s.p.Verified() != verified || s.p.Partials() != partials || s.p.PartialBytes() != partialBytes {
		s.fatalf("left %d, %d partials, %d bytes; want %d, %d, %d",
			s.p.Left(), s.p.Partials(), s.p.PartialBytes(), left, partials, partialBytes)
	}
	if limit := 2 * s.cfg.MaxPartialBytes; partialBytes > limit {
		s.fatalf("%d bytes in partials, limit %d", partialBytes, limit)
	}
	if want := s.inflight(); s.p.inflight != want {
		s.fatalf("%d blocks in flight, want %d", s.p.inflight, want)
	}
	for _, pr := range s.p.peers {
		requests -= pr.requests.len()
	}
	if requests != 0 {
		s.fatalf("peers' queues miss %d requests", requests)
	}
	if want := partials > 0 && !s.unasked(func(int) bool { return true }); s.p.Endgame() != want {
		s.fatalf("endgame %v, want %v", s.p.Endgame(), want)
	}
}

// checkRarity looks at the arrays themselves.
func (s *simulation) checkRarity() {
	for level, r := range s.p.rarities {
		if r != nil {
			s.checkLevel(Priority(level), r)
		}
	}
}

func (s *simulation) checkLevel(level Priority, r *rarity) {
	n := 0
	for piece := range s.blocks {
		startable := !s.have[piece] && !s.p.Started(piece) && s.level[piece] == level
		if startable {
			n++
		}
		if r.startable.has(piece) != startable {
			s.fatalf("piece %d startable: %v, want %v", piece, !startable, startable)
		}
		if r.order[r.place[piece]] != int32(piece) {
			s.fatalf("piece %d is not at its place", piece)
		}
		c := r.class(piece, r.count[piece])
		if at := r.place[piece]; !r.stale && (at < r.border[c] || at >= r.border[c+1]) {
			s.fatalf("piece %d at %d is outside of class %d: %v", piece, at, c, r.border)
		}
	}
	if r.len() != n {
		s.fatalf("%d pieces startable, want %d", r.len(), n)
	}
}

// finish lets everyone behave, with peers that have everything between them.
func (s *simulation) finish() {
	for i := 0; i < 3; i++ {
		s.join()
	}
	s.prioritise()
	for piece := range s.blocks { // only one of them has this piece for sure
		pr := s.peers[s.rnd.IntN(len(s.peers))]
		s.p.PeerHave(pr.id, piece)
		pr.has[piece] = true
	}
	for round := 0; s.p.Left() > 0; round++ {
		if round > 5000 {
			s.fatalf("%d bytes left after %d rounds", s.p.Left(), round)
		}
		for _, pr := range s.peers {
			pr.choking = false
			s.pick(pr, 4)
			if b, ok := s.owed(pr.id); ok {
				s.receive(pr, b)
			}
			s.verdict()
			s.check()
		}
	}
}
