package interop

import "testing"

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
