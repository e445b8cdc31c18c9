package tracker

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestClient returns a client that is closed with the test.
func newTestClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	c := NewClient(cfg)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// testRequest is an announce with bytes that need escaping.
func testRequest() Request {
	return Request{
		InfoHash:   [20]byte([]byte("\x00\x01 +&=%/?azAZ09-_.~\xff")),
		PeerID:     [20]byte([]byte("-LR0100-abcdefghijkl")),
		Port:       6881,
		Uploaded:   1,
		Downloaded: 2,
		Left:       3,
		Event:      Started,
		NumWant:    50,
		Key:        0x0badcafe,
	}
}

func peerAddrs(peers []Peer) string {
	var list []string
	for _, p := range peers {
		list = append(list, p.Addr.String())
	}
	return strings.Join(list, " ")
}

// wantErr checks that err has every one of the texts, none with a secret.
func wantErr(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q has no %q", err, text)
		}
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error %q shows the passkey", err)
	}
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
