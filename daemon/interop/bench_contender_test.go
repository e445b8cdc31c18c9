package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/rpc"
)

// contender is who downloads, or seeds.
type contender struct {
	name   string
	port   int  // where it listens
	bound  bool // what nobody can beat
	seeded bool // although a bound: from a seed, and not over plain TCP from the arena's sender
	launch func(*testing.T, context.Context, *arena, job) running
}

// running is a contender at work.
type running struct {
	*process
	isDone func() bool
	ours   *lorrent // nil when it is another client
}

// contendersOf reads a list such as "lorrent,aria2,old=/tmp/lorrentd-old", or
// "none".
// Those that are not installed are left out.
func contendersOf(t *testing.T, list string) (contenders []contender) {
	t.Helper()
	for _, name := range strings.Split(list, ",") {
		name, path, other := strings.Cut(name, "=")
		switch {
		case name == "none": // only what the machine can do
		case other:
			contenders = append(contenders, ourBuild(name, path))
		case name == "lorrent":
			program, err := buildDaemon()
			if err != nil {
				t.Fatal(err)
			}
			contenders = append(contenders, ourBuild(name, program))
		default:
			c := foreignClient(t, name)
			if _, err := exec.LookPath(c.program); err != nil {
				fmt.Printf("%s is left out: not installed (Debian package %s)\n", name, c.debian)
				continue
			}
			contenders = append(contenders, contender{name: name, port: seedPort, launch: func(t *testing.T, _ context.Context, _ *arena, j job) running {
				return running{process: c.start(t, j), isDone: j.isDone}
			}})
		}
	}
	return contenders
}

func ourBuild(name, program string) contender {
	return contender{name: name, port: lorrentPortNumber, launch: launchBuild(program)}
}

func foreignClient(t *testing.T, name string) client {
	t.Helper()
	for _, c := range []client{transmission, qbittorrent, aria2, rtorrent} {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no contender %q", name)
	return client{}
}

var lorrentPortNumber, _ = strconv.Atoi(lorrentPort)

// launchBuild runs one build of our daemon and gives it the torrents as soon as
// it answers. A restart after a kill finds them there.
func launchBuild(program string, flags ...string) func(*testing.T, context.Context, *arena, job) running {
	return func(t *testing.T, ctx context.Context, _ *arena, j job) running {
		// The seeds and the other contenders speak plaintext, too.
		l := launchLorrent(t, j.namespace, program, j.home, j.data, append(flags, "--encryption", "disable")...)
		if len(j.torrents) == 0 {
			return running{process: l.process, ours: l}
		}
		status := l.awaitRPC(t, ctx)
		for _, path := range j.torrents {
			torrent, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l.add(t, ctx, torrent)
		}
		return running{l.process, l.completions(t, ctx, status.EventCursor, len(j.torrents)), l}
	}
}

// completions waits for the events of n torrents: asking again and again would
// cost the daemon time that is not its own.
func (l *lorrent) completions(t *testing.T, ctx context.Context, cursor uint64, n int) (isDone func() bool) {
	var complete atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	wg.Go(func() {
		args := rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 60, Types: []string{"torrent.completed"}}
		for complete.Load() < int64(n) {
			reply, err := l.client.EventPoll(ctx, args)
			if err != nil {
				return // killed, or at the end of the run
			}
			complete.Add(int64(len(reply.Events)))
			args.Cursor = &reply.Cursor
		}
	})
	return func() bool { return complete.Load() >= int64(n) }
}

// bounds are the machine's own limits: plain TCP, and with it what every
// download has to do, on one thread.
func bounds() []contender {
	return []contender{
		{name: "*plain TCP*", bound: true, launch: func(t *testing.T, _ context.Context, a *arena, j job) running {
			return startBound(t, j, "receive", a.senderAddress(), strconv.FormatInt(a.samples[0].size, 10))
		}},
		{name: "*TCP, SHA-1, write*", bound: true, launch: func(t *testing.T, _ context.Context, a *arena, j job) running {
			s := a.samples[0]
			return startBound(t, j, "store", a.senderAddress(), strconv.FormatInt(s.size, 10), strconv.FormatInt(s.pieceLength, 10), filepath.Join(j.data, s.name))
		}},
	}
}

func startBound(t *testing.T, j job, role string, args ...string) running {
	p := startRole(t, j.namespace, j.home, role, args...)
	return running{process: p, isDone: func() bool {
		select {
		case <-p.ended:
			return p.err == nil
		default:
			return false
		}
	}}
}

// startRole runs this program again, in a part of bench_role_test.go.
func startRole(t *testing.T, n *namespace, dir, role string, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, n, dir, program, append([]string{roleArg, role}, args...)...)
}

// startSender begins to send the first sample to those who connect.
func (a *arena) startSender(t *testing.T, ctx context.Context) *process {
	t.Helper()
	ready := filepath.Join(scratch(t), "ready")
	p := startRole(t, a.theirs, filepath.Dir(ready), "send", a.senderAddress(), filepath.Join(a.samples[0].dir, a.samples[0].name), ready)
	awaitEvery(t, ctx, time.Millisecond, "the sender", func() (bool, error) { return exists(ready), p.alive() })
	return p
}

func (a *arena) senderAddress() string { return net.JoinHostPort(a.peerAddr, "7000") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
