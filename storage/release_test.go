package storage

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

// mapped is the kibibytes of files in this process's memory.
func mapped(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "RssFile:")
	kib, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestRelease(t *testing.T) {
	const torrents, size = 64, 128 << 10
	db := openTest(t)
	info := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size) }
	read := func() {
		t.Helper()
		for i := range torrents {
			if got, err := db.Info([20]byte{byte(i)}); err != nil || !bytes.Equal(got, info(i)) {
				t.Fatalf("info %d: %d bytes, %v", i, len(got), err)
			}
		}
	}
	for i := range torrents {
		if err := db.AddTorrent(Torrent{InfoHash: [20]byte{byte(i)}}, Metadata{Info: info(i)}, Resume{}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	before := mapped(t)
	if err := db.Release(); err != nil {
		t.Fatal(err)
	}
	if after := mapped(t); before-after < torrents*size>>10/2 {
		t.Errorf("%d KiB are mapped, %d before", after, before)
	}
	read()
	done := make(chan error)
	go func() { // the file, and with it the map, grows meanwhile
		var err error
		for i := torrents; err == nil && i < 3*torrents; i++ {
			err = db.AddTorrent(Torrent{InfoHash: [20]byte{byte(i)}}, Metadata{Info: info(i)}, Resume{})
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			read()
			return
		default:
			if err := db.Release(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestReleaseClosed(t *testing.T) {
	db := openTest(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Release(); err == nil {
		t.Error("released a closed database")
	}
}
