package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever is planted below the root, a file outside of it neither changes nor
// is read, and one inside it that is not the torrent's does not either.
func TestPlantedLinks(t *testing.T) {
	secret := []byte("secret")
	for _, c := range []struct {
		name  string
		plant func(root, outside string) error
	}{
		{"absolute link for a file", func(root, outside string) error {
			return os.Symlink(filepath.Join(outside, "f"), filepath.Join(root, "d", "f"))
		}},
		{"relative link for a file", func(root, outside string) error {
			return os.Symlink("../../outside/f", filepath.Join(root, "d", "f"))
		}},
		{"link to a file inside the root", func(root, outside string) error {
			return errors.Join(os.WriteFile(filepath.Join(root, "other"), secret, 0o600), os.Symlink("../other", filepath.Join(root, "d", "f")))
		}},
		{"dangling link", func(root, outside string) error {
			return os.Symlink(filepath.Join(outside, "new"), filepath.Join(root, "d", "f"))
		}},
		{"absolute link for a folder", func(root, outside string) error {
			return errors.Join(os.Remove(filepath.Join(root, "d")), os.Symlink(outside, filepath.Join(root, "d")))
		}},
		{"relative link for a folder", func(root, outside string) error {
			return errors.Join(os.Remove(filepath.Join(root, "d")), os.Symlink("../outside", filepath.Join(root, "d")))
		}},
		{"pipe", func(root, outside string) error { return unix.Mkfifo(filepath.Join(root, "d", "f"), 0o666) }},
		{"folder", func(root, outside string) error { return os.Mkdir(filepath.Join(root, "d", "f"), 0o755) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := t.TempDir()
			root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
			err := errors.Join(CreateRoot(filepath.Join(root, "d")), CreateRoot(outside),
				os.WriteFile(filepath.Join(outside, "f"), secret, 0o600), c.plant(root, outside))
			if err != nil {
				t.Fatal(err)
			}
			tor := open(t, Config{Root: root, Files: []File{{Path: []string{"d", "f"}, Length: 6}}})
			if _, err := tor.Stat(); err == nil {
				t.Error("stat saw a file")
			}
			if err := tor.Allocate(); err == nil {
				t.Error("allocate succeeded")
			}
			if err := tor.WriteAt([][]byte{[]byte("broken")}, 0); err == nil {
				t.Error("write succeeded")
			}
			p := make([]byte, 6)
			if err := tor.ReadAt(p, 0); err == nil || bytes.Equal(p, secret) {
				t.Errorf("read %q, %v", p, err)
			}
			before, _ := os.ReadDir(filepath.Join(root, "d"))
			_ = tor.Remove() // an error or not: what counts is what is left
			if after, _ := os.ReadDir(filepath.Join(root, "d")); len(after) != len(before) {
				t.Error("remove deleted what was planted")
			}
			for _, file := range []string{filepath.Join(outside, "f"), filepath.Join(root, "other")} {
				if got, err := os.ReadFile(file); !errors.Is(err, fs.ErrNotExist) && !bytes.Equal(got, secret) {
					t.Errorf("%s: %q, %v", file, got, err)
				}
			}
			if _, err := os.Lstat(filepath.Join(outside, "new")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a file was created outside")
			}
		})
	}
}

func TestRootIsNeverCreatedByOpen(t *testing.T) {
	base := t.TempDir()
	missing := filepath.Join(base, "a", "b")
	if _, err := Open(Config{Root: missing}); !errors.Is(err, ErrRootMissing) {
		t.Errorf("open: %v", err)
	}
	if _, err := os.Stat(filepath.Join(base, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("open created a folder")
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Root: file}); !errors.Is(err, ErrRootMissing) {
		t.Errorf("open of a file: %v", err)
	}
	if err := CreateRoot(file); err == nil {
		t.Error("a file became a root")
	}
	for range 2 {
		if err := CreateRoot(missing); err != nil {
			t.Fatal(err)
		}
	}
	open(t, Config{Root: missing})
}

// The disk goes away while the torrent is open, or another folder takes its place.
func TestRootLost(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(root string) error
	}{
		{"deleted", os.RemoveAll},
		{"replaced", func(root string) error {
			return errors.Join(os.Rename(root, root+" old"), os.Mkdir(root, 0o755))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tor := allocate(t, Config{Root: t.TempDir(), Files: mixed()})
			if err := c.lose(tor.path); err != nil {
				t.Fatal(err)
			}
			if _, err := tor.Stat(); !errors.Is(err, ErrRootMissing) {
				t.Errorf("stat: %v", err)
			}
			if err := tor.Allocate(); !errors.Is(err, ErrRootMissing) {
				t.Errorf("allocate: %v", err)
			}
			if err := tor.Remove(); !errors.Is(err, ErrRootMissing) {
				t.Errorf("remove: %v", err)
			}
		})
	}
}

func TestRemoveLeavesWhatIsNotOurs(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra string // a file of someone else
		left  []string
	}{
		{"nothing else", "", nil},
		{"beside the folder", "other", []string{"other"}},
		{"in a folder of ours", "t/x/notes.txt", []string{"t", "t/x", "t/x/notes.txt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tor := allocate(t, Config{Files: mixed()})
			if c.extra != "" {
				if err := os.WriteFile(filepath.Join(tor.path, c.extra), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := tor.WriteAt([][]byte{make([]byte, 2000)}, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(tor.path, "t/x/empty")); err != nil {
				t.Fatal(err)
			}
			if err := tor.Remove(); err != nil {
				t.Fatal(err)
			}
			var left []string
			err := filepath.WalkDir(tor.path, func(path string, _ fs.DirEntry, err error) error {
				if rel, _ := filepath.Rel(tor.path, path); rel != "." {
					left = append(left, rel)
				}
				return err
			})
			if err != nil || len(left) != len(c.left) {
				t.Fatalf("left %v, want %v (%v)", left, c.left, err)
			}
			for i := range left {
				if left[i] != c.left[i] {
					t.Errorf("left %v, want %v", left, c.left)
				}
			}
			if n := openBelow(t, tor.path); n != 0 {
				t.Errorf("%d files still open", n)
			}
			if err := tor.Remove(); err != nil {
				t.Errorf("second remove: %v", err)
			}
			if err := tor.Sync(); err != nil {
				t.Errorf("sync after remove: %v", err)
			}
		})
	}
}
