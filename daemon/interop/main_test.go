package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// caseLimit bounds each case, however slow the machine.
const caseLimit = 4 * time.Minute

// builds is where the daemon under test is built.
var builds string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == roleArg { // the benchmark runs this program again
		playRole(os.Args[2], os.Args[3:])
		return
	}
	var err error
	if builds, err = os.MkdirTemp("", "lorrent-interop-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(builds)
		os.Exit(code)
	}))
}

// buildDaemon builds the daemon once, with the race detector when the tests
// have it, and returns the program's path.
var buildDaemon = sync.OnceValues(func() (string, error) {
	program := filepath.Join(builds, "lorrentd")
	args := []string{"build", "-buildvcs=false", "-o", program}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "lorrent/daemon")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return program, nil
})

// begin builds the daemon, which may take its time, and returns the time limit
// of a case.
func begin(t *testing.T) context.Context {
	t.Helper()
	return beginFor(t, caseLimit)
}

func beginFor(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	if _, err := buildDaemon(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// lacking ends a test that cannot run here: it fails where everything has to
// be installed, and is skipped elsewhere.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LORRENT_CI") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// need finds a program of a Debian package.
func need(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lacking(t, "%s is not installed (Debian package %s)", program, debian)
	}
	return path
}

// scratch is a folder of the test, with a path short enough for a socket, and
// open to programs that give up root.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lorrent-interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// await polls until the condition holds; what says what was waited for.
func await(t *testing.T, ctx context.Context, what string, ok func() (bool, error)) {
	t.Helper()
	awaitEvery(t, ctx, 20*time.Millisecond, what, ok)
}

// awaitEvery is await for those who measure time.
func awaitEvery(t *testing.T, ctx context.Context, interval time.Duration, what string, ok func() (bool, error)) {
	t.Helper()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		done, err := ok()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in time: %v", what, context.Cause(ctx))
		}
	}
}
