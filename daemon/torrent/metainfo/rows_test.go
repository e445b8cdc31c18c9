package metainfo

import (
	"fmt"
	"strings"
	"testing"
)

// TestRows goes through the cases that every engine has to handle, by their
// numbers in the project's list of them: those of a hostile or odd .torrent.
// Rows 57 and 59 go on where files are written (package storage/disk and
// daemon/torrent), row 64 where magnet links are read.
func TestRows(t *testing.T) {
	torrent := func(info any) []byte { return []byte("d4:info" + string(marshal(t, info)) + "e") }
	good := torrent(single)
	named := func(name string) []byte { return torrent(with(single, dict{"name": name})) }
	path := func(path ...string) []byte { return torrent(multi(file(5, path...))) }
	v2only := golden(t, "v2")
	for _, c := range []struct {
		row   int
		name  string
		input []byte
		want  string           // in the error; "" when it is to be read
		check func(*Info) bool // of what was read
	}{
		{49, "too big", append(good, make([]byte, MaxSize)...), "more than the limit", nil},
		{49, "truncated", good[:len(good)-9], "bencode at byte", nil},
		{49, "bytes behind it", append(good[:len(good):len(good)], "x"...), "1 bytes after the end", nil},
		{49, "white space behind it", append(good[:len(good):len(good)], "\n"...), "", nil},
		{50, "five million lists in one another", []byte("d4:info" + strings.Repeat("l", 5_000_000)), "bencode at byte", nil},
		{50, "in a field nobody reads", []byte("d1:a" + strings.Repeat("l", 200) + strings.Repeat("e", 200) + string(good[1:])), "bencode at byte", nil},
		{51, "a string of two billion bytes", []byte("d4:info2000000000:"), "bencode at byte", nil},
		{51, "whose length overflows", []byte("d4:info99999999999999999999:x"), "bencode at byte", nil},
		{52, "unsorted keys", []byte("d4:info" + unordered + "e"), "", func(i *Info) bool { return i.Name == "x.bin" }},
		{52, "a key twice", torrent(raw("d6:lengthi1e6:lengthi2e4:name1:a12:piece lengthi1e6:pieces20:xxxxxxxxxxxxxxxxxxxxe")), "length is there twice", nil},
		{52, "leading zeros", torrent(with(single, dict{"length": raw("i040000e")})), "length: not an integer", nil},
		{52, "negative zero", torrent(with(single, dict{"length": raw("i-0e")})), "length: not an integer", nil},
		{53, "the hash is of the bytes as they are", []byte("d4:info" + unordered + "e"), "",
			func(i *Info) bool { return i.Hash.String() == "8c997bcd865c23c96ba22901015622e20c9178c9" }},
		{54, "name ..", named(".."), "escapes", nil},
		{54, "name .", named("."), "is the folder itself", nil},
		{54, "no name", named(""), "is empty", nil},
		{54, "absolute name", named("/etc"), "is absolute", nil},
		{54, "path out of it", path("..", "..", "a"), "escapes", nil},
		{54, "path out of it in one component", path("../../a"), "escapes", nil},
		{54, "separator inside", path("a/b"), "contains a separator", nil},
		{54, "backslash", path(`a\b`), "", func(i *Info) bool { return i.Files[0].Path[1] == "a_b" }},
		{54, "NUL", path("a\x00b"), "contains a NUL byte", nil},
		{54, "space at the end", path("a "), "", func(i *Info) bool { return i.Files[0].Path[1] == "a" }},
		{54, "more than 255 bytes", path(strings.Repeat("x", 300) + ".bin"), "",
			func(i *Info) bool { return i.Files[0].Path[1] == strings.Repeat("x", 251)+".bin" }},
		{54, "in a file tree", torrent(v2Of(dict{"..": leaf(5)})), "escapes", nil},
		{55, "name.utf-8", torrent(with(single, dict{"name": "\xc4", "name.utf-8": "Ä"})), "", func(i *Info) bool { return i.Name == "Ä" }},
		{55, "no UTF-8 at all", path("\xc4x"), "", func(i *Info) bool { return i.Files[0].Path[1] == "_x" }},
		{56, "the same path twice", torrent(multi(file(5, "a"), file(5, "a"))), "", func(i *Info) bool { return i.Files[1].Path[1] == "a (2)" }},
		{56, "file and folder", torrent(multi(file(5, "a"), file(5, "a", "b"))), "", func(i *Info) bool { return i.Files[0].Path[1] == "a (2)" }},
		{56, "but for the case", torrent(multi(file(5, "A"), file(5, "a"))), "", func(i *Info) bool { return i.Files[1].Path[1] == "a (2)" }},
		{56, "file and folder in a file tree", torrent(v2Of(dict{"x": dict{"": leaf(5)[""], "y": leaf(5)}})), "is both a file and a folder", nil},
		{57, "a symbolic link", torrent(multi(file(5, "a"), dict{"length": 0, "path": []string{"l"}, "attr": "l", "symlink path": []string{"..", "x"}})), "",
			func(i *Info) bool { return i.Files[1].Length == 0 && len(i.Files) == 2 }},
		{57, "with content", torrent(multi(file(5, "a"), dict{"length": 7, "path": []string{"l"}, "attr": "l"})), "of a symbolic link", nil},
		{58, "negative length", torrent(multi(file(-1, "a"), file(16385, "b"))), "length -1: is negative", nil},
		{58, "negative padding", torrent(multi(pad(-1), file(16385, "b"))), "length -1: is negative", nil},
		{58, "negative in a file tree", torrent(v2Of(dict{"a": leaf(-1)})), "length -1: is negative", nil},
		{59, "an empty file", torrent(multi(file(0, "a"), file(5, "b"))), "", func(i *Info) bool { return len(i.Files) == 2 && i.NumPieces() == 1 }},
		{59, "nothing in it", torrent(multi(file(0, "a"))), "the total length is 0", nil},
		{59, "nothing but padding", torrent(multi(pad(5))), "nothing but padding", nil},
		{59, "a piece of padding", torrent(with(multi(file(16384, "a"), pad(16384), file(5, "b")), dict{"pieces": strings.Repeat("x", 60)})), "",
			func(i *Info) bool { return i.PayloadSize(1) == 0 && i.NumBytes == 16389 }},
		{60, "piece length 0", torrent(with(single, dict{"piece length": 0})), "must be positive", nil},
		{60, "negative piece length", torrent(with(single, dict{"piece length": -1})), "must be positive", nil},
		{60, "no multiple of 16 KiB", torrent(with(single, dict{"piece length": 10000, "pieces": strings.Repeat("x", 80)})), "", func(i *Info) bool { return i.NumPieces() == 4 }},
		{60, "the same in v2", torrent(with(v2Of(dict{"a": leaf(5)}), dict{"piece length": 10000})), "want a power of two", nil},
		{60, "huge piece length", torrent(with(single, dict{"piece length": 1 << 30})), "more than the limit", nil},
		{61, "pieces of odd length", torrent(with(single, dict{"pieces": strings.Repeat("x", 59)})), "not a multiple of 20", nil},
		{61, "too few pieces", torrent(with(single, dict{"pieces": strings.Repeat("x", 40)})), "2 hashes for 40000 bytes", nil},
		{61, "too many pieces", torrent(with(single, dict{"pieces": strings.Repeat("x", 80)})), "4 hashes for 40000 bytes", nil},
		{61, "piece layers too short", []byte(strings.Replace(string(v2only), "64:", "32:", 1)), "bencode", nil},
		{62, "65,537 pieces", torrent(with(single, dict{"length": 65537 * 16384, "pieces": strings.Repeat("x", 20*65537)})), "", func(i *Info) bool { return i.NumPieces() == 65537 }},
		{62, "more than four million", torrent(with(single, dict{"length": 1 << 50})), "more than the limit of 4194304", nil},
		{62, "in v2", torrent(v2Of(dict{"a": leaf(1 << 50)})), "more than the limit", nil},
		{63, "no info", []byte("d8:announce9:http://a/e"), "info is missing", nil},
		{63, "info is a list", []byte("d4:infolee"), "want a dictionary", nil},
		{63, "not a dictionary", []byte("le"), "want a dictionary", nil},
		{63, "length is a string", torrent(with(single, dict{"length": "5"})), "want an integer", nil},
		{63, "path is a string", torrent(multi(dict{"length": 5, "path": "a"})), "want a list", nil},
		{64, "v2 only", v2only, "", func(i *Info) bool { return i.IsV2() && !i.IsHybrid() && i.NumPieces() == 8 }},
		{64, "hybrid", golden(t, "hybrid"), "", func(i *Info) bool { return i.IsHybrid() }},
		{64, "of a later version", torrent(with(v2Of(dict{"a": leaf(5)}), dict{"meta version": 3})), "meta version 3 is newer", nil},
	} {
		t.Run(fmt.Sprintf("row %d, %s", c.row, c.name), func(t *testing.T) {
			m, err := Parse(c.input)
			if c.want != "" {
				wantError(t, m, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.check != nil && !c.check(m.Info) {
				t.Errorf("Info = %+v", m.Info)
			}
			checkParsed(t, m.Info)
		})
	}
}
