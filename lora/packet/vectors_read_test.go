package packet

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

func readVectors(t testing.TB) []*vector {
	t.Helper()
	file, err := os.Open("../../firmware/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []*vector
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		key, value, isField := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			all = append(all, &vector{name: strings.Trim(line, "[]"), fields: make(map[string]string)})
		case isField && len(all) > 0:
			all[len(all)-1].fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		default:
			t.Fatalf("vectors.txt: %q is neither section nor field", line)
		}
	}
	return all
}

func (v *vector) has(key string) bool {
	_, ok := v.fields[key]
	return ok
}

func (v *vector) text(key string) string {
	v.t.Helper()
	if !v.has(key) {
		v.t.Fatalf("no field %s", key)
	}
	v.used[key] = true
	return v.fields[key]
}

func (v *vector) hex(key string) []byte {
	v.t.Helper()
	return fromHex(v.t, v.text(key))
}

func (v *vector) number(key string, base int) uint64 {
	v.t.Helper()
	n, err := strconv.ParseUint(v.text(key), base, 32)
	if err != nil {
		v.t.Fatalf("%s: %v", key, err)
	}
	return n
}

func (v *vector) runs(key string) (runs []Run) {
	v.t.Helper()
	for _, s := range strings.Fields(v.text(key)) {
		var r Run
		if _, err := fmt.Sscanf(s, "%04x:%04x:%02x", &r.Source, &r.Sequence, &r.Earlier); err != nil {
			v.t.Fatal(err)
		}
		runs = append(runs, r)
	}
	return runs
}

// equal compares a field, in hex unless it says how else, with what was made.
func (v *vector) equal(key string, got []byte, as ...string) {
	v.t.Helper()
	text := hex.EncodeToString(got)
	if len(as) > 0 {
		text = string(got)
	}
	if want := v.text(key); text != want {
		v.t.Errorf("%s\n     %s,\nwant %s", key, text, want)
	}
}

func (v *vector) self() *Identity {
	v.t.Helper()
	id, err := IdentityFromSeed(v.hex("seed"))
	if err != nil {
		v.t.Fatal(err)
	}
	return id
}

func (v *vector) channelKey() *ChannelKey {
	v.t.Helper()
	key, err := NewChannelKey(v.hex("secret"))
	if err != nil {
		v.t.Fatal(err)
	}
	return key
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
