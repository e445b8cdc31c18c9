package storage

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestPeersAndChannels(t *testing.T) {
	db := openTest(t)
	peer := Peer{Key: [32]byte{1}, Name: "ann", Issued: time.Unix(1, 0).UTC(), Contact: true, Nick: "Ann", Verified: true, AddedAt: time.Unix(2, 0).UTC()}
	channel := Channel{ID: "a1", Name: "family", Secret: []byte("secret"), JoinedAt: time.Unix(3, 0).UTC()}
	for range 2 { // put, and put again
		if err := db.PutPeer(peer); err != nil {
			t.Fatal(err)
		}
		if err := db.PutChannel(channel); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.PutPeer(Peer{Key: [32]byte{2}}); err != nil {
		t.Fatal(err)
	}
	crash(t, db)
	db = reopen(t, db.path)
	peers, err := db.Peers()
	if err != nil || len(peers) != 2 || !reflect.DeepEqual(peers[0], peer) {
		t.Errorf("peers %+v, %v", peers, err)
	}
	channels, err := db.Channels()
	if err != nil || len(channels) != 1 || !reflect.DeepEqual(channels[0], channel) {
		t.Errorf("channels %+v, %v", channels, err)
	}
	if err := db.DeletePeer(peer.Key); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteChannel("a1"); err != nil {
		t.Fatal(err)
	}
	peers, _ = db.Peers()
	channels, _ = db.Channels()
	if len(peers) != 1 || len(channels) != 0 {
		t.Errorf("after deletion: %+v, %+v", peers, channels)
	}
	if err := db.PutChannel(Channel{}); err == nil {
		t.Error("a channel without an id was stored")
	}
}

// A replay window is kept with its message, or not at all.
func TestWindowGoesWithItsMessage(t *testing.T) {
	db := openTest(t)
	m := incoming(1, 7, us)
	if err := db.AddMessage(&m, Window{[]byte("w"), []byte("1")}); err != nil {
		t.Fatal(err)
	}
	again := incoming(1, 7, us)
	if err := db.AddMessage(&again, Window{[]byte("w"), []byte("2")}); err == nil {
		t.Fatal("stored twice")
	}
	if got, err := db.Window([]byte("w")); err != nil || string(got) != "1" {
		t.Errorf("window %q, %v", got, err)
	}
	if err := db.PutWindow(Window{[]byte("w"), []byte("3")}); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Window([]byte("w")); err != nil || string(got) != "3" {
		t.Errorf("window %q, %v", got, err)
	}
}

func TestChannelsUnreadAndSearch(t *testing.T) {
	db := openTest(t)
	inChannel := func(n int, from uint32, channel string) Message {
		m := incoming(n, from, broadcast)
		m.Channel = channel
		return m
	}
	add(t, db, incoming(1, 7, us), inChannel(2, 7, "a1"), inChannel(3, 8, "a1"), inChannel(4, 8, "a12"), outgoing(1, 7), incoming(5, 7, us)) // 1-6
	peer := uint32(7)
	for _, c := range []struct {
		name string
		q    MessageQuery
		want []uint64
	}{
		{"a channel", MessageQuery{Channel: "a1"}, []uint64{2, 3}},
		{"a channel that begins alike", MessageQuery{Channel: "a12"}, []uint64{4}},
		{"a peer without what it may have written elsewhere", MessageQuery{Peer: &peer}, []uint64{1, 5, 6}},
		{"search", MessageQuery{Text: "IN"}, []uint64{1, 2, 3, 4, 6}},
		{"search a page", MessageQuery{Text: "in", Limit: 2}, []uint64{4, 6}},
		{"search in a channel", MessageQuery{Text: "3", Channel: "a1"}, []uint64{3}},
	} {
		got, err := db.Messages(c.q)
		if err != nil || !slices.Equal(seqs(got), c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, seqs(got), err, c.want)
		}
	}
	unread := func(node uint32, channel string) int {
		t.Helper()
		n, err := db.Unread(node, channel)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if unread(7, "") != 2 || unread(0, "a1") != 2 || unread(0, "a12") != 1 || unread(9, "") != 0 {
		t.Errorf("unread %d, %d, %d", unread(7, ""), unread(0, "a1"), unread(0, "a12"))
	}
	for _, c := range []struct{ seq, before uint64 }{{1, 0}, {0, 1}} { // and a mark that goes back
		if before, err := db.MarkRead(7, "", c.seq); err != nil || before != c.before {
			t.Fatalf("MarkRead(%d) = %d, %v; want %d", c.seq, before, err, c.before)
		}
	}
	for _, c := range []struct{ seq, before uint64 }{{3, 0}, {99, 3}, {99, 6}} { // and one that is ahead
		if before, err := db.MarkRead(0, "a1", c.seq); err != nil || before != c.before {
			t.Fatalf("MarkRead(%d) = %d, %v; want %d", c.seq, before, err, c.before)
		}
	}
	if unread(7, "") != 1 || unread(0, "a1") != 0 || unread(0, "a12") != 1 {
		t.Errorf("after reading: unread %d, %d, %d", unread(7, ""), unread(0, "a1"), unread(0, "a12"))
	}
}

// A database of version 1 keeps its messages; those for everyone leave the
// conversations of their authors.
func TestMigrationToVersion3(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	old, err := openBolt(path, false)
	if err != nil {
		t.Fatal(err)
	}
	err = old.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		if err := createBuckets(tx); err != nil {
			return err
		}
		for i, m := range []Message{incoming(1, 7, us), incoming(2, 7, broadcast), outgoing(1, broadcast)} {
			m.Seq = uint64(i + 1)
			if err := putMessage(tx, &m); err != nil {
				return err
			}
			if err := putIndexes(tx, &m); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketPeers).Put(append(nodeKey(7), seqKey(2)...), []byte{'i'}); err != nil {
			return err
		}
		return meta.Put(keyVersion, []byte("1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db := reopen(t, path)
	seven, all := uint32(7), uint32(broadcast)
	for name, c := range map[string]struct {
		q    MessageQuery
		want []uint64
	}{"all": {MessageQuery{}, []uint64{1, 2, 3}}, "a peer": {MessageQuery{Peer: &seven}, []uint64{1}}, "everyone": {MessageQuery{Peer: &all}, []uint64{2, 3}}} {
		got, err := db.Messages(c.q)
		if err != nil || !slices.Equal(seqs(got), c.want) {
			t.Errorf("%s: %v, %v; want %v", name, seqs(got), err, c.want)
		}
	}
}
