package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const rtorrentConf = `system.daemon.set = true
session.path.set = %[1]s
directory.default.set = %[2]s
network.port_range.set = 6881-6881
network.port_random.set = no
trackers.use_udp.set = yes
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = allow_incoming
log.open_file = "log", (cat, %[1]s/rtorrent.log)
log.add_output = "info", "log"
method.set_key = event.download.finished, done, "execute.nothrow = %[3]s"
schedule2 = watch, 0, 1, "load.start = %[4]s"
`

// startRTorrent runs rTorrent without its screen, with the torrents loaded
// from its configuration.
func startRTorrent(t *testing.T, j job) *process {
	t.Helper()
	conf := filepath.Join(j.home, "rtorrent.rc")
	text := fmt.Sprintf(rtorrentConf, j.home, j.data, j.doneScript(t), filepath.Join(j.folder, "*.torrent"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return start(t, j.namespace, j.home, "rtorrent", "-n", "-o", "import="+conf)
}
