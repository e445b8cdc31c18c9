package storage

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The child of TestKill is this program again, told so by the environment.
const childEnv = "LORRENT_STORAGE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

const childTorrents = 8

// child writes until it is killed. After each call that returned it prints what
// that call has promised: "t N", torrent N is added; "r N V", its resume record
// says V; "m N", message N is stored; "s V", the setting is V.
func child(path string) {
	db, err := Open(path)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var wg sync.WaitGroup
	for i := range childTorrents {
		wg.Go(func() { childTorrent(db, i) })
	}
	wg.Go(func() { childMessages(db) })
	wg.Wait()
}

func report(err error, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if err != nil {
		line = fmt.Sprint("error ", err)
	}
	fmt.Println(line) // one write, so lines never mix
}

func childTorrent(db *DB, i int) {
	torrent := sample(i)
	first := int64(1)
	if r, err := db.Resume(torrent.InfoHash); err == nil {
		first = r.VerifiedBytes + 1
	} else {
		report(db.AddTorrent(torrent, Metadata{Info: []byte(fmt.Sprint("info ", i))}, Resume{}), "t %d", i)
	}
	for v := first; ; v++ {
		r := Resume{Bitfield: binary.BigEndian.AppendUint64(nil, uint64(v)), VerifiedBytes: v, Writing: true}
		report(db.SaveResume(torrent.InfoHash, r), "r %d %d", i, v)
	}
}

func childMessages(db *DB) {
	last, err := db.Messages(MessageQuery{Limit: 1})
	first := 0
	if len(last) > 0 {
		if _, scanErr := fmt.Sscan(last[0].Text, &first); scanErr != nil {
			err = scanErr
		}
		first++
	}
	if err != nil {
		report(err, "")
	}
	for n := first; ; n++ {
		m := Message{ID: fmt.Sprintf("%016x", n), From: us, To: 7, Text: fmt.Sprint(n), Outgoing: true, State: "queued"}
		report(db.AddMessage(&m), "m %d", n)
		v := []byte(fmt.Sprint(n))
		report(db.SetSetting("counter", v), "s %s", v)
	}
}

// acknowledged is what children have promised so far.
type acknowledged struct {
	torrents map[int]int64 // by number, with the last resume value
	message  int
	setting  int64
	lines    int
}

func (a *acknowledged) read(t *testing.T, line string) {
	t.Helper()
	var n int
	var v int64
	fields := strings.Fields(line)
	count := 0
	switch fields[0] {
	case "t":
		count, _ = fmt.Sscan(fields[1], &n)
		a.torrents[n] = 0
	case "r":
		count, _ = fmt.Sscan(strings.Join(fields[1:], " "), &n, &v)
		a.torrents[n] = v
	case "m":
		count, _ = fmt.Sscan(fields[1], &a.message)
	case "s":
		count, _ = fmt.Sscan(fields[1], &a.setting)
	}
	if count == 0 {
		t.Fatalf("the child says %q", line)
	}
	a.lines++
}

// A process that commits is killed at random moments. Whatever it said was
// stored has to be there, whole, and the file marked as not closed.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	acked := &acknowledged{torrents: map[int]int64{}, message: -1, setting: -1}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for round := range 12 {
		before := acked.lines
		runChild(t, path, acked, 1+rng.IntN(150))
		if acked.lines == before {
			t.Fatal("the child did nothing")
		}
		db := reopen(t, path)
		if db.WasClean() {
			t.Errorf("round %d: a killed process left it clean", round)
		}
		checkAcknowledged(t, db, acked)
		crash(t, db)
	}
}

// runChild kills the child once it has printed some lines, and reads on: what
// was in the pipe by then was promised as well.
func runChild(t *testing.T, path string, acked *acknowledged, lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	defer cmd.Wait() // it was killed: its status says nothing new
	defer cmd.Process.Kill()
	in := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := in.ReadString('\n')
		if err != nil { // end; a last line without its end promises nothing
			if n < lines {
				t.Errorf("the child ended by itself after %d lines", n)
			}
			return
		}
		acked.read(t, strings.TrimSuffix(line, "\n"))
	}
}

func checkAcknowledged(t *testing.T, db *DB, acked *acknowledged) {
	t.Helper()
	torrents, problems := db.Torrents()
	if len(problems) > 0 {
		t.Errorf("damaged: %v", problems)
	}
	verified := make(map[[20]byte]int64)
	for _, torrent := range torrents {
		verified[torrent.InfoHash] = torrent.VerifiedBytes
	}
	for i, v := range acked.torrents {
		hash := sample(i).InfoHash
		r, err := db.Resume(hash)
		if err != nil || r.VerifiedBytes < v {
			t.Errorf("torrent %d: resume says %d, %d was promised (%v)", i, r.VerifiedBytes, v, err)
			continue
		}
		if r.VerifiedBytes > 0 && binary.BigEndian.Uint64(r.Bitfield) != uint64(r.VerifiedBytes) || verified[hash] != r.VerifiedBytes {
			t.Errorf("torrent %d: half of a save: %+v, torrent record %d", i, r, verified[hash])
		}
		if info, err := db.Info(hash); err != nil || string(info) != fmt.Sprint("info ", i) {
			t.Errorf("torrent %d: info dict %q, %v", i, info, err)
		}
	}
	messages, err := db.Messages(MessageQuery{})
	if err != nil || len(messages) <= acked.message {
		t.Errorf("%d messages, number %d was promised (%v)", len(messages), acked.message, err)
	}
	outbox, err := db.Outbox()
	if err != nil || len(outbox) != len(messages) {
		t.Errorf("%d of %d messages in the outbox (%v)", len(outbox), len(messages), err)
	}
	if acked.message >= 0 && !db.HasMessage(fmt.Sprintf("%016x", acked.message)) {
		t.Errorf("message %d can come twice", acked.message)
	}
	setting := int64(-1)
	value, err := db.Setting("counter")
	if value != nil {
		_, _ = fmt.Sscan(string(value), &setting)
	}
	if err != nil || setting < acked.setting {
		t.Errorf("setting %d, %d was promised (%v)", setting, acked.setting, err)
	}
}
