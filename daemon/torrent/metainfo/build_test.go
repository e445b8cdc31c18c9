package metainfo

import (
	"bytes"
	"crypto/sha1"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// write makes files with the given content below a new folder and returns it.
func write(t *testing.T, content map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "folder")
	for path, text := range content {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func pattern(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return string(b)
}

func TestBuildFolder(t *testing.T) {
	content := map[string]string{"b.bin": pattern(50000), "a/z": pattern(16384), "a/empty": "", "c": "tail"}
	root := write(t, content)
	opts := BuildOptions{PieceLength: 16384, Trackers: [][]string{{"http://a/", "udp://b:1/"}, {"https://c/"}}, Private: true, Comment: "hello"}
	b, err := Build(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Path: []string{"folder", "a", "empty"}},
		{Path: []string{"folder", "a", "z"}, Length: 16384},
		{Path: []string{"folder", "b.bin"}, Length: 50000, Offset: 16384},
		{Path: []string{"folder", "c"}, Length: 4, Offset: 66384},
	}
	if !reflect.DeepEqual(m.Info.Files, want) {
		t.Errorf("files %+v", m.Info.Files)
	}
	if m.Info.Name != "folder" || !m.Info.Private || m.Comment != "hello" || !reflect.DeepEqual(m.Trackers, opts.Trackers) {
		t.Errorf("MetaInfo = %+v", m)
	}
	checkPieces(t, m.Info, content["a/z"]+content["b.bin"]+content["c"])
	again, err := Build(root, opts)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("built twice, the torrents differ: %v", err)
	}
}

func TestBuildFile(t *testing.T) {
	content := map[string]string{"film.mkv": pattern(3 << 20)}
	b, err := Build(filepath.Join(write(t, content), "film.mkv"), BuildOptions{Name: "other.mkv"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Info.Files, []File{{Path: []string{"other.mkv"}, Length: 3 << 20}}) || m.Info.Private || m.Trackers != nil {
		t.Errorf("MetaInfo = %+v, Info = %+v", m, m.Info)
	}
	if m.Info.PieceLength != 16384 {
		t.Errorf("piece length %d", m.Info.PieceLength)
	}
	checkPieces(t, m.Info, content["film.mkv"])
}

func checkPieces(t *testing.T, info *Info, data string) {
	t.Helper()
	if info.TotalLength != int64(len(data)) {
		t.Fatalf("total %d, want %d", info.TotalLength, len(data))
	}
	for i := range info.NumPieces() {
		begin := int64(i) * info.PieceLength
		if want := sha1.Sum([]byte(data[begin : begin+info.PieceSize(i)])); !bytes.Equal(info.PieceHash(i), want[:]) {
			t.Errorf("piece %d: hash %x, want %x", i, info.PieceHash(i), want)
		}
	}
}

func TestAutoPieceLength(t *testing.T) {
	tests := map[int64]int64{1: 16 << 10, 20 << 20: 16 << 10, 24 << 20: 32 << 10, 1 << 30: 1 << 20, 5 << 30: 4 << 20, 1 << 40: 16 << 20}
	for total, want := range tests {
		if got := autoPieceLength(total); got != want {
			t.Errorf("autoPieceLength(%d) = %d, want %d", total, got, want)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	tests := []struct {
		name    string
		content map[string]string
		root    func(root string) string
		opts    BuildOptions
		want    string
	}{
		{name: "missing", root: func(r string) string { return r + "-not" }, content: map[string]string{"a": "x"}, want: "no such file"},
		{name: "only empty files", content: map[string]string{"a": "", "b": ""}, want: "every file is empty"},
		{name: "a symbolic link", content: map[string]string{"a": "x"}, root: func(r string) string {
			_ = os.Symlink("/etc/passwd", filepath.Join(r, "link"))
			return r
		}, want: `"link" is no regular file`},
		{name: "a name that would change", content: map[string]string{"sub/aux.c": "x"}, want: `file "sub/aux.c" would become "sub/_aux.c"`},
		{name: "names that differ in case only", content: map[string]string{"A": "x", "a": "y"}, want: `file "a" would become "a (2)"`},
		{name: "the torrent's name would change", content: map[string]string{"a": "x"}, opts: BuildOptions{Name: "end."}, want: `name "end." would become "end"`},
		{name: "a hostile name", content: map[string]string{"a": "x"}, opts: BuildOptions{Name: ".."}, want: `name "..": escapes`},
		{name: "negative piece length", content: map[string]string{"a": "x"}, opts: BuildOptions{PieceLength: -1}, want: "piece length -1"},
		{name: "a tracker nobody could announce to", content: map[string]string{"a": "x"}, opts: BuildOptions{Trackers: [][]string{{"http://a/", "wss://b/"}}}, want: `tracker "wss://b/"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := write(t, tt.content)
			if tt.root != nil {
				root = tt.root(root)
			}
			b, err := Build(root, tt.opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "metainfo: build torrent of ") {
				t.Errorf("Build = %d bytes, %v, want an error with %q", len(b), err, tt.want)
			}
		})
	}
}

func TestBuildSeesChanges(t *testing.T) {
	for name, text := range map[string]string{"grown": "0123456789+", "shrunk": "012"} {
		t.Run(name, func(t *testing.T) {
			root := write(t, map[string]string{"a": "0123456789"})
			src, err := openSource(root)
			if err != nil {
				t.Fatal(err)
			}
			defer src.root.Close()
			if err := os.WriteFile(filepath.Join(root, "a"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := src.hash(16384, V1); err == nil || !strings.Contains(err.Error(), `"a" changed while it was read`) {
				t.Errorf("hash: %v", err)
			}
		})
	}
}
