package torrent

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

func dontHave(index uint32) []byte {
	return peerwire.AppendExtended(nil, extendedDontHave, binary.BigEndian.AppendUint32(nil, index))
}

// peerOf is the peer whose client has this name.
func peerOf(se *session, client string) *remote {
	for _, r := range se.swarm.peers {
		if r.client == client {
			return r
		}
	}
	return nil
}

// A peer that takes a piece back has it no longer, one that was a seed is none
// any more, and both may have it again.
func TestDontHave(t *testing.T) {
	t.Parallel()
	const n = 21
	for _, c := range []struct {
		name string
		say  []byte
		want int // pieces that it has
	}{
		{"a piece", append(have(7), append(have(8), dontHave(7)...)...), 1},
		{"of a seed", append(peerwire.AppendMessage(nil, peerwire.HaveAll), dontHave(20)...), n - 1},
		{"twice", append(have(8), append(dontHave(8), dontHave(8)...)...), 0},
		{"what it never had", append(have(8), dontHave(9)...), 1},
		{"and again", append(have(7), append(dontHave(7), have(7)...)...), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			p := s.dial(t)
			p.Say(c.say, extended("d1:v4:donee"))
			s.waitPeer(t, "done")
			s.do(t, s.h, func(se *session) {
				r := peerOf(se, "done")
				available := 0
				for _, copies := range se.content.picker.Availability() {
					available += copies - 1 // the honest seed's
				}
				if r.has.Count() != c.want || available != c.want || r.isSeed() {
					t.Errorf("it has %d pieces, %d for the picker, want %d", r.has.Count(), available, c.want)
				}
				if want := c.want > 0; r.interests != want {
					t.Errorf("interest is %v", r.interests)
				}
			})
			s.completes(t)
		})
	}
}

func TestHostileExtensions(t *testing.T) {
	t.Parallel()
	for name, say := range map[string][]byte{
		"a piece beyond the last":  dontHave(21),
		"a piece of 2^32-1":        dontHave(0xffffffff),
		"a short index":            peerwire.AppendExtended(nil, extendedDontHave, []byte{0, 0, 1}),
		"a long index":             peerwire.AppendExtended(nil, extendedDontHave, make([]byte, 5)),
		"upload only of nothing":   peerwire.AppendExtended(nil, extendedUploads, nil),
		"upload only of two bytes": peerwire.AppendExtended(nil, extendedUploads, []byte{1, 1}),
		"upload only of a text":    extended("d11:upload_only3:yese"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			p := s.dial(t)
			p.Say(say)
			p.ExpectClosed(t)
			s.completes(t)
		})
	}
}

// One that only uploads stays as long as it is of use to us, and takes no place
// from a seed on.
func TestUploadOnly(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	said, told, undone, wants := s.dial(t), s.dial(t), s.dial(t), s.dial(t)
	said.Say(extended("d11:upload_onlyi1e1:v4:saide"))
	told.Say(peerwire.AppendExtended(nil, extendedUploads, []byte{1}), extended("d1:v4:tolde"))
	undone.Say(extended("d11:upload_onlyi1ee"), peerwire.AppendExtended(nil, extendedUploads, []byte{0}), extended("d1:v6:undonee"))
	wants.Say(extended("d1:md11:upload_onlyi9ee1:v5:wantse"))
	for _, client := range []string{"said", "told", "undone", "wants"} {
		s.waitPeer(t, client)
	}
	s.do(t, s.h, func(se *session) {
		for client, want := range map[string]bool{"said": true, "told": true, "undone": false, "wants": false} {
			if got := peerOf(se, client).wantsNothing(); got != want {
				t.Errorf("%s wants nothing: %v", client, got)
			}
		}
	})
	s.completes(t)
	said.ExpectClosed(t)
	told.ExpectClosed(t)
	for _, p := range []*torrenttest.Peer{undone, wants} {
		unchoked(t, p)
		p.Say(request(20, 0, 5))
		p.Expect(t, peerwire.Piece)
	}
	again := s.dial(t) // a newcomer is told in the handshake
	again.ExpectThat(t, "handshake of one that only uploads", func(m torrenttest.Message) bool {
		return m.ID == peerwire.Extended && strings.Contains(string(m.Bytes), "11:upload_onlyi1e")
	})
}

// When the last piece is there, those who understand it are told.
func TestUploadOnlyIsSaid(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	p.Say(extended("d1:md11:upload_onlyi9ee1:v4:donee"))
	s.waitPeer(t, "done")
	s.release()
	p.ExpectThat(t, "upload_only", func(m torrenttest.Message) bool {
		return m.ID == peerwire.Extended && m.Extension == 9 && string(m.Bytes) == "\x01"
	})
	s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
}

// What is taken back before we know how many pieces there are.
func TestEarlyDontHave(t *testing.T) {
	k := &early{bits: []byte{0xff, 0xff}, haves: []uint32{20, 30, 20_000}}
	for _, index := range []uint32{0, 15, 16, 30, 30, 0xffffffff} {
		k.lost(index)
	}
	if k.bits[0] != 0x7f || k.bits[1] != 0xfe || len(k.haves) != 2 || k.haves[1] != 20_000 {
		t.Errorf("%+v", k)
	}
}

// Trackers hear of a partial seed, and no longer once it wants everything.
func TestTrackersHearOfAPartialSeed(t *testing.T) {
	t.Parallel()
	events := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if event := r.URL.Query().Get("event"); event != "stopped" {
			events <- event
		}
		io.WriteString(w, "d8:completei1e8:intervali1800e5:peers0:e")
	}))
	defer server.Close()
	there, dir := t.TempDir(), t.TempDir()
	torrent := makePayload(t, there, "payload", 16<<10, [][]string{{server.URL + "/announce"}}, 32<<10, 32<<10)
	if err := os.MkdirAll(filepath.Join(dir, "data", "payload", "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	const first = "payload/folder/a.bin"
	if err := os.Rename(filepath.Join(there, first), filepath.Join(dir, "data", first)); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, dir, nil)
	st, _, err := n.Add(ctx, torrent, AddOptions{Files: "0"})
	if err != nil {
		t.Fatal(err)
	}
	hears := func(want string) {
		t.Helper()
		if got := <-events; got != want {
			t.Errorf("event %q, want %q", got, want)
		}
		n.eventually(t, "the end of the announce", func() (idle bool) {
			n.do(t, st.InfoHash, func(s *session) { idle = !s.tell.busy })
			return idle
		})
	}
	again := func() {
		t.Helper()
		n.eventually(t, "the next announce", func() (begun bool) {
			n.do(t, st.InfoHash, func(s *session) {
				s.announceTick(time.Now().Add(time.Hour)) // not while its files are opened
				begun = s.tell.busy
			})
			return begun
		})
	}
	hears("started")
	n.waitFor(t, st.InfoHash, "what is wanted", seeding)
	again()
	hears("paused")
	setFiles(t, n, st.InfoHash, FileChange{Normal: "1"})
	n.waitFor(t, st.InfoHash, "more is wanted", func(st Status) bool { return st.State == Downloading })
	again()
	hears("")
}
