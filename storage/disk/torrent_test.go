package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// open opens a torrent in a fresh root, or in root when given.
func open(t *testing.T, cfg Config) *Torrent {
	t.Helper()
	if cfg.Root == "" {
		cfg.Root = t.TempDir()
	}
	tor, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tor.Close() })
	return tor
}

func allocate(t *testing.T, cfg Config) *Torrent {
	t.Helper()
	tor := open(t, cfg)
	if err := tor.Allocate(); err != nil {
		t.Fatal(err)
	}
	return tor
}

// mixed has every kind of file: empty ones at all places, nested, one byte, padding.
func mixed() []File {
	return []File{
		{Path: []string{"t", "empty first"}},
		{Path: []string{"t", "a"}, Length: 1000},
		{Path: []string{"t", "x", "y", "b"}, Length: 1},
		{Path: []string{"t", "x", "empty"}},
		{Path: []string{".pad", "23"}, Length: 23, Pad: true},
		{Path: []string{"t", "x", "c"}, Length: 5000},
		{Path: []string{"t", "empty last"}},
	}
}

func TestPayloadComesBack(t *testing.T) {
	for _, mode := range []struct {
		name string
		mode Mode
	}{{"sparse", Sparse}, {"full", Full}} {
		t.Run(mode.name, func(t *testing.T) {
			tor := allocate(t, Config{Files: mixed(), Mode: mode.mode, MaxOpen: 1})
			const length = 1000 + 1 + 23 + 5000
			want := make([]byte, length)
			rng := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				off := rng.IntN(length + 1)
				data := make([]byte, rng.IntN(min(length-off, 2000)+1))
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				copy(want[off:], data)
				clear(want[1001:1024]) // the pad file
				if err := tor.WriteAt(cut(rng, data), int64(off)); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, length)
			if err := tor.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatal("the whole torrent reads back differently")
			}
			for range 300 {
				off := rng.IntN(length + 1)
				part := bytes.Repeat([]byte{0xEE}, rng.IntN(length-off+1))
				if err := tor.ReadAt(part, int64(off)); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(part, want[off:off+len(part)]) {
					t.Fatalf("%d bytes at %d read back differently", len(part), off)
				}
			}
			onDisk, err := os.ReadFile(filepath.Join(tor.path, "t/x/c"))
			if err != nil || !bytes.Equal(onDisk, want[1024:]) {
				t.Fatalf("file t/x/c holds something else (%v)", err)
			}
			if _, err := os.Lstat(filepath.Join(tor.path, ".pad")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("the pad file reached the disk: %v", err)
			}
		})
	}
}

// cut splits data into buffers at random, empty ones among them.
func cut(rng *rand.Rand, data []byte) [][]byte {
	bufs := [][]byte{{}}
	for len(data) > 0 {
		n := rng.IntN(len(data) + 1)
		bufs = append(bufs, data[:n], nil)
		data = data[n:]
	}
	return bufs
}

func TestWriteAfterReadLeavesBuffersAlone(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	if err := tor.ReadAt(make([]byte, 10), 0); err != nil { // leaves a descriptor that cannot write
		t.Fatal(err)
	}
	bufs := [][]byte{[]byte("abc"), {}, bytes.Repeat([]byte("d"), 1500)}
	if err := tor.WriteAt(bufs, 10); err != nil {
		t.Fatal(err)
	}
	if len(bufs) != 3 || string(bufs[0]) != "abc" || len(bufs[2]) != 1500 {
		t.Fatalf("buffers changed: %d %q", len(bufs), bufs[0])
	}
}

func TestWriteAtMoreBuffersThanTheKernelTakes(t *testing.T) {
	tor := allocate(t, Config{Files: []File{{Path: []string{"f"}, Length: 5000}}})
	var want []byte
	var bufs [][]byte
	for i := range 5000 {
		bufs = append(bufs, []byte{byte(i * 7)})
		want = append(want, byte(i*7))
	}
	if err := tor.WriteAt(bufs, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5000)
	if err := tor.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read back differently (%v)", err)
	}
}

func TestShortWritesContinue(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	write, calls := tor.sys.pwritev, 0
	tor.sys.pwritev = func(fd int, bufs [][]byte, off int64) (int, error) {
		calls++
		return write(fd, [][]byte{bufs[0][:min(len(bufs[0]), 7)]}, off)
	}
	want := make([]byte, 1000)
	for i := range want {
		want[i] = byte(i)
	}
	if err := tor.WriteAt([][]byte{want[:500], want[500:]}, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1000)
	if err := tor.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read back differently (%v)", err)
	}
	if calls < 1000/7 {
		t.Fatalf("%d calls: the short writes were not used", calls)
	}
}

func TestRangesOutsideTheTorrent(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	for _, c := range []struct {
		name   string
		off, n int64
	}{
		{"before", -1, 1}, {"over the end", 6000, 25}, {"behind", 6025, 0}, {"overflow", 1<<63 - 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := tor.ReadAt(make([]byte, c.n), c.off); err == nil {
				t.Error("read succeeded")
			}
			if err := tor.WriteAt([][]byte{make([]byte, c.n)}, c.off); err == nil {
				t.Error("write succeeded")
			}
			if s := tor.Spans(c.off, c.n); s != nil {
				t.Errorf("spans %v", s)
			}
		})
	}
}

func TestReadErrorsNameTheFile(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	file := filepath.Join(tor.path, "t", "x", "c")
	if err := os.Truncate(file, 4000); err != nil {
		t.Fatal(err)
	}
	err := tor.ReadAt(make([]byte, 2000), 1024+3000)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), file+" at offset 4000") {
		t.Errorf("short file: %v", err)
	}
	if err := os.Remove(filepath.Join(tor.path, "t", "a")); err != nil {
		t.Fatal(err)
	}
	err = tor.ReadAt(make([]byte, 10), 5)
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrRootMissing) || !strings.Contains(err.Error(), filepath.Join(tor.path, "t", "a")+" at offset 5") {
		t.Errorf("missing file: %v", err)
	}
	if err := tor.WriteAt([][]byte{{1}}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("write to a missing file: %v", err)
	}
	if err := os.RemoveAll(tor.path); err != nil {
		t.Fatal(err)
	}
	if err := tor.ReadAt(make([]byte, 1), 1000); !errors.Is(err, ErrRootMissing) {
		t.Errorf("missing root: %v", err)
	}
}

func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		class error
	}{
		{unix.ENOSPC, ErrNoSpace}, {unix.EDQUOT, ErrNoSpace}, {unix.EFBIG, ErrNoSpace},
		{unix.EROFS, ErrReadOnly}, {unix.EACCES, ErrReadOnly}, {unix.EPERM, ErrReadOnly},
		{unix.EIO, nil},
	} {
		t.Run(c.errno.Error(), func(t *testing.T) {
			tor := allocate(t, Config{Files: mixed()})
			write := tor.sys.pwritev
			tor.sys.pwritev = func(fd int, bufs [][]byte, off int64) (int, error) {
				if off == 100 {
					return 0, c.errno
				}
				return write(fd, [][]byte{bufs[0][:100]}, off)
			}
			err := tor.WriteAt([][]byte{make([]byte, 200)}, 0)
			if !errors.Is(err, c.errno) || !strings.Contains(err.Error(), filepath.Join(tor.path, "t/a")+" at offset 100") {
				t.Fatalf("got %v", err)
			}
			for _, class := range []error{ErrNoSpace, ErrReadOnly, ErrRootMissing} {
				if errors.Is(err, class) != (class == c.class) {
					t.Errorf("errors.Is(%v) = %v", class, errors.Is(err, class))
				}
			}
			if IsDiskFull(err) != (c.class == ErrNoSpace) || IsDiskFull(c.errno) != (c.class == ErrNoSpace) {
				t.Errorf("IsDiskFull = %v, %v", IsDiskFull(err), IsDiskFull(c.errno))
			}
			if !tor.dirty[1] {
				t.Error("a write that failed half-way left its file clean")
			}
		})
	}
}

// A file system that is really full, where the machine lets us have one.
func TestFullFileSystem(t *testing.T) {
	root := t.TempDir()
	tmpfs := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m") == nil
	if tmpfs {
		t.Cleanup(func() { unix.Unmount(root, unix.MNT_DETACH) })
	}
	tor := open(t, Config{Root: root, Files: []File{{Path: []string{"big"}, Length: 2 << 20}}})
	if !tmpfs {
		// The same answers from the kernel's place.
		tor.sys.free = func(string) (int64, error) { return 1 << 20, nil }
		write := tor.sys.pwritev
		tor.sys.pwritev = func(fd int, bufs [][]byte, off int64) (int, error) {
			if off >= 1<<20 {
				return 0, unix.ENOSPC
			}
			return write(fd, bufs, off)
		}
	}
	err := tor.Allocate()
	if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "needed 2097152 bytes, free 1048576 bytes") {
		t.Fatalf("allocate: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, "big")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a file was created for lack of space: %v", err)
	}
	tor.sys.free = func(string) (int64, error) { return 1 << 40, nil } // someone else fills the disk afterwards
	if err := tor.Allocate(); err != nil {
		t.Fatal(err)
	}
	var full error
	for off := int64(0); off < 2<<20 && full == nil; off += 64 << 10 {
		full = tor.WriteAt([][]byte{make([]byte, 64<<10)}, off)
	}
	if !IsDiskFull(full) {
		t.Fatalf("write: %v", full)
	}
	if err := tor.ReadAt(make([]byte, 512<<10), 0); err != nil {
		t.Fatalf("a full disk still reads: %v", err)
	}
}

func TestConcurrentReadsOverFewDescriptors(t *testing.T) {
	var files []File
	for i := range 40 {
		files = append(files, File{Path: []string{"f" + string(rune('A'+i))}, Length: 64})
	}
	tor := allocate(t, Config{Files: files, MaxOpen: 2})
	for i := range files {
		if err := tor.WriteAt([][]byte{bytes.Repeat([]byte{byte(i)}, 64)}, int64(i)*64); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			p := make([]byte, 64)
			for range 500 {
				i := rng.IntN(len(files))
				if g == 0 {
					if err := tor.WriteAt([][]byte{bytes.Repeat([]byte{byte(i)}, 64)}, int64(i)*64); err != nil {
						t.Error(err)
					}
				}
				if err := tor.ReadAt(p, int64(i)*64); err != nil {
					t.Error(err)
				} else if !bytes.Equal(p, bytes.Repeat([]byte{byte(i)}, 64)) {
					t.Errorf("file %d: got bytes of file %d", i, p[0])
				}
			}
		})
	}
	wg.Wait()
	if n := len(tor.open); n > 2 || tor.lru.Len() != n {
		t.Errorf("%d handles cached, %d listed", n, tor.lru.Len())
	}
	if n := openBelow(t, tor.path); n > 2 {
		t.Errorf("%d payload files still open", n)
	}
}

// openBelow counts this process's descriptors of files below dir.
func openBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir+"/") {
			n++
		}
	}
	return n
}

func TestCloseEndsEverything(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	h, err := tor.acquire(1, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := tor.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.file.ReadAt(make([]byte, 10), 0); err != nil {
		t.Errorf("a read under way lost its descriptor: %v", err)
	}
	tor.release(h)
	if n := openBelow(t, tor.path); n != 0 {
		t.Errorf("%d files still open", n)
	}
	if err := tor.ReadAt(make([]byte, 10), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := tor.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}
