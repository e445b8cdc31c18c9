package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

var history = flag.Int("history", 0, "messages in TestDaemonWithHistory, which then wants its figures by the clock on the wall; default 5,000, 100,000 in CI, and the processor's time")

const (
	startLimit = time.Second
	pageLimit  = 20 * time.Millisecond
)

// TestDaemonWithHistory starts the program as it is released on a long history,
// after a kill, and pages through it: a second from exec to the first answer, which
// has a page of messages, and 20 ms for any page.
func TestDaemonWithHistory(t *testing.T) {
	messages := *history
	if messages == 0 {
		messages = 5000
		if inCI() {
			messages = 100_000
		}
	}
	p := newProcess(t, "--lora", "sim") // unlike off, it loads all that the radio needs
	p.program = []string{release(t, "lorrentd")}
	began := time.Now()
	// Only package storage writes databases: its own test makes this one.
	fill := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^TestLongHistory$", "../storage",
		"-args", "-history", fmt.Sprint(messages), "-history-file", filepath.Join(p.dir, "lorrent.db"))
	if code, stdout, stderr := runToEnd(t, fill); code != 0 {
		t.Fatalf("make the database: %s%s", stdout, stderr)
	}
	t.Logf("%d messages stored in %s", messages, time.Since(began).Round(time.Second/10))

	for range 2 { // after an orderly end, and after a kill
		p.kill()
		started := time.Now()
		p.start(t)
		page(t, p, rpc.MessageListArgs{}, uint64(messages))
		checkTime(t, "first page after exec", time.Since(started), cpuTime(t, p), startLimit)
	}
	middle := uint64(messages / 2)
	for _, q := range []struct {
		name string
		args rpc.MessageListArgs
		last uint64 // of the page
	}{
		{"newest", rpc.MessageListArgs{}, uint64(messages)},
		{"backwards from the middle", rpc.MessageListArgs{BeforeSeq: middle}, middle - 1},
		{"forwards from the middle", rpc.MessageListArgs{AfterSeq: middle}, middle + 100},
		{"received", rpc.MessageListArgs{Direction: "in"}, uint64(messages)},
		{"one peer", rpc.MessageListArgs{Peer: "!00000032"}, uint64(messages)},
		{"one peer, early on", rpc.MessageListArgs{Peer: "!00000032", AfterSeq: 1, Limit: 20}, 1000},
	} {
		const pages = 20
		var took []time.Duration
		used := cpuTime(t, p)
		for range pages {
			asked := time.Now()
			page(t, p, q.args, q.last)
			took = append(took, time.Since(asked))
		}
		slices.Sort(took)
		checkTime(t, "page, "+q.name, took[pages/2], (cpuTime(t, p)-used)/pages, pageLimit)
	}
	t.Log(residentSet(t, p))
	p.shutDown(t)
}

// checkTime holds what something took to a limit: by the clock on the wall when that
// was asked for, else by what of it the daemon's processor time was, since nobody knows
// what else the machine does.
func checkTime(t *testing.T, what string, wall, cpu, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %s, of the processor %s", what, wall.Round(time.Microsecond), cpu)
	if cpu > limit || *history > 0 && wall > limit {
		t.Errorf("%s took longer than %s", what, limit)
	}
}

// cpuTime is what the daemon has taken so far, in ticks of a hundredth of a second.
func cpuTime(t *testing.T, p *process) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the name: from field 3 on, proc(5)
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		t.Fatalf("no times in %s", stat)
	}
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// page asks for messages and checks that they are a full page that ends as wanted.
func page(t *testing.T, p *process, args rpc.MessageListArgs, last uint64) {
	t.Helper()
	r, err := p.MessageList(t.Context(), args)
	if err != nil {
		t.Fatal(err)
	}
	want := args.Limit
	if want == 0 {
		want = 100
	}
	if n := len(r.Messages); n != want || r.Messages[n-1].Seq != last {
		t.Fatalf("%+v: %d messages, want %d that end with number %d", args, n, want, last)
	}
}
