package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"lorrent/daemon/torrent/metainfo"
)

// payload says what a torrent carries.
type payload struct {
	name        string
	pieceLength int64
	files       map[string]int64 // path and size; nil for a single file of size
	size        int64
	private     bool
	mktorrent   bool // made by mktorrent, with a key in the info dictionary that we do not know
}

// The payloads have pieces of different sizes and odd ends.
var (
	singleFile = payload{name: "single.bin", pieceLength: 256 << 10, size: 40<<20 + 12_345}
	largePiece = payload{name: "large pieces.bin", pieceLength: 4 << 20, size: 48<<20 + 1}
	foreign    = payload{name: "foreign.bin", pieceLength: 512 << 10, size: 32<<20 - 1, mktorrent: true}
	manyFiles  = payload{name: "many files", pieceLength: 64 << 10, files: map[string]int64{
		"a/large.bin":     17_000_003,
		"a/empty":         0,
		"b/one byte":      1,
		"b/c/d/deep.bin":  9_999_999,
		"b/c/exact.bin":   128 << 10,
		"ünï/日本語.txt":     70_001,
		"z last, odd.bin": 1_234_567,
	}}
)

// make writes the payload below dir and returns its .torrent, which has no
// tracker when that is "".
func (p payload) make(t *testing.T, dir, tracker string) []byte {
	t.Helper()
	root := filepath.Join(dir, p.name)
	random := rand.NewChaCha8(sha256.Sum256([]byte(p.name)))
	files := map[string]int64{"": p.size}
	if p.files != nil {
		files = p.files
	}
	for path, size := range files {
		writeRandom(t, filepath.Join(root, path), size, random)
	}
	if p.mktorrent {
		return p.byMktorrent(t, root, tracker)
	}
	options := metainfo.BuildOptions{PieceLength: p.pieceLength, Private: p.private}
	if tracker != "" {
		options.Trackers = [][]string{{tracker}}
	}
	data, err := metainfo.Build(root, options)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeRandom(t *testing.T, path string, size int64, random io.Reader) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, random, size); err != nil {
		t.Fatal(err)
	}
}

func (p payload) byMktorrent(t *testing.T, root, tracker string) []byte {
	t.Helper()
	file := filepath.Join(scratch(t), "made.torrent")
	out, err := exec.Command(need(t, "mktorrent", "mktorrent"), "-a", tracker, "-s", "somewhere else",
		"-l", strconv.Itoa(bits.TrailingZeros64(uint64(p.pieceLength))), "-o", file, root).CombinedOutput()
	if err != nil {
		t.Fatalf("mktorrent: %v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compare checks that the payload in one folder is, file by file, the one in
// the other.
func (p payload) compare(t *testing.T, source, copied string) {
	t.Helper()
	want, got := p.sums(t, source), p.sums(t, copied)
	if len(want) != max(len(p.files), 1) {
		t.Fatalf("the source has %d files", len(want))
	}
	if maps.Equal(want, got) {
		return
	}
	for path, sum := range want {
		if got[path] != sum {
			t.Errorf("%q: SHA-256 is %q, want %q", path, got[path], sum)
		}
	}
	for path := range got {
		if want[path] == "" {
			t.Errorf("%q is no part of the torrent", path)
		}
	}
}

// sums is the SHA-256 of each file.
func (p payload) sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	root := filepath.Join(dir, p.name)
	sums := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		_, err = io.Copy(h, f)
		sums[rel] = hex.EncodeToString(h.Sum(nil))
		return err
	})
	if err != nil {
		t.Errorf("read payload: %v", err)
	}
	return sums
}
