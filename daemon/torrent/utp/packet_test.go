package utp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden packets, byte by byte after BEP 29.
var golden = map[string]struct {
	bytes  string
	packet packet
}{
	"syn": {
		"41 00 1234 00000001 00000000 00040000 0001 0000",
		packet{kind: kindSyn, id: 0x1234, stamp: 1, window: 1 << 18, seq: 1},
	},
	"state": {
		"21 00 1234 a1b2c3d4 00000bb8 00100000 ffff 0001",
		packet{kind: kindState, id: 0x1234, stamp: 0xa1b2c3d4, delay: 3000, window: 1 << 20, seq: 0xffff, ack: 1},
	},
	"data": {
		"01 00 1235 a1b2c3d4 00000bb8 00100000 0002 ffff 6c6f7261",
		packet{kind: kindData, id: 0x1235, stamp: 0xa1b2c3d4, delay: 3000, window: 1 << 20, seq: 2, ack: 0xffff, payload: []byte("lora")},
	},
	"fin": {
		"11 00 0000 00000000 00000000 00000000 0003 0004",
		packet{kind: kindFin, seq: 3, ack: 4},
	},
	"reset": {
		"31 00 ffff 00000000 00000000 00000000 0003 0004",
		packet{kind: kindReset, id: 0xffff, seq: 3, ack: 4},
	},
	"selective acknowledgement": { // of ack+2, ack+9 and ack+33
		"21 01 0001 00000001 00000002 00000003 0004 0005 00 04 81 00 00 80",
		packet{kind: kindState, id: 1, stamp: 1, delay: 2, window: 3, seq: 4, ack: 5, sack: []byte{0x81, 0, 0, 0x80}},
	},
	"three extensions and payload": {
		"01 02 0001 00000001 00000002 00000003 0004 0005 01 08 0000000000000000 03 04 ffffffff 00 02 0001 aa",
		packet{kind: kindData, id: 1, stamp: 1, delay: 2, window: 3, seq: 4, ack: 5, sack: []byte{255, 255, 255, 255}, payload: []byte{0xaa}},
	},
	"selective acknowledgement of libtorrent": { // not a multiple of four
		"21 01 0001 00000001 00000002 00000003 0004 0005 00 01 02",
		packet{kind: kindState, id: 1, stamp: 1, delay: 2, window: 3, seq: 4, ack: 5, sack: []byte{2}},
	},
}

func TestGoldenPackets(t *testing.T) {
	for name, c := range golden {
		t.Run(name, func(t *testing.T) {
			b := unhex(t, c.bytes)
			got, err := parsePacket(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.payload) == 0 {
				got.payload = nil
			}
			if !reflect.DeepEqual(got, c.packet) {
				t.Errorf("decoded %+v, want %+v", got, c.packet)
			}
			header := make([]byte, headerLen)
			c.packet.putHeader(header, b[1])
			if !bytes.Equal(header, b[:headerLen]) {
				t.Errorf("encoded %x, want %x", header, b[:headerLen])
			}
		})
	}
}

func TestBrokenPackets(t *testing.T) {
	header := "21 01 0001 00000001 00000002 00000003 0004 0005"
	for name, c := range map[string]struct {
		bytes string
		other bool // may be another protocol's
	}{
		"empty":                    {"", true},
		"KRPC":                     {hex.EncodeToString([]byte("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe")), true},
		"tracker reply":            {"00000000 12345678 0000000000000000 00000000 00000000", true},
		"short":                    {"2100 0001 00000001 00000002 00000003 0004 00", true},
		"version 0":                {"20 00 0001 00000001 00000002 00000003 0004 0005", true},
		"version 2":                {"22 00 0001 00000001 00000002 00000003 0004 0005", true},
		"type 5":                   {"51 00 0001 00000001 00000002 00000003 0004 0005", true},
		"no extension":             {header, false},
		"half an extension header": {header + "00", false},
		"extension too long":       {header + "00 05 00000000", false},
		"second one missing":       {header + "02 04 00000000", false},
		"second one too long":      {header + "02 04 00000000 00 01", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsePacket(unhex(t, c.bytes))
			if err == nil || errors.Is(err, errNotUTP) != c.other {
				t.Errorf("error %v; another protocol's: want %v", err, c.other)
			}
		})
	}
}

func TestSequenceOrder(t *testing.T) {
	for _, c := range []struct {
		a, b uint16
		want bool
	}{{1, 2, true}, {2, 1, false}, {7, 7, false}, {65535, 0, true}, {0, 65535, false}, {65000, 100, true}, {100, 65000, false}} {
		if before(c.a, c.b) != c.want {
			t.Errorf("before(%d, %d) is %v", c.a, c.b, !c.want)
		}
	}
}

// TestPadding: whatever its length, padding is skipped and the payload is not.
func TestPadding(t *testing.T) {
	for n := 2; n < 1000; n++ {
		b := bytes.Repeat([]byte{0xee}, headerLen+n)
		(&packet{kind: kindData}).putHeader(b, extensionPadding)
		putPadding(b[headerLen:])
		p, err := parsePacket(append(b, "payload"...))
		if err != nil || string(p.payload) != "payload" || p.sack != nil {
			t.Fatalf("padding of %d: payload %q, error %v", n, p.payload, err)
		}
	}
}

// TestSack has a receiver with holes write its mask, and a sender read it.
func TestSack(t *testing.T) {
	for _, start := range []uint16{10, 65530} {
		r := newReceiver(new(chunkPool), 1<<20)
		r.ack = start
		held := []uint16{2, 3, 9, 17, 40, 300}
		for _, i := range held {
			r.data(1, start+i, []byte{byte(i)})
		}
		mask := make([]byte, sackLen(r.sackSpan()))
		r.putSack(mask)
		if want := "83 80 00 40" + "00000000"; !bytes.Equal(mask[:8], unhex(t, "83 80 00 00 40 00 00 00")) {
			t.Errorf("mask %x, want %s", mask[:8], want)
		}
		s := newSender(new(chunkPool), start+1)
		s.write(make([]byte, 400))
		for range 400 {
			s.sending(1, s.add(kindData, 1, false))
		}
		a := s.acknowledge(2, start, mask, 0)
		if a.packets != len(held) || a.advanced || s.packets != 400-len(held) {
			t.Errorf("mask acknowledged %+v, %d packets left in flight", a, s.packets)
		}
		var lost []uint16
		s.judge(func(seq uint16, _ *sent) { lost = append(lost, seq-start) })
		if got := fmt.Sprint(lost[:5], len(lost)); got != "[1 4 5 6 7] 292" {
			t.Errorf("lost %s", got)
		}
	}
	if sackLen(0) != 0 || sackLen(1) != 4 || sackLen(32) != 4 || sackLen(33) != 8 || sackLen(1e5) != maxSack {
		t.Error("wrong length of a mask")
	}
}

func FuzzParsePacket(f *testing.F) {
	for _, c := range golden {
		f.Add(unhex(f, c.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePacket(b)
		if err != nil {
			return
		}
		if len(p.sack)+len(p.payload)+headerLen > len(b) || !bytes.HasSuffix(b, p.payload) {
			t.Fatalf("decoded more than there is: %+v", p)
		}
		header := make([]byte, headerLen)
		p.putHeader(header, b[1])
		if !bytes.Equal(header, b[:headerLen]) {
			t.Fatalf("header %x became %x", b[:headerLen], header)
		}
	})
}
