package torrent

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"weak"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
	"lorrent/storage"
)

// The memory of pieces is given back once nothing has come for a while.
func TestIdleMemoryIsReleased(t *testing.T) {
	store, err := storage.Open(filepath.Join(t.TempDir(), "lorrent.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{cfg: Config{Store: store}, pool: piece.NewPool(1 << 20)}
		var memory weak.Pointer[byte]
		func() { // a piece comes and goes
			b := e.pool.New(0, peerwire.BlockSize)
			block, _ := b.Claim(0, peerwire.BlockSize)
			memory = weak.Make(&block[0])
			b.Deliver(0, 1)
			b.Release()
		}()
		ctx, stop := context.WithTimeout(t.Context(), 3*releaseEvery)
		defer stop()
		e.releaseIdle(ctx)
		runtime.GC()
		if memory.Value() != nil {
			t.Error("the pool keeps it")
		}
		runtime.KeepAlive(e)
	})
}

// What the heap has grown by, and does not need any more, goes back to the system,
// and a heap that has not grown is left alone.
func TestHeapIsReleased(t *testing.T) {
	var g garbage
	g.release() // whatever other tests have left
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	before := collections()
	g.release()
	if n := collections(); n != before {
		t.Errorf("%d collections for nothing", n-before)
	}
	runtime.KeepAlive(make([]byte, heapChurn))
	g.release()
	if collections() == before {
		t.Error("nothing is given back")
	}
}
