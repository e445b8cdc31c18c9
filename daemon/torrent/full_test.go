package torrent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
	"lorrent/storage/disk"
)

// smallDisk mounts a file system of some MiB, in a namespace of its own where
// that takes a privilege. It reports false when the test ran elsewhere.
func smallDisk(t *testing.T, mib int) (dir string, here bool) {
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err == nil {
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		return dir, true
	}
	if os.Getenv("LORRENT_TEST_NAMESPACE") != "" {
		t.Log("no file system can be mounted here, not even in a namespace")
		return "", false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LORRENT_TEST_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); failed {
		t.Errorf("%s", out)
	} else if err != nil {
		t.Logf("no namespace can be made here: %v", err)
	}
	return "", false
}

// occupy fills the disk up to leave bytes, and returns what gives them back.
func occupy(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	have, err := disk.FreeBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "filler")
	if err := os.WriteFile(path, make([]byte, max(0, have-leave)), 0o644); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(path) }
}

func full(st Status) bool {
	return st.State == Downloading && strings.Contains(st.Error, "trying again")
}

// A disk that is full stops the download and nothing else, and is tried again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		name := map[bool]string{true: "before the download", false: "in the middle of it"}[early]
		t.Run(name, func(t *testing.T) { fillDisk(t, early) })
	}
}

func fillDisk(t *testing.T, early bool) {
	small, here := smallDisk(t, 2)
	if !here {
		return
	}
	dir := t.TempDir()
	s := newScene(t, nil) // for its data and its seed
	torrent := makePayload(t, dir, "payload", 32<<10, nil, len(s.data))
	n := startNode(t, dir, func(c *Config) { c.DownloadDir, c.writeRetry = small, 300*time.Millisecond })
	part := make([]byte, len(s.data))
	copy(part, s.data[:sceneHave*s.info.PieceLength])
	if err := os.WriteFile(filepath.Join(small, "payload"), part[:sceneHave*s.info.PieceLength], 0o644); err != nil {
		t.Fatal(err)
	}
	var free func()
	if early {
		free = occupy(t, small, 100<<10)
	}
	h := add(t, n, torrent)
	there := &scene{node: n, h: h, info: s.info, data: s.data}
	n.waitFor(t, h, "start", func(st Status) bool {
		begun := false
		n.do(t, h, func(s *session) { begun = s.phase == moving })
		return begun
	})
	if !early {
		free = occupy(t, small, 100<<10)
	}
	seed := torrenttest.StartSeed(t, s.seedConfig())
	there.meet(t, seed)
	st := n.waitFor(t, h, "full disk", full)
	if !early && st.VerifiedBytes <= sceneHave*s.info.PieceLength {
		t.Errorf("%d bytes verified: nothing of what still fitted", st.VerifiedBytes)
	}
	// What is there is served.
	p := there.dial(t)
	unchoked(t, p)
	p.Say(request(2, 7, 8))
	if m := p.Expect(t, peerwire.Piece); string(m.Block) != string(s.data[2<<15+7:][:8]) {
		t.Error("wrong bytes")
	}
	p.Close()
	// The seed is asked for nothing meanwhile.
	before := seed.Served.Load()
	n.waitFor(t, h, "another try", func(Status) bool {
		again := false
		n.do(t, h, func(s *session) { again = s.fetch.retry > 300*time.Millisecond })
		return again
	})
	if served := seed.Served.Load(); served > before+minInFlight {
		t.Errorf("%d blocks were fetched for a full disk", served-before)
	}
	free()
	st = n.waitFor(t, h, "download", seeding)
	if st.Error != "" {
		t.Errorf("still says %q", st.Error)
	}
	got, err := os.ReadFile(filepath.Join(small, "payload"))
	if err != nil || string(got) != string(s.data) {
		t.Errorf("content differs, %v", err)
	}
	s.release()
}

// minInFlight is what may have been on its way when the disk filled up.
const minInFlight = 40
