// Package metainfo reads and makes .torrent files.
//
// A .torrent is written by anybody's program and fetched from anybody's site,
// so the package is lenient about what does not matter and strict about what
// does:
//
//   - Optional fields (trackers, web seeds, comment, dates) are decoded one by
//     one; a malformed one counts as missing. Unknown keys, unsorted keys and
//     white space after the end are fine.
//   - The info dictionary is kept verbatim and hashed verbatim, so the info
//     hash is right whatever it contains. The fields that say where bytes go
//     (lengths, piece length, pieces, names) are checked completely; a
//     duplicate of one of them is refused, because other programs would read
//     the other one under the same hash.
//   - Sizes, nesting, and the numbers of files, folders, pieces and trackers
//     are bounded before anything of that size is allocated.
//   - What comes out is safe to put below a folder: see path.go for what is
//     refused and what is rewritten, and layout.go for names that collide.
//     The same info always yields the same names.
//
// Errors begin with "metainfo:" and name the field, or the file and the path
// component, that is wrong.
//
// The files of a v2 torrent are aligned to pieces. Info shows them as v1 would,
// with pad files in the gaps, so that all three kinds of torrent are one row of
// bytes cut into pieces. The two halves of a hybrid torrent must say the same.
//
// Spec: BEP 3 (metainfo), 12 (announce-list), 19 (url-list), 27 (private), 47
// (pad files and attributes), 52 (v2 and hybrid).
package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// MaxSize is the size in bytes of the largest .torrent, and of the largest
// info dictionary, that is looked at.
const MaxSize = 32 << 20

// MetaInfo is a decoded .torrent file.
type MetaInfo struct {
	Info *Info

	// Trackers holds tiers of announce URLs (BEP 12): http, https or udp, no
	// URL twice, at most 256 in all, nil when there is none. It comes from
	// announce-list, or from announce where the list is missing or empty.
	Trackers [][]string

	URLList      []string  // web seeds (BEP 19): http or https
	Comment      string    // printable, possibly several lines
	CreatedBy    string    // printable, one line
	CreationDate time.Time // UTC; zero when not given
}

// Parse decodes a whole .torrent file. It keeps no reference to b.
func Parse(b []byte) (*MetaInfo, error) {
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("metainfo: %w", err)
	}
	return m, nil
}

func parse(b []byte) (*MetaInfo, error) {
	if err := checkSize(b); err != nil {
		return nil, err
	}
	var infoRaw, layersRaw []byte
	optional := make(map[string][]byte)
	c := newCursor()
	err := c.dict(b, func(key, value []byte) error {
		switch k := string(key); k {
		case "info":
			if infoRaw != nil {
				return errors.New("info is there twice")
			}
			infoRaw = value
		case "piece layers":
			if layersRaw != nil {
				return errors.New("piece layers is there twice")
			}
			layersRaw = value
		case "announce", "announce-list", "url-list", "comment", "comment.utf-8",
			"created by", "created by.utf-8", "creation date":
			if _, ok := optional[k]; !ok {
				optional[k] = value
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rest := bytes.TrimRight(b[c.pos:], " \t\r\n"); len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes after the end of the torrent at byte %d", len(rest), c.pos)
	}
	if infoRaw == nil {
		return nil, errors.New("info is missing")
	}
	// A copy, so that the torrent's bytes are not kept alive by a part of them.
	info, err := parseInfo(bytes.Clone(infoRaw))
	if err == nil && info.IsV2() {
		info, err = readLayers(info, layersRaw)
	}
	if err != nil {
		return nil, err
	}
	return &MetaInfo{
		Info:         info,
		Trackers:     trackers(optional["announce-list"], optional["announce"]),
		URLList:      webSeeds(optional["url-list"]),
		Comment:      text(optional["comment.utf-8"], optional["comment"], true),
		CreatedBy:    text(optional["created by.utf-8"], optional["created by"], false),
		CreationDate: date(optional["creation date"]),
	}, nil
}

func checkSize(b []byte) error {
	if len(b) > MaxSize {
		return fmt.Errorf("%d bytes are more than the limit of %d", len(b), MaxSize)
	}
	return nil
}

// date reads seconds since 1970; what is no such number, or lies outside of
// the years a four-digit date can show, is the zero time.
func date(raw []byte) time.Time {
	const year10000 = 253402300800
	n, err := integer(raw)
	if err != nil || n <= 0 || n >= year10000 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
