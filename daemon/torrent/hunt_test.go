package torrent

import (
	"fmt"
	"sync"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// late keeps hash requests until it is told to answer them.
type late struct {
	answer torrenttest.Answer

	mu     sync.Mutex
	open   bool
	asks   []torrenttest.Message
	askers []*torrenttest.Peer
}

func (l *late) hash(p *torrenttest.Peer, m peerwire.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		return l.answer(p, m)
	}
	m.Bytes = append([]byte(nil), m.Bytes...)
	l.asks, l.askers = append(l.asks, torrenttest.Message{Message: m}), append(l.askers, p)
	return true
}

func (l *late) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	for i, m := range l.asks {
		l.answer(l.askers[i], m.Message)
	}
}

// once spoils one block of the first piece that is asked for, again and again.
func once(c *torrenttest.SeedConfig, block uint32) torrenttest.Answer {
	var mu sync.Mutex
	first := int64(-1)
	return c.Corrupt(func(r peerwire.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		if first < 0 && r.Begin == block*peerwire.BlockSize {
			first = int64(r.Index)
		}
		return r.Begin == block*peerwire.BlockSize && int64(r.Index) == first
	})
}

// blamed waits for the end of the liar's connection: it was banned for one block,
// and no more than that was in vain.
func (s *stage2) blamed(t *testing.T, block, most int) {
	t.Helper()
	s.waitFor(t, s.h, "ban", func(Status) bool { return len(s.bans()) > 0 })
	var index int
	bans := s.bans()
	want := fmt.Sprintf("sent block %d of piece ", block)
	if _, err := fmt.Sscanf(bans[0], want+"%d with a wrong hash", &index); err != nil || len(bans) != 1 {
		t.Errorf("bans %q, want %q", bans, want)
	}
	s.meet(t, torrenttest.StartSeed(t, s.seed()))
	st := s.waitFor(t, s.h, "download", seeding)
	if st.WastedBytes == 0 || st.WastedBytes > int64(most*peerwire.BlockSize) {
		t.Errorf("%d bytes wasted", st.WastedBytes)
	}
	if len(s.bans()) != 1 {
		t.Errorf("bans: %q", s.bans())
	}
	s.sameContent(t)
	if n := s.Stats().BufferBytes; n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// A liar costs the blocks that it spoilt and no piece, also when the hashes come
// after all of the piece has, whatever its length.
func TestLiarCostsItsBlocks(t *testing.T) {
	for _, c := range []struct {
		name   string
		format metainfo.Format
		piece  int64
		size   int
		block  uint32
		late   bool
	}{
		{"v2, leaves come late", metainfo.V2, 128 << 10, 20*(128<<10) + 50_000, 3, true},
		{"hybrid, leaves come late", metainfo.Hybrid, 128 << 10, 20*(128<<10) + 50_000, 3, true},
		{"large pieces", metainfo.V2, 16 << 20, 17<<20 + 5, 700, false},
		{"large pieces, leaves come late", metainfo.V2, 16 << 20, 17<<20 + 5, 700, true},
		{"large pieces, hybrid, leaves come late", metainfo.Hybrid, 16 << 20, 16<<20 + 5, 1023, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage2Of(t, c.format, c.piece, c.size)
			liar := s.seed()
			slow := &late{answer: s.answer, open: !c.late}
			liar.Hash = slow.hash
			liar.Answer = once(&liar, c.block)
			s.meet(t, torrenttest.StartSeed(t, liar))
			if c.late {
				s.becomes(t, "a wrong piece waits", func(se *session) bool { return len(se.fetch.sifting) > 0 })
				slow.release()
			}
			s.blamed(t, int(c.block), 2)
		})
	}
}

// In a hybrid torrent a liar may speak v1 alone: another peer knows the hashes.
func TestLiarOfV1(t *testing.T) {
	t.Parallel()
	s := newStage2(t, metainfo.Hybrid)
	knows := s.seed()
	hold := make(chan struct{})
	defer close(hold)
	knows.Hold = hold // it gives hashes and no blocks
	s.meet(t, torrenttest.StartSeed(t, knows))
	s.waitFor(t, s.h, "connection", func(st Status) bool { return st.Seeds == 1 })
	liar := s.seedConfig()
	liar.Answer = once(&liar, 5)
	s.meet(t, torrenttest.StartSeed(t, liar))
	s.blamed(t, 5, 2)
}

// Who keeps the hashes to itself is not waited for when others have them.
func TestLeavesFromAnother(t *testing.T) {
	t.Parallel()
	s := newStage2(t, metainfo.V2)
	liar := s.seed()
	liar.Hash = func(*torrenttest.Peer, peerwire.Message) bool { return true }
	liar.Answer = once(&liar, 2)
	knows := s.seed()
	hold := make(chan struct{})
	defer close(hold)
	knows.Hold = hold
	s.meet(t, torrenttest.StartSeed(t, knows))
	s.waitFor(t, s.h, "connection", func(st Status) bool { return st.Seeds == 1 })
	s.meet(t, torrenttest.StartSeed(t, liar))
	s.blamed(t, 2, 2)
}
