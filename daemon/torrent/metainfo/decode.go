package metainfo

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/anacrolix/torrent/bencode"
)

var (
	errMissing = errors.New("is missing")
	errStop    = errors.New("seen enough") // ends a walk early
)

// cursor walks one dictionary or list at a time and hands out its values as
// raw sub-slices of the input. The bencode decoder finds where each value ends
// and bounds its nesting; nothing is built from values that nobody asks for,
// so a hostile unknown field costs its bytes and no more. A cursor is used
// again for the next dictionary, which spares a decoder for each file.
type cursor struct {
	b   []byte
	pos int // of the next byte in b, and of r
	r   bytes.Reader
	dec *bencode.Decoder
}

func newCursor() *cursor {
	c := &cursor{}
	c.dec = bencode.NewDecoder(&c.r)
	c.dec.MaxStrLen = MaxSize
	return c
}

// dict calls field with each key (its text) and raw value of the dictionary
// that raw begins with. Afterwards c.pos is the first byte behind it.
func (c *cursor) dict(raw []byte, field func(key, value []byte) error) error {
	if err := c.open(raw, 'd'); err != nil {
		return err
	}
	for c.more() {
		at := c.pos
		rawKey, err := c.value()
		if err != nil {
			return err
		}
		key, err := content(rawKey)
		if err != nil {
			return fmt.Errorf("dictionary key at byte %d: %w", at, err)
		}
		if c.pos < len(c.b) && c.b[c.pos] == 'e' {
			return fmt.Errorf("dictionary key %s at byte %d has no value", quote(key), at)
		}
		value, err := c.value()
		if err != nil {
			return err
		}
		if err := field(key, value); err != nil {
			return err
		}
	}
	return nil
}

// list calls element with each raw value of the list that raw begins with.
func (c *cursor) list(raw []byte, element func(value []byte) error) error {
	if err := c.open(raw, 'l'); err != nil {
		return err
	}
	for c.more() {
		value, err := c.value()
		if err != nil {
			return err
		}
		if err := element(value); err != nil {
			return err
		}
	}
	return nil
}

// open points the cursor behind the first byte of raw, which must be kind.
func (c *cursor) open(raw []byte, kind byte) error {
	c.b, c.pos = raw, 1
	if raw == nil {
		return errMissing
	}
	if len(raw) == 0 || raw[0] != kind {
		return fmt.Errorf("want %s, have %s", kindOf([]byte{kind}), kindOf(raw))
	}
	c.r.Reset(raw[1:])
	return nil
}

// more reports whether another value follows, and steps over the end mark if
// not. At the end of the input it is true: value then says what is wrong.
func (c *cursor) more() bool {
	if c.pos < len(c.b) && c.b[c.pos] == 'e' {
		c.pos++
		return false
	}
	return true
}

func (c *cursor) value() ([]byte, error) {
	start, before := c.pos, c.dec.Offset
	if err := c.dec.Decode(new(skipped)); err != nil {
		at, what := int64(c.pos)+c.dec.Offset-before, err
		if syntax, ok := errors.AsType[*bencode.SyntaxError](err); ok {
			at, what = int64(c.pos)+syntax.Offset-before, syntax.What
		}
		return nil, fmt.Errorf("bencode at byte %d: %s", at, clip(what.Error()))
	}
	c.pos += int(c.dec.Offset - before)
	return c.b[start:c.pos:c.pos], nil
}

// skipped makes the decoder find the end of a value without keeping it.
type skipped struct{}

func (*skipped) UnmarshalBencode([]byte) error { return nil }

// content returns the content of a raw string, a sub-slice of it.
func content(raw []byte) ([]byte, error) {
	if raw == nil {
		return nil, errMissing
	}
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' {
		return nil, fmt.Errorf("want a string, have %s", kindOf(raw))
	}
	return raw[bytes.IndexByte(raw, ':')+1:], nil
}

// integer returns the value of a raw integer.
func integer(raw []byte) (int64, error) {
	const longest = len("i-9223372036854775808e")
	if raw == nil {
		return 0, errMissing
	}
	if len(raw) == 0 || raw[0] != 'i' {
		return 0, fmt.Errorf("want an integer, have %s", kindOf(raw))
	}
	if len(raw) > longest {
		return 0, fmt.Errorf("integer of %d digits", len(raw)-2)
	}
	var n int64
	if err := bencode.Unmarshal(raw, &n); err != nil {
		return 0, fmt.Errorf("not an integer: %s", quote(raw))
	}
	return n, nil
}

// kindOf says what raw begins with, for errors.
func kindOf(raw []byte) string {
	switch {
	case len(raw) == 0:
		return "nothing"
	case raw[0] == 'd':
		return "a dictionary"
	case raw[0] == 'l':
		return "a list"
	case raw[0] == 'i':
		return "an integer"
	case raw[0] >= '0' && raw[0] <= '9':
		return "a string"
	}
	return "no bencode: " + quote(raw)
}

// quote shows the beginning of hostile bytes, escaped, for errors.
func quote[T string | []byte](s T) string {
	const shown = 64
	if len(s) > shown {
		return fmt.Sprintf("%q…", s[:shown])
	}
	return fmt.Sprintf("%q", s)
}

// clip shortens the text of an error that may quote its input.
func clip(s string) string {
	const shown = 200
	if len(s) > shown {
		return s[:shown] + "…"
	}
	return s
}
