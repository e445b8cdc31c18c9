package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	bolt "go.etcd.io/bbolt"
)

// FileStamp is what the disk said about a file at a checkpoint.
type FileStamp struct {
	Size    int64
	ModTime int64 // Unix nanoseconds
	Exists  bool
}

// Resume is what is known of a torrent's payload. A bit set in Bitfield means
// that the piece is verified and on stable storage.
type Resume struct {
	Bitfield []byte      // BEP 3 wire order
	Files    []FileStamp // one per file, at the checkpoint
	Writing  bool        // payload may have been written after this record

	VerifiedBytes, DownloadedBytes, UploadedBytes, WastedBytes int64

	SkippedVerifiedBytes int64 // of VerifiedBytes, in pieces that are not wanted

	CompletedAt time.Time
}

// Resume returns the resume record of a torrent: ErrNotFound when there is none,
// ErrCorrupt when it is not what was written for this torrent.
func (db *DB) Resume(hash [20]byte) (r Resume, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketResume).Get(hash[:])
		if value == nil {
			return ErrNotFound
		}
		var err error
		r, err = decodeResume(hash, value)
		return err
	})
	return r, torrentError("read resume data of", hash, err)
}

// SaveResume stores the resume record of a torrent and brings the counters in
// its torrent record in step. Concurrent callers share one commit. The error is
// ErrNotFound when there is no such torrent.
func (db *DB) SaveResume(hash [20]byte, r Resume) error {
	value := encodeResume(hash, &r)
	err := db.batch(func(tx *bolt.Tx) error {
		t, err := getTorrent(tx, hash)
		if err != nil {
			return err
		}
		t.follow(&r)
		if err := putTorrent(tx, &t); err != nil {
			return err
		}
		return tx.Bucket(bucketResume).Put(hash[:], value)
	})
	return torrentError("save resume data of", hash, err)
}

// The record: version (1), flags, varints, CRC-32C of the info hash and all
// before it (big-endian). The info hash makes another torrent's record a wrong one.
const (
	resumeVersion = 1

	flagWriting   = 1 << 0
	flagCompleted = 1 << 1
	flagSkipped   = 1 << 2 // since version 4 of the schema

	minStampBytes = 3 // of an encoded FileStamp
	checksumBytes = 4
)

// encodeResume lays the record out: bitfield length and bytes; number of files
// and for each whether it exists, its size and how its time differs from the
// one before; verified, downloaded, uploaded, wasted; completion time if flagged;
// verified in pieces that are not wanted, if flagged.
func encodeResume(hash [20]byte, r *Resume) []byte {
	b := make([]byte, 0, 64+len(r.Bitfield)+12*len(r.Files))
	var flags byte
	if r.Writing {
		flags |= flagWriting
	}
	if !r.CompletedAt.IsZero() {
		flags |= flagCompleted
	}
	if r.SkippedVerifiedBytes != 0 {
		flags |= flagSkipped
	}
	b = append(b, resumeVersion, flags)
	b = binary.AppendUvarint(b, uint64(len(r.Bitfield)))
	b = append(b, r.Bitfield...)
	b = binary.AppendUvarint(b, uint64(len(r.Files)))
	var last int64
	for _, f := range r.Files {
		exists := byte(0)
		if f.Exists {
			exists = 1
		}
		b = append(b, exists)
		b = binary.AppendVarint(b, f.Size)
		b = binary.AppendVarint(b, f.ModTime-last) // wraps around, and back again
		last = f.ModTime
	}
	for _, n := range []int64{r.VerifiedBytes, r.DownloadedBytes, r.UploadedBytes, r.WastedBytes} {
		b = binary.AppendVarint(b, n)
	}
	if flags&flagCompleted != 0 {
		b = binary.AppendVarint(b, r.CompletedAt.UnixNano())
	}
	if flags&flagSkipped != 0 {
		b = binary.AppendVarint(b, r.SkippedVerifiedBytes)
	}
	return binary.BigEndian.AppendUint32(b, resumeChecksum(hash, b))
}

func resumeChecksum(hash [20]byte, b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(hash[:], table), table, b)
}

// decodeResume is the inverse; what it returns shares no memory with b. Every
// error is ErrCorrupt.
func decodeResume(hash [20]byte, b []byte) (Resume, error) {
	if len(b) < 2+checksumBytes {
		return Resume{}, fmt.Errorf("%w: resume record of %d bytes", ErrCorrupt, len(b))
	}
	if b[0] != resumeVersion {
		return Resume{}, fmt.Errorf("%w: resume record of version %d", ErrCorrupt, b[0])
	}
	body, sum := b[:len(b)-checksumBytes], binary.BigEndian.Uint32(b[len(b)-checksumBytes:])
	if sum != resumeChecksum(hash, body) {
		return Resume{}, fmt.Errorf("%w: wrong checksum of resume record", ErrCorrupt)
	}
	d := reader{b: body[1:]}
	r := d.resume()
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	if d.err != nil {
		return Resume{}, fmt.Errorf("%w: resume record: %w", ErrCorrupt, d.err)
	}
	return r, nil
}

// reader takes values off the front of b. After its first error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (d *reader) resume() (r Resume) {
	flags := d.byte()
	if flags&^(flagWriting|flagCompleted|flagSkipped) != 0 {
		d.fail("unknown flags %#x", flags)
	}
	r.Writing = flags&flagWriting != 0
	if n := d.length(1); n > 0 {
		r.Bitfield = append([]byte(nil), d.b[:n]...)
		d.b = d.b[n:]
	}
	if n := d.length(minStampBytes); n > 0 {
		r.Files = make([]FileStamp, n)
	}
	var last int64
	for i := range r.Files {
		r.Files[i].Exists = d.byte() != 0
		r.Files[i].Size = d.varint()
		last += d.varint()
		r.Files[i].ModTime = last
	}
	r.VerifiedBytes, r.DownloadedBytes = d.varint(), d.varint()
	r.UploadedBytes, r.WastedBytes = d.varint(), d.varint()
	if flags&flagCompleted != 0 {
		r.CompletedAt = time.Unix(0, d.varint())
	}
	if flags&flagSkipped != 0 {
		r.SkippedVerifiedBytes = d.varint()
	}
	return r
}

func (d *reader) byte() byte {
	if d.err == nil && len(d.b) == 0 {
		d.fail("ends early")
	}
	if d.err != nil {
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *reader) varint() int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("bad or cut off number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// length reads a count of things of at least size bytes each, all of which must
// still fit: nothing is allocated for what is not there.
func (d *reader) length(size int) int {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("bad or cut off length")
		return 0
	}
	d.b = d.b[n:]
	if v > uint64(len(d.b)/size) {
		d.fail("length %d of %d bytes", v, len(d.b))
		return 0
	}
	return int(v)
}

func (d *reader) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}
