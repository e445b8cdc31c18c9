package storage

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

var (
	history     = flag.Int("history", 5000, "messages in TestLongHistory")
	historyFile = flag.String("history-file", "", "where TestLongHistory leaves its database, for the test of a whole daemon")
)

// fillHistory stores messages as AddMessage does, many in a commit.
func fillHistory(t *testing.T, db *DB, messages int) {
	t.Helper()
	const batch = 1000
	for first := 0; first < messages; first += batch {
		err := db.update(func(tx *bolt.Tx) error {
			for i := first; i < min(first+batch, messages); i++ {
				m := incoming(i, uint32(i%50+1), us)
				m.Seq, m.Text = uint64(i+1), fmt.Sprintf("message number %d, of the length that people write", i)
				if err := tx.Bucket(bucketMessageIDs).Put(idKey(m.ID, m.From), seqKey(m.Seq)); err != nil {
					return err
				}
				if err := putIndexes(tx, &m); err != nil {
					return err
				}
				if err := putMessage(tx, &m); err != nil {
					return err
				}
			}
			return tx.Bucket(bucketMessages).SetSequence(uint64(messages))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// cpuTime is what the process has taken so far: unlike the time on the wall, it
// does not depend on what else the machine does.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A page of a long history takes 20 ms at most, and opening it a second: with
// -args -history 100000 as the README says.
func TestLongHistory(t *testing.T) {
	db, messages := openTest(t), *history
	if *historyFile != "" {
		db = reopen(t, *historyFile)
	}
	fillHistory(t, db, messages)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	began := cpuTime(t)
	db = reopen(t, db.path)
	opened := cpuTime(t) - began
	peer := uint32(7)
	var slowest time.Duration
	for _, q := range []MessageQuery{
		{Limit: 100}, {Limit: 100, BeforeSeq: uint64(messages / 2)}, {Limit: 20, Peer: &peer}, {Limit: 20, Peer: &peer, BeforeSeq: uint64(messages / 2)},
		{Limit: 100, Incoming: true}, {Limit: 100, AfterSeq: uint64(messages - 200)},
	} {
		best := time.Hour // of three: the collector takes its time, too
		for range 3 {
			began := cpuTime(t)
			got, err := db.Messages(q)
			if err != nil || len(got) != q.Limit {
				t.Fatalf("%+v: %d messages, %v", q, len(got), err)
			}
			best = min(best, cpuTime(t)-began)
		}
		slowest = max(slowest, best)
	}
	began = cpuTime(t)
	if got, err := db.Messages(MessageQuery{Text: "NUMBER 4321,"}); err != nil || len(got) != 1 {
		t.Errorf("search: %d messages, %v", len(got), err)
	}
	t.Logf("%d messages: opened in %v, slowest page of 100 in %v, search of all in %v", messages, opened, slowest, cpuTime(t)-began)
	if slowest > 20*time.Millisecond {
		t.Errorf("a page took %v, want less than 20 ms", slowest)
	}
	if opened > time.Second {
		t.Errorf("opening took %v, want less than 1 s", opened)
	}
}
