package metainfo

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"strings"
	"testing"
)

// seedInfos are info dictionaries near the borders between the rules.
func seedInfos(f *testing.F) [][]byte {
	infos := [][]byte{
		[]byte(unordered), []byte("de"), []byte("d"), nil,
		[]byte(strings.Repeat("l", 100)),
		[]byte("d4:name2:..6:lengthi1e12:piece lengthi1e6:pieces20:xxxxxxxxxxxxxxxxxxxxe"),
	}
	for _, d := range []dict{
		single,
		multi(file(5, "a"), file(0, "A"), file(7, "a", "b"), file(1, "a (2)")),
		multi(file(5, "x", "con.txt"), file(5, "x", "\xff."), file(5, "X", strings.Repeat("é", 200)), file(1, "x")),
		multi(dict{"length": 5, "path": []string{"\xc4"}, "path.utf-8": []string{"Ä"}, "attr": "p"}, file(-1, "b")),
		multi(file(1, "..", "a"), file(1<<62, "b"), file(1<<62, "c")),
		{"name": "a", "piece length": 16384, "meta version": 2, "file tree": dict{}},
		v2Of(dict{"a": leaf(40000), "b": dict{"c": leaf(1), "": leaf(0)[""]}}),
		v2Of(dict{"b": dict{"c": leaf(16385), "d": leaf(0), "e": leaf(5)}}),
		hybridOf(dict{"a": leaf(40000), "b": leaf(3)}, file(40000, "a"), pad(9152), file(3, "b")),
	} {
		infos = append(infos, marshal(f, d))
	}
	return infos
}

func FuzzParse(f *testing.F) {
	for _, info := range seedInfos(f) {
		f.Add([]byte("d8:announce9:http://a/13:announce-list0:4:info" + string(info) + "8:url-listi5ee\n"))
	}
	f.Add([]byte("d13:announce-listll9:http://a/el9:udp://b/xeli1eee13:creation datei1e7:comment3:abc4:info" + unordered + "e"))
	for _, name := range []string{"v2", "hybrid"} {
		f.Add(golden(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			wantError(t, m, err, "")
			return
		}
		if !bytes.Contains(b, m.Info.Bytes) {
			t.Fatalf("info %q is not in the input", m.Info.Bytes)
		}
		checkParsed(t, m.Info)
		if m.Info.IsV2() && !m.Info.HasLayers() {
			t.Fatal("a v2 torrent without its piece layers")
		}
		n := 0
		for _, tier := range m.Trackers {
			if n += len(tier); len(tier) == 0 || n > maxTrackers {
				t.Fatalf("trackers %q", m.Trackers)
			}
		}
		if len(m.Comment) > maxText*2 || strings.ContainsAny(m.Comment+m.CreatedBy, "\x00\x1b\r") {
			t.Fatalf("comment %q, created by %q", m.Comment, m.CreatedBy)
		}
	})
}

func FuzzParseInfo(f *testing.F) {
	for _, info := range seedInfos(f) {
		f.Add(info)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := ParseInfo(b)
		if err != nil {
			wantError(t, info, err, "")
			return
		}
		if !bytes.Equal(info.Bytes, b) {
			t.Fatalf("Bytes = %q", info.Bytes)
		}
		checkParsed(t, info)
	})
}

func checkParsed(t *testing.T, info *Info) {
	t.Helper()
	if want := Hash(sha1.Sum(info.Bytes)); info.Hash != want && info.Hash != info.V2.Short() {
		t.Fatalf("hash %v", info.Hash)
	}
	if info.IsV2() && info.V2 != sha256.Sum256(info.Bytes) {
		t.Fatalf("v2 hash %v", info.V2)
	}
	checkInfo(t, info)
	for i, f := range info.Files[:min(len(info.Files), 50)] {
		for _, g := range info.Files[:i] {
			if f.Pad || g.Pad {
				continue
			}
			if a, b := strings.Join(f.Path, "/"), strings.Join(g.Path, "/"); strings.EqualFold(a, b) {
				t.Fatalf("paths %q and %q are one", a, b)
			}
		}
	}
}
