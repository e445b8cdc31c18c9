package mesh

import (
	"slices"
	"testing"
)

func TestShow(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third, there)
	n.learn(there, third, far)
	near := n.mesh.Neighbours()
	if len(near) != 1 || near[0].ID != Short(third) || !near[0].HearsUs || near[0].TheirMarginDB != 30 || near[0].MarginDB != 24 {
		t.Errorf("neighbours %+v", near)
	}
	routes := n.mesh.Routes(n.now)
	want := []Route{{Short(third), Short(third), 1}, {Short(far), Short(third), 2}, {Short(there), Short(third), 3}}
	if !slices.Equal(routes, want) {
		t.Errorf("routes %+v, want %+v", routes, want)
	}
	if path := n.mesh.Path(Short(there), n.now); !slices.Equal(path, []uint16{Short(third), Short(far), Short(there)}) {
		t.Errorf("path %04x", path)
	}
	if path := n.mesh.Path(0x7777, n.now); path != nil {
		t.Errorf("a path to nowhere: %04x", path)
	}
}
