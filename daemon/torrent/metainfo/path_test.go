package metainfo

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestComponent(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"plain", "Some file - v1.2 (x).tar.gz", "Some file - v1.2 (x).tar.gz"},
		{"other scripts", "日本語 ファイル.txt", "日本語 ファイル.txt"},
		{"hidden", ".bashrc", ".bashrc"},
		{"leading space and dots kept", " ..a", " ..a"},
		{"characters only Windows refuses are kept", `a:b*c?"<>|`, `a:b*c?"<>|`},
		{"control characters", "a\nb\tc\x7fd\u0085e", "a_b_c_d_e"},
		{"direction override", "a\u202etxt.exe", "a_txt.exe"},
		{"line separator", "a\u2028b", "a_b"},
		{"invalid UTF-8", "caf\xe9\xe8.txt", "caf_.txt"},
		{"surrogate half in UTF-8", "a\xed\xa0\x80b", "a_b"},
		{"backslashes", `..\..\evil`, `.._.._evil`},
		{"trailing dots and spaces", "a. . ", "a"},
		{"three dots", "...", "_"},
		{"a space", " ", "_"},
		{"dots that are .. once trimmed", ".. ", "_"},
		{"device", "CON", "_CON"},
		{"device, case and extension", "nul.tar.gz", "_nul.tar.gz"},
		{"device with a space", "Aux .txt", "_Aux .txt"},
		{"device once trimmed", "prn. ", "_prn"},
		{"port", "com1", "_com1"},
		{"port with superscript", "LPT³.x", "_LPT³.x"},
		{"not a port", "com10", "com10"},
		{"not a port either", "com", "com"},
		{"not a device", "console.c", "console.c"},
		{"255 bytes", strings.Repeat("a", 255), strings.Repeat("a", 255)},
		{"256 bytes", strings.Repeat("a", 256), strings.Repeat("a", 255)},
		{"long with extension", strings.Repeat("a", 300) + ".mkv", strings.Repeat("a", 251) + ".mkv"},
		{"long with an extension of 32 bytes", strings.Repeat("a", 300) + "." + strings.Repeat("e", 31), strings.Repeat("a", 223) + "." + strings.Repeat("e", 31)},
		{"long with an extension of 33 bytes", strings.Repeat("a", 250) + "." + strings.Repeat("e", 32), strings.Repeat("a", 250) + ".eeee"},
		{"cut on a rune border", "a" + strings.Repeat("é", 200), "a" + strings.Repeat("é", 127)},
		{"cut on a rune border with extension", strings.Repeat("日", 100) + ".ts", strings.Repeat("日", 84) + ".ts"},
		{"cut behind a space", strings.Repeat("a", 254) + " b", strings.Repeat("a", 254)},
		{"cut, and a device prefix that makes it too long", "CON." + strings.Repeat("e", 251), "_CON." + strings.Repeat("e", 250)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := component([]byte(tt.in))
			if err != nil || got != tt.want {
				t.Errorf("component(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
			if again, err := component([]byte(got)); err != nil || again != got {
				t.Errorf("component(%q) = %q, %v: a safe name must stay", got, again, err)
			}
		})
	}
}

func TestLayOut(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name     string
		in, want []string
	}{
		{"nothing to do", []string{"a", "b/a", "b/c/a"}, []string{"a", "b/a", "b/c/a"}},
		{"duplicates", []string{"a.txt", "a.txt", "d/a.txt", "a.txt"}, []string{"a.txt", "a (2).txt", "d/a.txt", "a (3).txt"}},
		{"case", []string{"Read.me", "read.me", "READ.ME"}, []string{"Read.me", "read (2).me", "READ (3).ME"}},
		{"case beyond ASCII", []string{"ÄΣ", "äς", "äσ"}, []string{"ÄΣ", "äς (2)", "äσ (3)"}},
		{"Kelvin sign", []string{"k", "\u212a"}, []string{"k", "\u212a (2)"}},
		{"equal once sanitised", []string{"a\x01", "a\x02", "a_"}, []string{"a_", "a_ (2)", "a_ (3)"}},
		{"an undisputed name is kept", []string{"a", "a", "a (2)"}, []string{"a", "a (3)", "a (2)"}},
		{"file before folder", []string{"a", "a/b"}, []string{"a (2)", "a/b"}},
		{"folder before file", []string{"a/b", "a"}, []string{"a/b", "a (2)"}},
		{"file and folder, cases differ", []string{"A", "a/b"}, []string{"A (2)", "a/b"}},
		{"file in a folder's place deep down", []string{"x/y", "x/y/z/1", "x/y/z"}, []string{"x/y (2)", "x/y/z/1", "x/y/z (2)"}},
		{"the new name is a folder too", []string{"a", "a/b", "a (2)/b"}, []string{"a (3)", "a/b", "a (2)/b"}},
		{"folders that differ in case", []string{"A/x", "a/y", "a/X"}, []string{"A/x", "a/y", "a/X (2)"}},
		{"hidden files have no extension", []string{".a", ".a"}, []string{".a", ".a (2)"}},
		{"no extension with a space", []string{"Vol. 1", "Vol. 1"}, []string{"Vol. 1", "Vol. 1 (2)"}},
		{"long names", []string{long + ".mkv", long + ".mkv"}, []string{long[:251] + ".mkv", long[:241] + " (2).mkv"}},
		{"pad files", []string{".pad/7", "a", ".pad/7"}, []string{".pad/7", "a", ".pad/7 (2)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := make([]any, len(tt.in))
			for i, path := range tt.in {
				files[i] = file(1, strings.Split(path, "/")...)
			}
			b := marshal(t, multi(files...))
			for range 3 { // the same names at every start
				info, err := ParseInfo(b)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range info.Files {
					got = append(got, strings.Join(f.Path[1:], "/"))
				}
				if !slices.Equal(got, tt.want) {
					t.Fatalf("got  %q\nwant %q", got, tt.want)
				}
				checkInfo(t, info)
			}
		})
	}
}

// checkInfo checks what every accepted info promises.
func checkInfo(t *testing.T, info *Info) {
	t.Helper()
	taken := make(map[string]string) // folded path to the file or folder there
	offset := int64(0)
	for i, f := range info.Files {
		if f.Offset != offset || f.Length < 0 {
			t.Fatalf("file %d: offset %d, length %d, want offset %d", i, f.Offset, f.Length, offset)
		}
		offset += f.Length
		if f.Pad {
			continue
		}
		path := strings.Join(f.Path, "/")
		if !filepath.IsLocal(path) || filepath.Clean(path) != path || !utf8.ValidString(path) || len(path) > maxPath {
			t.Fatalf("file %d: path %q is not safe", i, path)
		}
		if f.Path[0] != info.Name && len(f.Path) > 1 || slices.ContainsFunc(f.Path, func(s string) bool { return len(s) == 0 || len(s) > 255 }) {
			t.Fatalf("file %d: path %q of torrent %q", i, f.Path, info.Name)
		}
		if other, ok := taken[fold(path)]; ok {
			t.Fatalf("file %d: path %q is that of the %s", i, path, other)
		}
		taken[fold(path)] = "file " + path
		for dir := filepath.Dir(path); dir != "." && taken[fold(dir)] != "folder"; dir = filepath.Dir(dir) {
			if other, ok := taken[fold(dir)]; ok {
				t.Fatalf("file %d: folder %q of %q is the %s", i, dir, path, other)
			}
			taken[fold(dir)] = "folder"
		}
	}
	if offset != info.TotalLength || offset == 0 {
		t.Fatalf("total %d, the files have %d", info.TotalLength, offset)
	}
	sum := int64(0)
	for i := range info.NumPieces() {
		if info.PieceSize(i) <= 0 || (len(info.PieceHash(i)) == 20) != (info.Pieces != nil) {
			t.Fatalf("piece %d: %d bytes, hash %x", i, info.PieceSize(i), info.PieceHash(i))
		}
		checkPayload(t, info, i)
		sum += info.PieceSize(i)
	}
	if sum != info.TotalLength {
		t.Fatalf("total %d, the pieces have %d", info.TotalLength, sum)
	}
}

// checkPayload looks for the padding at the end of a piece one file after the
// other, and in a v2 torrent for the one file that the piece is of.
func checkPayload(t *testing.T, info *Info, piece int) {
	t.Helper()
	begin := int64(piece) * info.PieceLength
	end, payload, touched := begin+info.PieceSize(piece), int64(0), 0
	if len(info.Files) < 100 {
		for _, f := range info.Files {
			if !f.Pad && f.Length > 0 && f.Offset < end && f.Offset+f.Length > begin {
				payload = min(f.Offset+f.Length, end) - begin
				touched++
			}
		}
		if got := info.PayloadSize(piece); got != payload {
			t.Fatalf("piece %d: payload of %d bytes, want %d", piece, got, payload)
		}
	}
	if !info.IsV2() {
		return
	}
	tree := info.PieceTree(piece)
	if touched > 1 || tree.File.Pad || tree.File.Length == 0 || tree.NumBlocks < 1 || tree.NumBlocks > 1<<tree.Layer {
		t.Fatalf("piece %d: %d files, %+v", piece, touched, tree)
	}
}

// TestFold compares fold with the standard library's own idea.
func TestFold(t *testing.T) {
	words := []string{"", "a", "A", "k", "K", "\u212a", "s", "ſ", "S", "ß", "ẞ", "σ", "ς", "Σ", "é", "É", "e\u0301", "ab", "aB", "ÀB", "àb", "Ǆ", "ǅ", "ǆ", "i", "İ", "ı", "I"}
	for _, a := range words {
		for _, b := range words {
			if (fold(a) == fold(b)) != strings.EqualFold(a, b) {
				t.Errorf("fold(%q) = %q, fold(%q) = %q, EqualFold %t", a, fold(a), b, fold(b), strings.EqualFold(a, b))
			}
		}
	}
}
