package packet

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// nodes are two that know each other, and a third one.
type nodes struct {
	a, b, c         *Identity
	ab, ba, ac, cb  *PairKey
	channel, other  *ChannelKey
	flood, fragment []byte // by a
	routed          []byte // by a, for b
	part            []byte // the same as FRAG
	card            []byte // by a
}

func newNodes(t testing.TB) *nodes {
	t.Helper()
	identity := func(first byte) *Identity {
		id, err := IdentityFromSeed(bytes.Repeat([]byte{first}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	pair := func(id, peer *Identity) *PairKey {
		key, err := id.Pair(peer.Public())
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	channel := func(secret string) *ChannelKey {
		key, err := NewChannelKey([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	n := &nodes{a: identity(1), b: identity(2), c: identity(3), channel: channel("the secret of a test"), other: channel("some other secret")}
	n.ab, n.ba, n.ac, n.cb = pair(n.a, n.b), pair(n.b, n.a), pair(n.a, n.c), pair(n.c, n.b)

	header := func(typ Type, sequence uint32) Header {
		return Header{Type: typ, ID: ID{n.a.NodeID(), 0x1234, sequence}, TTL: 5, Tx: Short(n.a.NodeID()), Next: 0x4711}
	}
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text := Payload{Port: PortText, Body: []byte("a text of some length")}
	share := Payload{Index: 2, Data: 9, Body: []byte("a share of some length")}
	n.flood = must(n.channel.Seal(nil, header(TypeFlood, 77), text))
	n.fragment = must(n.channel.Seal(nil, header(TypeFragment, 78), share))
	n.routed = must(n.ab.Seal(nil, header(TypeRouted, laneBit|77), text))
	n.part = must(n.ab.Seal(nil, header(TypeFragment, laneBit|78), share))
	n.card = must(n.a.SealCard(nil, header(TypeIdentity, laneBit|79), Card{Name: "someone", Issued: time.Unix(1_800_000_000, 0)}))
	return n
}

// open opens a packet as its receiver, b, does.
func (n *nodes) open(b []byte) error {
	h, err := ParseHeader(b)
	switch {
	case err != nil:
	case h.Type == TypeIdentity:
		_, _, err = OpenCard(b)
	case h.Directed:
		_, _, _, err = n.ba.Open(nil, b)
	default:
		_, _, err = n.channel.Open(nil, b)
	}
	return err
}

func (n *nodes) sealed() map[string][]byte {
	return map[string][]byte{"FLOOD": n.flood, "FRAG to a channel": n.fragment, "ROUTED": n.routed, "FRAG to a node": n.part, "IDENTITY": n.card}
}

// mutable says whether relays or the source may change a bit of a packet on
// its way.
func mutable(b []byte, bit int) bool {
	switch at := bit / 8; at {
	case 0:
		return bit%8 >= 4 // RNode firmware writes the high nibble
	case optionsAt:
		return bit%8 < 6
	case txAt, txAt + 1:
		return true
	case nextAt, nextAt + 1:
		return b[optionsAt]&optionDirected != 0
	}
	return false
}

// Of everything that is authenticated, no bit can be flipped, and everything
// that relays may change, they can.
func TestEveryBit(t *testing.T) {
	n := newNodes(t)
	for name, original := range n.sealed() {
		t.Run(name, func(t *testing.T) {
			if err := n.open(original); err != nil {
				t.Fatal(err)
			}
			for bit := range 8 * len(original) {
				b := bytes.Clone(original)
				b[bit/8] ^= 1 << (bit % 8)
				err := n.open(b)
				if refused := err != nil; refused == mutable(original, bit) {
					t.Errorf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
				}
				if !mutable(original, bit) && bit/8 > 0 && DigestOf(b) == DigestOf(original) {
					t.Errorf("bit %d of byte %d is not in the digest", bit%8, bit/8)
				}
				if mutable(original, bit) && DigestOf(b) != DigestOf(original) {
					t.Errorf("bit %d of byte %d changes the digest", bit%8, bit/8)
				}
			}
			for size := range len(original) {
				if n.open(original[:size]) == nil {
					t.Errorf("the first %d bytes open", size)
				}
			}
			if len(original) < MaxPacket && n.open(append(bytes.Clone(original), 0)) == nil {
				t.Error("opens with a byte more")
			}
		})
	}
}

// However it was relayed and repeated, a packet opens and says the same.
func TestRelays(t *testing.T) {
	n := newNodes(t)
	random := rand.New(rand.NewPCG(1, 2))
	for name, original := range n.sealed() {
		b := bytes.Clone(original)
		for range 100 {
			ttl, attempt := uint8(random.IntN(20)), uint8(random.IntN(6))
			tx, next := uint16(1+random.IntN(0xFFFE)), uint16(1+random.IntN(0xFFFF))
			SetHop(b, ttl, tx, next)
			SetAttempt(b, attempt)
			h, err := ParseHeader(b)
			if err != nil || h.TTL != min(ttl, MaxTTL) || h.Attempt != min(attempt, MaxAttempt) || h.Tx != tx || h.Directed && h.Next != next {
				t.Fatalf("%s: header %+v, %v after SetHop(%d, %x, %x), SetAttempt(%d)", name, h, err, ttl, tx, next, attempt)
			}
			if err := n.open(b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if DigestOf(b) != DigestOf(original) {
				t.Fatalf("%s: digest changed", name)
			}
		}
		first, err := ParseHeader(original)
		if err != nil {
			t.Fatal(err)
		}
		SetHop(b, first.TTL, first.Tx, first.Next)
		SetAttempt(b, first.Attempt)
		if !bytes.Equal(b, original) {
			t.Errorf("%s: relays changed more than they may:\n%x\n%x", name, b, original)
		}
	}
}

func TestWrongKey(t *testing.T) {
	n := newNodes(t)
	// A channel whose key has the same hash.
	twin := *n.other
	twin.hash = n.channel.hash
	// Pairs that take the packet for theirs.
	others := *n.cb
	others.self, others.peer = n.ba.self, n.ba.peer
	tests := []struct {
		name string
		open func() error
	}{
		{"another channel", func() error { _, _, err := n.other.Open(nil, n.flood); return err }},
		{"another channel of the same hash", func() error { _, _, err := twin.Open(nil, n.flood); return err }},
		{"another sender", func() error { _, _, _, err := n.cb.Open(nil, n.routed); return err }},
		{"another pair of the same ids", func() error { _, _, _, err := others.Open(nil, n.routed); return err }},
		{"the sender itself", func() error { _, _, _, err := n.ab.Open(nil, n.routed); return err }},
		{"another pair of the sender", func() error { _, _, _, err := n.ac.Open(nil, n.part); return err }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.open(); !errors.Is(err, ErrForged) {
				t.Errorf("got %v, want ErrForged", err)
			}
		})
	}
	if _, _, err := n.channel.Open(nil, n.routed); !errors.Is(err, ErrInvalid) {
		t.Errorf("ROUTED opened as FLOOD: %v, want ErrInvalid", err)
	}
	if _, _, _, err := n.ba.Open(nil, n.flood); !errors.Is(err, ErrInvalid) {
		t.Errorf("FLOOD opened as ROUTED: %v, want ErrInvalid", err)
	}
	if _, _, err := OpenCard(n.flood); !errors.Is(err, ErrInvalid) {
		t.Errorf("FLOOD opened as IDENTITY: %v, want ErrInvalid", err)
	}
}

// Nothing of a forged packet is left where the plaintext would have gone.
func TestForgedLeavesNothing(t *testing.T) {
	n := newNodes(t)
	b := bytes.Clone(n.routed)
	b[len(b)-1] ^= 1
	buffer := make([]byte, 0, MaxPacket)
	if _, _, _, err := n.ba.Open(buffer, b); !errors.Is(err, ErrForged) {
		t.Fatal(err)
	}
	if left := buffer[:MaxPacket]; !bytes.Equal(left, make([]byte, MaxPacket)) {
		t.Errorf("left: %q", left)
	}
}

// A packet that was accepted is known again, however its copy came, also after
// a restart; and what cannot be opened is never accepted in its place.
func TestReplayedPacket(t *testing.T) {
	n := newNodes(t)
	var window Replay
	receive := func(b []byte) (Verdict, error) {
		h, _, _, err := n.ba.Open(nil, b)
		verdict := window.Check(h.ID.Epoch, h.ID.Sequence)
		if err == nil {
			window.Accept(h.ID.Epoch, h.ID.Sequence)
		}
		return verdict, err
	}
	forged := bytes.Clone(n.routed)
	forged[sequenceAt+2]++
	if _, err := receive(forged); !errors.Is(err, ErrForged) {
		t.Fatalf("forged: %v", err)
	}
	if verdict, err := receive(n.routed); verdict != Fresh || err != nil {
		t.Fatalf("first: %v, %v", verdict, err)
	}
	kept, err := window.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	window = Replay{}
	if err := window.UnmarshalBinary(kept); err != nil {
		t.Fatal(err)
	}
	SetHop(n.routed, 1, 0x1111, 0x2222)
	SetAttempt(n.routed, 2)
	if verdict, err := receive(n.routed); verdict != Repeated || err != nil {
		t.Errorf("again, by another way: %v, %v, want repeated", verdict, err)
	}
	if verdict, err := receive(n.part); verdict != Fresh || err != nil {
		t.Errorf("the next one: %v, %v, want fresh", verdict, err)
	}
}

func TestAck(t *testing.T) {
	n := newNodes(t)
	h, _, token, err := n.ba.Open(nil, n.routed)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := AppendAck(nil, Header{ID: h.ID, Attempt: h.Attempt, TTL: 7, Tx: Short(n.b.NodeID()), Next: 0x0815}, token)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := ParseAck(ack)
	if err != nil || !got.Opens(LockOf(n.routed)) {
		t.Fatalf("ParseAck() = %x, %v: does not open the packet's lock", got, err)
	}
	if got.Opens(LockOf(n.part)) {
		t.Error("opens the lock of another packet")
	}
	for bit := range 8 * TokenSize {
		forged := token
		forged[bit/8] ^= 1 << (bit % 8)
		if forged.Opens(LockOf(n.routed)) {
			t.Errorf("opens with bit %d flipped", bit)
		}
	}
	if Token(LockOf(n.routed)).Opens(LockOf(n.routed)) {
		t.Error("the lock opens itself")
	}
}

func TestSealRefuses(t *testing.T) {
	n := newNodes(t)
	good := Header{Type: TypeFlood, ID: ID{n.a.NodeID(), 1, 77}, TTL: 5, Tx: 1, Next: 2}
	text := func(size int) Payload { return Payload{Port: PortText, Body: []byte(strings.Repeat("x", size))} }
	file := func(size int) Payload { return Payload{Port: PortFile, Body: make([]byte, size)} }
	toChannel := func(change func(*Header), p Payload) func() error {
		h := good
		change(&h)
		return func() error { _, err := n.channel.Seal(nil, h, p); return err }
	}
	toNode := func(change func(*Header), p Payload) func() error {
		h := good
		h.Type, h.ID.Sequence = TypeRouted, laneBit|77
		change(&h)
		return func() error { _, err := n.ab.Seal(nil, h, p); return err }
	}
	same := func(*Header) {}
	tests := []struct {
		name string
		seal func() error
		ok   bool
	}{
		{"longest flood", toChannel(same, file(MaxFloodBody)), true},
		{"longer flood", toChannel(same, file(MaxFloodBody+1)), false},
		{"longest text to a channel", toChannel(same, text(MaxFloodBody+PortSize)), true},
		{"longer text to a channel", toChannel(same, text(MaxFloodBody+PortSize+1)), false},
		{"longest routed", toNode(same, file(MaxRoutedBody)), true},
		{"longer routed", toNode(same, file(MaxRoutedBody+1)), false},
		{"longest text to a node", toNode(same, text(MaxRoutedBody+PortSize)), true},
		{"longer text to a node", toNode(same, text(MaxRoutedBody+PortSize+1)), false},
		{"longest routed with acknowledgement", toNode(same, Payload{Port: PortText, Acked: ID{n.b.NodeID(), 1, laneBit}, Body: text(MaxRoutedBody - AckedSize).Body}), true},
		{"longer routed with acknowledgement", toNode(same, Payload{Port: PortText, Acked: ID{n.b.NodeID(), 1, laneBit}, Body: text(MaxRoutedBody - AckedSize + 1).Body}), false},
		{"longest share to a channel", toChannel(func(h *Header) { h.Type = TypeFragment }, Payload{Data: 1, Body: make([]byte, MaxFloodShare)}), true},
		{"longer share to a channel", toChannel(func(h *Header) { h.Type = TypeFragment }, Payload{Data: 1, Body: make([]byte, MaxFloodShare+1)}), false},
		{"longest share to a node", toNode(func(h *Header) { h.Type = TypeFragment }, Payload{Data: 1, Body: make([]byte, MaxRoutedShare)}), true},
		{"longer share to a node", toNode(func(h *Header) { h.Type = TypeFragment }, Payload{Data: 1, Body: make([]byte, MaxRoutedShare+1)}), false},
		{"empty body of another port", toChannel(same, Payload{Port: PortTelemetry}), true},
		{"empty text", toChannel(same, text(0)), false},
		{"no port", toChannel(same, Payload{Body: []byte("x")}), false},
		{"port 32", toChannel(same, Payload{Port: 32, Body: []byte("x")}), false},
		{"text not UTF-8", toChannel(same, Payload{Port: PortText, Body: []byte{0xFF}}), false},
		{"flood with acknowledgement", toChannel(same, Payload{Port: PortText, Acked: ID{n.b.NodeID(), 1, laneBit}, Body: []byte("x")}), false},
		{"acknowledgement to another node", toNode(same, Payload{Port: PortText, Acked: ID{n.c.NodeID(), 1, laneBit}, Body: []byte("x")}), false},
		{"acknowledgement of a flood", toNode(same, Payload{Port: PortText, Acked: ID{n.b.NodeID(), 1, 1}, Body: []byte("x")}), false},
		{"share of no data", toChannel(func(h *Header) { h.Type = TypeFragment }, Payload{Body: []byte("x")}), false},
		{"empty share", toChannel(func(h *Header) { h.Type = TypeFragment }, Payload{Data: 1}), false},
		{"share before the first", toChannel(func(h *Header) { h.Type = TypeFragment }, Payload{Index: 78, Data: 1, Body: []byte("x")}), false},
		{"share in the wrong lane", toNode(func(h *Header) { h.Type = TypeFragment }, Payload{Index: 78, Data: 1, Body: []byte("x")}), false},
		{"channel as routed", toChannel(func(h *Header) { h.Type = TypeRouted }, text(1)), false},
		{"channel directed", toChannel(func(h *Header) { h.Directed = true }, text(1)), false},
		{"node as flood", toNode(func(h *Header) { h.Type = TypeFlood }, text(1)), false},
		{"someone else's name", toNode(func(h *Header) { h.ID.Source = n.c.NodeID() }, text(1)), false},
		{"flood that wants an acknowledgement", toChannel(func(h *Header) { h.AckWanted = true }, text(1)), false},
		{"flood in the direct lane", toChannel(func(h *Header) { h.ID.Sequence |= laneBit }, text(1)), false},
		{"routed in the flood lane", toNode(func(h *Header) { h.ID.Sequence &^= laneBit }, text(1)), false},
		{"sequence of 25 bits", toNode(func(h *Header) { h.ID.Sequence |= 1 << 24 }, text(1)), false},
		{"TTL 16", toChannel(func(h *Header) { h.TTL = 16 }, text(1)), false},
		{"attempt 4", toChannel(func(h *Header) { h.Attempt = 4 }, text(1)), false},
		{"no next hop", toNode(func(h *Header) { h.Next = 0 }, text(1)), false},
		{"transmitter nobody", toChannel(func(h *Header) { h.Tx = 0 }, text(1)), false},
		{"transmitter everybody", toChannel(func(h *Header) { h.Tx = AnyNext }, text(1)), false},
		{"no source", toChannel(func(h *Header) { h.ID.Source = 0 }, text(1)), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.seal()
			if test.ok && err != nil || !test.ok && !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want ok %v", err, test.ok)
			}
		})
	}
}

// Packets are appended to what the caller has, and made without allocations in
// room that it brings.
func TestBuffers(t *testing.T) {
	n := newNodes(t)
	h := Header{Type: TypeRouted, AckWanted: true, ID: ID{n.a.NodeID(), 1, laneBit}, Tx: 1, Next: 2}
	p := Payload{Port: PortText, Body: []byte("hello")}
	want, err := n.ab.Seal(nil, h, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.ab.Seal([]byte("before"), h, p)
	if err != nil || string(got[:6]) != "before" || !bytes.Equal(got[6:], want) {
		t.Errorf("Seal after something = %q, %v", got, err)
	}
	plain := []byte("before")
	_, opened, _, err := n.ba.Open(plain, want)
	if err != nil || string(opened.Body) != "hello" || string(plain) != "before" {
		t.Errorf("Open after something = %q, %v; %q", opened.Body, err, plain)
	}
	packetBuffer, plainBuffer := make([]byte, 0, MaxPacket), make([]byte, 0, MaxPacket)
	if count := testing.AllocsPerRun(100, func() {
		b, errSeal := n.ab.Seal(packetBuffer, h, p)
		SetHop(b, 3, 4, 5)
		_, errParse := ParseHeader(b)
		_, _, _, errOpen := n.ba.Open(plainBuffer, b)
		DigestOf(b)
		if err := errors.Join(errSeal, errParse, errOpen); err != nil {
			t.Fatal(err)
		}
	}); count != 0 {
		t.Errorf("%v allocations to seal, relay, parse, hash and open, want 0", count)
	}
}
