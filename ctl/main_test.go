package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asProgram makes the test binary behave as ctl, for tests that need a process
// of its own with a terminal of its own.
const asProgram = "LORRENTCTL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// result is what a command left behind.
type result struct {
	code   int
	stdout string
	stderr string
}

// invocation is one run of ctl with pipes for streams.
type invocation struct {
	stdin string
	env   []string
}

func (i invocation) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, strings.NewReader(i.stdin), &stdout, &stderr, i.env)
	return result{code, stdout.String(), stderr.String()}
}

// ctl runs a command against a fake daemon.
func (d *fakeDaemon) ctl(args ...string) result {
	d.t.Helper()
	return invocation{env: d.env()}.run(d.t, args...)
}

func (r result) want(t *testing.T, code int, stdout string) {
	t.Helper()
	if r.code != code || r.stdout != stdout {
		t.Errorf("exit code %d, stdout:\n%s\nwant %d:\n%s\nstderr: %s", r.code, r.stdout, code, stdout, r.stderr)
	}
}

// decode parses the JSON on stdout, which must be one value on one line.
func (r result) decode(t *testing.T, into any) {
	t.Helper()
	if strings.Count(r.stdout, "\n") != 1 || !strings.HasSuffix(r.stdout, "\n") {
		t.Errorf("want one line of JSON, have %q", r.stdout)
	}
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("decode %q: %v (stderr: %s)", r.stdout, err, r.stderr)
	}
}
