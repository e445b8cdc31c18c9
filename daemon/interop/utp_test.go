package interop

import "testing"

// Over uTP alone, each side calling once: libtorrent's and Transmission's.
// Against one that has only uTP ours tries TCP first, as it does with everybody.
func TestUTP(t *testing.T) {
	both := func(e exchange) {
		for _, f := range []first{seedFirst, leecherFirst} {
			e.first = f
			t.Run("leech from "+e.name(), func(t *testing.T) { t.Parallel(); e.leech(t) })
			t.Run("seed to "+e.name(), func(t *testing.T) { t.Parallel(); e.seed(t) })
		}
	}
	both(exchange{client: qbittorrent, payload: foreign, theyUTP: true})
	both(exchange{client: qbittorrent, payload: foreign, theyUTP: true, theyRequire: true}) // under MSE, too
	both(exchange{client: transmission, payload: foreign, weUTP: true})
	six := exchange{client: qbittorrent, payload: foreign, theyUTP: true, family: onlyIPv6}
	t.Run("leech from "+six.name(), func(t *testing.T) { t.Parallel(); six.leech(t) })
}
