package torrent

import (
	"errors"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// errDataGone says that a torrent had data and now has none.
var errDataGone = errors.New("the downloaded files are gone: bring them back and start, or recheck to download again")

// trust is what the files and the resume data say together.
type trust struct {
	have  *bitfield.Bitfield // believed without a look
	check *bitfield.Bitfield // to be hashed
}

// judge decides which stored bits to believe. A bit was stored after its bytes
// were synced, so it is true as long as nobody else touched the file: a file
// is believed when it has its size and, unless we were writing when the record
// was made, its modification time. Files that are there before we ever wrote
// are hashed, so that a torrent whose data exists is not downloaded again.
func judge(info *metainfo.Info, r storage.Resume, stamps []disk.Stamp, padding *bitfield.Bitfield, checkAll bool) (trust, error) {
	n := info.NumPieces()
	t := trust{have: bitfield.New(n), check: bitfield.New(n)}
	if stored, err := bitfield.FromWire(r.Bitfield, n); err == nil {
		t.have = stored
	} else if len(r.Bitfield) > 0 {
		checkAll = true
	}
	for p := padding.Next(0); p >= 0; p = padding.Next(p + 1) {
		t.have.Clear(p) // it says nothing about the files
	}
	any := false
	for i, f := range info.Files {
		any = any || stamps[i].Exists && f.Length > 0 && !f.Pad
	}
	switch {
	case checkAll:
		t.have = bitfield.New(n)
		if any {
			t.check.SetAll()
		}
		return t, nil
	case !any && t.have.Count() > 0:
		return t, errDataGone
	}
	fresh := t.have.None() && !r.Writing
	for i, f := range info.Files {
		if f.Length == 0 || f.Pad || believed(f, stamps[i], r, i, fresh) {
			continue
		}
		first, last := int(f.Offset/info.PieceLength), int((f.Offset+f.Length-1)/info.PieceLength)
		for p := first; p <= last; p++ {
			if fresh && stamps[i].Exists || t.have.Has(p) {
				t.check.Set(p)
			}
		}
	}
	for p := t.check.Next(0); p >= 0; p = t.check.Next(p + 1) {
		t.have.Clear(p)
	}
	return t, nil
}

// believed reports whether file i can be taken at its record's word.
func believed(f metainfo.File, now disk.Stamp, r storage.Resume, i int, fresh bool) bool {
	if fresh {
		return !now.Exists || now.Size == 0
	}
	if i >= len(r.Files) || !r.Files[i].Exists {
		// No record of it: true only while we are the ones who create it,
		// and only of what is there.
		return r.Writing && now.Exists && now.Size == f.Length
	}
	then := r.Files[i]
	switch {
	case !now.Exists, now.Size != then.Size:
		return false
	case r.Writing:
		return now.ModTime >= then.ModTime
	default:
		return now.ModTime == then.ModTime
	}
}
