package packet

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

func TestBeaconLimits(t *testing.T) {
	h := Header{ID: ID{0x11112222, 1, 5}, Tx: 0x2222}
	neighbours := func(n int) []Neighbour {
		list := make([]Neighbour, n)
		for i := range list {
			list[i] = Neighbour{ID: uint16(i + 1)}
		}
		return list
	}
	tests := []struct {
		name   string
		beacon Beacon
		ok     bool
	}{
		{"most neighbours", Beacon{Header: h, Neighbours: neighbours(MaxNeighbours)}, true},
		{"more neighbours", Beacon{Header: h, Neighbours: neighbours(MaxNeighbours + 1)}, false},
		{"most of all", Beacon{Header: h, Neighbours: neighbours(MaxNeighbours - 24), HasStatement: true, Statement: Statement{Count: 1}}, true},
		{"no room for the statement", Beacon{Header: h, Neighbours: neighbours(MaxNeighbours - 22), HasStatement: true, Statement: Statement{Count: 1}}, false},
		{"empty statement", Beacon{Header: h, HasStatement: true}, false},
		{"neighbour nobody", Beacon{Header: h, Neighbours: []Neighbour{{}}}, false},
		{"flood of everybody", Beacon{Header: h, Held: []Run{{Source: AnyNext}}}, false},
		{"no source", Beacon{Header: Header{Tx: 1}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := AppendBeacon(nil, &test.beacon)
			if test.ok && err != nil || !test.ok && !errors.Is(err, ErrInvalid) {
				t.Fatalf("AppendBeacon() = %d bytes, %v, want ok %v", len(b), err, test.ok)
			}
			if len(b) > 0 && len(b) != test.beacon.Size() {
				t.Errorf("%d bytes, Size() = %d", len(b), test.beacon.Size())
			}
		})
	}
}

func TestBeaconClamps(t *testing.T) {
	bc := Beacon{Header: Header{ID: ID{0x11112222, 1, 5}, Tx: 0x2222}, Neighbours: []Neighbour{{ID: 1, MarginDB: 200, Delivery: 8}, {ID: 2, MarginDB: 7, Delivery: 3}}}
	b, err := AppendBeacon(nil, &bc)
	if err != nil {
		t.Fatal(err)
	}
	var got Beacon
	if err := ParseBeacon(b, &got); err != nil {
		t.Fatal(err)
	}
	if want := []Neighbour{{ID: 1, MarginDB: MaxMargin, Delivery: MaxDelivery}, {ID: 2, MarginDB: 7, Delivery: 3}}; !reflect.DeepEqual(got.Neighbours, want) {
		t.Errorf("neighbours %+v, want %+v", got.Neighbours, want)
	}
}

// A second beacon read into the same place leaves nothing of the first and
// allocates nothing.
func TestBeaconReuse(t *testing.T) {
	h := Header{ID: ID{0x11112222, 1, 5}, Tx: 0x2222}
	long, err := AppendBeacon(nil, &Beacon{Header: h, Neighbours: []Neighbour{{ID: 1}, {ID: 2}}, Held: []Run{{Source: 3}}, HasStatement: true, Statement: Statement{Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	short, err := AppendBeacon(nil, &Beacon{Header: h, Neighbours: []Neighbour{{ID: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	var bc Beacon
	if n := testing.AllocsPerRun(10, func() {
		if err := errors.Join(ParseBeacon(long, &bc), ParseBeacon(short, &bc)); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if len(bc.Neighbours) != 1 || bc.Neighbours[0].ID != 9 || len(bc.Held) != 0 || bc.HasStatement || bc.Statement != (Statement{}) {
		t.Errorf("left of the beacon before: %+v", bc)
	}
}

func TestRunHas(t *testing.T) {
	r := Run{Source: 1, Sequence: 3, Earlier: 0b1000_0101}
	var has []int
	for sequence := -20; sequence < 20; sequence++ {
		if r.Has(uint32(sequence) & MaxSequence) {
			has = append(has, sequence)
		}
	}
	if want := []int{-5, 0, 2, 3}; !reflect.DeepEqual(has, want) {
		t.Errorf("Has() of %v, want %v", has, want)
	}
}

func TestAskLimits(t *testing.T) {
	run := []Run{{Source: 1}}
	tests := []struct {
		name string
		make func() ([]byte, error)
		ok   bool
	}{
		{"most wanted", func() ([]byte, error) { return AppendNack(nil, &Nack{1, 2, repeat(run[0], MaxWanted)}) }, true},
		{"more wanted", func() ([]byte, error) { return AppendNack(nil, &Nack{1, 2, repeat(run[0], MaxWanted+1)}) }, false},
		{"nothing wanted", func() ([]byte, error) { return AppendNack(nil, &Nack{1, 2, nil}) }, false},
		{"nack of nobody", func() ([]byte, error) { return AppendNack(nil, &Nack{0, 2, run}) }, false},
		{"nack to nobody", func() ([]byte, error) { return AppendNack(nil, &Nack{1, 0, run}) }, false},
		{"nack to anyone", func() ([]byte, error) { return AppendNack(nil, &Nack{1, AnyNext, run}) }, true},
		{"longest pull", func() ([]byte, error) { return AppendPull(nil, &Pull{1, 2, 3, make([]byte, MaxFilter)}) }, true},
		{"longer pull", func() ([]byte, error) { return AppendPull(nil, &Pull{1, 2, 3, make([]byte, MaxFilter+1)}) }, false},
		{"empty pull", func() ([]byte, error) { return AppendPull(nil, &Pull{1, 2, 3, nil}) }, false},
		{"pull of everybody", func() ([]byte, error) { return AppendPull(nil, &Pull{AnyNext, 2, 3, []byte{0}}) }, false},
		{"pull to itself", func() ([]byte, error) { return AppendPull(nil, &Pull{1, 1, 3, []byte{0}}) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := test.make()
			if test.ok && (err != nil || len(b) > MaxPacket) || !test.ok && !errors.Is(err, ErrInvalid) {
				t.Errorf("%d bytes, %v, want ok %v", len(b), err, test.ok)
			}
		})
	}
}

func repeat(r Run, n int) (runs []Run) {
	for range n {
		runs = append(runs, r)
	}
	return runs
}

func TestBundle(t *testing.T) {
	n := newNodes(t)
	for _, all := range [][][]byte{{n.flood, n.fragment, n.routed, n.flood}, {n.card, n.routed}} {
		b, err := AppendBundle([]byte("before"), 0x4711, all...)
		if err != nil {
			t.Fatal(err)
		}
		size := BundleOverhead - DirectedSaving - (len(all)-1)*BundleSaving
		for _, b := range all {
			size += len(b)
		}
		if string(b[:6]) != "before" || len(b) != 6+size {
			t.Fatalf("bundle of %d bytes, want %d", len(b)-6, size)
		}
		parts, err := SplitBundle(nil, b[6:])
		if err != nil || len(parts) != len(all) {
			t.Fatalf("SplitBundle() = %x, %v", parts, err)
		}
		for i, part := range parts {
			if h, err := ParseHeader(part); err != nil || h.Tx != 0x4711 || h.TTL != 5 {
				t.Errorf("part %d: %+v, %v", i, h, err)
			}
			if DigestOf(part) != DigestOf(all[i]) {
				t.Errorf("part %d is another packet", i)
			}
			if err := n.open(part); err != nil {
				t.Errorf("part %d: %v", i, err)
			}
		}
	}
}

func TestBundleRefused(t *testing.T) {
	n := newNodes(t)
	nack, err := AppendNack(nil, &Nack{Tx: 0x4711, Next: 2, Wanted: []Run{{1, 2, 3}, {4, 5, 6}}})
	if err != nil {
		t.Fatal(err)
	}
	shortPull, err := AppendPull(nil, &Pull{Tx: 0x4711, Next: 2, Filter: make([]byte, MinBundledFilter-1)})
	if err != nil {
		t.Fatal(err)
	}
	statement, err := AppendBeacon(nil, &Beacon{Header: Header{ID: ID{n.a.NodeID(), 1, 1}, Tx: 0x4711}, HasStatement: true, Statement: Statement{First: 1, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][][]byte{
		"nothing":      nil,
		"too much":     {bytes.Clone(n.flood), n.flood, n.flood, n.flood, n.flood, n.flood, n.flood, n.flood},
		"a question":   {nack},
		"a statement":  {statement},
		"a short pull": {shortPull},
		"garbage":      {[]byte("garbage")},
	} {
		if _, err := AppendBundle(nil, 0x4711, list...); err == nil {
			t.Errorf("bundle of %s: no error", name)
		}
	}
	if _, err := AppendBundle(nil, 0, n.flood); !errors.Is(err, ErrInvalid) {
		t.Errorf("bundle of nobody: %v, want ErrInvalid", err)
	}
	item := func(kind Type, rest []byte) []byte {
		return append([]byte{link, 0x18, 0, 0x47, 0x11, byte(len(rest)), byte(kind)}, rest...)
	}
	routed := append(bytes.Clone(n.routed[itemFrom:txAt]), 0xC1)
	for name, bad := range map[string][]byte{
		"a question":    item(TypeNack, append([]byte{0}, nack[hopNextAt:]...)),
		"two TTLs":      item(TypeRouted|itemDirected, append(routed, n.routed[itemCut:]...)),
		"a bundle":      item(itemDirected, append(routed[:9:9], append([]byte{0x40}, n.routed[itemCut:]...)...)),
		"a cut flood":   item(TypeFlood, make([]byte, 10)),
		"half a header": slices.Clip(append(item(TypeFlood, append(n.flood[itemFrom:txAt:txAt], n.flood[itemCut:]...)), 3, 0, 1, 2, 3)),
	} {
		if _, err := SplitBundle(nil, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("bundle of %s: %v, want ErrInvalid", name, err)
		}
	}
}
