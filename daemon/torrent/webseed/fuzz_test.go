package webseed

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

// FuzzReply answers each request for a web seed's files with the same bytes.
// Whatever they are, blocks of the right length come out of it, or an error,
// and it ends.
func FuzzReply(f *testing.F) {
	body := make([]byte, 100)
	for _, head := range []string{
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\nContent-Length: 100\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/100\r\nContent-Length: 10\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-99/*\r\nContent-Length: 95\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-18446744073709551615/1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://198.51.100.1/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 206 x\nContent-Range: bytes 0-99/100\n\n",
		"\x16\x03\x01 no HTTP",
	} {
		f.Add(append([]byte(head), body...))
	}
	info := &metainfo.Info{
		Name: "payload", PieceLength: 64, TotalLength: 150, Pieces: make([]byte, 60),
		Files: []metainfo.File{
			{Path: []string{"payload", "a"}, Length: 100},
			{Path: []string{"payload", "pad"}, Offset: 100, Length: 28, Pad: true},
			{Path: []string{"payload", "b"}, Offset: 128, Length: 22},
		},
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		client := NewClient(ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				far.SetDeadline(time.Now().Add(5 * time.Second))
				far.Read(make([]byte, 4096))
				far.Write(reply)
				far.Close()
			}()
			return farAway{near, &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 80}}, nil
		}})
		defer client.Close()
		s, err := New(Config{URL: "http://198.51.100.1/x", Info: info, Client: client, Connections: 1, Stall: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		ours.SetDeadline(time.Now().Add(20 * time.Second))
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(t.Context(), theirs) }()
		ask := make(chan struct{})
		go func() {
			defer close(ask)
			ours.Write(request([][3]uint32{{0, 0, 64}, {1, 0, 64}, {2, 0, 22}}))
		}()
		if n, err := blocksIn(ours, info); err == nil && n != 3 {
			t.Errorf("%d blocks", n)
		}
		ours.Close()
		<-ask
		if err := <-ended; err != nil && len(err.Error()) > 400 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

// blocksIn counts blocks, each of which must be one that was asked for.
func blocksIn(conn net.Conn, info *metainfo.Info) (n int, err error) {
	r := peerwire.NewReader(conn, 1)
	for n < 3 {
		m, err := r.Next()
		if err != nil {
			return n, err
		}
		if m.ID != peerwire.Piece {
			continue
		}
		if int64(m.Length) != info.PieceSize(int(m.Index)) {
			panic(fmt.Sprintf("block of %d bytes of piece %d", m.Length, m.Index))
		}
		if err := r.SkipBlock(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func FuzzContentRange(f *testing.F) {
	for _, text := range []string{"bytes 0-99/1234", "bytes 0-0/*", "bytes */5", "bytes -1-5/9", "BYTES 1-2/3", "", "bytes 9-1/10"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, last, total, ok := parseRange(text)
		if ok && (first < 0 || last < first || total >= 0 && last >= total) {
			t.Errorf("%q is %d-%d/%d", text, first, last, total)
		}
	})
}
