package metainfo

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// unordered is an info dictionary no encoder writes: unsorted, with unknown
// keys, one of them an integer of 23 digits, another an unsorted dictionary.
const unordered = "d" +
	"6:pieces20:aaaaaaaaaaaaaaaaaaaa" +
	"3:xyzd1:bi1e1:ai2ee" +
	"4:name5:x.bin" +
	"12:piece lengthi16384e" +
	"6:sourcei99999999999999999999999e" +
	"6:lengthi5e" +
	"7:privatei1e" +
	"e"

func TestInfoHashIsOfTheVerbatimBytes(t *testing.T) {
	// printf '%s' "$unordered" | sha1sum
	const want = "8c997bcd865c23c96ba22901015622e20c9178c9"
	m, err := Parse([]byte("d4:info" + unordered + "8:announce9:http://a/e"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Info.Hash.String(); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	if string(m.Info.Bytes) != unordered {
		t.Errorf("Bytes = %q", m.Info.Bytes)
	}
	again, err := ParseInfo([]byte(unordered))
	if err != nil || !reflect.DeepEqual(again, m.Info) {
		t.Errorf("ParseInfo = %+v, %v, want %+v", again, err, m.Info)
	}
	if !m.Info.Private || m.Info.Name != "x.bin" || m.Info.TotalLength != 5 {
		t.Errorf("Info = %+v", m.Info)
	}
}

func TestPieces(t *testing.T) {
	info, err := ParseInfo(marshal(t, single))
	if err != nil {
		t.Fatal(err)
	}
	if info.NumPieces() != 3 || info.PieceLength != 16384 || info.TotalLength != 40000 {
		t.Fatalf("Info = %+v", info)
	}
	for index, want := range map[int]int64{-1: 0, 0: 16384, 1: 16384, 2: 40000 - 2*16384, 3: 0, 1 << 60: 0} {
		if got := info.PieceSize(index); got != want {
			t.Errorf("PieceSize(%d) = %d, want %d", index, got, want)
		}
		hash := info.PieceHash(index)
		if (hash != nil) != (want > 0) || hash != nil && string(hash) != "01234567890123456789" {
			t.Errorf("PieceHash(%d) = %q", index, hash)
		}
	}
}

func TestParseInfoAccepts(t *testing.T) {
	one := strings.Repeat("x", 20)
	tests := []struct {
		name  string
		info  dict
		check func(*Info) bool
	}{
		{"unaligned piece length", with(single, dict{"piece length": 20001, "pieces": one + one}), func(i *Info) bool { return i.PieceSize(1) == 19999 }},
		{"total a multiple of the piece length", with(single, dict{"length": 32768, "pieces": one + one}), func(i *Info) bool { return i.PieceSize(1) == 16384 }},
		{"largest piece length", with(single, dict{"piece length": 512 << 20, "pieces": one}), func(i *Info) bool { return i.PieceSize(0) == 40000 }},
		{"files of length zero", multi(file(0, "a"), file(5, "b"), file(0, "c")), func(i *Info) bool {
			return i.Files[1].Offset == 0 && i.Files[2].Offset == 5 && i.TotalLength == 5
		}},
		{"private is 0", with(single, dict{"private": 0}), func(i *Info) bool { return !i.Private }},
		{"private is the string 1", with(single, dict{"private": "1"}), func(i *Info) bool { return i.Private }},
		{"private is a list", with(single, dict{"private": raw("le")}), func(i *Info) bool { return !i.Private }},
		{"name.utf-8 preferred", with(single, dict{"name": "\xc4", "name.utf-8": "Ä"}), func(i *Info) bool { return i.Name == "Ä" && i.Files[0].Path[0] == "Ä" }},
		{"name.utf-8 without name", with(single, dict{"name": nil, "name.utf-8": "Ä"}), func(i *Info) bool { return i.Name == "Ä" }},
		{"name.utf-8 not UTF-8", with(single, dict{"name.utf-8": "\xc4"}), func(i *Info) bool { return i.Name == "a.bin" }},
		{"path.utf-8 preferred", multi(dict{"length": 5, "path": []string{"\xc4"}, "path.utf-8": []string{"Ä"}}), func(i *Info) bool { return i.Files[0].Path[1] == "Ä" }},
		{"path.utf-8 is a string", multi(dict{"length": 5, "path": []string{"a"}, "path.utf-8": "b"}), func(i *Info) bool { return i.Files[0].Path[1] == "a" }},
		{"path.utf-8 not UTF-8", multi(dict{"length": 5, "path": []string{"a"}, "path.utf-8": []string{"\xc4"}}), func(i *Info) bool { return i.Files[0].Path[1] == "a" }},
		{"pad files keep their place", multi(file(5, "a"), dict{"length": 11, "path": []string{".pad", "11"}, "attr": "p"}, file(7, "b")), func(i *Info) bool {
			return !i.Files[0].Pad && i.Files[1].Pad && i.Files[2].Offset == 16 && i.TotalLength == 23
		}},
		{"a symbolic link is an empty file", multi(file(5, "a"), dict{"length": 0, "path": []string{"l"}, "attr": "l", "symlink path": []string{"..", "etc"}}), func(i *Info) bool {
			return reflect.DeepEqual(i.Files[1], File{Path: []string{"t", "l"}, Offset: 5})
		}},
		{"attr is a number", multi(dict{"length": 5, "path": []string{"a"}, "attr": 3}), func(i *Info) bool { return !i.Files[0].Pad }},
		{"unknown keys of a file", multi(raw("d4:pathl1:ae6:lengthi5e3:abci99999999999999999999999ee")), func(i *Info) bool { return i.Files[0].Length == 5 }},
		{"meta version is a string", with(single, dict{"meta version": "2", "file tree": dict{"a.bin": leaf(1)}}), func(i *Info) bool { return !i.IsV2() }},
		{"64 components", multi(file(5, strings.Split(strings.Repeat("a", 63), "")...)), func(i *Info) bool { return len(i.Files[0].Path) == 64 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := ParseInfo(marshal(t, tt.info))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(info) {
				t.Errorf("Info = %+v", info)
			}
			checkInfo(t, info)
		})
	}
}

func TestParseInfoRefuses(t *testing.T) {
	path := func(path ...string) dict { return multi(file(1, "a"), file(5, path...), file(2, "c")) }
	const max = 9223372036854775807
	tests := []struct {
		name string
		info any
		want string
	}{
		{"not a dictionary", "abc", "metainfo: info: want a dictionary, have a string"},
		{"more after its end", raw("de" + "i1e"), "info: 3 bytes after its end"},
		{"no name", with(single, dict{"name": nil}), "name: is missing"},
		{"name is a list", with(single, dict{"name": raw("le")}), "name: want a string, have a list"},
		{"name twice", raw("d4:name1:a4:name1:be"), "info: name is there twice"},
		{"name is empty", with(single, dict{"name": ""}), `name "": is empty`},
		{"name is ..", with(single, dict{"name": ".."}), `name "..": escapes the torrent's folder`},
		{"name is .", with(single, dict{"name": "."}), `name ".": is the folder itself`},
		{"name is absolute", with(single, dict{"name": "/etc"}), `name "/etc": is absolute`},
		{"name.utf-8 is ..", with(single, dict{"name.utf-8": ".."}), `name "..": escapes`},
		{"no piece length", with(single, dict{"piece length": nil}), "piece length: is missing"},
		{"piece length is a string", with(single, dict{"piece length": "16384"}), "piece length: want an integer, have a string"},
		{"piece length is a list of one", with(single, dict{"piece length": raw("li16384ee")}), "piece length: want an integer, have a list"},
		{"piece length is 0", with(single, dict{"piece length": 0}), "piece length 0: must be positive"},
		{"piece length is negative", with(single, dict{"piece length": -16384}), "piece length -16384: must be positive"},
		{"piece length is huge", with(single, dict{"piece length": 512<<20 + 1}), "piece length 536870913: more than the limit of 536870912"},
		{"piece length is no number", with(single, dict{"piece length": raw("i16 e")}), `piece length: not an integer: "i16 e"`},
		{"piece length with a leading zero", with(single, dict{"piece length": raw("i016384e")}), `piece length: not an integer`},
		{"no pieces", with(single, dict{"pieces": nil}), "pieces: is missing"},
		{"pieces is a number", with(single, dict{"pieces": 5}), "pieces: want a string, have an integer"},
		{"pieces not a multiple of 20", with(single, dict{"pieces": strings.Repeat("x", 59)}), "pieces: 59 bytes are not a multiple of 20"},
		{"pieces too few", with(single, dict{"pieces": strings.Repeat("x", 40)}), "pieces: 2 hashes for 40000 bytes in pieces of 16384, want 3"},
		{"pieces too many", with(single, dict{"pieces": strings.Repeat("x", 80)}), "pieces: 4 hashes for 40000 bytes in pieces of 16384, want 3"},
		{"more pieces than the limit", with(single, dict{"length": 1 << 50}), "68719476736 pieces: more than the limit of 4194304"},
		{"a symbolic link with content", multi(file(5, "a"), dict{"length": 3, "path": []string{"l"}, "attr": "l", "symlink path": []string{"..", "etc"}}), "file 2 of 2, length 3: of a symbolic link"},
		{"nothing but padding", multi(pad(5)), "there is nothing but padding"},
		{"neither length nor files", with(single, dict{"length": nil}), "has neither length nor files"},
		{"both length and files", with(single, dict{"files": []any{file(40000, "a")}}), "has both length and files"},
		{"length is a string", with(single, dict{"length": "40000"}), "length: want an integer, have a string"},
		{"length is negative", with(single, dict{"length": -1}), "length -1: is negative"},
		{"length is 0", with(single, dict{"length": 0}), "the total length is 0"},
		{"length over 64 bits", with(single, dict{"length": raw("i9223372036854775808e")}), "length: not an integer"},
		{"length of many digits", with(single, dict{"length": raw("i" + strings.Repeat("9", 100000) + "e")}), "length: integer of 100000 digits"},
		{"files is a string", with(multi(), dict{"files": "a"}), "files: want a list, have a string"},
		{"files is empty", multi(), "files: the list is empty"},
		{"file is an integer", multi(file(1, "a"), 5), "file 2 of 2, dictionary: want a dictionary, have an integer"},
		{"file without a length", multi(dict{"path": []string{"a"}}), "file 1 of 1, length: is missing"},
		{"file length is negative", multi(file(1, "a"), file(-1, "pad")), "file 2 of 2, length -1: is negative"},
		{"negative pad file that fits", multi(dict{"length": -1, "path": []string{"p"}, "attr": "p"}, file(16385, "a")), "file 1 of 2, length -1: is negative"},
		{"file length twice", multi(raw("d6:lengthi1e6:lengthi2e4:pathl1:aee")), "file 1 of 1, dictionary: length is there twice"},
		{"files all of length zero", multi(file(0, "a"), file(0, "b")), "the total length is 0"},
		{"total overflows", multi(file(max, "a"), file(1, "b")), "file 2 of 2: the total length overflows"},
		{"total overflows to a small number", multi(file(max, "a"), file(max, "b"), file(7, "c")), "file 2 of 3: the total length overflows"},
		{"file without a path", multi(dict{"length": 5}), "file 1 of 1, path: is missing"},
		{"path is a string", multi(dict{"length": 5, "path": "a"}), "file 1 of 1, path: want a list, have a string"},
		{"path is empty", path(), "file 2 of 3, path: the list is empty"},
		{"path component is an integer", multi(dict{"length": 5, "path": []any{"a", 3}}), "file 1 of 1, path: component 2: want a string, have an integer"},
		{"path with ..", path("x", "..", "y"), `file 2 of 3, path component "..": escapes the torrent's folder`},
		{"path of ..s", path("..", "..", "a"), `file 2 of 3, path component "..": escapes the torrent's folder`},
		{"path with ../ inside", path("../../a"), `path component "../../a": escapes the torrent's folder`},
		{"path with .", path("x", "."), `path component ".": is the folder itself`},
		{"path component empty", path("x", "", "y"), `path component "": is empty`},
		{"path absolute", path("/etc/passwd"), `path component "/etc/passwd": is absolute`},
		{"path with a separator", path("a/b"), `path component "a/b": contains a separator`},
		{"path with NUL", path("a\x00b"), `path component "a\x00b": contains a NUL byte`},
		{"path.utf-8 with ..", multi(dict{"length": 5, "path": []string{"a"}, "path.utf-8": []string{".."}}), `path component "..": escapes`},
		{"hostile component of 10000 bytes", path(strings.Repeat("/", 10000)), "is absolute"},
		{"path too deep", multi(file(5, strings.Split(strings.Repeat("a", 64), "")...)), "file 1 of 1, path: more than the limit of 64 components"},
		{"path too long", multi(file(5, strings.Split(strings.Repeat(strings.Repeat("a", 250)+"/", 15)+"a", "/")...)), "file 1 of 1, path: 3768 bytes are more than the limit of 3584"},
		{"too many files", with(multi(), dict{"files": raw("l" + strings.Repeat("de", 1_000_001) + "e")}), "files: more than the limit of 1000000"},
		{"too large", raw("d1:a" + fmt.Sprint(MaxSize) + ":" + strings.Repeat("x", MaxSize) + "e"), "more than the limit of 33554432"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := ParseInfo(marshal(t, tt.info))
			wantError(t, info, err, tt.want)
		})
	}
}

func TestHash(t *testing.T) {
	const text = "0123456789abcdef0123456789abcdef01234567"
	h, err := ParseHash(strings.ToUpper(text))
	if err != nil || h.String() != text || fmt.Sprint(h) != text {
		t.Errorf("ParseHash = %v, %v", h, err)
	}
	for _, bad := range []string{"", text[:39], text + "0", text[:39] + "g", strings.Repeat("é", 20), strings.Repeat("x", 1000)} {
		if h, err := ParseHash(bad); err == nil || len(err.Error()) > 300 {
			t.Errorf("ParseHash(%q) = %v, %v", bad, h, err)
		}
	}
}

// manyFiles is an info of n files in folders of a hundred.
func manyFiles(t testing.TB, n int, path func(i int) []string) []byte {
	files := make([]any, n)
	for i := range files {
		files[i] = file(10, path(i)...)
	}
	total := n * 10
	return marshal(t, with(multi(files...), dict{"pieces": strings.Repeat("x", 20*((total+16383)/16384))}))
}

// TestManyFiles counts allocations, of which every try at a name takes some: a
// step that looked at all files for each file would make thousands a file.
func TestManyFiles(t *testing.T) {
	long := strings.Repeat("x", 246)
	tests := []struct {
		name  string
		files int
		path  func(i int) []string
	}{
		{"in folders", 100_000, func(i int) []string { return []string{fmt.Sprintf("folder %d", i/100), fmt.Sprintf("File %d.bin", i)} }},
		{"all of one name", 10_000, func(int) []string { return []string{"same.bin"} }},
		{"all of one name, cases differ", 10_000, func(i int) []string { return []string{[]string{"same.bin", "SAME.bin", "sAmE.bin"}[i%3]} }},
		{"long names that are equal once cut, each twice", 10_000, func(i int) []string { return []string{fmt.Sprintf("%s%09d", long, i/2)} }},
		{"the suffixed names are taken", 10_000, func(i int) []string {
			if i%2 == 0 {
				return []string{"a"}
			}
			return []string{fmt.Sprintf("a (%d)", i)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := manyFiles(t, tt.files, tt.path)
			var info *Info
			var err error
			allocs := testing.AllocsPerRun(1, func() { info, err = ParseInfo(b) })
			if err != nil {
				t.Fatal(err)
			}
			if perFile := allocs / float64(tt.files); perFile > 50 {
				t.Errorf("%.0f allocations a file", perFile)
			}
			checkInfo(t, info)
		})
	}
}

func TestPiecesAliasBytes(t *testing.T) {
	b := marshal(t, single)
	info, err := ParseInfo(b)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("0123456789"))
	if &info.Pieces[0] != &b[at] {
		t.Error("Pieces is a copy")
	}
	sum := sha1.Sum(b)
	if info.Hash.String() != hex.EncodeToString(sum[:]) {
		t.Errorf("Hash = %v", info.Hash)
	}
}

func BenchmarkParseInfo(b *testing.B) {
	for _, n := range []int{1, 5_000, 100_000} {
		info := manyFiles(b, n, func(i int) []string {
			return []string{fmt.Sprintf("folder %d", i/100), fmt.Sprintf("file %d.bin", i)}
		})
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(info)))
			for b.Loop() {
				if _, err := ParseInfo(info); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
