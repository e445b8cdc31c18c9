package torrent

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/netip"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// rows are the cases of error and hostile input that an engine has to stand,
// by their number in the project's list: what a peer may do (1 to 41), and the
// port (72). Each names the tests that show it, as PACKAGE.TEST or
// PACKAGE.TEST/CASE; the package is a folder below this one, empty for this.
// Rows of trackers, metainfo, files and RPC are tests that have the row's
// number in their name.
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
	72: {"port that is busy, and accepting that fails", []string{".TestPortIsBusy", ".TestRow72AcceptErrors"}},
}

// TestRows keeps the index true: every row has tests, and they are there.
func TestRows(t *testing.T) {
	for n := 1; n <= 41; n++ {
		if len(rows[n].tests) == 0 {
			t.Errorf("row %d has no test", n)
		}
	}
	found := make(map[string]map[string]map[string]bool) // by package and test: the texts in it
	for n, row := range rows {
		for _, name := range row.tests {
			folder, test, _ := strings.Cut(name, ".")
			test, kase, _ := strings.Cut(test, "/")
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
	t.Logf("%d rows have tests", len(rows))
}

// testsOf reads a folder's tests, and the texts in each.
func testsOf(t *testing.T, folder string) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(".", folder, "*_test.go"))
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

// A seed has nothing to say to a seed, whoever of the two says so first.
func TestRow34TwoSeeds(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	early := s.dial(t) // it is there before we are one
	early.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	s.completes(t)
	early.ExpectClosed(t)
	late := s.dial(t)
	late.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	late.ExpectClosed(t)
	leech := s.dial(t) // but it stays for others
	leech.Say(peerwire.AppendMessage(nil, peerwire.HaveNone))
	unchoked(t, leech)
	leech.Say(request(20, 0, 5))
	leech.Expect(t, peerwire.Piece)
}

// One peer's word about our address, given again and again, changes nothing,
// and neither do many of its network; what most networks say does.
func TestRow41YourIPLies(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	says := func(from, seen string) {
		p := s.dial(t)
		s.becomes(t, "peer", func(se *session) bool {
			for _, r := range se.swarm.peers {
				if r.addr == addrOf(flipped{p.Conn}) {
					r.addr = netip.MustParseAddrPort(from)
					return true
				}
			}
			return false
		})
		ip := netip.MustParseAddr(seen).AsSlice()
		yourip := fmt.Sprintf("6:yourip%d:%s", len(ip), ip)
		p.Say(extended("d1:v4:liar"+yourip+"e"), extended("d1:v5:again"+yourip+"e"))
		s.waitPeer(t, "again")
		p.Close()
		s.becomes(t, "farewell", func(se *session) bool { return len(se.swarm.peers) == 1 })
	}
	for i := range 5 {
		says(fmt.Sprintf("9.9.9.%d:1", i), "198.51.100.9")
	}
	if a := s.external.Address4(); a.IsValid() {
		t.Errorf("believed %v", a)
	}
	for i := range 3 {
		says(fmt.Sprintf("8.8.%d.1:1", i), "203.0.113.5")
	}
	if a := s.external.Address4(); a != netip.MustParseAddr("203.0.113.5") {
		t.Errorf("believes %v", a)
	}
	self := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), uint16(s.port))
	liar := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.9"), uint16(s.port))
	s.do(t, s.h, func(se *session) {
		se.note([]netip.AddrPort{self, liar}, "tracker")
		if se.swarm.candidates[self] != nil || se.swarm.candidates[liar] == nil {
			t.Error("the wrong one is taken for ourselves")
		}
		delete(se.swarm.candidates, liar)
	})
	s.completes(t)
}

// flipped is a connection seen from the other end.
type flipped struct{ net.Conn }

func (f flipped) RemoteAddr() net.Addr { return f.LocalAddr() }

// failing is a listener that cannot accept for a while.
type failing struct {
	net.Listener
	errors []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errors) == 0 {
		return l.Listener.Accept()
	}
	err := l.errors[0]
	l.errors = l.errors[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
}

// Accepting goes on after errors that pass, without a tight loop, and ends with
// those that do not.
func TestRow72AcceptErrors(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- s.accept(ctx, &failing{Listener: l, errors: []error{syscall.EMFILE, syscall.ECONNABORTED}})
	}()
	p := torrenttest.Dial(t, l.Addr().String(), s.options()) // waits that long
	p.Expect(t, peerwire.AllowedFast)
	cancel()
	l.Close()
	<-ended
	if err := s.accept(context.Background(), &failing{errors: []error{syscall.EINVAL}}); err == nil {
		t.Error("an error for good is waited out")
	}
	s.completes(t)
}
