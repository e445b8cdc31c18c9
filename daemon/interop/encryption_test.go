package interop

import (
	"bytes"
	"os"
	"testing"
)

// Both ways with clients that refuse plaintext, each side calling once, and a
// daemon of ours that refuses it. That one only calls: those that may speak
// plaintext do so first, and try again after a minute.
func TestEncryption(t *testing.T) {
	for _, c := range []client{transmission, qbittorrent} {
		leech := func(e exchange) {
			t.Run("leech from "+e.name(), func(t *testing.T) { t.Parallel(); e.leech(t) })
		}
		seed := func(e exchange) {
			t.Run("seed to "+e.name(), func(t *testing.T) { t.Parallel(); e.seed(t) })
		}
		for _, f := range []first{seedFirst, leecherFirst} {
			leech(exchange{client: c, payload: foreign, first: f, theyRequire: true})
			seed(exchange{client: c, payload: foreign, first: f, theyRequire: true})
		}
		leech(exchange{client: c, payload: foreign, first: seedFirst, weRequire: true})
		seed(exchange{client: c, payload: foreign, first: leecherFirst, weRequire: true})
	}
}

func (e exchange) flags() []string {
	if e.weRequire {
		return []string{"--encryption", "require"}
	}
	return nil
}

// checkEncryption reads in our log how the peers were connected.
func (e exchange) checkEncryption(t *testing.T, ours *lorrent) {
	t.Helper()
	if !e.theyRequire && !e.weRequire {
		return
	}
	log, err := os.ReadFile(ours.process.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(`"message":"peer left"`)) && !bytes.Contains(line, []byte(`"encryption":"rc4"`)) {
			t.Errorf("a peer was not encrypted: %s", line)
		}
	}
}
