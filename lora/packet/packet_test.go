package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	sender   uint32 = 0x89ABCDEF
	receiver uint32 = 0x01020304
)

var sample = ID{Source: sender, Epoch: 0xBEEF, Sequence: 0x000102}

// golden are the bytes of firmware/PROTOCOL.md.
var golden = []struct {
	name   string
	packet Packet
	hex    string
}{
	{"flood", NewText(sample, Broadcast, "hi"),
		"c0 00 01 89abcdef beef 000102 01 6869 72a4a220"},
	{"routed", NewText(sample, receiver, "hi"),
		"c0 01 41 89abcdef beef 000102 01020304 01 6869 f0f9c527"},
	{"ack", NewAck(sample, receiver),
		"c0 02 01 89abcdef beef 000102 01020304 9ca7d3b4"},
	{"routed, not ASCII", NewText(sample, receiver, "über 🜨"),
		"c0 01 41 89abcdef beef 000102 01020304 01 c3bc62657220f09f9ca8 c48ea93a"},
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for _, test := range golden {
		t.Run(test.name, func(t *testing.T) {
			want := unhex(t, test.hex)
			got, err := Encode(test.packet)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("Encode(%+v) = %x, %v; want %x", test.packet, got, err, want)
			}
			back, err := Decode(want)
			if err != nil || back != test.packet {
				t.Errorf("Decode(%x) = %+v, %v; want %+v", want, back, err, test.packet)
			}
		})
	}
}

// The high nibble of the link byte is drawn by RNode firmware.
func TestAnyLinkNibble(t *testing.T) {
	b := unhex(t, golden[0].hex)
	for nibble := range 16 {
		b[0] = byte(nibble << 4)
		if _, err := Decode(b); err != nil {
			t.Errorf("link byte %#02x: %v", b[0], err)
		}
	}
}

// Every flipped bit but those four is noticed, and every cut.
func TestDamage(t *testing.T) {
	for _, g := range golden {
		whole := unhex(t, g.hex)
		for bit := range 8 * len(whole) {
			if bit >= 4 && bit < 8 {
				continue
			}
			b := bytes.Clone(whole)
			b[bit/8] ^= 1 << (bit % 8)
			if p, err := Decode(b); err == nil {
				t.Errorf("%s with bit %d flipped: decoded as %+v", g.name, bit, p)
			}
		}
		for size := range whole {
			if p, err := Decode(whole[:size]); err == nil {
				t.Errorf("%s cut to %d bytes: decoded as %+v", g.name, size, p)
			}
		}
	}
}

// seal gives raw bytes a right checksum, so that Decode looks further.
func withChecksum(t testing.TB, s string) []byte {
	b := unhex(t, s)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrForeign},
		{"one byte", []byte{0xC0}, ErrForeign},
		{"oversized", append(bytes.Repeat([]byte{0xC0, 0, 1}, 85), 0), ErrForeign},
		{"split by RNode", withChecksum(t, "c1 00 01 89abcdef beef 000102 01 6869"), ErrForeign},
		{"later version", withChecksum(t, "c0 10 01 89abcdef beef 000102 01 6869"), ErrForeign},
		{"later type", withChecksum(t, "c0 03 01 89abcdef beef 000102 01 6869"), ErrForeign},
		{"wrong checksum", unhex(t, "c0 00 01 89abcdef beef 000102 01 6869 00000000"), ErrDamaged},
		{"unknown flag", withChecksum(t, "c0 00 81 89abcdef beef 000102 01 6869"), ErrInvalid},
		{"flood that wants an acknowledgement", withChecksum(t, "c0 00 41 89abcdef beef 000102 01 6869"), ErrInvalid},
		{"routed that wants none", withChecksum(t, "c0 01 01 89abcdef beef 000102 01020304 01 6869"), ErrInvalid},
		{"unknown port", withChecksum(t, "c0 00 01 89abcdef beef 000102 02 6869"), ErrInvalid},
		{"no text", withChecksum(t, "c0 00 01 89abcdef beef 000102 01"), ErrInvalid},
		{"no port", withChecksum(t, "c0 01 41 89abcdef beef 000102 01020304"), ErrInvalid},
		{"no address", withChecksum(t, "c0 01 41 89abcdef beef 000102 01"), ErrInvalid},
		{"not UTF-8", withChecksum(t, "c0 00 01 89abcdef beef 000102 01 c328"), ErrInvalid},
		{"from node zero", withChecksum(t, "c0 00 01 00000000 beef 000102 01 6869"), ErrInvalid},
		{"from everyone", withChecksum(t, "c0 00 01 ffffffff beef 000102 01 6869"), ErrInvalid},
		{"routed to everyone", withChecksum(t, "c0 01 41 89abcdef beef 000102 ffffffff 01 6869"), ErrInvalid},
		{"routed to node zero", withChecksum(t, "c0 01 41 89abcdef beef 000102 00000000 01 6869"), ErrInvalid},
		{"routed to its sender", withChecksum(t, "c0 01 41 89abcdef beef 000102 89abcdef 01 6869"), ErrInvalid},
		{"text longer than a message", withChecksum(t, "c0 00 01 89abcdef beef 000102 01"+strings.Repeat("61", MaxText+1)), ErrInvalid},
		{"long acknowledgement", withChecksum(t, "c0 02 01 89abcdef beef 000102 01020304 00"), ErrInvalid},
		{"short acknowledgement", withChecksum(t, "c0 02 01 89abcdef beef 000102 010203"), ErrInvalid},
		{"acknowledgement by everyone", withChecksum(t, "c0 02 01 89abcdef beef 000102 ffffffff"), ErrInvalid},
		{"acknowledgement of one's own", withChecksum(t, "c0 02 01 89abcdef beef 000102 89abcdef"), ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if p, err := Decode(test.b); !errors.Is(err, test.want) {
				t.Errorf("Decode = %+v, %v; want %v", p, err, test.want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name   string
		packet Packet
	}{
		{"no text", NewText(sample, receiver, "")},
		{"long text", NewText(sample, receiver, strings.Repeat("a", MaxText+1))},
		{"long text for everyone", NewText(sample, Broadcast, strings.Repeat("a", MaxText+1))},
		{"not UTF-8", NewText(sample, receiver, "\xff")},
		{"to oneself", NewText(sample, sender, "hi")},
		{"to node zero", NewText(sample, 0, "hi")},
		{"from node zero", NewText(ID{}, receiver, "hi")},
		{"large sequence", NewText(ID{Source: sender, Sequence: MaxSequence + 1}, receiver, "hi")},
		{"acknowledgement to oneself", NewAck(sample, sender)},
		{"unknown type", Packet{Type: 9, ID: sample, To: receiver, From: sender, Text: "hi"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if b, err := Encode(test.packet); !errors.Is(err, ErrInvalid) {
				t.Errorf("Encode = %x, %v; want ErrInvalid", b, err)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	longest, err := Encode(NewText(sample, receiver, strings.Repeat("a", MaxText)))
	if err != nil || len(longest) != MaxPacket {
		t.Errorf("longest routed text: %d bytes, %v; want %d", len(longest), err, MaxPacket)
	}
	ack, err := Encode(NewAck(sample, receiver))
	if err != nil || len(ack) != AckSize {
		t.Errorf("acknowledgement: %d bytes, %v; want %d", len(ack), err, AckSize)
	}
}

func TestID(t *testing.T) {
	const text = "89abcdefbeef000102"
	if got := sample.String(); got != text {
		t.Errorf("String() = %q, want %q", got, text)
	}
	if got, err := ParseID(text); err != nil || got != sample {
		t.Errorf("ParseID(%q) = %+v, %v; want %+v", text, got, err, sample)
	}
	for _, bad := range []string{"", "89abcdefbeef0001", "89abcdefbeef00010g", "+9abcdefbeef000102", "89abcdefbeef00010200"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %+v, want an error", bad, id)
		}
	}
}

// FuzzDecode: what decodes is within bounds and encodes to the same bytes, the
// link nibble and the hop limit apart.
func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.hex), false)
		f.Add(unhex(f, g.hex)[:17], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, reseal bool) {
		if reseal && len(b) > crcSize { // reach what the checksum guards
			body := b[:len(b)-crcSize]
			b = binary.BigEndian.AppendUint32(bytes.Clone(body), checksum(body))
		}
		p, err := Decode(b)
		if err != nil {
			return
		}
		if len(p.Text) > MaxText || !utf8.ValidString(p.Text) {
			t.Fatalf("Decode(%x) let text %q through", b, p.Text)
		}
		again, err := Encode(p)
		if err != nil {
			t.Fatalf("Encode of what Decode(%x) returned: %v", b, err)
		}
		same := bytes.Clone(b)
		same[0], same[2] = again[0], again[2]
		if !bytes.Equal(again[:len(again)-crcSize], same[:len(same)-crcSize]) {
			t.Fatalf("Decode(%x) encodes as %x", b, again)
		}
	})
}

// firmware/PROTOCOL.md shows these very bytes.
func TestProtocolPage(t *testing.T) {
	page, err := os.ReadFile("../../firmware/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range golden {
		if !bytes.Contains(page, []byte("`"+g.hex+"`")) {
			t.Errorf("PROTOCOL.md does not show %s as %s", g.name, g.hex)
		}
	}
	if !bytes.Contains(page, fmt.Appendf(nil, "1 to %d bytes", MaxText)) {
		t.Errorf("PROTOCOL.md does not say that a text has 1 to %d bytes", MaxText)
	}
}
