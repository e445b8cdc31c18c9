package peerwire

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The payload of hash messages: pieces root, base layer, index, length, proof
// layers.
const (
	someSum     = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	hashPayload = someSum + "00000002 00000200 00000100 00000009"
)

var hashBytes, sumBytes = mustHex(hashPayload), mustHex(someSum)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// golden is every message as it lies on the wire.
var golden = []struct {
	name    string
	wire    string
	encoded []byte
	want    Message
}{
	{"keep-alive", "00000000", AppendKeepAlive(nil), Message{ID: KeepAlive}},
	{"choke", "00000001 00", AppendMessage(nil, Choke), Message{ID: Choke}},
	{"unchoke", "00000001 01", AppendMessage(nil, Unchoke), Message{ID: Unchoke}},
	{"interested", "00000001 02", AppendMessage(nil, Interested), Message{ID: Interested}},
	{"not interested", "00000001 03", AppendMessage(nil, NotInterested), Message{ID: NotInterested}},
	{"have", "00000005 04 01020304", AppendIndex(nil, Have, 0x01020304), Message{ID: Have, Index: 0x01020304}},
	{"bitfield", "00000003 05 ff80", AppendBitfield(nil, []byte{0xff, 0x80}), Message{ID: Bitfield, Bytes: []byte{0xff, 0x80}}},
	{"request", "0000000d 06 00000001 00004000 00004000", AppendBlock(nil, Request, 1, 0x4000, 0x4000), Message{ID: Request, Index: 1, Begin: 0x4000, Length: 0x4000}},
	{"piece", "0000000c 07 00000002 00008000 616263", append(AppendPieceHeader(nil, 2, 0x8000, 3), "abc"...), Message{ID: Piece, Index: 2, Begin: 0x8000, Length: 3}},
	{"cancel", "0000000d 08 00000001 00004000 00000fff", AppendBlock(nil, Cancel, 1, 0x4000, 0xfff), Message{ID: Cancel, Index: 1, Begin: 0x4000, Length: 0xfff}},
	{"port", "00000003 09 1ae1", AppendPort(nil, 6881), Message{ID: Port, Index: 6881}},
	{"suggest", "00000005 0d 00000007", AppendIndex(nil, Suggest, 7), Message{ID: Suggest, Index: 7}},
	{"have all", "00000001 0e", AppendMessage(nil, HaveAll), Message{ID: HaveAll}},
	{"have none", "00000001 0f", AppendMessage(nil, HaveNone), Message{ID: HaveNone}},
	{"reject", "0000000d 10 ffffffff fffffffe fffffffd", AppendBlock(nil, Reject, 0xffffffff, 0xfffffffe, 0xfffffffd), Message{ID: Reject, Index: 0xffffffff, Begin: 0xfffffffe, Length: 0xfffffffd}},
	{"allowed fast", "00000005 11 00000009", AppendIndex(nil, AllowedFast, 9), Message{ID: AllowedFast, Index: 9}},
	{"hash request", "00000031 15" + hashPayload, AppendHash(nil, HashRequest, hashBytes), Message{ID: HashRequest, Bytes: hashBytes}},
	{"hashes", "00000051 16" + hashPayload + someSum, AppendHash(nil, Hashes, append(hashBytes[:48:48], sumBytes...)), Message{ID: Hashes, Bytes: append(hashBytes[:48:48], sumBytes...)}},
	{"hash reject", "00000031 17" + hashPayload, AppendHash(nil, HashReject, hashBytes), Message{ID: HashReject, Bytes: hashBytes}},
	{"extended", "00000004 14 00 6465", AppendExtended(nil, 0, []byte("de")), Message{ID: Extended, Extension: 0, Bytes: []byte("de")}},
}

func TestGoldenMessages(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			wire := unhex(t, c.wire)
			if c.encoded != nil && !bytes.Equal(c.encoded, wire) {
				t.Errorf("encoded as %x, not %x", c.encoded, wire)
			}
			r := readerOf(t, wire, 2)
			m, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Bytes, c.want.Bytes) {
				t.Errorf("payload %x, not %x", m.Bytes, c.want.Bytes)
			}
			m.Bytes, c.want.Bytes = nil, nil
			if m.ID != c.want.ID || m.Extension != c.want.Extension || m.Index != c.want.Index || m.Begin != c.want.Begin || m.Length != c.want.Length {
				t.Errorf("decoded as %+v, not %+v", m, c.want)
			}
			if m.ID == Piece {
				block := make([]byte, m.Length)
				if err := r.ReadBlock(block, nil); err != nil || string(block) != "abc" {
					t.Errorf("block %q, %v", block, err)
				}
			}
		})
	}
}

// Encoding appends: what is there already stays.
func TestAppendKeepsPrefix(t *testing.T) {
	b := AppendIndex(AppendMessage([]byte("x"), Choke), Have, 1)
	if want := "x\x00\x00\x00\x01\x00\x00\x00\x00\x05\x04\x00\x00\x00\x01"; string(b) != want {
		t.Errorf("%q, not %q", b, want)
	}
}
