package interop

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// seedOrder is what a seed of any kind is told, as JSON.
type seedOrder struct {
	Address  string      `json:"address"`
	Port     int         `json:"port"`
	Torrents [][2]string `json:"torrents"` // .torrent file, and folder of the payload
	Seed     bool        `json:"seed"`     // or leech
	UTP      bool        `json:"utp"`      // instead of TCP
	Rate     int64       `json:"rate"`     // bytes per second, 0 is no limit
	Peer     []any       `json:"peer"`     // for a leech: address and port to dial
	Go       string      `json:"go"`       // file that says when
	Ready    string      `json:"ready"`    // file that says it listens
	Sent     string      `json:"sent"`     // file with the payload bytes sent so far
	Done     string      `json:"done"`     // file that says it has everything
}

// minimalSeed does only what a seed of single-file torrents must, from mapped
// memory, so that it limits nobody: it chokes nobody and believes its files.
type minimalSeed struct {
	id       [20]byte
	torrents map[[20]byte]*seededTorrent
	rate     int64
	sent     atomic.Int64
}

type seededTorrent struct {
	info *metainfo.Info
	data []byte
}

func seedRole(args []string) error {
	var order seedOrder
	if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
		return err
	}
	s := &minimalSeed{id: torrenttest.NewID(), torrents: make(map[[20]byte]*seededTorrent), rate: order.Rate}
	for _, pair := range order.Torrents {
		if err := s.add(pair[0], pair[1]); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", order.Address, order.Port))
	if err != nil {
		return err
	}
	if err := touch(order.Ready); err != nil {
		return err
	}
	sent, err := os.Create(order.Sent)
	if err != nil {
		return err
	}
	go s.report(sent)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if err := s.serve(conn); err != nil {
				fmt.Println(conn.RemoteAddr(), err)
			}
		}()
	}
}

func (s *minimalSeed) add(file, dir string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	m, err := metainfo.Parse(b)
	if err != nil {
		return err
	}
	if len(m.Info.Files) != 1 {
		return fmt.Errorf("%s has %d files: the minimal seed maps a single one", file, len(m.Info.Files))
	}
	f, err := os.Open(filepath.Join(dir, m.Info.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, int(m.Info.TotalLength), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	s.torrents[m.Info.Hash] = &seededTorrent{m.Info, data}
	return err
}

// report writes the count, always as long, so that it is never seen half.
func (s *minimalSeed) report(f *os.File) {
	for range time.Tick(20 * time.Millisecond) {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%20d", s.sent.Load()), 0)
	}
}

func (s *minimalSeed) serve(conn net.Conn) error {
	theirs, err := peerwire.ReadHandshake(conn)
	if err != nil {
		return err
	}
	torrent, ok := s.torrents[theirs.InfoHash]
	if !ok {
		return fmt.Errorf("no torrent %x", theirs.InfoHash)
	}
	ours := peerwire.Handshake{InfoHash: theirs.InfoHash, PeerID: s.id}
	ours.Reserved[5] = theirs.Reserved[5] & 0x10 // BEP 10, to state how many requests may wait
	all := bitfield.New(torrent.info.NumPieces())
	all.SetAll()
	hello := ours.Bytes()
	if theirs.Extended() {
		hello = peerwire.AppendExtended(hello, 0, []byte("d1:mde4:reqqi8000ee"))
	}
	hello = peerwire.AppendBitfield(hello, all.Wire())
	hello = peerwire.AppendMessage(hello, peerwire.Unchoke)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	return s.answer(conn, torrent)
}

// answer serves requests in the order they came, as many at a time as have
// arrived.
func (s *minimalSeed) answer(conn net.Conn, torrent *seededTorrent) error {
	const batch = 64
	r := peerwire.NewReader(conn, (torrent.info.NumPieces()+7)/8)
	headers := make([]byte, 0, batch*16)
	var out net.Buffers
	began, sent := time.Now(), int64(0)
	for {
		m, err := r.Next()
		if err != nil {
			return err
		}
		if m.ID == peerwire.Request {
			off := int64(m.Index)*torrent.info.PieceLength + int64(m.Begin)
			end := off + int64(m.Length)
			if off < 0 || end > int64(len(torrent.data)) {
				return fmt.Errorf("request of %d bytes at %d", m.Length, off)
			}
			at := len(headers)
			headers = peerwire.AppendPieceHeader(headers, m.Index, m.Begin, m.Length)
			out = append(out, headers[at:], torrent.data[off:end])
			sent += int64(m.Length)
			s.sent.Add(int64(m.Length))
		}
		if len(out) == 0 || len(out) < 2*batch && r.Buffered() {
			continue
		}
		if s.rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(sent) / float64(s.rate) * float64(time.Second)))))
		}
		if _, err := out.WriteTo(conn); err != nil {
			return err
		}
		headers, out = headers[:0], nil
	}
}
