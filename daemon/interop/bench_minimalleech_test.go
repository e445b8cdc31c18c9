package interop

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

// minimalQueue is how many requests the minimal leecher has waiting: 64 MiB. Our own
// daemon takes fewer.
const minimalQueue, lorrentQueue = 4096, 2000

// syncEvery is how much a power cut may cost, as our own daemon has it.
const syncEvery = 64 << 20

// leechOrder is what the minimal leecher is told, as JSON: for each torrent, whom to
// ask and where to put it.
type leechOrder struct {
	Address  string      // of the seed
	Queue    int         // requests it takes at a time
	Torrents [][2]string // .torrent file, file to write
	Synced   bool        // what is written is put on the disk, too
}

// minimalLeecher is what a seed gives to whoever asks for nothing but what it
// must: no client is faster with this seed on this line, or cheaper.
func minimalLeecher() contender { return minimal("*minimal leecher*", false) }

// syncedLeecher is the minimal leecher that a power cut takes no more from than from
// our own daemon.
func syncedLeecher() contender { return minimal("*minimal leecher, synced*", true) }

func minimal(name string, synced bool) contender {
	return contender{name: name, bound: true, seeded: true, launch: func(t *testing.T, _ context.Context, a *arena, j job) running {
		order := leechOrder{Address: a.seedAddress(), Queue: minimalQueue, Synced: synced}
		if a.lorrent != nil {
			order.Queue = lorrentQueue
		}
		for i, path := range j.torrents {
			order.Torrents = append(order.Torrents, [2]string{path, filepath.Join(j.data, a.samples[i].name)})
		}
		text, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		return startBound(t, j, "leech", string(text))
	}}
}

// leechRole does only what a download of single-file torrents must, on one thread
// for each but for the asking: it tells the tracker, shakes hands, and receives,
// hashes and writes pieces from the first to the last.
func leechRole(args []string) error {
	var order leechOrder
	if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
		return err
	}
	ended := make(chan error)
	for _, paths := range order.Torrents {
		go func() { ended <- leech(order, paths[0], paths[1]) }()
	}
	var failed error
	for range order.Torrents {
		failed = errors.Join(failed, <-ended)
	}
	return failed
}

func leech(order leechOrder, torrent, path string) error {
	b, err := os.ReadFile(torrent)
	if err != nil {
		return err
	}
	m, err := metainfo.Parse(b)
	if err != nil {
		return err
	}
	if err := tellTracker(m.Info.Hash); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	conn, err := net.Dial("tcp", order.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	ours := peerwire.NewHandshake(m.Info.Hash, [20]byte([]byte("-XX0001-minimal-leec")))
	ours.Reserved = [8]byte{}
	if _, err := conn.Write(peerwire.AppendMessage(ours.Bytes(), peerwire.Interested)); err != nil {
		return err
	}
	if _, err := peerwire.ReadHandshake(conn); err != nil {
		return err
	}
	stored := storing{file: f, synced: order.Synced}
	err = takeAll(conn, m.Info, order.Queue, &stored)
	return errors.Join(err, stored.finish())
}

// tellTracker announces the leecher, and has no use for the answer.
func tellTracker(hash metainfo.Hash) error {
	query := url.Values{"info_hash": {string(hash[:])}, "peer_id": {"-XX0001-minimal-leec"}, "port": {"9"},
		"uploaded": {"0"}, "downloaded": {"0"}, "left": {"1"}, "event": {"started"}, "compact": {"1"}}
	resp, err := http.Get(announceURL + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// takeAll receives, and puts each piece in its place when all of it is there.
func takeAll(conn net.Conn, info *metainfo.Info, queue int, f *storing) error {
	r := peerwire.NewReader(conn, (info.NumPieces()+7)/8)
	pieces, free := make(map[uint32]*filling), [][]byte(nil)
	var asked int64
	for left := info.NumPieces(); left > 0; {
		m, err := r.Next()
		if err == nil && m.ID == peerwire.Unchoke && asked == 0 {
			asked, err = ask(conn, info, 0, queue)
		}
		if err != nil {
			return err
		}
		if m.ID != peerwire.Piece {
			continue
		}
		p := pieces[m.Index]
		if p == nil {
			if len(free) == 0 {
				free = append(free, make([]byte, info.PieceLength))
			}
			p = &filling{data: free[len(free)-1][:info.PieceSize(int(m.Index))]}
			pieces[m.Index], free = p, free[:len(free)-1]
		}
		if err := r.ReadBlock(p.data[m.Begin:][:m.Length], nil); err != nil {
			return err
		}
		if p.got += int(m.Length); p.got < len(p.data) {
			continue
		}
		if asked, err = ask(conn, info, asked, len(p.data)/peerwire.BlockSize); err != nil {
			return err
		}
		if sha1.Sum(p.data) != [20]byte(info.PieceHash(int(m.Index))) {
			return fmt.Errorf("piece %d is wrong", m.Index)
		}
		if err := f.write(p.data, int64(m.Index)*info.PieceLength); err != nil {
			return err
		}
		delete(pieces, m.Index)
		free = append(free, p.data[:info.PieceLength])
		left--
	}
	return nil
}

// filling is a piece of which so many bytes are there.
type filling struct {
	data []byte
	got  int
}

// storing is a file that is written, and synced beside that if so wanted.
type storing struct {
	file   *os.File
	synced bool
	dirty  int64
	done   chan error // of the sync under way
}

func (s *storing) write(b []byte, off int64) error {
	if err := writeParts(s.file, b, off); err != nil || !s.synced {
		return err
	}
	if s.dirty += int64(len(b)); s.dirty < syncEvery {
		return nil
	}
	s.dirty = 0
	if err := s.wait(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- unix.Fdatasync(int(s.file.Fd())) }()
	s.done = done
	return nil
}

func (s *storing) wait() error {
	if s.done == nil {
		return nil
	}
	done := s.done
	s.done = nil
	return <-done
}

// finish syncs the rest.
func (s *storing) finish() error {
	err := s.wait()
	if s.synced {
		err = errors.Join(err, unix.Fdatasync(int(s.file.Fd())))
	}
	return err
}

// ask requests the n blocks that follow asked bytes.
func ask(conn net.Conn, info *metainfo.Info, asked int64, n int) (int64, error) {
	var b []byte
	for ; n > 0 && asked < info.TotalLength; n-- {
		length := min(peerwire.BlockSize, info.TotalLength-asked)
		b = peerwire.AppendBlock(b, peerwire.Request, uint32(asked/info.PieceLength), uint32(asked%info.PieceLength), uint32(length))
		asked += length
	}
	_, err := conn.Write(b)
	return asked, err
}
