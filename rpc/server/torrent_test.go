package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// TestErrorTable has every known error come out of a handler, wrapped as the
// domain wraps it.
func TestErrorTable(t *testing.T) {
	f := start(t, nil)
	c := f.client(t)
	tests := []struct {
		err  error
		code int
	}{
		{torrent.ErrNotFound, rpc.CodeNotFound},
		{storage.ErrNotFound, rpc.CodeNotFound},
		{torrent.ErrInvalid, rpc.CodeInvalid},
		{fmt.Errorf("recheck: %w", torrent.ErrNoMetadata), rpc.CodeBusy},
		{torrent.ErrClosed, rpc.CodeClosing},
		{torrent.ErrNoSpace, rpc.CodeDisk},
		{lora.ErrTooLong, rpc.CodeInvalid},
		{fmt.Errorf("%w: only: no", torrent.ErrFiles), rpc.CodeInvalid},
		{lora.ErrEmpty, rpc.CodeInvalid},
		{lora.ErrText, rpc.CodeInvalid},
		{lora.ErrAddress, rpc.CodeInvalid},
		{lora.ErrInvalid, rpc.CodeInvalid},
		{lora.ErrSilent, rpc.CodeTimeout},
		{lora.ErrOff, rpc.CodeLoRaDown},
		{lora.ErrFull, rpc.CodeLoRaDown},
		{disk.ErrRootMissing, rpc.CodeDisk},
		{disk.ErrReadOnly, rpc.CodeDisk},
		{&fs.PathError{Op: "mkdir", Path: "/x", Err: os.ErrPermission}, rpc.CodeDisk},
		{context.DeadlineExceeded, rpc.CodeTimeout},
		{context.Canceled, rpc.CodeClosing},
		{errors.New("cosmic ray"), rpc.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			f.engine.err = fmt.Errorf("do the thing: %w", tt.err)
			_, err := c.TorrentStop(t.Context(), rpc.TorrentArgs{ID: "abcd"})
			wantError(t, err, tt.code, "do the thing: "+tt.err.Error())
		})
	}
	if !strings.Contains(f.log.String(), "cosmic ray") {
		t.Error("an internal error is not in the log")
	}
	matches := make([]metainfo.Hash, 30)
	matches[0] = testHash
	f.engine.err = &torrent.AmbiguousError{Prefix: "ab", Matches: matches}
	_, err := c.TorrentStop(t.Context(), rpc.TorrentArgs{ID: "ab"})
	wantError(t, err, rpc.CodeAmbiguous, `"ab"`)
	var e *rpc.Error
	if errors.As(err, &e); len(e.Data.Matches) != maxMatches || e.Data.Matches[0] != testHash.String() {
		t.Errorf("matches %v", e.Data.Matches)
	}
	for _, code := range []int{rpc.CodeParse, rpc.CodeFetch, rpc.CodeBusy} {
		if kinds[code] == "" {
			t.Errorf("code %d has no kind", code)
		}
	}
}

func TestTorrentCommands(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	id := rpc.TorrentArgs{ID: "abcd"}
	_, err1 := c.TorrentStart(ctx, id)
	_, err2 := c.TorrentStop(ctx, id)
	_, err3 := c.TorrentRecheck(ctx, id)
	_, err4 := c.TorrentReannounce(ctx, id)
	_, err5 := c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: "abcd"})
	_, err6 := c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: testHash.String(), DeleteData: true})
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Error(err)
	}
	if got := f.engine.calls(); got != "Start, Stop, Recheck, Reannounce, Remove false, Remove true" {
		t.Errorf("engine saw %q", got)
	}
	chosen, err := c.TorrentSetFiles(ctx, rpc.TorrentSetFilesArgs{ID: "abcd", Only: "1", Skip: "2", Low: "3", Normal: "4", High: "5"})
	if got := f.engine.calls(); err != nil || !strings.HasSuffix(got, ", SetFiles {Only:1 Skip:2 Low:3 Normal:4 High:5}") || chosen.WantedBytes != 5 || chosen.WantedVerifiedBytes != 3 {
		t.Errorf("engine saw %q, answered %+v, %v", got, chosen, err)
	}
	_, err = c.TorrentSetFiles(ctx, rpc.TorrentSetFilesArgs{ID: "abcd"})
	wantError(t, err, rpc.CodeInvalidParams, "only, skip, low, normal, high: want one of them at least")
	_, err = c.TorrentStart(ctx, rpc.TorrentArgs{})
	wantError(t, err, rpc.CodeInvalidParams, "id: missing")
	_, err = c.TorrentStart(ctx, rpc.TorrentArgs{ID: strings.Repeat("a", 65)})
	wantError(t, err, rpc.CodeNotFound, "longer than an info hash")
	_, err = c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: "ffff"})
	wantError(t, err, rpc.CodeNotFound, `no such torrent: "ffff"`)
}

// An ID is the beginning of an info hash and never a path, a pattern or a query.
func TestRow74TorrentIDs(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	for _, id := range []string{"..", "../../etc/passwd", "a/b", "/", `..\..`, "*", "%2e%2e", "\x00", "a\x00", "' or 1=1", "0x" + testHash.String(), " "} {
		_, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
		wantError(t, err, rpc.CodeNotFound, "no such torrent")
		_, err = c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: id, DeleteData: true})
		wantError(t, err, rpc.CodeNotFound, "no such torrent")
	}
	if got := f.engine.calls(); got != "" {
		t.Errorf("engine saw %q", got)
	}
}

func TestTorrentGet(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	added := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.engine.detail = torrent.Detail{
		Status: torrent.Status{
			InfoHash: testHash, Name: "n", State: torrent.Failed, Error: "e", Dir: "/d", TotalBytes: 1, VerifiedBytes: 2, CheckedBytes: 3,
			DownloadedBytes: 4, UploadedBytes: 5, WastedBytes: 6, DownloadRate: 7, UploadRate: 8, Peers: 9, Seeds: 10, ETASeconds: -1,
			Private: true, SuperSeeding: true, PieceLength: 11, NumPieces: 12, NumFiles: 13, AddedAt: added, CompletedAt: added,
		},
		Finding:  []torrent.FindingStatus{{Source: "dht", Text: "1 node"}},
		Files:    []torrent.FileStatus{{Index: 3, Path: "a/b", Length: 1, VerifiedBytes: 2, Priority: "high"}},
		Peers:    []torrent.PeerStatus{{Address: "a", Client: "c", Direction: "in", Source: "incoming", Transport: "utp", Encryption: "rc4", Progress: 0.5, DownloadRate: 1, UploadRate: 2, Downloaded: 3, Uploaded: 4, Choking: true, PeerInterested: true, Requests: 5, QueuedUploads: 6}},
		Trackers: []torrent.TrackerStatus{{URL: "u", Tier: 1, State: "ok", Error: "e", Warning: "w", Seeders: -1, Leechers: 2, Downloaded: 3, LastAnnounce: added, PeersReceived: 4}},
		WebSeeds: []torrent.WebSeedStatus{{URL: "w", State: "banned", Error: "e", Missing: 1, DownloadRate: 2, Downloaded: 3}},
		Pieces:   []byte{0xf0}, Availability: []int{1, 2},
	}
	short, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: "ab"})
	if err != nil {
		t.Fatal(err)
	}
	if short.Files != nil || short.PeerList != nil || short.Trackers != nil || short.WebSeeds != nil || short.Pieces != nil || short.Availability != nil {
		t.Errorf("lists that nobody asked for: %+v", short)
	}
	want := rpc.Torrent{
		InfoHash: testHash.String(), Name: "n", State: "error", Error: "e", Dir: "/d", TotalBytes: 1, VerifiedBytes: 2, CheckedBytes: -1,
		DownloadedBytes: 4, UploadedBytes: 5, WastedBytes: 6, DownloadRate: 7, UploadRate: 8, Peers: 9, Seeds: 10, ETASeconds: -1,
		Private: true, SuperSeeding: true, PieceLength: 11, NumPieces: 12, NumFiles: 13, AddedAt: added, CompletedAt: &added,
	}
	if fmt.Sprintf("%+v", deref(short.Torrent)) != fmt.Sprintf("%+v", deref(want)) {
		t.Errorf("got  %+v\nwant %+v", short.Torrent, want)
	}
	if len(short.Finding) != 1 || short.Finding[0] != (rpc.Finding{Source: "dht", Text: "1 node"}) {
		t.Errorf("finding %+v", short.Finding)
	}
	long, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: "ab", Files: true, Peers: true, Trackers: true, WebSeeds: true, Pieces: true})
	if err != nil {
		t.Fatal(err)
	}
	lists := fmt.Sprintf("%+v %+v %+v %+v %x %v", long.Files, long.PeerList, deref(long.Trackers[0]), long.WebSeeds, long.Pieces, long.Availability)
	for _, part := range []string{
		"{Index:3 Path:a/b Length:1 VerifiedBytes:2 Priority:high}",
		"Address:a Client:c Direction:in Source:incoming Transport:utp Encryption:rc4 Progress:0.5 DownloadRate:1 UploadRate:2 DownloadedBytes:3 UploadedBytes:4 Choking:true Interested:false PeerChoking:false PeerInterested:true Snubbed:false Requests:5 QueuedUploads:6",
		"URL:u Tier:1 State:ok Error:e Warning:w Seeders:-1 Leechers:2 Downloaded:3 PeersReceived:4",
		"URL:w State:banned Error:e MissingFiles:1 DownloadRate:2 DownloadedBytes:3 RetryAt:<nil>",
		"f0 [1 2]",
	} {
		if !strings.Contains(lists, part) {
			t.Errorf("%s is not in %s", part, lists)
		}
	}
	if long.Trackers[0].NextAnnounce != nil || !long.Trackers[0].LastAnnounce.Equal(added) {
		t.Errorf("announce times %+v", long.Trackers[0])
	}
	f.engine.detail = torrent.Detail{Status: torrent.Status{State: torrent.Checking, CheckedBytes: 3}}
	empty, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: "ab", Files: true, Peers: true, Trackers: true})
	if err != nil || empty.Files == nil || empty.PeerList == nil || empty.Trackers == nil || empty.CheckedBytes != 3 || empty.CompletedAt != nil {
		t.Errorf("empty lists: %+v %v", empty, err)
	}
}

// deref makes times behind pointers printable.
func deref(v any) any {
	switch v := v.(type) {
	case rpc.Torrent:
		completed := v.CompletedAt.String()
		v.CompletedAt = nil
		return fmt.Sprintf("%+v %s", v, completed)
	case rpc.Tracker:
		v.LastAnnounce, v.NextAnnounce = nil, nil
		return v
	}
	return v
}

func TestTorrentAddSources(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	dir := t.TempDir()
	file := filepath.Join(dir, "x.torrent")
	if err := os.WriteFile(file, []byte("d4:infoe"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, metainfo.MaxSize+1); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := mkfifo(pipe); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args rpc.TorrentAddArgs
		code int // 0: it works
		says string
	}{
		{"bytes", rpc.TorrentAddArgs{Metainfo: []byte("d4:infoe")}, 0, ""},
		{"path", rpc.TorrentAddArgs{Path: file}, 0, ""},
		{"nothing", rpc.TorrentAddArgs{}, rpc.CodeInvalidParams, "exactly one of them, not 0"},
		{"two", rpc.TorrentAddArgs{Path: file, URL: "http://x"}, rpc.CodeInvalidParams, "not 2"},
		{"three", rpc.TorrentAddArgs{Metainfo: []byte("x"), Path: file, URL: "http://x"}, rpc.CodeInvalidParams, "not 3"},
		{"relative path", rpc.TorrentAddArgs{Path: "x.torrent"}, rpc.CodeInvalid, `path: "x.torrent" is not absolute`},
		{"path with zero", rpc.TorrentAddArgs{Path: "/x\x00y"}, rpc.CodeInvalid, "path:"},
		{"missing file", rpc.TorrentAddArgs{Path: dir + "/no"}, rpc.CodeFetch, "no such file"},
		{"folder", rpc.TorrentAddArgs{Path: dir}, rpc.CodeFetch, "no regular file"},
		{"device", rpc.TorrentAddArgs{Path: "/dev/zero"}, rpc.CodeFetch, "no regular file"},
		{"pipe", rpc.TorrentAddArgs{Path: pipe}, rpc.CodeFetch, "no regular file"},
		{"large file", rpc.TorrentAddArgs{Path: large}, rpc.CodeFetch, "larger than 32 MiB"},
		{"magnet and path", rpc.TorrentAddArgs{Path: file, URL: "magnet:?xt=urn:btih:" + testHash.String()}, rpc.CodeInvalidParams, "not 2"},
		{"file URL", rpc.TorrentAddArgs{URL: "file:///etc/passwd"}, rpc.CodeInvalid, `scheme "file"`},
		{"no host", rpc.TorrentAddArgs{URL: "http:///x"}, rpc.CodeInvalid, "no host"},
		{"broken URL", rpc.TorrentAddArgs{URL: "http://x y/"}, rpc.CodeInvalid, "url: invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.engine.added)
			reply, err := c.TorrentAdd(ctx, tt.args)
			if tt.code != 0 {
				wantError(t, err, tt.code, tt.says)
				if len(f.engine.added) != before {
					t.Error("it was added nevertheless")
				}
				return
			}
			if err != nil || reply.Torrent.InfoHash != testHash.String() || !bytes.Equal(f.engine.data, []byte("d4:infoe")) {
				t.Errorf("got %+v %v, engine got %q", reply, err, f.engine.data)
			}
		})
	}
	link := "MAGNET:?xt=urn:btih:" + testHash.String()
	reply, err := c.TorrentAdd(ctx, rpc.TorrentAddArgs{URL: link, Paused: true})
	if err != nil || reply.Torrent.State != rpc.StateMetadata || string(f.engine.data) != link || !f.engine.added[len(f.engine.added)-1].Paused {
		t.Errorf("magnet link: %+v, %v, engine got %q", reply, err, f.engine.data)
	}
	huge := bytes.Repeat([]byte("x"), 2<<20) // more than a small body
	if _, err := c.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: huge, Paused: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.engine.data, huge) || !f.engine.added[len(f.engine.added)-1].Paused {
		t.Error("2 MiB did not arrive")
	}
	if most := int64(base64.StdEncoding.EncodedLen(metainfo.MaxSize)) + 64<<10; defaultLimits().maxBody < most {
		t.Errorf("the largest torrent needs a body of %d bytes", most)
	}
}

func TestTorrentAddDir(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "root2")
	for _, dir := range []string{root + "/sub", outside} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{root + "/escape": outside, root + "/nowhere": top + "/no", top + "/alias": root} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, dir string
		want      string
		code      int // without roots
		rooted    int // with root as the only one
	}{
		{"default", "", "", 0, 0},
		{"the root", root, root, 0, 0},
		{"below", root + "/sub", root + "/sub", 0, 0},
		{"to be made", root + "/new", root + "/new", 0, 0},
		{"unclean", root + "/sub/../sub//./", root + "/sub", 0, 0},
		{"relative", "sub", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"parent missing", root + "/a/b", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"a file", root + "/file", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"below a file", root + "/file/x", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"link to nowhere", root + "/nowhere", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"zero byte", root + "/\x00", "", rpc.CodeInvalid, rpc.CodeInvalid},
		{"outside", outside, outside, 0, rpc.CodeDenied},
		{"outside by dots", root + "/../root2", outside, 0, rpc.CodeDenied},
		{"outside by a link", root + "/escape", root + "/escape", 0, rpc.CodeDenied},
		{"new, outside by a link", root + "/escape/new", root + "/escape/new", 0, rpc.CodeDenied},
		{"inside by another name", top + "/alias/sub", top + "/alias/sub", 0, 0},
		{"above", top, top, 0, rpc.CodeDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for code, roots := range map[*int][]string{&tt.code: nil, &tt.rooted: {root}} {
				got, err := checkDir(tt.dir, roots)
				if *code == 0 {
					if err != nil || got != tt.want {
						t.Errorf("roots %v: got %q %v, want %q", roots, got, err, tt.want)
					}
					continue
				}
				wantError(t, err, *code, "dir: ")
			}
		})
	}
	f := start(t, func(c *Config, _ *limits) { c.DownloadRoots = []string{root} })
	c := f.client(t)
	if _, err := c.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: []byte("x"), Dir: root + "/sub/"}); err != nil || f.engine.added[0].Dir != root+"/sub" {
		t.Errorf("got %v, engine got %+v", err, f.engine.added)
	}
	_, err := c.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: []byte("x"), Dir: outside})
	wantError(t, err, rpc.CodeDenied, outside)
	if _, err := c.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: []byte("x"), Dir: root + "/made"}); err != nil || !isDir(root+"/made") {
		t.Errorf("the folder was not made: %v", err)
	}
	f.engine.err = torrent.ErrInvalid
	_, err = c.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: []byte("x"), Dir: root + "/unmade"})
	wantError(t, err, rpc.CodeInvalid, "")
	_, err = c.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: []byte("x"), Dir: root + "/sub"})
	wantError(t, err, rpc.CodeInvalid, "")
	if isDir(root+"/unmade") || !isDir(root+"/sub") {
		t.Error("the folder made for a torrent that was refused stays, or one that was there went")
	}
}
