package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

// TestThousandIdleTorrents lists a thousand torrents that do nothing: half of
// them stopped, half seeding to nobody. It runs the program as it is released,
// for the figures.
func TestThousandIdleTorrents(t *testing.T) {
	const torrents, limit = 1000, 50 * time.Millisecond
	p := newProcess(t)
	p.program = []string{release(t, "lorrentd")}
	p.start(t)
	began := time.Now()
	addIdle(t, p, torrents)
	waitIdle(t, p, torrents)
	t.Logf("%d torrents added in %s", torrents, time.Since(began).Round(time.Millisecond))
	check := func(when string) {
		t.Helper()
		fastest, least := time.Hour, time.Hour
		for range 10 { // rounds, until one meets a machine that is not busy with other tests
			before := processorTime(t, p)
			took := listTimes(t, p, torrents)
			used := (processorTime(t, p) - before) / time.Duration(len(took))
			median := took[len(took)/2]
			t.Logf("%s: Torrent.List answers in %s (fastest of %d: %s, slowest: %s), %s of processor time, %s", when, median.Round(time.Microsecond), len(took),
				took[0].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond), used, residentSet(t, p))
			if median <= limit {
				return
			}
			fastest, least = min(fastest, took[0]), min(least, used)
		}
		// None did: what the daemon had of the machine counts.
		if fastest > limit || least > limit {
			t.Errorf("%s: Torrent.List takes %s at best and %s of processor time, limit %s", when, fastest, least, limit)
		}
	}
	check("before a restart")
	p.shutDown(t)
	began = time.Now()
	p.start(t)
	body := list(t, p)
	t.Logf("first list %s after the start, %d KiB", time.Since(began).Round(time.Millisecond), len(body)>>10)
	waitIdle(t, p, torrents)
	check("after a restart")
	p.shutDown(t)
}

// idleMetainfo is a torrent of 100 pieces of zeros.
func idleMetainfo(n int) []byte {
	const pieces, length = 100, 4 << 10
	sum := sha1.Sum(make([]byte, length))
	name := fmt.Sprintf("idle-%04d", n)
	return fmt.Appendf(nil, "d4:infod6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:%see",
		pieces*length, len(name), name, length, pieces*len(sum), bytes.Repeat(sum[:], pieces))
}

// addIdle adds torrents in batches: the odd ones stopped, the even ones with
// their payload in place.
func addIdle(t *testing.T, p *process, torrents int) {
	t.Helper()
	const batch = 50
	type call struct {
		Version string             `json:"jsonrpc"`
		ID      int                `json:"id"`
		Method  string             `json:"method"`
		Params  rpc.TorrentAddArgs `json:"params"`
	}
	var calls []call
	for n := range torrents {
		if n%2 == 0 {
			path := filepath.Join(p.dir, "downloads", fmt.Sprintf("idle-%04d", n))
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 100*4<<10); err != nil {
				t.Fatal(err)
			}
		}
		calls = append(calls, call{"2.0", n, "Torrent.Add", rpc.TorrentAddArgs{Metainfo: idleMetainfo(n), Paused: n%2 == 1}})
		if len(calls) < batch {
			continue
		}
		body, err := json.Marshal(calls)
		if err != nil {
			t.Fatal(err)
		}
		var replies []struct {
			Result *rpc.TorrentAddReply
			Error  *rpc.Error
		}
		if err := json.Unmarshal(post(t, p, body), &replies); err != nil || len(replies) != batch {
			t.Fatalf("%d replies, %v", len(replies), err)
		}
		for _, r := range replies {
			if r.Error != nil || r.Result.Duplicate {
				t.Fatalf("got %+v", r)
			}
		}
		calls = calls[:0]
	}
}

// waitIdle waits until the seeding ones have found their payload.
func waitIdle(t *testing.T, p *process, torrents int) {
	t.Helper()
	eventually(t, p, "all torrents are idle", func() (bool, error) {
		s, err := p.DaemonStatus(t.Context(), rpc.Empty{})
		return s.States[rpc.StateStopped] == torrents/2 && s.States[rpc.StateSeeding] == torrents/2, err
	})
}

// post sends a body to the daemon and reads the answer, without decoding.
func post(t *testing.T, p *process, body []byte) []byte {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(p.address, "unix:"))
	}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: time.Minute}
	resp, err := client.Post("http://localhost"+rpc.Path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return answer
}

func list(t *testing.T, p *process) []byte {
	t.Helper()
	return post(t, p, []byte(`{"jsonrpc":"2.0","id":1,"method":"Torrent.List","params":{}}`))
}

// listTimes is how long each of 20 lists took, sorted.
func listTimes(t *testing.T, p *process, torrents int) (took []time.Duration) {
	t.Helper()
	for range 20 {
		began := time.Now()
		body := list(t, p)
		took = append(took, time.Since(began))
		var reply struct{ Result rpc.TorrentListReply }
		if err := json.Unmarshal(body, &reply); err != nil || len(reply.Result.Torrents) != torrents {
			t.Fatalf("%d torrents, %v", len(reply.Result.Torrents), err)
		}
	}
	slices.Sort(took)
	return took
}

// processorTime is what the daemon has had so far, to a hundredth of a second.
func processorTime(t *testing.T, p *process) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from field 3, the state, on: proc(5)
	var ticks int
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// residentSet is the daemon's memory, now and at its peak.
func residentSet(t *testing.T, p *process) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	figure := func(name string) float64 {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		words := strings.Fields(rest)
		if len(words) < 2 || words[1] != "kB" {
			t.Fatalf("no %s in %s", name, status)
		}
		kib, err := strconv.Atoi(words[0])
		if err != nil {
			t.Fatal(err)
		}
		return float64(kib) / 1024
	}
	return fmt.Sprintf("RSS %.1f MiB, peak %.1f MiB", figure("VmRSS"), figure("VmHWM"))
}
