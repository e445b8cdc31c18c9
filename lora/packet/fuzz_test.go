package packet

import (
	"bytes"
	"reflect"
	"testing"
)

// addVectors seeds a fuzz target with all golden packets.
func addVectors(f *testing.F) {
	for _, v := range readVectors(f) {
		if s, ok := v.fields["packet"]; ok {
			f.Add(fromHex(f, s))
		}
	}
}

// Whatever ParseHeader accepts can be relayed and hashed, and its header is
// what it says.
func FuzzParseHeader(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		if !validShort(h.Tx) || h.TTL > MaxTTL || h.Attempt > MaxAttempt || h.ID.Sequence > MaxSequence {
			t.Fatalf("%+v", h)
		}
		relayed := bytes.Clone(b)
		SetHop(relayed, 3, 0x1234, 0x4321)
		if !h.Brief { // which has an attempt, though it does not travel
			SetAttempt(relayed, 0)
		}
		if h.Brief || h.Type == TypeNack || h.Type == TypePull || h.Type == TypeBundle {
			if !bytes.Equal(relayed, b) {
				t.Errorf("changed to %x", relayed)
			}
			return
		}
		got, err := ParseHeader(relayed)
		want := h
		want.TTL, want.Tx, want.Attempt = 3, 0x1234, 0
		if h.Directed {
			want.Next = 0x4321
		}
		if err != nil || got != want {
			t.Errorf("relayed %+v, %v, want %+v", got, err, want)
		}
		if DigestOf(b) != DigestOf(relayed) {
			t.Error("digest changed")
		}
	})
}

// Nothing that was not sealed opens, and nothing makes a decoder panic.
func FuzzOpen(f *testing.F) {
	addVectors(f)
	n := newNodes(f)
	golden := make(map[string]bool)
	for _, b := range n.sealed() {
		f.Add(b)
		golden[string(b[1:2])+string(b[sourceAt:txAt])] = true
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 3 {
			if h, err := ParseHeader(b); err == nil && h.Type == TypeIdentity {
				return // anyone may sign one: FuzzOpenCard
			}
		}
		if n.open(b) == nil && !golden[string(b[1:2])+string(b[sourceAt:txAt])] {
			t.Errorf("opened %x", b)
		}
	})
}

func FuzzOpenCard(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, c, err := OpenCard(b)
		if err == nil && (c.Public.NodeID() != h.ID.Source || len(c.Name) > MaxName || c.check() != nil) {
			t.Errorf("%+v of %08x", c, h.ID.Source)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("\x01text"), uint8(TypeFlood), false)
	f.Add([]byte("\x21\xbe\xef\x80\x01\x02text"), uint8(TypeRouted), true)
	f.Add([]byte("\x03\x02share"), uint8(TypeFragment), true)
	f.Fuzz(func(t *testing.T, plain []byte, typ uint8, directed bool) {
		h := Header{Type: Type(typ), Directed: directed, ID: ID{1, 2, 1000}, TTL: 1, Tx: 1, Next: 1, Dest: 1}
		self := uint32(0)
		if directed {
			h.ID.Sequence |= laneBit
			self = 0x01020304
		}
		length := h.size() + len(plain) + TagSize
		if typ > 4 || typ == uint8(TypeAck) || typ == uint8(TypeBeacon) || length > MaxPacket || length < h.least() || h.check(length) != nil {
			return // such a header is never opened
		}
		p, err := parsePayload(plain, &h, self)
		if err != nil {
			return
		}
		if got := p.append(nil, &h); !bytes.Equal(got, plain) || p.size(&h) != len(plain) {
			t.Errorf("%x read as %+v, written as %x", plain, p, got)
		}
	})
}

func FuzzParseBeacon(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var bc, again Beacon
		if ParseBeacon(b, &bc) != nil {
			return
		}
		got, err := AppendBeacon(nil, &bc)
		if err != nil || !bytes.Equal(got[1:], b[1:]) {
			t.Fatalf("%x written as %x, %v", b, got, err)
		}
		if err := ParseBeacon(got, &again); err != nil || !reflect.DeepEqual(bc, again) {
			t.Errorf("%+v, then %+v, %v", bc, again, err)
		}
	})
}

func FuzzParseAsk(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var n Nack
		if ParseNack(b, &n) == nil {
			if got, err := AppendNack(nil, &n); err != nil || !bytes.Equal(got[1:], b[1:]) {
				t.Errorf("nack %x written as %x, %v", b, got, err)
			}
		}
		if p, err := ParsePull(b); err == nil {
			if got, err := AppendPull(nil, &p); err != nil || !bytes.Equal(got[1:], b[1:]) {
				t.Errorf("pull %x written as %x, %v", b, got, err)
			}
		}
		if h, token, err := ParseAck(b); err == nil {
			if got, err := AppendAck(nil, h, token); err != nil || !bytes.Equal(got[1:], b[1:]) {
				t.Errorf("ack %x written as %x, %v", b, got, err)
			}
		}
	})
}

func FuzzSplitBundle(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := SplitBundle(nil, b)
		if err != nil {
			return
		}
		h, err := ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendBundle(nil, h.Tx, parts...)
		if err != nil || !bytes.Equal(got[1:], b[1:]) {
			t.Errorf("%x written as %x, %v", b, got, err)
		}
	})
}

func FuzzParseStatement(f *testing.F) {
	f.Add(make([]byte, StatementSize))
	f.Add(append([]byte{0, 0, 1, 2}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStatement(b)
		if err != nil {
			return
		}
		if got, err := s.Append(nil); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x written as %x, %v", b, got, err)
		}
		if s.Verify(PublicKey{}, 0, nil) == nil {
			t.Error("verified without floods")
		}
	})
}
