package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const lastRow = 75

// rows are the cases of error and hostile input that an engine has to stand,
// by their number in the project's list: what a peer may do (1 to 41), a tracker
// (42 to 48), a .torrent (49 to 65), a web seed (66), disk and database (67 to
// 70), users and the world (71 to 75). Each names the tests that show it, as
// FOLDER.TEST or FOLDER.TEST/CASE; the folder is below daemon/torrent, or below
// the module's root when it begins with a slash.
var rows = map[int]struct {
	what  string
	tests []string
}{
	1:  {"handshake of another protocol", []string{".TestHostileHandshakes/other protocol name", ".TestHostileHandshakes/other name length"}},
	2:  {"handshake for an unknown torrent", []string{".TestHostileHandshakes/unknown torrent", ".TestHostileAnswers"}},
	3:  {"connection to ourselves", []string{".TestHostileHandshakes/our own ID", ".TestHostileAnswers"}},
	4:  {"second connection of a peer", []string{".TestOneConnectionForEachPeer", ".TestTCPReplacesUTP"}},
	5:  {"slow handshake", []string{".TestHostileHandshakes/silence", ".TestHostileHandshakes/half a handshake", "mse.TestSlowEnds"}},
	6:  {"idle peer", []string{"peer.TestSilenceEndsTheConnection"}},
	7:  {"peer that does not read", []string{"peer.TestPeerThatDoesNotRead", "peer.TestFullOutboxEndsTheConnection", ".TestHostileMessages/request flood that is not read"}},
	8:  {"oversized message", []string{".TestHostileMessages/oversized message", ".TestHostileMessages/oversized unknown message", "peerwire.TestReaderRefusesLengths"}},
	9:  {"length that is not the type's", []string{".TestHostileMessages/short have", ".TestHostileMessages/long choke", "peerwire.TestReaderRefusesLengths"}},
	10: {"block without a whole header", []string{"peerwire.TestReaderRefusesLengths", ".TestHostileMessages/block of nothing"}},
	11: {"unknown message", []string{".TestHostileMessages/unknown messages", "peerwire.TestReaderSkipsWhatItDoesNotKnow"}},
	12: {"message of BEP 6 that was not agreed on", []string{".TestHostileMessages/have all without fast", ".TestHostileMessages/have none without fast",
		".TestHostileMessages/suggest without fast", ".TestHostileMessages/allowed fast without fast", ".TestHostileMessages/reject without fast"}},
	13: {"have beyond the last piece", []string{".TestHostileMessages/have beyond the last piece", ".TestHostileMessages/have of 2^32-1"}},
	14: {"bitfield of another length", []string{".TestHostileMessages/bitfield too short", ".TestHostileMessages/bitfield too long"}},
	15: {"spare bits of a bitfield", []string{".TestHostileMessages/bitfield with spare bits", "bitfield.TestFromWireRefuses"}},
	16: {"second bitfield", []string{".TestHostileMessages/second bitfield", ".TestHostileMessages/have all and have none"}},
	17: {"much said before the metadata is there", []string{".TestEarlyMessages/many haves", ".TestEarlyMessages/bitfield beyond any", ".TestEarlyMessages/have beyond any"}},
	18: {"request that overflows, or of nothing", []string{".TestHostileMessages/request that overflows", ".TestHostileMessages/request of nothing",
		".TestHostileMessages/request across the last piece's end", ".TestHostileMessages/request with everything at its largest"}},
	19: {"request of more than a block", []string{".TestHostileMessages/request of more than a block"}},
	20: {"request of a piece we lack", []string{".TestHostileMessages/request of a piece we lack", ".TestHostileMessages/request of a piece we lack, without fast"}},
	21: {"request while choked", []string{".TestHostileMessages/request while choked", ".TestHostileMessages/request while choked, without fast"}},
	22: {"flood of requests", []string{".TestHostileMessages/request flood while choked", ".TestHostileMessages/request flood that is not read", "peer.TestUploadQueueIsBounded"}},
	23: {"cancel of what was not asked for", []string{".TestHostileMessages/cancel of what was not asked for"}},
	24: {"block that was not asked for", []string{".TestHostileMessages/block that was not asked for", "peer.TestViolationsEndTheConnection"}},
	25: {"block of another offset or length", []string{".TestHostileSeeds/answers with shorter blocks", ".TestHostileSeeds/answers with other blocks", ".TestHostileMessages/oversized block"}},
	26: {"block that comes twice", []string{".TestHostileSeeds/serves every block twice"}},
	27: {"block that comes late", []string{".TestHostileSeeds/rejects, then serves all the same", "peer.TestGiveUpAndCancel", "picker.TestLateBlockIsWelcome"}},
	28: {"reject of what was not asked for", []string{".TestHostileMessages/reject of what was not asked for", "peer.TestRejected"}},
	29: {"everything is rejected", []string{".TestHostileSeeds/all requests are rejected"}},
	30: {"bad piece", []string{".TestHostileSeeds/bad hash by one sender", ".TestLiarIsFoundAmongHonestSeeds", ".TestBlame", ".TestBlameIsBounded"}},
	31: {"disk that fails", []string{".TestFullDisk", ".TestSeedWhoseFilesVanish"}},
	32: {"slow or stalled peer", []string{".TestStall", ".TestTrickle", "peer.TestTickTellsWhoSnubs"}},
	33: {"peer that chokes for ever", []string{".TestHostileSeeds/chokes after three blocks, for ever", ".TestHostileSeeds/chokes after three blocks, without fast"}},
	34: {"two seeds", []string{".TestRow34TwoSeeds"}},
	35: {"depth bomb in an extension handshake", []string{".TestHostileMessages/extension handshake with a bomb", ".TestHostileMessages/extension handshake with a bomb inside"}},
	36: {"numbers of an extension handshake", []string{".TestHostileMessages/negative queue", ".TestHostileMessages/endless queue", ".TestHostileMessages/queue beyond 64 bits",
		".TestMetadataLiars/negative size", ".TestMetadataLiars/size beyond any"}},
	37: {"metadata piece out of range", []string{".TestMetadataLiars/piece -1", ".TestMetadataLiars/piece out of range", ".TestMetadataGiven"}},
	38: {"metadata of another hash", []string{".TestMetadataLiars/wrong data", ".TestMetadataLiars/endless", "metadata.TestFetchBlamesLiarsOnly"}},
	39: {"metadata that makes no sense", []string{".TestMagnetOfNonsense"}},
	40: {"peer exchange that floods, or is not allowed", []string{".TestExchangeReceived/flood", ".TestExchangeReceived/many at once", ".TestExchangeReceived/half an address",
		".TestPrivateExchangesNothing", "pex.TestDecode"}},
	41: {"lies about our address", []string{".TestRow41YourIPLies", "external.TestVotes", "external.TestVotesAreBounded"}},
	42: {"tracker that is away", []string{"tracker.TestRow42TrackerAwayIsLeftAloneLonger"}},
	43: {"interval of nothing, or of centuries", []string{"tracker.TestRow43IntervalIsClamped"}},
	44: {"refusal, warning, and when to come again", []string{"tracker.TestRow44RefusalAndWarning"}},
	45: {"huge, packed or other answers, and redirects of a tracker", []string{"tracker.TestRow45BodiesAndRedirects"}},
	46: {"peers of a tracker that make no sense", []string{"tracker.TestRow46PeerLists"}},
	47: {"tiers of trackers", []string{"tracker.TestRow47TiersRotate"}},
	48: {"goodbye to a slow tracker", []string{"tracker.TestRow48StoppedDoesNotBlock", ".TestShutdownWithAHangingTracker"}},
	49: {"metainfo too big, cut off, or with more behind it", []string{"metainfo.TestRows/too big", "metainfo.TestRows/truncated", "metainfo.TestRows/bytes behind it"}},
	50: {"depth bomb in metainfo", []string{"metainfo.TestRows/five million lists in one another", "metainfo.TestRows/in a field nobody reads"}},
	51: {"string of giant length", []string{"metainfo.TestRows/a string of two billion bytes", "metainfo.TestRows/whose length overflows"}},
	52: {"bencode that is not canonical", []string{"metainfo.TestRows/unsorted keys", "metainfo.TestRows/a key twice",
		"metainfo.TestRows/leading zeros", "metainfo.TestRows/negative zero"}},
	53: {"info hash of the bytes as they are", []string{"metainfo.TestRows/the hash is of the bytes as they are", "metainfo.TestInfoHashIsOfTheVerbatimBytes"}},
	54: {"names that lead elsewhere", []string{"metainfo.TestRows/name ..", "metainfo.TestRows/name .", "metainfo.TestRows/no name", "metainfo.TestRows/absolute name",
		"metainfo.TestRows/path out of it", "metainfo.TestRows/separator inside", "metainfo.TestRows/backslash", "metainfo.TestRows/NUL",
		"metainfo.TestRows/space at the end", "metainfo.TestRows/more than 255 bytes", "metainfo.TestComponent"}},
	55: {"names that are no UTF-8", []string{"metainfo.TestRows/name.utf-8", "metainfo.TestRows/no UTF-8 at all"}},
	56: {"paths that clash", []string{"metainfo.TestRows/the same path twice", "metainfo.TestRows/file and folder", "metainfo.TestRows/but for the case"}},
	57: {"symbolic links, in the torrent and planted", []string{"metainfo.TestRows/a symbolic link", "metainfo.TestRows/with content", "/storage/disk.TestPlantedLinks"}},
	58: {"negative lengths", []string{"metainfo.TestRows/negative length", "metainfo.TestRows/negative padding"}},
	59: {"files of nothing, and padding", []string{"metainfo.TestRows/an empty file", "metainfo.TestRows/nothing in it", "metainfo.TestRows/a piece of padding",
		".TestPadding", ".TestWrongPadding", "/storage/disk.TestAllocateCreatesEverything"}},
	60: {"piece lengths", []string{"metainfo.TestRows/piece length 0", "metainfo.TestRows/negative piece length",
		"metainfo.TestRows/no multiple of 16 KiB", "metainfo.TestRows/huge piece length"}},
	61: {"piece hashes that do not fit", []string{"metainfo.TestRows/pieces of odd length", "metainfo.TestRows/too few pieces", "metainfo.TestRows/too many pieces"}},
	62: {"number of pieces", []string{"metainfo.TestRows/65,537 pieces", "metainfo.TestRows/more than four million"}},
	63: {"info that is missing or of another type", []string{"metainfo.TestRows/no info", "metainfo.TestRows/info is a list", "metainfo.TestRows/not a dictionary",
		"metainfo.TestRows/length is a string", "metainfo.TestRows/path is a string"}},
	64: {"v2 torrents and links", []string{"metainfo.TestRows/v2 only", "metainfo.TestRows/hybrid", "metainfo.TestRows/of a later version", ".TestV2BetweenEngines", ".TestV2Magnets"}},
	65: {"url-list of any type", []string{".TestRow65URLList"}},
	66: {"web seed that answers something else", []string{"webseed.TestRow66Answers", ".TestCorruptWebSeedIsNamed"}},
	67: {"disk that is full, read-only, broken or closed to us", []string{".TestFullDisk", ".TestRow67WriteErrors", "/storage/disk.TestErrorClasses",
		"/storage/disk.TestFullFileSystem", "/storage/disk.TestFailedSyncIsNeverForgotten"}},
	68: {"files that changed while nobody looked", []string{".TestFilesChangedWhileStopped", ".TestCompleteTorrentIsLookedAt", ".TestMissingFolder", ".TestJudge"}},
	69: {"killed between the data and the bit", []string{"/daemon.TestKilledDownload", "/daemon.TestKilledWhileBusy", "/storage.TestKill"}},
	70: {"database that is locked or damaged", []string{"/storage.TestSecondOpenIsLocked", "/storage.TestDamagedFiles", "/storage.TestDamagedTorrentCostsOnlyItself",
		"/daemon.TestCannotStart", ".TestUselessResumeRecord"}},
	71: {"torrent that is added twice", []string{".TestAddTwice", ".TestAddedAgain"}},
	72: {"port that is busy, and accepting that fails", []string{".TestPortIsBusy", ".TestRow72AcceptErrors"}},
	73: {"removed or stopped in the middle of something", []string{".TestRow73RemovedWhileBusy", ".TestRemove", ".TestMagnetCommands"}},
	74: {"RPC from elsewhere, too large, or of nonsense", []string{"/rpc/server.TestDoors/tcp, cross-origin", "/rpc/server.TestDoors/tcp, foreign name",
		"/rpc/server.TestDoors/huge", "/rpc/server.TestBrokenBodies", "/rpc/server.TestRow74TorrentIDs", "/rpc/server.TestLargeBodyLimit"}},
	75: {"clock that jumps, sleep, and another network", []string{".TestRow75Jumps", ".TestRow75AnotherNetwork", "tracker.TestRow75OneAnnounceAfterSleep",
		"blocklist.TestRow75CacheOfTheFuture"}},
}

// TestRows keeps the index true: every row has tests, and they are there.
func TestRows(t *testing.T) {
	for n := 1; n <= lastRow; n++ {
		if len(rows[n].tests) == 0 {
			t.Errorf("row %d has no test", n)
		}
	}
	found := make(map[string]map[string]map[string]bool) // by package and test: the texts in it
	for n, row := range rows {
		for _, name := range row.tests {
			folder, test, kase := parts(name)
			if found[folder] == nil {
				found[folder] = testsOf(t, folder)
			}
			switch texts, there := found[folder][test]; {
			case !there:
				t.Errorf("row %d, %s: no test %s in %q", n, row.what, test, folder)
			case kase != "" && !texts[kase]:
				t.Errorf("row %d, %s: %s has no case %q", n, row.what, test, kase)
			}
		}
	}
	if len(rows) != lastRow {
		t.Errorf("%d rows, want %d", len(rows), lastRow)
	}
}

// parts splits what a row names: the folder from the module's root on, the test,
// and the case in it, if it names one.
func parts(name string) (folder, test, kase string) {
	folder, test, _ = strings.Cut(name, ".")
	test, kase, _ = strings.Cut(test, "/")
	if below, ok := strings.CutPrefix(folder, "/"); ok {
		return below, test, kase
	}
	return path.Join("daemon/torrent", folder), test, kase
}

// TestRowsPass runs what the rows name, and counts. The tests are part of any
// run of all tests; this one shows the figure when LORRENT_ROWS is set.
func TestRowsPass(t *testing.T) {
	if os.Getenv("LORRENT_ROWS") == "" {
		t.Skip("the tests of the rows run by themselves, too; LORRENT_ROWS=1 counts the rows")
	}
	names, folders := make(map[string]bool), make(map[string]bool)
	for _, row := range rows {
		for _, name := range row.tests {
			folder, test, _ := parts(name)
			names[test], folders["./"+folder] = true, true
		}
	}
	args := []string{"test", "-json", "-count=1", "-run", "^(" + strings.Join(slices.Sorted(maps.Keys(names)), "|") + ")$"}
	cmd := exec.CommandContext(t.Context(), "go", append(args, slices.Sorted(maps.Keys(folders))...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	results := make(map[string]string) // by folder, test and case
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Package, Test string }
		if err := d.Decode(&e); err != nil {
			break
		}
		if e.Test != "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") {
			results[strings.TrimPrefix(e.Package, "lorrent/")+"."+e.Test] = e.Action
		}
	}
	passed := 0
	for _, n := range slices.Sorted(maps.Keys(rows)) {
		ok := true
		for _, name := range rows[n].tests {
			folder, test, _ := parts(name)
			if got := results[folder+"."+test]; got != "pass" {
				t.Errorf("row %d, %s: %s: %q", n, rows[n].what, name, got)
				ok = false
			}
		}
		if ok {
			passed++
		}
	}
	t.Logf("rows passed: %d / %d", passed, lastRow)
}

// testsOf reads a folder's tests, and the texts in each.
func testsOf(t *testing.T, folder string) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(files)
	tests := make(map[string]map[string]bool)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			texts := make(map[string]bool)
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						texts[text] = true
					}
				}
				return true
			})
			tests[f.Name.Name] = texts
		}
	}
	return tests
}
