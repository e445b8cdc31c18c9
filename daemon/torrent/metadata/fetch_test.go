package metadata

import (
	"bytes"
	"crypto/sha1"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func dictionary(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// scripted is a peer of the laboratory below.
type scripted struct {
	size   int
	answer func(piece int) []byte // a whole message; nil is silence
}

func honest(info []byte) scripted {
	return scripted{len(info), func(p int) []byte { return AppendData(nil, info, p) }}
}

// run lets the peers, numbered from 1, answer until the dictionary is there or
// the clock has run a while. It returns what was fetched and who was dropped.
func run(t *testing.T, hash [20]byte, peers []scripted) (info []byte, dropped []int32) {
	t.Helper()
	f := NewFetch(hash[:])
	now := time.Unix(1e9, 0)
	drop := func(id int32) {
		if !slices.Contains(dropped, id) {
			dropped = append(dropped, id)
		}
		f.Remove(id)
	}
	for i, p := range peers {
		if err := f.Add(int32(i+1), p.size); err != nil {
			drop(int32(i + 1))
		}
	}
	for range 400 {
		now = now.Add(time.Second)
		f.Expire(now)
		for i, p := range peers {
			id := int32(i + 1)
			for range depth {
				piece, ok := f.Next(id, now)
				if !ok {
					break
				}
				b := p.answer(piece)
				if b == nil {
					continue
				}
				m, err := Decode(b)
				var liars []int32
				if err == nil && m.Type == Data {
					info, liars, err = f.Data(id, m, now)
				} else if err == nil {
					err = f.Reject(id, m.Piece, now)
				}
				if err != nil {
					drop(id)
				}
				for _, liar := range liars {
					drop(liar)
				}
				if info != nil {
					slices.Sort(dropped)
					return info, dropped
				}
			}
		}
		if held := heldBy(f); held != f.held {
			t.Fatalf("holds %d bytes and counts %d", held, f.held)
		}
	}
	slices.Sort(dropped)
	return nil, dropped
}

func heldBy(f *Fetch) (n int) {
	for _, a := range f.tries {
		for _, p := range a.pieces {
			n += len(p)
		}
	}
	return n
}

func TestFetch(t *testing.T) {
	info := dictionary(5*PieceSize + 100)
	good := honest(info)
	spoilt := func(which int) scripted {
		return scripted{len(info), func(p int) []byte {
			b := AppendData(nil, info, p)
			if which < 0 || p == which {
				b[len(b)-1] ^= 1
			}
			return b
		}}
	}
	shorter, larger := honest(dictionary(3*PieceSize)), honest(dictionary(40*PieceSize))
	silent := scripted{len(info), func(int) []byte { return nil }}
	rejecting := scripted{len(info), func(p int) []byte { return AppendReject(nil, p) }}
	always := func(m []byte) scripted { return scripted{len(info), func(int) []byte { return m }} }
	shortPiece := scripted{len(info), func(p int) []byte { b := AppendData(nil, info, p); return b[:len(b)-1] }}
	otherSize := scripted{len(info), func(p int) []byte { return AppendData(nil, append(info, 1), 0) }}
	cases := []struct {
		name    string
		peers   []scripted
		dropped []int32
	}{
		{"one peer", []scripted{good}, nil},
		{"three peers", []scripted{good, good, good}, nil},
		{"one piece spoilt", []scripted{spoilt(0), good}, nil},
		{"liars about everything", []scripted{spoilt(-1), spoilt(-1), good, spoilt(-1)}, nil},
		{"smaller size", []scripted{shorter, good}, []int32{1}},
		{"larger size", []scripted{larger, larger, good}, nil},
		{"size 0, negative, too large", []scripted{{size: 0}, {size: -1}, {size: MaxSize + 1}, good}, []int32{1, 2, 3}},
		{"silence", []scripted{silent, silent, silent, good}, nil},
		{"rejects", []scripted{rejecting, rejecting, rejecting, good}, nil},
		{"piece -1", []scripted{always([]byte("d8:msg_typei1e5:piecei-1ee")), good}, []int32{1}},
		{"piece out of range", []scripted{always([]byte("d8:msg_typei1e5:piecei6eex")), good}, []int32{1}},
		{"short piece", []scripted{shortPiece, good}, []int32{1}},
		{"other total_size", []scripted{otherSize, good}, []int32{1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, dropped := run(t, sha1.Sum(info), c.peers)
			if !bytes.Equal(got, info) {
				t.Fatalf("%d bytes, dropped %v", len(got), dropped)
			}
			if c.dropped != nil && !slices.Equal(dropped, c.dropped) {
				t.Errorf("dropped %v, want %v", dropped, c.dropped)
			}
		})
	}
}

// Nobody who tells the truth is dropped, in whatever mixture.
func TestFetchBlamesLiarsOnly(t *testing.T) {
	info := dictionary(7 * PieceSize)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + r.IntN(8)
		truth := r.IntN(n)
		peers := make([]scripted, n)
		lies := make([]bool, n)
		for i := range peers {
			peers[i] = honest(info)
			if i != truth && r.IntN(2) == 0 {
				lies[i] = true
				which := r.IntN(7)
				peers[i].answer = func(p int) []byte {
					b := AppendData(nil, info, p)
					if p == which {
						b[len(b)-1] ^= 1
					}
					return b
				}
			}
		}
		got, dropped := run(t, sha1.Sum(info), peers)
		if !bytes.Equal(got, info) {
			t.Fatalf("not fetched with lies %v", lies)
		}
		for _, id := range dropped {
			if !lies[id-1] {
				t.Fatalf("peer %d dropped, lies %v", id, lies)
			}
		}
	}
}

func TestFetchOfNothing(t *testing.T) {
	info := dictionary(100)
	lie := honest(dictionary(100))
	lie.answer = func(int) []byte { return AppendData(nil, make([]byte, 100), 0) }
	if got, dropped := run(t, sha1.Sum(info), []scripted{lie, lie}); got != nil || !slices.Equal(dropped, []int32{1, 2}) {
		t.Errorf("%d bytes, dropped %v", len(got), dropped)
	}
}

// What liars make us hold is bounded, and does not keep the truth away.
func TestFetchBoundsMemory(t *testing.T) {
	info := dictionary(40 * PieceSize)
	f := NewFetch(sum(info))
	now := time.Unix(1e9, 0)
	const liars = 10
	gone := make(map[int32]bool)
	for i := range int32(liars) {
		if err := f.Add(i+1, MaxSize-int(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Add(100, len(info)); err != nil {
		t.Fatal(err)
	}
	junk, largest := make([]byte, PieceSize), 0
	for range 20_000 {
		now = now.Add(100 * time.Millisecond)
		for i := range int32(liars) {
			p, ok := f.Next(i+1, now)
			if !ok || p == NumPieces(MaxSize-int(i))-1 {
				continue
			}
			_, slow, err := f.Data(i+1, Message{Type: Data, Piece: p, Payload: junk}, now)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range slow {
				gone[id] = true
				f.Remove(id)
			}
			largest = max(largest, f.held)
		}
	}
	if largest > maxHeld+PieceSize {
		t.Errorf("held %d bytes", largest)
	}
	if len(gone) == 0 {
		t.Error("nobody had to go")
	}
	for {
		p, ok := f.Next(100, now)
		if !ok {
			t.Fatal("nothing to ask for")
		}
		m, err := Decode(AppendData(nil, info, p))
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := f.Data(100, m, now)
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			return
		}
	}
}

func TestUnasked(t *testing.T) {
	info := dictionary(100)
	f := NewFetch(sum(info))
	now := time.Unix(1e9, 0)
	if err := f.Add(1, 100); err != nil {
		t.Fatal(err)
	}
	m := Message{Type: Data, Payload: info}
	for i := range maxUnasked {
		if got, _, err := f.Data(1, m, now); err != nil || got != nil {
			t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
		}
	}
	if err := f.Reject(1, 0, now); err == nil {
		t.Error("no end to what nobody asked for")
	}
}

func TestDecode(t *testing.T) {
	info := dictionary(PieceSize + 5)
	cases := []struct {
		name, in string
		want     Message
		bad      bool
	}{
		{"request", "d8:msg_typei0e5:piecei3ee", Message{Type: Request, Piece: 3}, false},
		{"reject", "d8:msg_typei2e5:piecei3ee", Message{Type: Reject, Piece: 3}, false},
		{"data", "d8:msg_typei1e5:piecei0e10:total_sizei5eehello", Message{Type: Data, TotalSize: 5, Payload: []byte("hello")}, false},
		{"unknown type and keys", "d3:fooli1ee8:msg_typei77e5:piecei0ee", Message{Type: 77}, false},
		{"negative type", "d8:msg_typei-1e5:piecei0ee", Message{Type: 255}, false},
		{"piece -1", "d8:msg_typei0e5:piecei-1ee", Message{}, true},
		{"piece 2^32", "d8:msg_typei0e5:piecei4294967296ee", Message{}, true},
		{"piece beyond any", "d8:msg_typei0e5:piecei1920ee", Message{}, true},
		{"no piece", "d8:msg_typei0ee", Message{}, true},
		{"no type", "d5:piecei0ee", Message{}, true},
		{"huge total_size", "d8:msg_typei1e5:piecei0e10:total_sizei99999999999eex", Message{}, true},
		{"negative total_size", "d8:msg_typei1e5:piecei0e10:total_sizei-5eex", Message{}, true},
		{"too much data", "d8:msg_typei1e5:piecei0ee" + string(info), Message{}, true},
		{"piece is text", "d8:msg_typei1e5:piece1:0e", Message{}, true},
		{"list", "le", Message{}, true},
		{"nothing", "", Message{}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode([]byte(c.in))
			if (err != nil) != c.bad {
				t.Fatalf("%+v, %v", got, err)
			}
			if got.Type != c.want.Type || got.Piece != c.want.Piece || got.TotalSize != c.want.TotalSize || !bytes.Equal(got.Payload, c.want.Payload) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	if got, want := string(AppendData(nil, info, 1)), "d8:msg_typei1e5:piecei1e10:total_sizei16389ee"+string(info[PieceSize:]); got != want {
		t.Errorf("data is %q", got)
	}
	if got := string(AppendRequest(nil, 7)); got != "d8:msg_typei0e5:piecei7ee" {
		t.Errorf("request is %q", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendRequest(nil, 3))
	f.Add(AppendReject(nil, 0))
	f.Add(AppendData(nil, dictionary(100), 0))
	f.Add([]byte("d8:msg_typei1e5:piecei-1e10:total_sizei99999999999999999999eex"))
	f.Add(bytes.Repeat([]byte("l"), 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if m.Piece < 0 || m.Piece >= NumPieces(MaxSize) || m.TotalSize < 0 || m.TotalSize > MaxSize || len(m.Payload) > PieceSize {
			t.Fatalf("%+v", m)
		}
		fetch := NewFetch(make([]byte, 20))
		if err := fetch.Add(1, max(1, m.TotalSize)); err != nil {
			t.Fatal(err)
		}
		fetch.Next(1, time.Time{}.Add(time.Hour))
		if info, _, _ := fetch.Data(1, m, time.Time{}.Add(time.Hour)); info != nil {
			t.Fatal("a hash of zeros")
		}
	})
}

func sum(info []byte) []byte {
	h := sha1.Sum(info)
	return h[:]
}
