package utp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

const (
	interopPiece = 1 << 20
	interopBlock = 16 << 10
	interopDepth = 200 // requests outstanding

	msgUnchoke, msgInterested, msgBitfield, msgRequest, msgPiece = 1, 2, 5, 6, 7
)

// python is the system's interpreter, which has libtorrent where the Debian
// package python3-libtorrent is installed.
func python(t testing.TB) string {
	t.Helper()
	const interpreter = "/usr/bin/python3"
	if err := exec.Command(interpreter, "-c", "import libtorrent").Run(); err != nil {
		if os.Getenv("LORRENT_CI") == "1" {
			t.Fatalf("libtorrent is missing: install python3-libtorrent: %v", err)
		}
		t.Skip("needs the Debian package python3-libtorrent")
	}
	return interpreter
}

// libtorrent is a running peer.
type libtorrent struct {
	addr  netip.AddrPort
	hash  [20]byte
	stdin io.Writer
	lines *bufio.Reader
}

func startLibtorrent(t testing.TB, args ...string) *libtorrent {
	t.Helper()
	cmd := exec.Command(python(t), append([]string{"testdata/utppeer.py"}, args...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("libtorrent: %v\n%s", err, log.String())
		}
	})
	p := &libtorrent{stdin: in, lines: bufio.NewReader(out)}
	fields := strings.Fields(p.line(t))
	if len(fields) != 2 {
		t.Fatalf("libtorrent said %q", fields)
	}
	hash, err := hex.DecodeString(fields[1])
	if err != nil || len(hash) != 20 {
		t.Fatalf("libtorrent said info hash %q", fields[1])
	}
	p.hash = [20]byte(hash)
	p.addr = netip.MustParseAddrPort("127.0.0.1:" + fields[0])
	return p
}

func (p *libtorrent) line(t testing.TB) string {
	t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("read from libtorrent: %v", err)
	}
	return line
}

// content writes size random bytes to folder/content.
func content(t testing.TB, size int) (folder string, data []byte) {
	t.Helper()
	folder = t.TempDir()
	data = make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	if err := os.WriteFile(filepath.Join(folder, "content"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, data
}

// seedTorrent has libtorrent seed size bytes, and returns the metainfo file too.
func seedTorrent(t testing.TB, size int) (p *libtorrent, metainfo string, data []byte) {
	folder, data := content(t, size)
	p = startLibtorrent(t, "seed", folder)
	return p, filepath.Join(folder, "content.torrent"), data
}

// talk exchanges handshakes.
func talk(conn net.Conn, hash [20]byte) error {
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	h := peerwire.Handshake{InfoHash: hash, PeerID: [20]byte([]byte("-LR0000-interop-test"))}
	if _, err := conn.Write(h.Bytes()); err != nil {
		return err
	}
	got, err := peerwire.ReadHandshake(conn)
	if err != nil {
		return err
	}
	if got.InfoHash != hash {
		return fmt.Errorf("handshake for %x, want %x", got.InfoHash, hash)
	}
	return nil
}

func frame(id byte, parts ...uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+4*len(parts)))
	b = append(b, id)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, p)
	}
	return b
}

func readFrame(r io.Reader, buffer []byte) ([]byte, error) {
	for {
		if _, err := io.ReadFull(r, buffer[:4]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(buffer)
		if n == 0 {
			continue
		}
		if int(n) > len(buffer) {
			return nil, fmt.Errorf("message of %d bytes", n)
		}
		_, err := io.ReadFull(r, buffer[:n])
		return buffer[:n], err
	}
}

// download fetches size bytes from a seed.
func download(conn net.Conn, hash [20]byte, size int) ([]byte, error) {
	if err := talk(conn, hash); err != nil {
		return nil, err
	}
	if _, err := conn.Write(frame(msgInterested)); err != nil {
		return nil, err
	}
	data, next, left := make([]byte, size), 0, size
	request := func(n int) error {
		var b []byte
		for ; n > 0 && next < size; n-- {
			length := min(interopBlock, size-next)
			b = append(b, frame(msgRequest, uint32(next/interopPiece), uint32(next%interopPiece), uint32(length))...)
			next += length
		}
		_, err := conn.Write(b)
		return err
	}
	r, buffer := bufio.NewReaderSize(conn, 64<<10), make([]byte, 64<<10)
	for left > 0 {
		m, err := readFrame(r, buffer)
		if err != nil {
			return nil, fmt.Errorf("%d of %d bytes left: %w", left, size, err)
		}
		switch m[0] {
		case msgUnchoke:
			err = request(interopDepth)
		case msgPiece:
			at := int(binary.BigEndian.Uint32(m[1:]))*interopPiece + int(binary.BigEndian.Uint32(m[5:]))
			left -= copy(data[at:], m[9:])
			err = request(1)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// upload serves data until the other side closes.
func upload(conn net.Conn, hash [20]byte, data []byte) error {
	if err := talk(conn, hash); err != nil {
		return err
	}
	pieces := (len(data) + interopPiece - 1) / interopPiece
	bits := make([]byte, (pieces+7)/8)
	for i := range pieces {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	hello := append(binary.BigEndian.AppendUint32(nil, uint32(1+len(bits))), msgBitfield)
	hello = append(append(hello, bits...), frame(msgUnchoke)...)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	r, buffer := bufio.NewReaderSize(conn, 64<<10), make([]byte, 64<<10)
	for {
		m, err := readFrame(r, buffer)
		if err != nil {
			return err
		}
		if m[0] != msgRequest {
			continue
		}
		index, begin, length := binary.BigEndian.Uint32(m[1:]), binary.BigEndian.Uint32(m[5:]), binary.BigEndian.Uint32(m[9:])
		at := int(index)*interopPiece + int(begin)
		b := binary.BigEndian.AppendUint32(make([]byte, 0, 13+length), 9+length)
		b = binary.BigEndian.AppendUint32(append(b, msgPiece), index)
		b = binary.BigEndian.AppendUint32(b, begin)
		if _, err := conn.Write(append(b, data[at:at+int(length)]...)); err != nil {
			return err
		}
	}
}

const interopSize = 64 << 20

// TestDownloadFromLibtorrent: we dial a seed that speaks uTP alone.
func TestDownloadFromLibtorrent(t *testing.T) {
	seed, _, data := seedTorrent(t, interopSize)
	s := listen(t, "127.0.0.1:0", nil)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := s.Dial(ctx, seed.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	got, err := download(conn, seed.hash, len(data))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Fatal("other bytes than the seed has")
	}
	t.Logf("%.1f MiB/s from libtorrent", interopSize/time.Since(began).Seconds()/(1<<20))
}

// TestUploadToLibtorrent: a leech that speaks uTP alone dials us.
func TestUploadToLibtorrent(t *testing.T) {
	seed, metainfo, data := seedTorrent(t, interopSize)
	leech := startLibtorrent(t, "leech", t.TempDir(), metainfo)
	if leech.hash != seed.hash {
		t.Fatal("another torrent")
	}
	s := listen(t, "127.0.0.1:0", nil)
	served := make(chan error, 1)
	go func() {
		conn, err := s.Accept()
		if err != nil {
			served <- err
			return
		}
		defer conn.Close()
		served <- upload(conn, leech.hash, data)
	}()
	fmt.Fprintf(leech.stdin, "127.0.0.1 %d\n", addrOf(s).Port())
	var seconds float64
	if _, err := fmt.Sscanf(leech.line(t), "done %f", &seconds); err != nil {
		t.Fatalf("leech: %v", err)
	}
	t.Logf("%.1f MiB/s to libtorrent", interopSize/seconds/(1<<20))
	s.Close()
	<-served
}

// TestLibtorrentAlone measures libtorrent against itself, for comparison.
func TestLibtorrentAlone(t *testing.T) {
	seed, metainfo, _ := seedTorrent(t, interopSize)
	leech := startLibtorrent(t, "leech", t.TempDir(), metainfo)
	fmt.Fprintf(leech.stdin, "127.0.0.1 %d\n", seed.addr.Port())
	var seconds float64
	if _, err := fmt.Sscanf(leech.line(t), "done %f", &seconds); err != nil {
		t.Fatalf("leech: %v", err)
	}
	t.Logf("%.1f MiB/s from libtorrent to libtorrent", interopSize/seconds/(1<<20))
}
