package link

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// section of firmware/link.txt.
type section struct {
	name   string
	fields map[string]string
}

func sections(t testing.TB) (all []section) {
	t.Helper()
	file, err := os.Open("../../firmware/link.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		key, value, isField := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			all = append(all, section{strings.Trim(line, "[]"), make(map[string]string)})
		case isField && len(all) > 0:
			all[len(all)-1].fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		default:
			t.Fatalf("link.txt: %q is neither section nor field", line)
		}
	}
	return all
}

func (s section) hex(t testing.TB, key string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s.fields[key])
	if err != nil {
		t.Fatalf("%s: %s: %v", s.name, key, err)
	}
	return b
}

func (s section) number(t testing.TB, key string, base int) int {
	t.Helper()
	n, err := strconv.ParseUint(s.fields[key], base, 31)
	if err != nil {
		t.Fatalf("%s: %s: %v", s.name, key, err)
	}
	return int(n)
}

// Every section of the file holds for this package.
func TestVectors(t *testing.T) {
	check := map[string]func(*testing.T, section){
		"message": checkMessage, "frame": checkFrame, "stream": checkStream, "malformed": checkMalformed,
	}
	seen := make(map[string]int)
	for _, s := range sections(t) {
		t.Run(s.name, func(t *testing.T) {
			kind := s.fields["kind"]
			seen[kind]++
			if check[kind] == nil {
				t.Fatalf("kind %q is not known", kind)
			}
			check[kind](t, s)
		})
	}
	for kind := range check {
		if seen[kind] == 0 {
			t.Errorf("no vector of kind %s", kind)
		}
	}
}

// describe writes a message as the file does: its fields by name, numbers
// decimal, texts and bytes hexadecimal.
func describe(m Message) string {
	v := reflect.ValueOf(m)
	text := []string{v.Type().Name()}
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			name, field := prefix+v.Type().Field(i).Name, v.Field(i)
			switch field.Kind() {
			case reflect.Struct:
				walk(name+".", field)
			case reflect.Bool:
				text = append(text, fmt.Sprintf("%s=%d", name, flag(field.Bool())))
			case reflect.String, reflect.Slice, reflect.Array:
				text = append(text, fmt.Sprintf("%s=%x", name, field.Interface()))
			default:
				if field.CanInt() {
					text = append(text, fmt.Sprintf("%s=%d", name, field.Int()))
				} else {
					text = append(text, fmt.Sprintf("%s=%d", name, field.Uint()))
				}
			}
		}
	}
	walk("", v)
	return strings.Join(text, " ")
}

func checkMessage(t *testing.T, s section) {
	wire := s.hex(t, "wire")
	f := onlyFrame(t, wire)
	if want := s.number(t, "sequence", 10); int(f.Sequence) != want {
		t.Errorf("sequence %d, want %d", f.Sequence, want)
	}
	m, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(m); got != s.fields["message"] {
		t.Errorf("it says\n     %s\nwant %s", got, s.fields["message"])
	}
	if got := Append(nil, m, f.Sequence); !bytes.Equal(got, wire) {
		t.Errorf("made again:\n     %x\nwant %x", got, wire)
	}
}

func checkFrame(t *testing.T, s section) {
	f := Frame{Type: Type(s.number(t, "type", 16)), Sequence: uint8(s.number(t, "sequence", 10)), Body: s.hex(t, "body")}
	if got := AppendFrame(nil, f); !bytes.Equal(got, s.hex(t, "wire")) {
		t.Errorf("     %x\nwant %x", got, s.hex(t, "wire"))
	}
	got := onlyFrame(t, s.hex(t, "wire"))
	if got.Type != f.Type || got.Sequence != f.Sequence || !bytes.Equal(got.Body, f.Body) {
		t.Errorf("it says %+v, want %+v", got, f)
	}
}

func checkStream(t *testing.T, s section) {
	d := NewDecoder(bytes.NewReader(s.hex(t, "wire")))
	types := ""
	for {
		f, err := d.Next()
		if err != nil {
			break
		}
		types += fmt.Sprintf(" %02x:%d", f.Type, f.Sequence)
	}
	types = strings.TrimPrefix(types, " ")
	if types == "" {
		types = "none"
	}
	if types != s.fields["types"] || d.Skipped() != uint64(s.number(t, "skipped", 10)) {
		t.Errorf("%s: frames %s, %d skipped, want %s, %s", s.fields["why"], types, d.Skipped(), s.fields["types"], s.fields["skipped"])
	}
}

func checkMalformed(t *testing.T, s section) {
	if m, err := Parse(onlyFrame(t, s.hex(t, "wire"))); !errors.Is(err, ErrMalformed) {
		t.Errorf("%s: %v, %v, want ErrMalformed", s.fields["why"], m, err)
	}
}

// onlyFrame decodes bytes that are one sound frame.
func onlyFrame(t testing.TB, wire []byte) Frame {
	t.Helper()
	d := NewDecoder(bytes.NewReader(wire))
	f, err := d.Next()
	if err != nil {
		t.Fatalf("no frame in %x: %v, %d skipped", wire, err, d.Skipped())
	}
	f.Body = bytes.Clone(f.Body)
	if more, err := d.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("second frame %+v, %v", more, err)
	}
	return f
}

// A later version may add to answers and reports, never to commands.
func TestLongerAnswers(t *testing.T) {
	for _, m := range []Message{PingAnswer{Time: 5}, TxDone{ID: 1}, StateReport{State{Time: 7}}} {
		f := Frame{Type: m.Type(), Body: append(m.append(nil), 1, 2, 3)}
		if got, err := Parse(f); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v with three bytes more is %+v, %v", m, got, err)
		}
	}
}

// A message does not change when the decoder's buffer does.
func TestMessagesAreCopies(t *testing.T) {
	body := Rx{Packet: []byte{1, 2, 3}}.append(nil)
	m, err := Parse(Frame{Type: TypeRx, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if got := m.(Rx).Packet; !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("packet is %x after the frame was overwritten", got)
	}
}

func TestStatusText(t *testing.T) {
	if got := Full.Error(); got != "board: queue is full" {
		t.Error(got)
	}
	if got := Status(77).Error(); got != "board: status 77" {
		t.Error(got)
	}
}

// Whatever the body, a frame comes through, also after noise.
func FuzzFrame(f *testing.F) {
	for _, s := range sections(f) {
		f.Add(s.hex(f, "wire"), byte(4), byte(9), s.hex(f, "plain"))
	}
	f.Fuzz(func(t *testing.T, noise []byte, kind, sequence byte, body []byte) {
		body = body[:min(len(body), MaxBody)]
		wire := append(bytes.Clone(noise), Delimiter)
		wire = AppendFrame(wire, Frame{Type(kind), sequence, body})
		if n := bytes.IndexByte(wire[len(noise)+1:], 0); n != len(wire)-len(noise)-2 || n > maxStuffed {
			t.Fatalf("frame of %d bytes with a zero at %d", len(wire)-len(noise)-1, n)
		}
		d := NewDecoder(bytes.NewReader(wire))
		var last Frame
		for {
			got, err := d.Next()
			if err != nil {
				break
			}
			last = Frame{got.Type, got.Sequence, bytes.Clone(got.Body)}
		}
		if last.Type != Type(kind) || last.Sequence != sequence || !bytes.Equal(last.Body, body) {
			t.Fatalf("came through as %+v", last)
		}
	})
}

// Whatever a frame says, a message made of it is made into the same again.
func FuzzParse(f *testing.F) {
	for _, s := range sections(f) {
		f.Add(s.hex(f, "wire"))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		d := NewDecoder(bytes.NewReader(wire))
		for {
			frame, err := d.Next()
			if err != nil {
				return
			}
			m, err := Parse(frame)
			if err != nil {
				continue
			}
			again, err := Parse(Frame{Type: m.Type(), Body: m.append(nil)})
			if err != nil || !reflect.DeepEqual(again, m) {
				t.Fatalf("%+v became %+v, %v", m, again, err)
			}
		}
	})
}
