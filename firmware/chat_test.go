package firmware

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/lora/ether"
	"lorrent/rpc"
)

var ctlProgram program

// goProgram builds a main package of ours.
func (p *program) goProgram(t *testing.T, name, pkg string) string {
	t.Helper()
	p.once.Do(func() {
		p.path = filepath.Join(built, name)
		p.out, p.err = exec.Command("go", "build", "-buildvcs=false", "-o", p.path, pkg).CombinedOutput()
	})
	if p.err != nil {
		t.Fatalf("build %s: %v\n%s", name, p.err, p.out)
	}
	return p.path
}

// terminals are two chats side by side in a tmux of their own.
type terminals struct {
	t      *testing.T
	socket string
}

func (m terminals) tmux(args ...string) string {
	m.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-u", "-S", m.socket}, args...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// Two daemons, each with a board of its own on a pty, joined by the simulated air,
// chat in two terminals: what one types the other shows, and who typed sees that it
// was delivered.
func TestChatInTerminals(t *testing.T) {
	t.Parallel()
	need(t, "tmux")
	ctl := ctlProgram.goProgram(t, "lorrentctl", "lorrent/ctl")
	daemonProgram.goProgram(t, "lorrentd", "lorrent/daemon")
	a := ether.NewAir(ether.Config{})
	ann := startDaemon(t, startNative(t, join(t, a, ether.Position{})))
	bea := startDaemon(t, startNative(t, join(t, a, ether.Position{X: 500})))
	for _, c := range []struct {
		of, other *daemon
		nick      string
	}{{ann, bea, "bea"}, {bea, ann, "ann"}} {
		if _, err := c.of.LoRaAddContact(t.Context(), rpc.ContactAddArgs{Who: c.other.id, Nick: c.nick}); err != nil {
			t.Fatal(err)
		}
	}
	m := terminals{t: t, socket: filepath.Join(socketDir(t), "tmux")}
	chat := func(d *daemon, with string) []string { return []string{ctl, "--rpc", d.address, "chat", with} }
	m.tmux(append([]string{"-f", "/dev/null", "new-session", "-d", "-s", "chat", "-x", "100", "-y", "14"}, chat(ann, "bea")...)...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", m.socket, "kill-server").Run() })
	m.tmux(append([]string{"split-window", "-h", "-t", "chat"}, chat(bea, "ann")...)...)
	screen := func(pane string) string { return m.tmux("capture-pane", "-p", "-t", "chat:0."+pane) }
	shows := func(pane, what string) {
		t.Helper()
		until(t, 4*patience, "pane "+pane+" shows "+what, func() bool { return strings.Contains(screen(pane), what) })
	}
	for _, line := range []struct{ pane, other, text string }{
		{"0", "1", "See you at eight?"}, {"1", "0", "Yes, at the bridge."}, {"0", "1", "Bring a lamp"},
	} {
		m.tmux("send-keys", "-t", "chat:0."+line.pane, line.text, "Enter")
		shows(line.other, line.text)
	}
	shows("0", "✓✓") // read
	shows("1", "✓✓")
	t.Logf("left:\n%s\nright:\n%s", screen("0"), screen("1"))
}
