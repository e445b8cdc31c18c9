package piecelayer

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// torrent is a v2 torrent of files with these lengths in pieces of 16 KiB, the
// first two of them the same.
func torrent(t testing.TB, sizes ...int) *metainfo.Info {
	t.Helper()
	dir := t.TempDir()
	for i, n := range sizes {
		r := rand.New(rand.NewPCG(uint64(max(i, 1)), uint64(n)))
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := metainfo.Build(dir, metainfo.BuildOptions{Format: metainfo.V2, PieceLength: 16384})
	if err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m.Info
}

func bare(t testing.TB, info *metainfo.Info) *metainfo.Info {
	t.Helper()
	i, err := metainfo.ParseInfo(info.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// answer is what an honest peer says.
func answer(t testing.TB, info *metainfo.Info, r hashtree.Request) []hashtree.Hash {
	t.Helper()
	for i := range info.Files {
		if f := &info.Files[i]; f.Root == r.Root && f.Length > info.PieceLength {
			if err := r.Check(hashtree.Blocks(f.Length)); err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
			return r.Answer(hashtree.New(info.Layer(f), info.PieceLayer()).At)
		}
	}
	t.Fatalf("request for %v", r.Root)
	return nil
}

func TestFetch(t *testing.T) {
	info := torrent(t, 100_000, 100_000, 5, 16385, 0, 600*16384+1)
	f := NewFetch(bare(t, info))
	f.Add(1)
	f.Add(2)
	for rounds := 0; !f.Done(); rounds++ {
		if rounds > 20 {
			t.Fatal("it does not end")
		}
		for _, peer := range []int32{1, 2, 3} {
			for {
				r, ok := f.Next(peer, start)
				if !ok {
					break
				}
				if err := f.Hashes(peer, r, answer(t, info, r)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !bytes.Equal(f.Layers(), info.Layers()) || f.Held() != len(info.Layers()) {
		t.Errorf("%d bytes of layers, %d held, want %d", len(f.Layers()), f.Held(), len(info.Layers()))
	}
	if _, err := bare(t, info).WithLayers(f.Layers()); err != nil {
		t.Error(err)
	}
}

// Nothing to get is done at once.
func TestFetchOfNothing(t *testing.T) {
	if f := NewFetch(bare(t, torrent(t, 5, 16384))); !f.Done() || len(f.Layers()) != 0 {
		t.Error("something is left")
	}
}

func TestLiarsAndRefusals(t *testing.T) {
	info := torrent(t, 100_000, 0)
	for _, c := range []struct {
		name string
		lie  func(*hashtree.Request, []hashtree.Hash) []hashtree.Hash
		want string
	}{
		{"wrong hash", func(_ *hashtree.Request, h []hashtree.Hash) []hashtree.Hash { h[0][0] ^= 1; return h }, "do not lead to the root"},
		{"too few", func(_ *hashtree.Request, h []hashtree.Hash) []hashtree.Hash { return h[1:] }, "hashes in place of"},
		{"none", func(*hashtree.Request, []hashtree.Hash) []hashtree.Hash { return nil }, "hashes in place of"},
		{"too many", func(_ *hashtree.Request, h []hashtree.Hash) []hashtree.Hash { return append(h, h[0]) }, "hashes in place of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFetch(bare(t, info))
			f.Add(1)
			f.Add(2)
			r, _ := f.Next(1, start)
			if err := f.Hashes(1, r, c.lie(&r, answer(t, info, r))); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the liar: %v", err)
			}
			f.Remove(1)
			r, ok := f.Next(2, start)
			if !ok || f.Hashes(2, r, answer(t, info, r)) != nil || !f.Done() {
				t.Error("the honest peer was not asked")
			}
		})
	}
}

func TestOthersAreAsked(t *testing.T) {
	info := torrent(t, 100_000, 0)
	f := NewFetch(bare(t, info))
	f.Add(1)
	f.Add(2)
	r, ok := f.Next(1, start)
	if !ok {
		t.Fatal("nothing to ask")
	}
	if _, ok := f.Next(2, start); ok {
		t.Error("two are asked for the same")
	}
	if err := f.Reject(1, r, start); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Next(1, start.Add(time.Second)); ok {
		t.Error("who refused is asked again at once")
	}
	if _, ok := f.Next(2, start); !ok {
		t.Fatal("after a refusal nobody else is asked")
	}
	f.Expire(start.Add(answerWait - 1))
	if _, ok := f.Next(1, start.Add(restAfter)); ok {
		t.Error("expired early")
	}
	f.Expire(start.Add(answerWait))
	if _, ok := f.Next(1, start.Add(restAfter)); !ok {
		t.Error("who does not answer keeps what it was asked for")
	}
	f.Remove(1)
	if _, ok := f.Next(2, start.Add(2*restAfter)); !ok {
		t.Error("who left keeps what it was asked for")
	}
}

func TestUnasked(t *testing.T) {
	info := torrent(t, 100_000, 0)
	f := NewFetch(bare(t, info))
	f.Add(1)
	r := hashtree.Request{Length: 2}
	for range maxUnasked / 2 {
		if err := f.Hashes(1, r, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Reject(1, r, start); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Hashes(1, r, nil); err == nil {
		t.Error("no limit")
	}
	if f.Hashes(9, r, nil) != nil || f.Reject(9, r, start) != nil {
		t.Error("a stranger's answer is an error")
	}
}
