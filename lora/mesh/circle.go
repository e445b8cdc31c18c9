package mesh

// circle are this node's listeners, in order, with what of them is the same for all
// messages: each packet that is heard has several weighed, and beacons are few.
type circle []member

type member struct {
	id   uint16
	list *list
	near int // how many others of these it hears
}

// circled are the listeners as they are now.
func (t *linkTable) circled() circle {
	if t.circle == nil {
		audience := t.audience()
		t.circle = make(circle, len(audience))
		for i, id := range audience {
			l := t.lists[id]
			t.circle[i] = member{id, l, l.hearsOf(audience, false)}
		}
	}
	return t.circle
}

// uncircle is called when a list has changed, or is gone: of a listener, or of who was
// one.
func (t *linkTable) uncircle(lists ...*list) {
	for _, l := range lists {
		if l == nil {
			continue
		}
		if _, listens := l.hearing(t.me); listens {
			t.circle = nil
		}
	}
}
