package torrent

import (
	"errors"
	"slices"
	"testing"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// judged is a torrent of ten pieces of ten bytes: "a" is pieces 0 to 3, "b"
// 3 to 7, "empty" none, "pad" the middle of 7, "c" 7 to 9.
func judged() *metainfo.Info {
	i := &metainfo.Info{PieceLength: 10, TotalLength: 100, Pieces: make([]byte, 200), Files: []metainfo.File{
		{Path: []string{"a"}, Length: 35},
		{Path: []string{"b"}, Length: 40},
		{Path: []string{"empty"}},
		{Path: []string{"pad"}, Length: 2, Pad: true},
		{Path: []string{"c"}, Length: 23},
	}}
	for k := 1; k < len(i.Files); k++ {
		i.Files[k].Offset = i.Files[k-1].Offset + i.Files[k-1].Length
	}
	return i
}

func bits(pieces ...int) *bitfield.Bitfield {
	b := bitfield.New(10)
	for _, p := range pieces {
		b.Set(p)
	}
	return b
}

func list(b *bitfield.Bitfield) (pieces []int) {
	for p := b.Next(0); p >= 0; p = b.Next(p + 1) {
		pieces = append(pieces, p)
	}
	return pieces
}

func TestJudge(t *testing.T) {
	info := judged()
	whole := func() []disk.Stamp {
		return []disk.Stamp{{Exists: true, Size: 35, ModTime: 1000}, {Exists: true, Size: 40, ModTime: 1000},
			{Exists: true, ModTime: 1000}, {}, {Exists: true, Size: 23, ModTime: 1000}}
	}
	stamps := func(change func(s []disk.Stamp)) []disk.Stamp {
		s := whole()
		if change != nil {
			change(s)
		}
		return s
	}
	record := func(writing bool, pieces ...int) storage.Resume {
		r := storage.Resume{Bitfield: bits(pieces...).Wire(), Writing: writing}
		for _, s := range whole() {
			r.Files = append(r.Files, storage.FileStamp{Size: s.Size, ModTime: s.ModTime, Exists: s.Exists})
		}
		return r
	}
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	fresh := storage.Resume{Bitfield: bits().Wire()}
	cases := []struct {
		name        string
		resume      storage.Resume
		stamps      []disk.Stamp
		checkAll    bool
		have, check []int
		gone        bool
	}{
		{"new, nothing there", fresh, make([]disk.Stamp, 5), false, nil, nil, false},
		{"new, everything there", fresh, stamps(nil), false, nil, all, false},
		{"new, one file there", fresh, []disk.Stamp{{}, {Exists: true, Size: 40}, {}, {}, {}}, false, nil, []int{3, 4, 5, 6, 7}, false},
		{"new, one file half there", fresh, []disk.Stamp{{Exists: true, Size: 5}, {}, {}, {}, {}}, false, nil, []int{0, 1, 2, 3}, false},
		{"new, an empty file there", fresh, []disk.Stamp{{Exists: true}, {}, {}, {}, {}}, false, nil, nil, false},
		{"new, only the empty one there", fresh, []disk.Stamp{{}, {}, {Exists: true}, {}, {}}, false, nil, nil, false},
		{"record of nothing at all", storage.Resume{}, stamps(nil), false, nil, all, false},

		{"all there", record(false, all...), stamps(nil), false, all, nil, false},
		{"part there", record(false, 1, 5), stamps(nil), false, []int{1, 5}, nil, false},
		{"recheck", record(false, all...), stamps(nil), true, nil, all, false},
		{"recheck of what is gone", record(false, all...), make([]disk.Stamp, 5), true, nil, nil, false},
		{"changed", record(false, all...), stamps(func(s []disk.Stamp) { s[1].ModTime++ }), false, []int{0, 1, 2, 8, 9}, []int{3, 4, 5, 6, 7}, false},
		{"changed back in time", record(false, all...), stamps(func(s []disk.Stamp) { s[1].ModTime-- }), false, []int{0, 1, 2, 8, 9}, []int{3, 4, 5, 6, 7}, false},
		{"changed, of which we had one piece", record(false, 4), stamps(func(s []disk.Stamp) { s[1].ModTime++ }), false, nil, []int{4}, false},
		{"cut", record(false, all...), stamps(func(s []disk.Stamp) { s[0].Size = 20 }), false, []int{4, 5, 6, 7, 8, 9}, []int{0, 1, 2, 3}, false},
		{"cut to nothing", record(false, all...), stamps(func(s []disk.Stamp) { s[0].Size = 0 }), false, []int{4, 5, 6, 7, 8, 9}, []int{0, 1, 2, 3}, false},
		{"grown", record(false, all...), stamps(func(s []disk.Stamp) { s[4].Size = 24 }), false, []int{0, 1, 2, 3, 4, 5, 6}, []int{7, 8, 9}, false},
		{"removed", record(false, all...), stamps(func(s []disk.Stamp) { s[4] = disk.Stamp{} }), false, []int{0, 1, 2, 3, 4, 5, 6}, []int{7, 8, 9}, false},
		{"empty file removed", record(false, all...), stamps(func(s []disk.Stamp) { s[2] = disk.Stamp{} }), false, all, nil, false},
		{"all removed", record(false, all...), make([]disk.Stamp, 5), false, nil, nil, true},
		{"all but the empty file removed", record(false, 4), []disk.Stamp{{}, {}, {Exists: true}, {}, {}}, false, nil, nil, true},

		{"crashed while writing", record(true, 1, 5), stamps(func(s []disk.Stamp) { s[0].ModTime = 2000; s[1].ModTime = 2000 }), false, []int{1, 5}, nil, false},
		{"crashed, file from before", record(true, 1, 5), stamps(func(s []disk.Stamp) { s[1].ModTime = 999 }), false, []int{1}, []int{5}, false},
		{"crashed, file cut", record(true, 1, 5), stamps(func(s []disk.Stamp) { s[1].Size = 39 }), false, []int{1}, []int{5}, false},
		{"crashed, file removed", record(true, 1, 5), stamps(func(s []disk.Stamp) { s[1] = disk.Stamp{} }), false, []int{1}, []int{5}, false},
		{"crashed before the first checkpoint", storage.Resume{Bitfield: bits().Wire(), Writing: true}, stamps(nil), false, nil, nil, false},
		{"crashed before it, after a check", storage.Resume{Bitfield: bits(1, 5).Wire(), Writing: true}, stamps(nil), false, []int{1, 5}, nil, false},
		{"crashed before it, file removed", storage.Resume{Bitfield: bits(1, 5).Wire(), Writing: true}, stamps(func(s []disk.Stamp) { s[1] = disk.Stamp{} }), false, []int{1}, []int{5}, false},
		{"crashed before it, file not grown yet", storage.Resume{Bitfield: bits(1, 5).Wire(), Writing: true}, stamps(func(s []disk.Stamp) { s[1].Size = 30 }), false, []int{1}, []int{5}, false},

		{"bits of another length", storage.Resume{Bitfield: []byte{0xff}, Files: record(false).Files}, stamps(nil), false, nil, all, false},
		{"bits with spare ones set", storage.Resume{Bitfield: []byte{0xff, 0xff}, Files: record(false).Files}, stamps(nil), false, nil, all, false},
		{"fewer files than there are", storage.Resume{Bitfield: bits(all...).Wire(), Files: record(false).Files[:2]}, stamps(nil), false, []int{0, 1, 2, 3, 4, 5, 6}, []int{7, 8, 9}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := judge(info, c.resume, c.stamps, bitfield.New(info.NumPieces()), c.checkAll)
			if errors.Is(err, errDataGone) != c.gone || err != nil && !c.gone {
				t.Fatal(err)
			}
			if err == nil && (!slices.Equal(list(got.have), c.have) || !slices.Equal(list(got.check), c.check)) {
				t.Errorf("believed %v, to be checked %v; not %v and %v", list(got.have), list(got.check), c.have, c.check)
			}
		})
	}
}
