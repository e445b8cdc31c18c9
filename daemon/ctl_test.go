package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/lora/ether"
	"lorrent/rpc"
)

// Exit codes of ctl; see ctl/exit.go.
const (
	ctlRPC         = 1
	ctlUsage       = 2
	ctlUnreachable = 3
	ctlNotFound    = 4
	ctlDenied      = 5
)

// ctl runs the client against one daemon.
type ctl struct {
	program string
	address string
	env     []string
}

func newCtl(t *testing.T, address string, env ...string) ctl {
	return ctl{program: release(t, "lorrentctl"), address: address, env: env}
}

func (c ctl) run(t *testing.T, stdin []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, append([]string{"--rpc", c.address}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, c.env...)
	cmd.Stdin = bytes.NewReader(stdin)
	return runToEnd(t, cmd)
}

// ok runs a command that must work and returns what it says.
func (c ctl) ok(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := c.run(t, nil, args...)
	if code != exitOK {
		t.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
	return stdout
}

// fails runs a command that must fail and say something of it.
func (c ctl) fails(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	got, stdout, stderr := c.run(t, nil, args...)
	if got != code || !strings.Contains(stderr, says) || stdout != "" {
		t.Errorf("%q: exit code %d, want %d saying %q; stdout %q, stderr %q", args, got, code, says, stdout, stderr)
	}
}

// json runs a command with --json and decodes what it prints.
func (c ctl) json(t *testing.T, into any, args ...string) {
	t.Helper()
	out := c.ok(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%q: %v in %s", args, err, out)
	}
}

func (c ctl) show(t *testing.T, id string) (d rpc.TorrentDetail) {
	t.Helper()
	c.json(t, &d, "show", id)
	return d
}

// tiny is a torrent of random name until its info hash suits.
func tiny(t *testing.T, suits func(hash string) bool) (data []byte, hash string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tiny")
	if err := os.WriteFile(root, []byte("a few bytes"), 0o644); err != nil {
		t.Fatal(err)
	}
	for n := range 10_000 {
		data, err := metainfo.Build(root, metainfo.BuildOptions{Name: fmt.Sprintf("tiny-%d", n), PieceLength: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		m, err := metainfo.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if hash := m.Info.Hash.String(); suits(hash) {
			return data, hash
		}
	}
	t.Fatal("no such hash")
	return nil, ""
}

// TestCtlTorrents drives a daemon through the life of torrents, by the
// client's command line alone.
func TestCtlTorrents(t *testing.T) {
	t.Parallel()
	world := newSwarm(t, 3<<20+777, 0)
	p := newProcess(t)
	c := newCtl(t, p.address)
	c.fails(t, ctlUnreachable, p.address, "ls")
	c.fails(t, ctlUnreachable, p.address, "health")
	p.start(t)
	if out := c.ok(t, "health"); out != "" {
		t.Errorf("health says %q", out)
	}

	file := filepath.Join(t.TempDir(), "payload.torrent")
	if err := os.WriteFile(file, world.torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	id := world.info.Hash.String()
	if out := c.ok(t, "add", file, "--wait"); !strings.Contains(out, "added\t"+id+"\tpayload\n") {
		t.Errorf("add says %q", out)
	}
	payload := filepath.Join(p.dir, "downloads", "payload")
	if !bytes.Equal(sumFile(t, payload), sumFile(t, world.path)) {
		t.Error("the download differs from its source")
	}
	if out := c.ok(t, "add", file); out != "known\t"+id+"\tpayload\n" {
		t.Errorf("adding again says %q", out)
	}

	other, otherID := tiny(t, func(hash string) bool { return hash[0] == id[0] && hash[1] != id[1] })
	code, stdout, stderr := c.run(t, other, "add", "-", "--paused")
	if code != exitOK || !strings.HasPrefix(stdout, "added\t"+otherID) {
		t.Errorf("add -: exit code %d, %q, %s", code, stdout, stderr)
	}
	code, _, stderr = c.run(t, []byte("d8:announce0:e"), "add", "-")
	if code != ctlRPC || !strings.Contains(stderr, "info") {
		t.Errorf("a bad torrent: exit code %d, %s", code, stderr)
	}
	c.fails(t, ctlUsage, "missing.torrent", "add", "missing.torrent")

	t.Run("ls", func(t *testing.T) { checkList(t, c, id, otherID) })
	t.Run("show", func(t *testing.T) { checkShow(t, c, id) })
	t.Run("ids", func(t *testing.T) {
		if got := c.show(t, id[:2]).InfoHash; got != id {
			t.Errorf("prefix %s is %s", id[:2], got)
		}
		if got := c.show(t, strings.ToUpper(otherID[:6])).InfoHash; got != otherID {
			t.Errorf("prefix %s is %s", otherID[:6], got)
		}
		for _, command := range []string{"show", "start", "stop", "recheck", "reannounce", "rm"} {
			c.fails(t, ctlRPC, otherID, command, id[:1])
			c.fails(t, ctlNotFound, strings.Repeat("0", 40), command, strings.Repeat("0", 40))
		}
	})
	t.Run("control", func(t *testing.T) { checkControl(t, c, p, id) })
	t.Run("rm", func(t *testing.T) {
		c.ok(t, "rm", otherID)
		c.fails(t, ctlNotFound, otherID, "show", otherID)
		if _, err := os.Stat(payload); err != nil {
			t.Fatal(err)
		}
		c.ok(t, "rm", id[:8], "--data", "--yes")
		if _, err := os.Stat(payload); !os.IsNotExist(err) {
			t.Errorf("the payload after rm --data: %v", err)
		}
		var left []rpc.Torrent
		if c.json(t, &left, "ls"); left == nil || len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
	t.Run("daemon", func(t *testing.T) { checkDaemon(t, c, p) })
}

func checkList(t *testing.T, c ctl, id, stopped string) {
	out := c.ok(t, "ls")
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if len(rows) != 3 || !strings.HasPrefix(rows[1], id+"\tseeding\t100.0%\t") || !strings.HasPrefix(rows[2], stopped+"\tstopped\t0.0%\t") {
		t.Errorf("ls says\n%s", out)
	}
	var list []map[string]any
	c.json(t, &list, "ls")
	if len(list) != 2 {
		t.Fatalf("ls --json has %d torrents", len(list))
	}
	for _, field := range []string{"infoHash", "name", "state", "totalBytes", "verifiedBytes", "downloadRate", "uploadRate", "peers", "etaSeconds", "error"} {
		if _, ok := list[0][field]; !ok {
			t.Errorf("ls --json has no %s", field)
		}
	}
	if first := list[0]; first["infoHash"] != id || first["state"] != "seeding" || first["totalBytes"] != 3145728.0+777 || first["verifiedBytes"] != first["totalBytes"] || first["error"] != "" {
		t.Errorf("got %v", first)
	}
	if out := c.ok(t, "ls", "-q", "--state", "stopped"); out != stopped+"\n" {
		t.Errorf("the stopped are %q", out)
	}
}

func checkShow(t *testing.T, c ctl, id string) {
	out := c.ok(t, "show", id, "--files", "--peers", "--trackers", "--pieces")
	for _, s := range []string{"name\tpayload\n", "state\tseeding\n", "\n0\t100.0%\t3.0 MiB\tnormal\tpayload\n", "ADDRESS\t", "/announce", "verified\t13 of 13 pieces", "█████████████"} {
		if !strings.Contains(out, s) {
			t.Errorf("show has no %q:\n%s", s, out)
		}
	}
	var d rpc.TorrentDetail
	c.json(t, &d, "show", id, "--files", "--trackers", "--pieces")
	if len(d.Files) != 1 || d.Files[0].Length != d.TotalBytes || len(d.Trackers) != 1 || !bytes.Equal(d.Pieces, []byte{0xff, 0xf8}) || d.PeerList != nil {
		t.Errorf("got %+v", d)
	}
}

func checkControl(t *testing.T, c ctl, p *process, id string) {
	if out := c.ok(t, "stop", id); out != "stopped\t"+id+"\tpayload\n" {
		t.Errorf("stop says %q", out)
	}
	if got := c.show(t, id).State; got != rpc.StateStopped {
		t.Errorf("after stop it is %s", got)
	}
	c.ok(t, "start", id)
	waitState(t, p, id, rpc.StateSeeding)
	// Damage is found by a recheck, and repaired from the swarm.
	f, err := os.OpenFile(filepath.Join(p.dir, "downloads", "payload"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 100), 1<<20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	before := c.show(t, id).DownloadedBytes
	if out := c.ok(t, "recheck", id); out != "rechecking\t"+id+"\tpayload\n" {
		t.Errorf("recheck says %q", out)
	}
	eventually(t, p, "the damage is repaired", func() (bool, error) {
		d, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id})
		return d.State == rpc.StateSeeding && d.VerifiedBytes == d.TotalBytes && d.DownloadedBytes > before, err
	})
	c.ok(t, "reannounce", id)
	eventually(t, p, "the tracker answers", func() (bool, error) {
		d, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id, Trackers: true})
		return len(d.Trackers) == 1 && d.Trackers[0].State == "ok", err
	})
}

func checkDaemon(t *testing.T, c ctl, p *process) {
	if out := c.ok(t, "status"); !strings.Contains(out, p.dir) || !strings.Contains(out, "radio\toff\n") {
		t.Errorf("status says %s", out)
	}
	var s rpc.DaemonStatus
	if c.json(t, &s, "status"); s.PID != p.cmd.Process.Pid {
		t.Errorf("status: process %d, want %d", s.PID, p.cmd.Process.Pid)
	}
	if out := c.ok(t, "version"); !strings.Contains(out, "lorrentd\t"+version) {
		t.Errorf("version says %q", out)
	}
	if out := c.ok(t, "completion", "bash"); !strings.Contains(out, "lorrentctl") {
		t.Errorf("completion: %q", out)
	}
	c.fails(t, ctlUsage, "dance", "dance")
	c.fails(t, ctlRPC, "off", "send", "all", "nobody hears this")
	c.ok(t, "shutdown")
	p.wait(t)
	c.fails(t, ctlUnreachable, p.address, "health")
}

// TestCtlMessages talks to the echo node of the simulated air.
func TestCtlMessages(t *testing.T) {
	t.Parallel()
	echo := lora.FormatNodeID(ether.EchoNode)
	p := newProcess(t, "--lora", "sim?speedup=50")
	p.start(t)
	c := newCtl(t, p.address)
	if out := c.ok(t, "send", echo, "good", "morning", "--wait", "--timeout", "60s"); !strings.HasPrefix(out, "delivered\t") || !strings.Contains(out, echo) {
		t.Errorf("send says %q", out)
	}
	eventually(t, p, "the echo comes", func() (bool, error) { return len(inbox(t, p)) > 0, nil })
	var messages []rpc.Message
	c.json(t, &messages, "inbox")
	if len(messages) != 1 || messages[0].From != echo || messages[0].Text != "echo: good morning" || messages[0].State != rpc.MessageReceived {
		t.Errorf("inbox has %+v", messages)
	}
	if out := c.ok(t, "inbox", "--no-header"); !strings.Contains(out, "\t"+echo+"\t") || !strings.HasSuffix(out, "\techo: good morning\n") {
		t.Errorf("inbox says %q", out)
	}
	if out := c.ok(t, "inbox", "--sent", "--no-header"); !strings.HasSuffix(out, "\tdelivered\tgood morning\n") {
		t.Errorf("sent: %q", out)
	}
	if out := c.ok(t, "nodes"); !strings.Contains(out, echo) {
		t.Errorf("nodes says %q", out)
	}
	if out := c.ok(t, "status", "--lora"); !strings.Contains(out, "radio\tsim?speedup=50, up\n") {
		t.Errorf("status says %q", out)
	}
	code, out, stderr := c.run(t, []byte("from standard input\n"), "send", "all", "-", "--json")
	var m rpc.Message
	if err := json.Unmarshal([]byte(out), &m); code != exitOK || err != nil || m.Text != "from standard input" || m.To != "all" {
		t.Errorf("exit code %d, %q, %s", code, out, stderr)
	}
	c.ok(t, "lora", "channels", "create", "family")
	if out := c.ok(t, "send", "#family", "who is there?", "--wait", "--timeout", "60s"); !strings.HasPrefix(out, "sent\t") && !strings.HasPrefix(out, "relayed\t") {
		t.Errorf("send to a channel says %q", out)
	}
	c.fails(t, ctlUsage, "empty", "send", "all", " ")
	c.fails(t, ctlRPC, "everybody", "send", "everybody", "hello")
	p.shutDown(t)
}

// TestCtlToken comes over TCP, with and without the token.
func TestCtlToken(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	p := newProcess(t, "--rpc", address)
	p.start(t)
	token := filepath.Join(p.dir, "rpc.token")
	if info, err := os.Stat(token); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("token file: %v %v", info, err)
	}
	newCtl(t, address).fails(t, ctlDenied, "--token-file", "ls")
	newCtl(t, address, "LORRENT_TOKEN=wrong").fails(t, ctlDenied, address, "health")
	newCtl(t, address).ok(t, "ls", "--token-file", token)
	secret, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	newCtl(t, address, "LORRENT_TOKEN="+strings.TrimSpace(string(secret))).ok(t, "health")
	newCtl(t, p.address).ok(t, "ls") // the socket needs none
	p.shutDown(t)
}
