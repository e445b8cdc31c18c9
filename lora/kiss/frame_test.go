package kiss

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frames reads all frames of a stream, in copies, and checks that it ends as
// the stream does.
func frames(t testing.TB, stream []byte) (all [][]byte, skipped uint64) {
	t.Helper()
	d := NewDecoder(bytes.NewReader(stream))
	for {
		frame, err := d.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("Next() = %v, want EOF", err)
			}
			return all, d.Skipped()
		}
		all = append(all, bytes.Clone(frame))
	}
}

func TestDecoder(t *testing.T) {
	long := strings.Repeat("11", MaxFrame)
	tests := []struct {
		name    string
		stream  string
		want    []string
		skipped uint64
	}{
		{"one", "C0 00 01 02 C0", []string{"000102"}, 0},
		{"shared delimiter", "C0 00 01 C0 00 02 C0", []string{"0001", "0002"}, 0},
		{"delimiters in a row", "C0 C0 C0 00 01 C0 C0 C0", []string{"0001"}, 0},
		{"escapes", "C0 00 DB DC DB DD DB DC C0", []string{"00C0DBC0"}, 0},
		{"escaped type byte", "C0 DB DC 01 C0", []string{"C001"}, 0},
		{"joined in the middle", "02 03 C0 00 01 C0", []string{"0001"}, 0},
		{"escape that means nothing", "C0 00 DB 41 02 C0 00 01 C0", []string{"0001"}, 1},
		{"escape before a delimiter", "C0 00 DB C0 00 01 C0", []string{"0001"}, 1},
		{"doubled escape", "C0 00 DB DB DC C0 00 01 C0", []string{"0001"}, 1},
		{"longest", "C0" + long + "C0", []string{long}, 0},
		{"too long by one", "C0" + long + "22 C0 00 01 C0", []string{"0001"}, 1},
		{"too long", "C0" + long + "22 33 C0 00 01 C0", []string{"0001"}, 1},
		{"too long in escapes", "C0" + strings.Repeat("DBDC", MaxFrame) + "C0", []string{strings.Repeat("C0", MaxFrame)}, 0},
		{"cut short", "C0 00 01 C0 00 02", []string{"0001"}, 0},
		{"nothing", "", nil, 0},
		{"never a delimiter", long + long + long, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, skipped := frames(t, unhex(t, test.stream))
			if len(got) != len(test.want) {
				t.Fatalf("%d frames, want %d: %x", len(got), len(test.want), got)
			}
			for i, want := range test.want {
				if !bytes.Equal(got[i], unhex(t, want)) {
					t.Errorf("frame %d = %x, want %s", i, got[i], want)
				}
			}
			if skipped != test.skipped {
				t.Errorf("Skipped() = %d, want %d", skipped, test.skipped)
			}
		})
	}
}

func TestDecoderReadError(t *testing.T) {
	broken := errors.New("broken")
	stream := io.MultiReader(iotest.OneByteReader(bytes.NewReader(unhex(t, "C0 00 01 C0 00"))), iotest.ErrReader(broken))
	d := NewDecoder(stream)
	if frame, err := d.Next(); err != nil || !bytes.Equal(frame, []byte{0, 1}) {
		t.Fatalf("Next() = %x, %v, want the whole frame", frame, err)
	}
	if frame, err := d.Next(); !errors.Is(err, broken) {
		t.Errorf("Next() = %x, %v, want the reader's error", frame, err)
	}
}

// Whatever bytes a frame is made of come back, after any noise.
func FuzzFrameRoundTrip(f *testing.F) {
	f.Add([]byte{}, byte(0), []byte("hello"))
	f.Add([]byte("ets Jun  8 2016 00:22:57\r\n"), byte(0xC0), []byte{0xC0, 0xDB, 0xDC, 0xDD})
	f.Add([]byte{0xC0, 0xDB}, byte(6), []byte{})
	f.Fuzz(func(t *testing.T, noise []byte, kind byte, body []byte) {
		body = body[:min(len(body), MaxFrame-1)]
		stream := AppendFrame(bytes.Clone(noise), kind, body...)
		stream = AppendFrame(stream, kind, body...)
		got, _ := frames(t, stream)
		want := append([]byte{kind}, body...)
		if len(got) < 2 || !bytes.Equal(got[len(got)-1], want) || !bytes.Equal(got[len(got)-2], want) {
			t.Errorf("%x after noise %x came back as %x", want, noise, got)
		}
	})
}

// Whatever a board sends, frames are within bounds and parse to something
// that survives its own encoding, or to an error.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0xC0, 0x06, 0x97, 0xC0, 0x00, 0x01, 0xC0, 0x06, 0xF9, 0x28, 0xA0, 0xC0})
	f.Add([]byte{0xC0, 0x06, 0x8B, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xC0})
	f.Add([]byte{0xC0, 0x00, 0xDB, 0xDC, 0xDB, 0x41, 0xC0})
	for _, m := range everyMessage() {
		f.Add(m.message.Append(nil))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, _ := frames(t, stream)
		for _, frame := range got {
			if len(frame) == 0 || len(frame) > MaxFrame {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			m, err := Parse(frame)
			if err != nil {
				continue
			}
			checkRoundTrip(t, m)
		}
	})
}
