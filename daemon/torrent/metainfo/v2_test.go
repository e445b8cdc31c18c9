package metainfo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lorrent/daemon/torrent/hashtree"
)

// golden is a .torrent that libtorrent 2.0.8 made of goldenContent, in pieces
// of 32 KiB, as v2 only or hybrid.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".torrent"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goldenContent() map[string]string {
	made := func(n, seed int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*7 + seed + i>>8)
		}
		return string(b)
	}
	return map[string]string{"a.bin": made(100000, 1), "b.bin": made(5000, 2), "dir/c.bin": made(40000, 3), "dir/empty": "", "z.bin": made(32768, 5)}
}

// leaf is a file of a file tree.
func leaf(n int) dict {
	if n == 0 {
		return dict{"": dict{"length": 0}}
	}
	return dict{"": dict{"length": n, "pieces root": strings.Repeat("r", 32)}}
}

func pad(n int) dict { return dict{"attr": "p", "length": n, "path": []string{".pad", fmt.Sprint(n)}} }

func v2Of(tree dict) dict {
	return dict{"name": "t", "piece length": 16384, "meta version": 2, "file tree": tree}
}

func hybridOf(tree dict, files ...any) dict {
	total := 0
	for _, f := range files {
		total += f.(dict)["length"].(int)
	}
	d := with(v2Of(tree), dict{"pieces": strings.Repeat("x", 20*((total+16383)/16384))})
	d["files"] = files
	return d
}

func TestGolden(t *testing.T) {
	const v1, v2Hybrid = "8d36e2485a265c04adab376d55bcf1b45d4b9f12", "802b61cc6b10e5900529d482d665a4d53ad6e33ecb6437560dd77245e946f554"
	const v2Only = "66336c671360d9404491322f517e0abe00450c1be0c21f722a997b1003b53433"
	for _, c := range []struct {
		name, hash, v2 string
		format         Format
	}{
		{"v2", v2Only[:40], v2Only, V2},
		{"hybrid", v1, v2Hybrid, Hybrid},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(golden(t, c.name))
			if err != nil {
				t.Fatal(err)
			}
			i := m.Info
			if i.Hash.String() != c.hash || i.V2.String() != c.v2 || i.IsHybrid() != (c.format == Hybrid) || !i.IsV2() || !i.HasLayers() {
				t.Errorf("hashes %v and %v", i.Hash, i.V2)
			}
			if i.NumPieces() != 8 || i.TotalLength != 262144 || i.NumBytes != 177768 || i.NumFiles() != 5 || len(i.Files) != 8 {
				t.Errorf("%d pieces, %d bytes, %d of them content, %d of %d files", i.NumPieces(), i.TotalLength, i.NumBytes, i.NumFiles(), len(i.Files))
			}
			for piece, want := range []int64{32768, 32768, 32768, 1696, 5000, 32768, 7232, 32768} {
				if got := i.PayloadSize(piece); got != want {
					t.Errorf("piece %d: payload %d, want %d", piece, got, want)
				}
			}
			checkInfo(t, i)
			checkTrees(t, i, goldenContent())

			// What we build of the same content is the same torrent.
			b, err := Build(write(t, goldenContent()), BuildOptions{Format: c.format, Name: "pay", PieceLength: 32768})
			if err != nil {
				t.Fatal(err)
			}
			built, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(built.Info.Bytes, i.Bytes) || !bytes.Equal(built.Info.Layers(), i.Layers()) || !reflect.DeepEqual(built.Info.Files, i.Files) {
				t.Errorf("built: %q\nwant:  %q", built.Info.Bytes, i.Bytes)
			}
		})
	}
}

// checkTrees hashes the content piece by piece and compares.
func checkTrees(t *testing.T, i *Info, files map[string]string) {
	t.Helper()
	for piece := range i.NumPieces() {
		tree := i.PieceTree(piece)
		data := files[slashed(tree.File.Path[1:])]
		begin := int64(piece)*i.PieceLength - tree.File.Offset
		part := data[begin : begin+i.PayloadSize(piece)]
		leaves := hashtree.Leaves([]byte(part))
		if got := hashtree.Root(leaves, 0, tree.Layer); !tree.Known || got != tree.Hash || len(leaves) != tree.NumBlocks {
			t.Errorf("piece %d of %v: hash %v, want %v", piece, tree.File.Path, got, tree.Hash)
		}
	}
}

// Layers come later than the info when a magnet link was all there was.
func TestWithLayers(t *testing.T) {
	m, err := Parse(golden(t, "v2"))
	if err != nil {
		t.Fatal(err)
	}
	layers := m.Info.Layers()
	bare, err := ParseInfo(m.Info.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if bare.HasLayers() || bare.PieceTree(0).Known || !bare.PieceTree(4).Known || bare.NumLayerHashes() != 6 || bare.Layer(&bare.Files[0]) != nil {
		t.Errorf("without layers: %+v", bare)
	}
	full, err := bare.WithLayers(layers)
	if err != nil || !reflect.DeepEqual(full, m.Info) || bare.HasLayers() {
		t.Errorf("WithLayers: %v", err)
	}
	wrong := bytes.Clone(layers)
	wrong[4*32+1] ^= 1
	for _, b := range [][]byte{nil, layers[:len(layers)-32], layers[:len(layers)-1], wrong} {
		if i, err := bare.WithLayers(b); err == nil {
			t.Errorf("%d bytes of layers: %+v", len(b), i)
		} else if bytes.Equal(b, wrong) && !strings.Contains(err.Error(), `file 5, "pay/dir/c.bin", do not lead to its pieces root`) {
			t.Error(err)
		}
	}
}

func TestV2Accepts(t *testing.T) {
	paths := func(i *Info) (list []string) {
		for _, f := range i.Files {
			if !f.Pad {
				list = append(list, slashed(f.Path))
			}
		}
		return list
	}
	for _, c := range []struct {
		name string
		info any
		want []string
	}{
		{"a single file", v2Of(dict{"x.bin": leaf(5)}), []string{"x.bin"}},
		{"files without a folder get one", v2Of(dict{"a": leaf(5), "b": leaf(16385)}), []string{"t/a", "t/b"}},
		{"one folder", v2Of(dict{"d": dict{"a": leaf(5)}}), []string{"t/d/a"}},
		{"an empty folder", v2Of(dict{"d": dict{}, "x": leaf(5)}), []string{"t/x"}},
		{"empty files, one with a root", v2Of(dict{"a": leaf(0), "b": leaf(3), "c": dict{"": dict{"length": 0, "pieces root": strings.Repeat("r", 32)}}}), []string{"t/a", "t/b", "t/c"}},
		{"a symbolic link is an empty file", v2Of(dict{"a": leaf(5), "l": dict{"": dict{"length": 0, "attr": "l", "symlink path": []string{"..", "x"}}}}), []string{"t/a", "t/l"}},
		{"names that differ in case", v2Of(dict{"A": leaf(5), "a": leaf(5)}), []string{"t/A", "t/a (2)"}},
		{"names to be made safe", v2Of(dict{"con": leaf(5), "x.": leaf(5), "\xff": leaf(1)}), []string{"t/_con", "t/x", "t/_"}},
		{"unknown keys", v2Of(dict{"x": dict{"": dict{"length": 5, "pieces root": strings.Repeat("r", 32), "mtime": 3, "zzz": "y"}}}), []string{"x"}},
		{"hybrid", hybridOf(dict{"a": leaf(40000), "b": dict{"c": leaf(3)}}, file(40000, "a"), pad(9152), file(3, "b", "c")), []string{"t/a", "t/b/c"}},
		{"hybrid with padding at the end", hybridOf(dict{"a": leaf(40000), "b": leaf(3)}, file(40000, "a"), pad(9152), file(3, "b"), pad(16381)), []string{"t/a", "t/b"}},
		{"hybrid with empty files around the padding", hybridOf(dict{"a": leaf(10), "b": leaf(0), "c": leaf(3)}, file(10, "a"), pad(16374), file(0, "b"), file(3, "c")), []string{"t/a", "t/b", "t/c"}},
		{"hybrid of a single file", with(single, dict{"meta version": 2, "file tree": dict{"a.bin": leaf(40000)}}), []string{"a.bin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := ParseInfo(marshal(t, c.info))
			if err != nil {
				t.Fatal(err)
			}
			if got := paths(info); !reflect.DeepEqual(got, c.want) {
				t.Errorf("files %q, want %q", got, c.want)
			}
			checkParsed(t, info)
		})
	}
}

func TestV2Refuses(t *testing.T) {
	deep := func(n int) any {
		return raw(strings.Repeat("d1:a", n) + "d0:d6:lengthi0eee" + strings.Repeat("e", n))
	}
	tree := func(text string) dict { return with(v2Of(nil), dict{"file tree": raw(text)}) }
	single := with(v2Of(dict{"a": leaf(5)}), nil)
	two := dict{"a": leaf(40000), "b": leaf(3)}
	for _, c := range []struct {
		name string
		info any
		want string
	}{
		{"a future version", with(single, dict{"meta version": 3, "piece length": -1}), "meta version 3 is newer than 2"},
		{"version 1", with(single, dict{"meta version": 1}), "meta version 1: want 2"},
		{"no version", with(single, dict{"meta version": nil}), "meta version: is missing"},
		{"version is a string", with(single, dict{"meta version": "2"}), "meta version: want an integer"},
		{"no file tree", with(single, dict{"file tree": nil}), "file tree: is missing"},
		{"file tree is a list", with(single, dict{"file tree": raw("le")}), "file tree: want a dictionary, have a list"},
		{"empty file tree", v2Of(dict{}), "file tree: there is no file in it"},
		{"only folders", v2Of(dict{"a": dict{"b": dict{}}}), "file tree: there is no file in it"},
		{"only empty files", v2Of(dict{"a": leaf(0), "b": leaf(0)}), "the total length is 0"},
		{"the root is a file", v2Of(leaf(5)), "file tree: the tree itself is a file"},
		{"file and folder", v2Of(dict{"x": dict{"": leaf(5)[""], "y": leaf(5)}}), `file tree "x": is both a file and a folder`},
		{"piece length below 16 KiB", with(single, dict{"piece length": 8192}), "piece length 8192: want a power of two of at least 16384"},
		{"piece length no power of two", with(single, dict{"piece length": 3 * 16384}), "piece length 49152: want a power of two"},
		{"unsorted names", tree("d1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeee"), `file tree: "a" after "b": the names are not in order`},
		{"unsorted names below", tree("d1:xd1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeeee"), `file tree "x": "a" after "b": the names are not in order`},
		{"a name twice", tree("d1:ad0:d6:lengthi0eee1:ad0:d6:lengthi0eeee"), `"a" after "a": the names are not in order`},
		{"length twice", tree("d1:ad0:d6:lengthi0e6:lengthi1eeee"), `file tree "a": length is there twice`},
		{"no length", v2Of(dict{"a": dict{"": dict{}}}), `file tree "a": length: is missing`},
		{"negative length", v2Of(dict{"d": dict{"a": dict{"": dict{"length": -1}}}}), `file tree "d/a": length -1: is negative`},
		{"no root", v2Of(dict{"a": dict{"": dict{"length": 5}}}), `file tree "a": pieces root: is missing`},
		{"root too short", v2Of(dict{"a": dict{"": dict{"length": 5, "pieces root": "abc"}}}), `pieces root: 3 bytes, want 32`},
		{"root is a number", v2Of(dict{"a": dict{"": dict{"length": 5, "pieces root": 5}}}), `pieces root: want a string`},
		{"root of zeros", v2Of(dict{"a": dict{"": dict{"length": 5, "pieces root": strings.Repeat("\x00", 32)}}}), `pieces root: is all zeros`},
		{"pad file", v2Of(dict{"a": dict{"": dict{"length": 5, "attr": "p", "pieces root": strings.Repeat("r", 32)}}}), `file tree "a": a pad file in a v2 file tree`},
		{"a symbolic link with content", v2Of(dict{"a": dict{"": dict{"length": 5, "attr": "l", "pieces root": strings.Repeat("r", 32)}}}), `file tree "a": length 5: of a symbolic link`},
		{"a name that leads out", v2Of(dict{"d": dict{"..": leaf(5)}}), `file tree "d": path component "..": escapes`},
		{"a name with a separator", v2Of(dict{"a/b": leaf(5)}), `path component "a/b": contains a separator`},
		{"an absolute name", v2Of(dict{"/etc": leaf(5)}), `is absolute`},
		{"a name with NUL", v2Of(dict{"a\x00b": leaf(5)}), `contains a NUL byte`},
		{"a file that is a number", v2Of(dict{"a": 5}), `file tree "a": want a dictionary, have an integer`},
		{"deep folders", with(single, dict{"file tree": deep(100)}), "bencode"},
		{"too long in all", v2Of(dict{"a": leaf(9223372036854775807), "b": leaf(1)}), "file 1 of 2: the total length overflows"},
		{"too many pieces", v2Of(dict{"a": leaf(1 << 50)}), "piece layers: 68719476736 hashes are more than the limit of 1048576"},

		{"hybrid: pieces missing", with(hybridOf(two, file(40000, "a"), pad(9152), file(3, "b")), dict{"pieces": nil}), "pieces: is missing"},
		{"hybrid: files missing", with(hybridOf(two), dict{"files": nil}), "has neither length nor files"},
		{"hybrid: no padding", hybridOf(two, file(40000, "a"), file(3, "b")), `v1 and v2 disagree: file 2 of 2, "t/b", begins inside a piece, at byte 40000`},
		{"hybrid: padding too long", hybridOf(two, file(40000, "a"), pad(9152+16384), file(3, "b")), `whole pieces of padding before file 3 of 3, "t/b"`},
		{"hybrid: padding at the end too long", hybridOf(dict{"a": leaf(16384), "b": leaf(16384)}, file(16384, "a"), file(16384, "b"), pad(16384)), `whole pieces of padding at the end`},
		{"hybrid: another name", hybridOf(two, file(40000, "a"), pad(9152), file(3, "c")), `file 3 of 3 is "t/c", in the file tree it is "t/b"`},
		{"hybrid: another order", hybridOf(two, file(3, "b"), pad(16381), file(40000, "a")), `file 1 of 3 is "t/b", in the file tree it is "t/a"`},
		{"hybrid: another length", hybridOf(two, file(40000, "a"), pad(9152), file(4, "b")), `file 3 of 3, "t/b", has 4 bytes, in the file tree 3`},
		{"hybrid: one more file", hybridOf(two, file(40000, "a"), pad(9152), file(3, "b"), file(0, "c")), `file 4 of 4, "t/c", is not in the file tree`},
		{"hybrid: one file less", hybridOf(two, file(40000, "a")), `"t/b" of the file tree is not among the files`},
		{"hybrid: single against many", with(single, dict{"length": 5, "pieces": strings.Repeat("x", 20)}), `file 1 of 1 is "t", in the file tree it is "a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := ParseInfo(marshal(t, c.info))
			wantError(t, info, err, c.want)
		})
	}
}

func TestPieceLayersRefuses(t *testing.T) {
	info := golden(t, "v2")
	m, err := Parse(info)
	if err != nil {
		t.Fatal(err)
	}
	a, c := m.Info.Files[0], m.Info.Files[4]
	layerA, layerC := hashtree.Append(nil, m.Info.Layer(&a)), hashtree.Append(nil, m.Info.Layer(&c))
	keyA, keyC := string(a.Root[:]), string(c.Root[:])
	small := string(m.Info.Files[2].Root[:])
	wrong := bytes.Clone(layerC)
	wrong[0] ^= 1
	torrent := func(layers any) []byte {
		return marshal(t, with(dict{"info": raw(string(m.Info.Bytes))}, dict{"piece layers": layers}))
	}
	for _, c := range []struct {
		name   string
		layers any
		want   string
	}{
		{"missing", nil, "piece layers: is missing"},
		{"a list", raw("le"), "piece layers: want a dictionary, have a list"},
		{"one missing", dict{keyA: layerA}, `piece layers: file 5, "pay/dir/c.bin", has 0 bytes of them, want 64`},
		{"too short", dict{keyA: layerA[:96], keyC: layerC}, `file 1, "pay/a.bin", has 96 bytes of them, want 128`},
		{"too long", dict{keyA: layerA, keyC: append(bytes.Clone(layerC), make([]byte, 32)...)}, `has 96 bytes of them, want 64`},
		{"wrong", dict{keyA: layerA, keyC: wrong}, `piece layers: those of file 5, "pay/dir/c.bin", do not lead to its pieces root`},
		{"not a string", dict{keyA: 5, keyC: layerC}, `want a string, have an integer`},
		{"a short key", dict{keyA: layerA, keyC: layerC, "x": ""}, `a key of 1 bytes, want 32`},
		{"of no file", dict{keyA: layerA, keyC: layerC, strings.Repeat("x", 32): layerC}, `belong to no file`},
		{"twice", raw("d32:" + keyA + "128:" + string(layerA) + "32:" + keyA + "128:" + string(layerA) + "e"), `is there twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(torrent(c.layers))
			wantError(t, m, err, c.want)
		})
	}
	// Programs exist that write the layer of a small file, its root, as well.
	if _, err := Parse(torrent(dict{keyA: layerA, keyC: layerC, small: small})); err != nil {
		t.Error(err)
	}
}

func TestBuildFormats(t *testing.T) {
	root := write(t, map[string]string{"d/x": pattern(70000), "d/e": "", "y": pattern(16384)})
	for _, f := range []Format{V2, Hybrid} {
		b, err := Build(root, BuildOptions{Format: f, PieceLength: 32768, Private: true})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !m.Info.Private || m.Info.IsHybrid() != (f == Hybrid) || m.Info.NumPieces() != 4 || m.Info.NumFiles() != 3 {
			t.Errorf("%+v", m.Info)
		}
		checkInfo(t, m.Info)
		if f == Hybrid {
			padded := pattern(70000) + strings.Repeat("\x00", 3*32768-70000) + pattern(16384)
			checkPieces(t, m.Info, padded)
		}
		for _, n := range []int64{16383, 8192, 49152} {
			if _, err := Build(root, BuildOptions{Format: f, PieceLength: n}); err == nil || !strings.Contains(err.Error(), "want a power of two") {
				t.Errorf("piece length %d: %v", n, err)
			}
		}
		file := filepath.Join(root, "y")
		if b, err = Build(file, BuildOptions{Format: f, Name: "z"}); err != nil {
			t.Fatal(err)
		}
		if m, err = Parse(b); err != nil || !reflect.DeepEqual(m.Info.Files[0].Path, []string{"z"}) || m.Info.NumPieces() != 1 {
			t.Errorf("a single file: %+v, %v", m, err)
		}
	}
	alone := write(t, map[string]string{"only": "x"})
	if _, err := Build(alone, BuildOptions{Format: V2}); err == nil || !strings.Contains(err.Error(), `the single file "only"`) {
		t.Errorf("a folder with one file: %v", err)
	}
}
