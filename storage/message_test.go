package storage

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

const us = 0x89ABCDEF

func incoming(n int, from, to uint32) Message {
	return Message{ID: fmt.Sprintf("%08x%08x", from, n), From: from, To: to, Text: fmt.Sprint("in ", n), State: "received"}
}

func outgoing(n int, to uint32) Message {
	return Message{ID: fmt.Sprintf("%08x%08x", us, n), From: us, To: to, Text: fmt.Sprint("out ", n), Outgoing: true, State: "queued"}
}

func add(t *testing.T, db *DB, messages ...Message) {
	t.Helper()
	for _, m := range messages {
		if err := db.AddMessage(&m); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMessageRoundTrip(t *testing.T) {
	db := openTest(t)
	at := time.Date(2026, 11, 22, 10, 0, 0, 1, time.UTC)
	want := Message{
		ID: "89abcdef00000001", From: us, To: 7, Text: "grüße\x00\n", Outgoing: true, State: "sent",
		CreatedAt: at, UpdatedAt: at.Add(time.Second), ExpiresAt: at.Add(time.Hour), Attempts: 3, RSSIdBm: -101.5, SNRdB: -7.25, Error: "no answer",
	}
	if err := db.AddMessage(&want); err != nil {
		t.Fatal(err)
	}
	crash(t, db)
	db = reopen(t, db.path)
	got, err := db.Messages(MessageQuery{})
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) || want.Seq != 1 {
		t.Errorf("got  %+v\nwant %+v (%v)", got, want, err)
	}
}

func TestDuplicatesAreRefusedForever(t *testing.T) {
	db := openTest(t)
	add(t, db, incoming(1, 5, us))
	crash(t, db)
	db = reopen(t, db.path)
	for _, c := range []struct {
		name string
		m    Message
		want error
	}{
		{"the same", incoming(1, 5, us), ErrExists},
		{"the same with another text", Message{ID: incoming(1, 5, us).ID, From: 5, Text: "x"}, ErrExists},
		{"the same ID from another sender", Message{ID: incoming(1, 5, us).ID, From: 6}, nil},
		{"another ID", incoming(2, 5, us), nil},
		{"an ID that begins alike", Message{ID: incoming(1, 5, us).ID[:8], From: 5}, nil},
	} {
		if err := db.AddMessage(&c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		} else if (c.m.Seq == 0) != (c.want != nil) {
			t.Errorf("%s: sequence %d", c.name, c.m.Seq)
		}
	}
	for id, want := range map[string]bool{
		incoming(1, 5, us).ID: true, incoming(2, 5, us).ID: true, incoming(3, 5, us).ID: false,
		"": false, "0": false, incoming(1, 5, us).ID[:7]: false, strings.Repeat("x", 300): false,
	} {
		if db.HasMessage(id) != want {
			t.Errorf("HasMessage(%q) = %v", id, !want)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 256)} {
		if err := db.AddMessage(&Message{ID: id}); err == nil {
			t.Errorf("an ID of %d bytes was stored", len(id))
		}
	}
}

// A message is found by its ID without a look at any other.
func TestMessageByID(t *testing.T) {
	db := openTest(t)
	same := incoming(1, 5, us).ID
	add(t, db, incoming(1, 5, us), Message{ID: same, From: 4, Text: "newest"}, incoming(2, 5, us), outgoing(3, 7))
	for _, seq := range []uint64{1, 4} { // damaged ones that are not asked for
		err := db.bolt.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMessages).Put(seqKey(seq), []byte("{")) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		id   string
		want uint64
		err  error
	}{
		{same, 2, nil}, {incoming(2, 5, us).ID, 3, nil}, {outgoing(3, 7).ID, 0, ErrCorrupt},
		{"", 0, ErrNotFound}, {same[:8], 0, ErrNotFound}, {same + "0", 0, ErrNotFound}, {strings.Repeat("x", 300), 0, ErrNotFound},
	} {
		if m, err := db.Message(c.id); m.Seq != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %+v, %v", c.id, m, err)
		}
	}
}

func TestOutboxFollowsTheState(t *testing.T) {
	db := openTest(t)
	add(t, db, outgoing(1, 7), incoming(1, 7, us), outgoing(2, 7), outgoing(3, 8),
		Message{ID: "odd", State: "queued"}, // not outgoing
		outgoing(5, broadcast))
	for _, step := range []struct {
		seq   uint64
		state string
		want  []uint64
	}{
		{1, "sent", []uint64{1, 3, 4, 6}}, {6, "sent", []uint64{1, 3, 4}}, // nobody acknowledges a broadcast
		{3, "delivered", []uint64{1, 4}}, {4, "failed", []uint64{1}},
		{1, "expired", nil}, {4, "queued", []uint64{4}},
	} {
		if err := db.UpdateMessage(step.seq, func(m *Message) { m.State = step.state }); err != nil {
			t.Fatal(err)
		}
		crash(t, db)
		db = reopen(t, db.path)
		got, err := db.Outbox()
		if err != nil || !slices.Equal(seqs(got), step.want) {
			t.Errorf("after %d is %s: %v, want %v (%v)", step.seq, step.state, seqs(got), step.want, err)
		}
	}
	if m, err := db.Messages(MessageQuery{BeforeSeq: 2}); err != nil || m[0].State != "expired" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestUpdateMessageErrors(t *testing.T) {
	db := openTest(t)
	add(t, db, outgoing(1, 7))
	if err := db.UpdateMessage(9, func(*Message) {}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "message 9") {
		t.Errorf("missing: %v", err)
	}
	for name, fn := range map[string]func(*Message){
		"Seq": func(m *Message) { m.Seq++ }, "ID": func(m *Message) { m.ID = "x" }, "From": func(m *Message) { m.From++ },
		"To": func(m *Message) { m.To++ }, "Outgoing": func(m *Message) { m.Outgoing = false },
	} {
		if err := db.UpdateMessage(1, fn); err == nil {
			t.Errorf("%s was changed", name)
		}
	}
	if err := db.UpdateMessage(1, func(m *Message) { m.RSSIdBm = math.NaN() }); err == nil {
		t.Error("a number that JSON has no words for was stored")
	}
}

func seqs(messages []Message) (out []uint64) {
	for _, m := range messages {
		out = append(out, m.Seq)
	}
	return out
}

func TestMessageQueries(t *testing.T) {
	db := openTest(t)
	peer7, peer8, all, low := uint32(7), uint32(8), uint32(broadcast), uint32(0)
	add(t, db,
		incoming(1, 7, us), outgoing(1, 7), incoming(2, 8, us), outgoing(2, all), incoming(3, 8, all), // 1-5
		outgoing(3, 8), incoming(4, 7, us), outgoing(4, 7), incoming(5, 7, all), outgoing(5, 0)) // 6-10
	for _, c := range []struct {
		name string
		q    MessageQuery
		want []uint64
	}{
		{"all", MessageQuery{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"newest", MessageQuery{Limit: 3}, []uint64{8, 9, 10}},
		{"back", MessageQuery{Limit: 3, BeforeSeq: 8}, []uint64{5, 6, 7}},
		{"back to the start", MessageQuery{Limit: 3, BeforeSeq: 3}, []uint64{1, 2}},
		{"back beyond", MessageQuery{BeforeSeq: 1}, nil},
		{"before the future", MessageQuery{Limit: 2, BeforeSeq: 99}, []uint64{9, 10}},
		{"forward", MessageQuery{Limit: 3, AfterSeq: 1}, []uint64{2, 3, 4}},
		{"forward to the end", MessageQuery{Limit: 3, AfterSeq: 9}, []uint64{10}},
		{"nothing new", MessageQuery{AfterSeq: 10}, nil},
		{"after everything", MessageQuery{AfterSeq: math.MaxUint64}, nil},
		{"between", MessageQuery{AfterSeq: 2, BeforeSeq: 5}, []uint64{3, 4}},
		{"incoming", MessageQuery{Incoming: true}, []uint64{1, 3, 5, 7, 9}},
		{"incoming page", MessageQuery{Incoming: true, Limit: 2, BeforeSeq: 7}, []uint64{3, 5}},
		{"outgoing", MessageQuery{Outgoing: true}, []uint64{2, 4, 6, 8, 10}},
		{"outgoing forward", MessageQuery{Outgoing: true, Limit: 2, AfterSeq: 4}, []uint64{6, 8}},
		{"both is all", MessageQuery{Incoming: true, Outgoing: true, Limit: 2}, []uint64{9, 10}},
		{"a peer", MessageQuery{Peer: &peer7}, []uint64{1, 2, 7, 8}},
		{"the next peer's are another's", MessageQuery{Peer: &peer8}, []uint64{3, 6}},
		{"a peer's page", MessageQuery{Peer: &peer7, Limit: 2, BeforeSeq: 8}, []uint64{2, 7}},
		{"a peer forward", MessageQuery{Peer: &peer7, Limit: 2, AfterSeq: 2}, []uint64{7, 8}},
		{"to a peer", MessageQuery{Peer: &peer7, Outgoing: true}, []uint64{2, 8}},
		{"from a peer", MessageQuery{Peer: &peer7, Incoming: true, Limit: 2}, []uint64{1, 7}},
		{"everyone", MessageQuery{Peer: &all}, []uint64{4, 5, 9}},
		{"by us to everyone", MessageQuery{Peer: &all, Outgoing: true}, []uint64{4}},
		{"first peer in the index", MessageQuery{Peer: &low}, []uint64{10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := db.Messages(c.q)
			if err != nil || !slices.Equal(seqs(got), c.want) {
				t.Errorf("got %v, want %v (%v)", seqs(got), c.want, err)
			}
		})
	}
}

func TestDamagedMessageCostsOnlyItself(t *testing.T) {
	db := openTest(t)
	add(t, db, outgoing(1, 7), outgoing(2, 7), outgoing(3, 7))
	err := db.update(func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket(bucketMessages).Put(seqKey(2), []byte("{")), tx.Bucket(bucketOutbox).Put(seqKey(9), nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Messages(MessageQuery{})
	if !slices.Equal(seqs(got), []uint64{1, 3}) || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "message 2") {
		t.Errorf("messages: %v, %v", seqs(got), err)
	}
	got, err = db.Outbox()
	if !slices.Equal(seqs(got), []uint64{1, 3}) || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "message 9") {
		t.Errorf("outbox: %v, %v", seqs(got), err)
	}
}
