package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAllocateCreatesEverything(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   Mode
		blocks bool
	}{{"sparse", Sparse, false}, {"full", Full, true}} {
		t.Run(c.name, func(t *testing.T) {
			files := []File{
				{Path: []string{"t", "a"}, Length: 1 << 20},
				{Path: []string{"t", "s", "empty"}},
				{Path: []string{"pad"}, Length: 77, Pad: true},
			}
			tor := open(t, Config{Files: files, Mode: c.mode})
			before, err := tor.Stat()
			if err != nil || before[0].Exists || before[1].Exists {
				t.Fatalf("before: %v, %v", before, err)
			}
			start := time.Now().Add(-time.Minute).UnixNano()
			if err := tor.Allocate(); err != nil {
				t.Fatal(err)
			}
			stamps, err := tor.Stat()
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range files {
				if s := stamps[i]; !s.Exists || s.Size != f.Length || !f.Pad && s.ModTime < start {
					t.Errorf("file %d: %+v", i, s)
				}
			}
			info, err := os.Stat(filepath.Join(tor.path, "t", "a"))
			if err != nil {
				t.Fatal(err)
			}
			if got := allocated(info) >= 1<<20; got != c.blocks {
				t.Errorf("%d bytes in blocks", allocated(info))
			}
			if err := tor.Allocate(); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestAllocateKeepsWhatIsThere(t *testing.T) {
	for _, mode := range []Mode{Sparse, Full} {
		tor := open(t, Config{Mode: mode, Files: []File{
			{Path: []string{"short"}, Length: 8000}, {Path: []string{"exact"}, Length: 4}, {Path: []string{"long"}, Length: 2},
		}})
		for name, content := range map[string]string{"short": "abc", "exact": "defg", "long": "hijkl"} {
			if err := os.WriteFile(filepath.Join(tor.path, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := tor.Allocate(); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"short": "abc" + strings.Repeat("\x00", 7997), "exact": "defg", "long": "hijkl"} {
			if got, err := os.ReadFile(filepath.Join(tor.path, name)); err != nil || string(got) != want {
				t.Errorf("mode %d: %s is now %d bytes (%v)", mode, name, len(got), err)
			}
		}
		if stamps, err := tor.Stat(); err != nil || stamps[2].Size != 5 {
			t.Errorf("mode %d: the longer file is reported as %+v (%v)", mode, stamps[2], err)
		}
	}
}

func TestAllocateFullWithoutFallocate(t *testing.T) {
	tor := open(t, Config{Mode: Full, Files: []File{{Path: []string{"f"}, Length: 9000}}})
	tor.sys.fallocate = func(int, int64, int64) error { return unix.EOPNOTSUPP }
	if err := tor.Allocate(); err != nil {
		t.Fatal(err)
	}
	if stamps, err := tor.Stat(); err != nil || stamps[0].Size != 9000 {
		t.Errorf("%+v, %v", stamps, err)
	}
	tor.sys.fallocate = func(int, int64, int64) error { return unix.ENOSPC }
	if err := tor.Allocate(); !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), filepath.Join(tor.path, "f")) {
		t.Errorf("full: %v", err)
	}
}

func TestAllocateCountsOnlyWhatIsMissing(t *testing.T) {
	tor := open(t, Config{Files: []File{{Path: []string{"have"}, Length: 1 << 20}, {Path: []string{"miss"}, Length: 1 << 19}}})
	if err := os.WriteFile(filepath.Join(tor.path, "have"), bytes.Repeat([]byte{1}, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syncFolder(os.Open(filepath.Join(tor.path, "have"))); err != nil { // so that its blocks are counted
		t.Fatal(err)
	}
	free := int64(1 << 19)
	tor.sys.free = func(string) (int64, error) { return free, nil }
	if err := tor.Allocate(); err != nil {
		t.Fatalf("half a MiB is missing and free: %v", err)
	}
	free--
	if err := tor.Allocate(); !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "needed 524288 bytes, free 524287 bytes") {
		t.Errorf("one byte too few: %v", err)
	}
}

func TestFileInTheWayOfAFolder(t *testing.T) {
	tor := open(t, Config{Files: mixed()})
	if err := os.WriteFile(filepath.Join(tor.path, "t"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stamps, err := tor.Stat(); err != nil || stamps[1].Exists {
		t.Errorf("stat: %+v, %v", stamps, err)
	}
	if err := tor.Allocate(); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("allocate: %v", err)
	}
	if err := tor.Remove(); err != nil {
		t.Errorf("remove: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(tor.path, "t")); err != nil || string(got) != "mine" {
		t.Errorf("the file in the way is now %q (%v)", got, err)
	}
}

// Five thousand files of 20 KiB: creating them must not take a disk flush each.
func TestManySmallFiles(t *testing.T) {
	var files []File
	for i := range 5000 {
		files = append(files, File{Path: []string{"t", fmt.Sprint(i / 100), fmt.Sprint(i)}, Length: 20 << 10})
	}
	tor := open(t, Config{Files: files})
	syncs := 0
	tor.sys.fdatasync = func(int) error { syncs++; return nil }
	if err := tor.Allocate(); err != nil {
		t.Fatal(err)
	}
	if err := tor.Sync(); err != nil {
		t.Fatal(err)
	}
	if syncs != 0 {
		t.Errorf("%d files synced that nobody wrote", syncs)
	}
	buf := make([]byte, 20<<10)
	for i := range files {
		if err := tor.WriteAt([][]byte{buf}, int64(i)*20<<10); err != nil {
			t.Fatal(err)
		}
	}
	if err := tor.Sync(); err != nil || syncs != 5000 {
		t.Errorf("%d files synced (%v)", syncs, err)
	}
}

// Of files that are not wanted none is there but those that a piece spills into,
// and these are not longer than what was written to them.
func TestAllocateFiles(t *testing.T) {
	for _, mode := range []Mode{Sparse, Full} {
		tor := open(t, Config{Files: mixed(), Mode: mode})
		wants := []Want{Absent, Whole, Touched, Absent, Whole, Absent, Absent}
		tor.sys.free = func(string) (int64, error) { return 1000, nil } // the rest needs more
		if err := tor.AllocateFiles(func(i int) Want { return wants[i] }); err != nil {
			t.Fatal(err)
		}
		sizes := func() (list []int64) {
			stamps, err := tor.Stat()
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range stamps {
				switch {
				case tor.layout.files[i].pad:
				case s.Exists:
					list = append(list, s.Size)
				default:
					list = append(list, -1)
				}
			}
			return list
		}
		if got := sizes(); !slices.Equal(got, []int64{-1, 1000, 0, -1, -1, -1}) {
			t.Errorf("mode %v: sizes %v", mode, got)
		}
		if err := tor.WriteAt([][]byte{[]byte("ab")}, 999); err != nil {
			t.Fatal(err)
		}
		tor.sys = linux()
		wants = []Want{Absent, Absent, Absent, Absent, Absent, Absent, Whole}
		if err := tor.AllocateFiles(func(i int) Want { return wants[i] }); err != nil {
			t.Fatal(err)
		}
		if got := sizes(); !slices.Equal(got, []int64{-1, 1000, 1, -1, -1, 0}) {
			t.Errorf("mode %v: sizes %v once other files are wanted", mode, got)
		}
		if err := tor.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := tor.Allocate(); err != nil {
			t.Fatal(err)
		}
		if got := sizes(); !slices.Equal(got, []int64{0, 1000, 1, 0, 5000, 0}) {
			t.Errorf("mode %v: sizes %v once all are wanted", mode, got)
		}
		if err := tor.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	tor := open(t, Config{Files: mixed()})
	if err := tor.AllocateFiles(func(i int) Want { return []Want{Absent, Whole, Absent, Absent, Absent, Absent, Absent}[i] }); err != nil {
		t.Fatal(err)
	}
	if _, err := tor.root.Stat(filepath.Join("t", "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder of nothing: %v", err)
	}
}
