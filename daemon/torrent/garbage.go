package torrent

import (
	"runtime/debug"
	"runtime/metrics"
)

// heapChurn is how many bytes may be allocated before the heap is worth a look.
const heapChurn = 32 << 20

// garbage gives back what the garbage collector keeps for a heap that grows: with
// thousands of idle torrents, which have just been announced or listed, that is as
// much as they take themselves.
type garbage struct{ seen uint64 } // bytes allocated, in all, at the last look

// release is called now and then while nobody is connected. It costs as much as a
// collection.
func (g *garbage) release() {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	if n := sample[0].Value.Uint64(); n-g.seen >= heapChurn {
		g.seen = n
		debug.FreeOSMemory()
	}
}
