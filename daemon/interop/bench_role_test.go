package interop

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
)

// roleArg makes the test binary play a part in the benchmark, in a process of
// its own.
const roleArg = "role"

// roles are the parts. Their arguments are text.
var roles = map[string]func(args []string) error{
	"seed":    seedRole,
	"leech":   leechRole,
	"send":    sendRole,
	"receive": receiveRole,
	"store":   storeRole,
}

func playRole(name string, args []string) {
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	if err := role(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// touch makes an empty file that says something has happened.
func touch(path string) error { return os.WriteFile(path, nil, 0o644) }

// sendRole sends a file to everybody who connects: ADDRESS FILE READY.
func sendRole(args []string) error {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	if err := touch(args[2]); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		f, err := os.Open(args[1])
		if err != nil {
			return err
		}
		if _, err := io.Copy(conn, f); err != nil { // sendfile
			return err
		}
		f.Close()
		conn.Close()
	}
}

// receiveRole receives and forgets: ADDRESS SIZE. Nothing over TCP is faster.
func receiveRole(args []string) error {
	return receive(args[0], args[1], 1<<20, func([]byte, int64) error { return nil })
}

// storeRole does on one goroutine what nobody who downloads can do without:
// receive, SHA-1 by piece, and write to the page cache, in parts that stay in the
// processor's cache meanwhile. ADDRESS SIZE PIECELENGTH FILE.
func storeRole(args []string) error {
	const part = 256 << 10
	length, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	f, err := os.Create(args[3])
	if err != nil {
		return err
	}
	defer f.Close()
	var hashes []byte
	sum := sha1.New()
	return receive(args[0], args[1], int(min(part, length)), func(data []byte, off int64) error {
		sum.Write(data)
		if end := off + int64(len(data)); end%length == 0 {
			hashes = sum.Sum(hashes)
			sum.Reset()
		}
		return writeParts(f, data, off)
	})
}

// writeParts writes as storage/disk does: so much at once that Linux finds the
// memory for it at hand.
func writeParts(f *os.File, data []byte, off int64) error {
	for b := range slices.Chunk(data, 32<<10) {
		if _, err := f.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

func receive(address, sizeText string, length int, take func(piece []byte, off int64) error) error {
	size, err := strconv.ParseInt(sizeText, 10, 64)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, length)
	for off := int64(0); off < size; {
		piece := buf[:min(int64(length), size-off)]
		if _, err := io.ReadFull(conn, piece); err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", off, size, err)
		}
		if err := take(piece, off); err != nil {
			return err
		}
		off += int64(len(piece))
	}
	return nil
}
