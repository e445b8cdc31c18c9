package mesh

import (
	"cmp"
	"slices"
	"time"
)

// Node is a station that was heard.
type Node struct {
	ID        uint32
	LastHeard time.Time
	RSSIdBm   float64 // of the last packet
	SNRdB     float64 // of the last packet
	Packets   uint64
}

// nodeTable keeps the nodes heard latest.
type nodeTable struct {
	size  int
	nodes map[uint32]*Node
}

func newNodeTable(size int) nodeTable {
	return nodeTable{size: size, nodes: make(map[uint32]*Node)}
}

// heard notes a packet from id. A full table gives up the node that was silent
// for longest.
func (t *nodeTable) heard(id uint32, rssi, snr float64, now time.Time) {
	n := t.nodes[id]
	if n == nil {
		if len(t.nodes) >= t.size {
			delete(t.nodes, t.silent())
		}
		n = &Node{ID: id}
		t.nodes[id] = n
	}
	n.LastHeard, n.RSSIdBm, n.SNRdB = now, rssi, snr
	n.Packets++
}

// silent is the node not heard for longest.
func (t *nodeTable) silent() uint32 {
	var oldest *Node
	for _, n := range t.nodes {
		if oldest == nil || n.LastHeard.Before(oldest.LastHeard) {
			oldest = n
		}
	}
	return oldest.ID
}

func (t *nodeTable) list() []Node {
	list := make([]Node, 0, len(t.nodes))
	for _, n := range t.nodes {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Node) int {
		return cmp.Or(b.LastHeard.Compare(a.LastHeard), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Limits of what others can make us hold.
const (
	maxSeen  = 2048
	maxNodes = 256
)
