package storage

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestResumeGolden(t *testing.T) {
	hash := [20]byte{1, 2, 3}
	for _, c := range []struct {
		name   string
		resume Resume
		want   string
	}{
		{"empty", Resume{}, "0100" + "00" + "00" + "00000000" + "d66e982b"},
		{"everything", Resume{
			Bitfield: []byte{0xFF, 0x80}, Writing: true,
			Files:         []FileStamp{{Size: 1, ModTime: 1000, Exists: true}, {Size: 0, ModTime: 999}, {Size: 300, ModTime: math.MinInt64, Exists: true}},
			VerifiedBytes: 1, DownloadedBytes: 2, UploadedBytes: 3, WastedBytes: 64, CompletedAt: time.Unix(0, 5),
		}, "0103" + "02ff80" + "03" + "0102d00f" + "000001" + "01d804" + "b2f0ffffffffffffff01" + "02040680010a" + "ce88c181"},
		{"files skipped", Resume{SkippedVerifiedBytes: 300}, "0104" + "00" + "00" + "00000000" + "d804" + "8038d6af"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := encodeResume(hash, &c.resume)
			if got := hex.EncodeToString(b); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			back, err := decodeResume(hash, b)
			if err != nil || !reflect.DeepEqual(back, c.resume) {
				t.Errorf("decoded %+v, %v", back, err)
			}
		})
	}
}

func TestResumeRefusesAllButItself(t *testing.T) {
	r := sampleResume(3)
	r.Bitfield = r.Bitfield[:5]
	hash := [20]byte{9}
	good := encodeResume(hash, &r)
	if _, err := decodeResume([20]byte{8}, good); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another torrent's record: %v", err)
	}
	for n := range good {
		if _, err := decodeResume(hash, good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("torn after %d bytes: %v", n, err)
		}
	}
	for bit := range len(good) * 8 {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := decodeResume(hash, b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bit %d flipped: %v", bit, err)
		}
	}
}

// Records that are wrong although their checksum is right.
func TestResumeRefusesNonsense(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"unknown flag", "0108000000000000"},
		{"nothing skipped", "0104000000000000"},
		{"bitfield longer than the record", "0100ffffffff0f00"},
		{"bitfield length over 64 bits", "0100ffffffffffffffffffff01"},
		{"more files than bytes", "010000" + "ffffffffffffffff7f" + "0000"},
		{"cut off in a file", "0100000101"},
		{"cut off in the counters", "010000000000"},
		{"no completion time", "0102000000000000"},
		{"bytes too many", "010000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := hex.DecodeString(c.body)
			if err != nil {
				t.Fatal(err)
			}
			r, err := decodeResume([20]byte{}, seal(b))
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// seal appends the right checksum for the zero info hash.
func seal(body []byte) []byte {
	sum := resumeChecksum([20]byte{}, body)
	return append(bytes.Clone(body), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

func FuzzDecodeResume(f *testing.F) {
	for i := range 3 {
		r := sampleResume(i)
		b := encodeResume([20]byte{}, &r)
		f.Add(b[:len(b)-checksumBytes])
	}
	f.Add([]byte{})
	f.Add([]byte("\x01\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		// As it is, then with a checksum that lets the fuzzer past it.
		_, _ = decodeResume([20]byte{}, body)
		r, err := decodeResume([20]byte{}, seal(body))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || !reflect.DeepEqual(r, Resume{}) {
				t.Fatalf("%+v, %v", r, err)
			}
			return
		}
		if len(r.Bitfield) > len(body) || len(r.Files)*minStampBytes > len(body) {
			t.Fatalf("%d bytes became %d of bitfield and %d files", len(body), len(r.Bitfield), len(r.Files))
		}
		again, err := decodeResume([20]byte{}, encodeResume([20]byte{}, &r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
	})
}
