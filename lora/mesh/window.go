package mesh

import "lorrent/lora/packet"

// window remembers the newest texts by ID, so that a repetition is known as
// one. It forgets the oldest; storage knows them for longer.
type window struct {
	entries map[packet.ID]*seenText
	order   []packet.ID // ring of size entries, oldest at next once full
	next    int
}

type seenText struct {
	direct bool // it wants an acknowledgement
	stored bool
	slot   int // in order
}

func newWindow(size int) window {
	return window{entries: make(map[packet.ID]*seenText), order: make([]packet.ID, size)}
}

// add notes a text and says whether it is new.
func (w *window) add(id packet.ID, direct bool) bool {
	if _, ok := w.entries[id]; ok {
		return false
	}
	if old, ok := w.entries[w.order[w.next]]; ok && old.slot == w.next {
		delete(w.entries, w.order[w.next])
	}
	w.entries[id] = &seenText{direct: direct, slot: w.next}
	w.order[w.next] = id
	w.next = (w.next + 1) % len(w.order)
	return true
}

// stored notes that the text with this ID may be acknowledged.
func (w *window) stored(id packet.ID) {
	if e := w.entries[id]; e != nil {
		e.stored = true
	}
}

func (w *window) forget(id packet.ID) { delete(w.entries, id) }

// wantsAck says whether the text is direct and stored.
func (w *window) wantsAck(id packet.ID) bool {
	e := w.entries[id]
	return e != nil && e.direct && e.stored
}
