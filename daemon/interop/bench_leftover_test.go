package interop

import (
	"os"
	"testing"
)

// leftover is what the run before has downloaded. It is removed right before the next
// one begins: a hypervisor takes memory that lies free for a second or two, and to get
// it again for the page cache costs from a tenth to twice the CPU time of all the rest
// of a download.
type leftover struct{ dir string }

// scratch is a folder that is kept until the next run begins.
func (l *leftover) scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lorrent-bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.clear(t) // where a run failed before it began
		l.dir = dir
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (l *leftover) clear(t *testing.T) {
	t.Helper()
	if l == nil || l.dir == "" {
		return
	}
	if err := os.RemoveAll(l.dir); err != nil {
		t.Error(err)
	}
	l.dir = ""
}
