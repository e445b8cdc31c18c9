package utp

import (
	"io"
	"testing"
)

// BenchmarkLoopback is one connection over real UDP sockets on this machine.
func BenchmarkLoopback(b *testing.B) {
	from, to := connect(b, listen(b, "127.0.0.1:0", nil), listen(b, "127.0.0.1:0", nil))
	block := make([]byte, 256<<10)
	read := make(chan error, 1)
	b.SetBytes(int64(len(block)))
	b.ResetTimer()
	go func() {
		buffer := make([]byte, len(block))
		for range b.N {
			if _, err := io.ReadFull(to, buffer); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	for range b.N {
		if _, err := from.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-read; err != nil {
		b.Fatal(err)
	}
}
