package dht

import (
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// saved is what a Node remembers of itself: a bencoded dictionary of its ids
// and compact nodes (BEP 5, 32).
type saved struct {
	ID4    string `bencode:"id4"`
	ID6    string `bencode:"id6"`
	Nodes  string `bencode:"nodes"`
	Nodes6 string `bencode:"nodes6"`
}

// family is the part of one half.
type family struct {
	id    nodeID
	nodes []contact
}

// restore reads what Saved wrote. What cannot be used is left out.
func restore(b []byte) (v4, v6 family) {
	var s saved
	if len(b) == 0 || bencode.Unmarshal(b, &s) != nil {
		return v4, v6
	}
	copy(v4.id[:], s.ID4)
	copy(v6.id[:], s.ID6)
	v4.nodes, v6.nodes = readNodes(s.Nodes, compact4), readNodes(s.Nodes6, compact6)
	return v4, v6
}

// readNodes reads compact nodes; those that nobody can be at are left out.
func readNodes(list string, addressLen int) (nodes []contact) {
	size := idLen + addressLen
	for ; len(list) >= size && len(nodes) < maxKnown; list = list[size:] {
		a, ok := address(list[idLen:size])
		if ok && a.Addr().Is4() == (addressLen == compact4) {
			nodes = append(nodes, contact{idOf(list[:idLen]), a})
		}
	}
	return nodes
}

// compactNodes is the inverse of readNodes.
func compactNodes(nodes []contact) string {
	var b []byte
	for _, n := range nodes {
		b = append(b, n.id[:]...)
		b = append(b, compact(n.addr)...)
	}
	return string(b)
}

// Saved is what the next Node is to be given as Config.Saved: at most 20 KB.
// It may be asked for at any time, also after Run.
func (n *Node) Saved() []byte {
	var s saved
	for _, h := range n.halves {
		h.mu.Lock()
		own := h.table.own
		nodes := compactNodes(h.table.closest(own, maxKnown, false, time.Now()))
		h.mu.Unlock()
		if h.v6 {
			s.ID6, s.Nodes6 = string(own[:]), nodes
		} else {
			s.ID4, s.Nodes = string(own[:]), nodes
		}
	}
	return bencode.MustMarshal(s)
}
