package fragment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lorrent/lora/packet"
)

var begin = time.Unix(1_700_000_000, 0)

func direct(sequence uint32) Key {
	return Key{ID: packet.ID{Source: 0x89abcdef, Epoch: 0xbeef, Sequence: 1<<23 | sequence}}
}

func cut(t testing.TB, body []byte, size int) (Layout, [][]byte) {
	t.Helper()
	l, err := LayoutFor(len(body), size)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := l.Encode(packet.PortText, body)
	if err != nil {
		t.Fatal(err)
	}
	return l, shares
}

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + i%26)
	}
	return b
}

// The page, these bytes and the code say the same: peers, and this program after
// an update, have to make the same shares of the same message.
func TestGoldenShares(t *testing.T) {
	page, err := os.ReadFile("../../firmware/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(page)), " ")
	l, shares := cut(t, []byte("the quick brown fox jumps"), 8)
	if want := (Layout{4, 6}); l != want {
		t.Fatalf("layout %+v, want %+v", l, want)
	}
	var golden []string
	for _, s := range shares {
		golden = append(golden, "`"+hex.EncodeToString(s)+"`")
	}
	for _, want := range []string{
		strings.Join(golden, ", "),
		fmt.Sprintf("length 2, check %d, port 1, body", checkSize),
		fmt.Sprintf("at most %d bytes", MaxBody),
		"one for four data shares, rounded down, and one",
		"`" + hex.EncodeToString(AppendStatus(nil, direct(0x102).ID, Held{0xfe, 0x01})) + "`",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("PROTOCOL.md does not say %q", want)
		}
	}
}

// Any shares join to the message, in any order, as soon as there are enough.
func TestAnyEnoughJoin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		body := text(1 + random.IntN(MaxBody))
		size := 40 + random.IntN(190)
		l, shares := cut(t, body, size)
		a := NewAssembler(time.Second)
		order := random.Perm(l.Total)
		for n, i := range order[:l.Data] {
			if n > 0 { // one that is there already changes nothing
				again := order[random.IntN(n)]
				if _, done, err := a.Add(direct(1), Share{uint8(again), uint8(l.Data), shares[again]}, begin); done || err != nil {
					t.Fatalf("%d of %+v: duplicate: %v, %v", n, l, done, err)
				}
			}
			m, done, err := a.Add(direct(1), Share{uint8(i), uint8(l.Data), shares[i]}, begin)
			if err != nil || done != (n == l.Data-1) {
				t.Fatalf("%d of %+v: %v, %v", n+1, l, done, err)
			}
			if done && (m.Port != packet.PortText || !bytes.Equal(m.Body, body)) {
				t.Fatalf("%+v: joined %d bytes on port %d, want %d", l, len(m.Body), m.Port, len(body))
			}
		}
		if a.Len() != 0 {
			t.Errorf("%d held after the end", a.Len())
		}
	}
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		body, size int
		want       Layout
	}{
		{1, 110, Layout{1, 2}}, {103, 110, Layout{1, 2}}, {104, 110, Layout{2, 3}},
		{MaxBody, 110, Layout{38, 48}}, {MaxBody, 230, Layout{18, 23}}, {4073, 20, Layout{204, 256}},
	} {
		if got, err := LayoutFor(c.body, c.size); err != nil || got != c.want {
			t.Errorf("%d bytes in shares of %d: %+v, %v, want %+v", c.body, c.size, got, err, c.want)
		}
	}
	for _, c := range [][2]int{{0, 110}, {MaxBody + 1, 110}, {4074, 20}, {1, 0}, {1, -5}} {
		if got, err := LayoutFor(c[0], c[1]); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d bytes in shares of %d: %+v, %v", c[0], c[1], got, err)
		}
	}
	for _, l := range []Layout{{}, {0, 3}, {3, 2}, {200, 257}} {
		if _, err := l.Encode(packet.PortText, text(300)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestHostileShares(t *testing.T) {
	a := NewAssembler(time.Second)
	for _, s := range []Share{
		{0, 0, text(100)}, {0, 3, nil}, {0, 255, text(200)}, {0, 20, text(230)}, {0, 1, text(7)},
	} {
		if _, done, err := a.Add(direct(1), s, begin); done || !errors.Is(err, ErrInvalid) {
			t.Errorf("%d of %d, %d bytes: %v, %v", s.Index, s.Data, len(s.Body), done, err)
		}
	}
	if a.Len() != 0 {
		t.Errorf("%d held", a.Len())
	}
}

// A share by another member of the channel under the same ID: of another layout
// it does no harm, of the same one it spoils one attempt and not the next.
func TestMixture(t *testing.T) {
	key := Key{ID: packet.ID{Source: 7, Sequence: 9}, Channel: true}
	l, shares := cut(t, text(1000), 110)
	a := NewAssembler(time.Second)
	for _, forged := range []Share{{0, uint8(l.Data), text(len(shares[0]) - 1)}, {0, uint8(l.Data + 1), text(len(shares[0]))}} {
		if _, done, err := a.Add(key, forged, begin); done || err != nil {
			t.Fatal(done, err)
		}
	}
	for round := range 2 {
		if round == 0 {
			a.Add(key, Share{2, uint8(l.Data), text(len(shares[0]))}, begin)
		}
		for i := range l.Data {
			m, done, err := a.Add(key, Share{uint8(i), uint8(l.Data), shares[i]}, begin)
			if last := i == l.Data-1; last && round == 0 {
				if !errors.Is(err, ErrMixed) || done {
					t.Errorf("a mixture: %v, %v", done, err)
				}
			} else if err != nil || done != last || done && !bytes.Equal(m.Body, text(1000)) {
				t.Errorf("round %d, share %d: %v, %v", round, i, done, err)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	a := NewAssembler(time.Second)
	_, shares := cut(t, text(1000), 110)
	add := func(source, sequence uint32, channel bool, indexes ...int) {
		for _, i := range indexes {
			key := Key{ID: packet.ID{Source: source, Sequence: sequence}, Channel: channel}
			if _, _, err := a.Add(key, Share{uint8(i), 10, shares[i]}, begin); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(1, 0, false, 0, 1, 2) // more than those to come
	for i := range uint32(1000) {
		add(1, 100+i, false, 0)
	}
	if a.Len() != maxOrigin {
		t.Errorf("%d held of one source, want %d", a.Len(), maxOrigin)
	}
	for i := range uint32(1000) {
		add(1000+i, 1, false, 0)
		add(1000+i, 1, true, 0, 1, 2, 3)
	}
	if a.Len() != 2*maxHeld {
		t.Errorf("%d held, want %d", a.Len(), 2*maxHeld)
	}
	kept := func() bool {
		_, ok := a.table[slot{Key{ID: packet.ID{Source: 1}}, 10, len(shares[0])}]
		return ok
	}
	if !kept() {
		t.Error("the message of which most had come was dropped")
	}
	a.Due(begin.Add(keep + time.Second))
	if a.Len() != 0 {
		t.Errorf("%d held after %v", a.Len(), keep)
	}
}

// The rest is asked for soon after the end, later in the middle, a few times, and
// again when something comes.
func TestAsks(t *testing.T) {
	l, shares := cut(t, text(1000), 110)
	a := NewAssembler(400 * time.Millisecond)
	now := begin
	ask := func(within time.Duration, want Held) {
		t.Helper()
		at, ok := a.Wake()
		if !ok || at.Sub(now) > within {
			t.Fatalf("asks at %v, %v; want within %v", at.Sub(now), ok, within)
		}
		now = at
		if asks := a.Due(now); len(asks) != 1 || asks[0].ID != direct(1).ID || !slices.Equal(asks[0].Held, want) {
			t.Fatalf("asks %+v, want %v", asks, want)
		}
	}
	add := func(i int) {
		t.Helper()
		if _, _, err := a.Add(direct(1), Share{uint8(i), uint8(l.Data), shares[i]}, now); err != nil {
			t.Fatal(err)
		}
	}
	add(0)
	if asks := a.Due(now.Add(30 * time.Second)); len(asks) != 0 {
		t.Fatalf("asks %+v while more may come", asks)
	}
	add(3)
	ask(time.Minute, Held{0b1001})
	add(l.Data - 1)
	ask(20*time.Second, Held{0b1001, 1 << (l.Data - 9)})
	for range asksInARow - 1 {
		ask(time.Hour, Held{0b1001, 1 << (l.Data - 9)})
	}
	if at, ok := a.Wake(); ok {
		t.Errorf("asks again at %v", at.Sub(now))
	}
	for range 2 * asksBare { // someone plays an old share again and again
		add(3)
		if at, ok := a.Wake(); ok {
			now = at
			a.Due(now)
		}
	}
	if at, ok := a.Wake(); ok {
		t.Errorf("asks for ever: at %v", at.Sub(now))
	}
	add(1)
	ask(2*time.Hour, Held{0b1011, 1 << (l.Data - 9)})
	// Nobody is asked for what comes by channel.
	b := NewAssembler(time.Second)
	b.Add(Key{ID: direct(1).ID, Channel: true}, Share{0, uint8(l.Data), shares[0]}, now)
	if _, ok := b.Wake(); ok {
		t.Error("asks for a message to a channel")
	}
}

func TestStatus(t *testing.T) {
	held := Held(nil).add(0).add(9).add(255)
	id, got, err := ParseStatus(AppendStatus(nil, direct(5).ID, held), direct(5).ID.Source)
	if err != nil || id != direct(5).ID || !slices.Equal(got, held) || got.Count() != 3 || !got.Has(9) || got.Has(8) || got.Has(300) {
		t.Errorf("%v, %v, %v", id, got, err)
	}
	for _, b := range [][]byte{nil, make([]byte, statusHeader), make([]byte, statusHeader+1), append(make([]byte, maxStatus), 1)} {
		if _, _, err := ParseStatus(b, 1); !errors.Is(err, ErrInvalid) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

// Whatever comes, in whatever order, what is joined is as long as it says, and
// little is held.
func FuzzAssembler(f *testing.F) {
	l, shares := cut(f, text(300), 60)
	var all []byte
	for i, s := range shares {
		all = append(append(all, byte(i), byte(l.Data), byte(len(s)), byte(i&1)), s...)
	}
	f.Add(all)
	f.Add([]byte{0, 1, 8, 0, 0, 1, 0, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := NewAssembler(time.Second)
		now := begin
		for len(b) > 4 {
			n := min(int(b[2]), len(b)-4)
			s := Share{b[0], b[1], b[4 : 4+n]}
			key := Key{ID: packet.ID{Source: 1 + uint32(b[3]>>4)}, Channel: b[3]&1 != 0}
			b, now = b[4+n:], now.Add(time.Duration(s.Index)*time.Second)
			m, done, err := a.Add(key, s, now)
			if done != (err == nil && len(m.Body) > 0) || len(m.Body) > MaxBody || a.Len() > 2*maxHeld {
				t.Fatalf("%d bytes, %v, %v; %d held", len(m.Body), done, err, a.Len())
			}
			if at, ok := a.Wake(); ok {
				for _, ask := range a.Due(at) {
					if _, _, err := ParseStatus(AppendStatus(nil, ask.ID, ask.Held), ask.ID.Source); err != nil {
						t.Fatalf("asks %+v: %v", ask, err)
					}
				}
			}
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add(AppendStatus(nil, direct(5).ID, Held{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, held, err := ParseStatus(b, 7)
		if err == nil && !bytes.Equal(AppendStatus(nil, id, held), b) {
			t.Errorf("%x comes back as %x", b, AppendStatus(nil, id, held))
		}
	})
}

// What is missing is asked for as much sooner as fragments are shorter, but never before
// the other end could have answered.
func TestAskingFollowsTheAirtime(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	wait := func(airtime time.Duration, index uint8) time.Duration {
		a := NewAssembler(airtime)
		if _, done, err := a.Add(Key{}, Share{Index: index, Data: 4, Body: make([]byte, 20)}, begin); done || err != nil {
			t.Fatal(done, err)
		}
		at, ok := a.Wake()
		if !ok {
			t.Fatal("nothing is planned")
		}
		return at.Sub(begin)
	}
	for _, test := range []struct {
		airtime    time.Duration
		next, last time.Duration
	}{
		{time.Second, 52 * time.Second, 14 * time.Second},
		{400 * time.Millisecond, 44800 * time.Millisecond, 10400 * time.Millisecond},
		{60 * time.Millisecond, 7140 * time.Millisecond, 1680 * time.Millisecond},
		{time.Millisecond, 5012 * time.Millisecond, 1006 * time.Millisecond},
	} {
		if next, last := wait(test.airtime, 0), wait(test.airtime, 3); next != test.next || last != test.last {
			t.Errorf("fragments of %v: asks after %v, after the last data share %v; want %v and %v", test.airtime, next, last, test.next, test.last)
		}
	}
}
