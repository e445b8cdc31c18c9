package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// qbittorrentConf keeps the default for encryption unless it is told otherwise:
// libtorrent then calls in plaintext first, and answers both.
const qbittorrentConf = `[LegalNotice]
Accepted=true
[BitTorrent]
Session\BTProtocol=%s
Session\DHTEnabled=%t
Session\LSDEnabled=%t
Session\PeXEnabled=%t
Session\MultiConnectionsPerIp=%t
Session\Port=6881
Session\DefaultSavePath=%s
Session\QueueingSystemEnabled=false
Session\MaxActiveCheckingTorrents=50
Session\Encryption=%d
[Network]
PortForwardingEnabled=false
[AutoRun]
enabled=true
program=%s
[Preferences]
WebUI\Address=127.0.0.1
WebUI\Port=8080
WebUI\LocalHostAuth=false
WebUI\UseUPnP=false
`

// startQBittorrent runs qbittorrent-nox with the torrents on its command line.
func startQBittorrent(t *testing.T, j job) *process {
	t.Helper()
	folder := filepath.Join(j.home, "qBittorrent", "config")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	encryption := 0 // allowed
	if j.encrypted {
		encryption = 1 // required
	} else if j.measured {
		encryption = 2 // off
	}
	transport := "TCP"
	if j.utp {
		transport = "UTP"
	}
	conf := fmt.Sprintf(qbittorrentConf, transport, j.finds == byDHT, j.finds == byLSD, j.finds == byPEX, j.finds == byPEX, j.data, encryption, j.doneScript(t))
	if err := os.WriteFile(filepath.Join(folder, "qBittorrent.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--profile=" + j.home, "--save-path=" + j.data, "--skip-dialog=true", "--add-paused=false"}, j.torrents...)
	return start(t, j.namespace, j.home, "qbittorrent-nox", args...)
}
