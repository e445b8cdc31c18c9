package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	humanize "github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lorrent/lora"
	"lorrent/rpc"
)

const (
	demoPayload  = 256 << 20
	demoFiles    = 5
	demoSeeds    = 3
	demoRate     = 14 << 20        // of one seed, so that there is something to see
	demoPatience = 5 * time.Minute // it takes half of one, on a machine that has nothing else to do
)

func demoCommand(stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on this machine alone: a download that survives kill -9, and a LoRa message",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), demoPatience)
			defer cancel()
			return runDemo(ctx, stdout, stderr)
		},
	}
}

// demo is the little world that the demonstrated daemon lives in: a tracker,
// three seeds and a second LoRa node, all on loopback and in one folder.
type demo struct {
	dir     string
	out     io.Writer
	errs    io.Writer
	air     string // shared by the daemon's radio and the second node's
	address string // of the daemon's RPC
	client  *rpc.Client

	live          bool   // the bar is redrawn in place
	before, after string // each drawing of it

	stop context.CancelFunc
	wg   sync.WaitGroup
}

func runDemo(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "lorrent-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	worldCtx, stop := context.WithCancel(context.Background())
	d := &demo{dir: dir, out: stdout, errs: stderr, stop: stop, address: "unix:" + filepath.Join(dir, "rpc.sock")}
	d.after = "\n"
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		d.live, d.before, d.after = true, "\r", "  "
	}
	d.air = fmt.Sprintf("udp:239.76.82.%d:%d?speedup=4", 1+rand.IntN(250), 20000+rand.IntN(20000))
	defer d.wg.Wait()
	defer stop()
	if d.client, err = rpc.Dial(d.address, rpc.Options{}); err != nil {
		return err
	}
	defer d.client.Close()
	err = d.play(ctx, worldCtx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the demo did not end within %s: %w", demoPatience, err)
	}
	if err == nil {
		d.say("All of it held.")
	}
	return err
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) play(ctx, world context.Context) error {
	data, err := d.seedSwarm(world)
	if err != nil {
		return fmt.Errorf("set up the swarm: %w", err)
	}
	friend, err := d.secondNode(world)
	if err != nil {
		return fmt.Errorf("set up the second node: %w", err)
	}
	first, err := d.startDaemon(ctx)
	if err != nil {
		return err
	}
	defer end(first)
	added, err := d.client.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: data})
	if err != nil {
		return fmt.Errorf("add the torrent: %w", err)
	}
	id := added.Torrent.InfoHash
	d.say("Added %s (%s), %s.", added.Torrent.Name, id[:8], humanize.IBytes(uint64(added.Torrent.TotalBytes)))
	before, err := d.progress(ctx, id, func(t rpc.Torrent) bool { return 2*t.VerifiedBytes >= t.TotalBytes })
	if err != nil {
		return err
	}
	if err := first.Process.Kill(); err != nil {
		return fmt.Errorf("kill the daemon: %w", err)
	}
	first.Wait()
	d.say("\nKilled the daemon (SIGKILL) with %s verified. Starting it again.", humanize.IBytes(uint64(before.VerifiedBytes)))

	second, err := d.startDaemon(ctx)
	if err != nil {
		return err
	}
	defer end(second)
	kept, err := d.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
	if err != nil {
		return err
	}
	d.say("It kept %s and goes on from there.", humanize.IBytes(uint64(kept.VerifiedBytes)))
	if _, err := d.progress(ctx, id, func(t rpc.Torrent) bool { return t.State == rpc.StateSeeding }); err != nil {
		return err
	}
	if err := d.compare(); err != nil {
		return err
	}
	if err := d.talk(ctx, friend); err != nil {
		return err
	}
	return d.shutDown(ctx, second)
}

// startDaemon runs this program as a daemon of its own and waits until it
// answers.
func (d *demo) startDaemon(ctx context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "run", "--state-dir", filepath.Join(d.dir, "state"), "--download-dir", filepath.Join(d.dir, "downloads"),
		"--listen", "127.0.0.1:0", "--rpc", d.address, "--lora", d.air, "--dht", "off", "--lsd", "off", "--log-level", "error", "--config", os.DevNull)
	cmd.Stderr = d.errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started := time.Now()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		status, err := d.client.DaemonStatus(ctx, rpc.Empty{})
		if err == nil {
			d.say("The daemon (process %d) answers after %s.", status.PID, time.Since(started).Round(time.Millisecond))
			return cmd, nil
		}
		select {
		case <-ctx.Done():
			end(cmd)
			return nil, fmt.Errorf("the daemon does not answer: %w", err)
		case <-poll.C:
		}
	}
}

// end kills a daemon if it still runs, and waits until nothing writes any more to
// the log and the folder that it was given.
func end(daemon *exec.Cmd) {
	daemon.Process.Kill()
	daemon.Wait()
}

// progress draws a bar until the condition holds.
func (d *demo) progress(ctx context.Context, id string, until func(rpc.Torrent) bool) (rpc.Torrent, error) {
	const width = 40
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	shown := int64(-1)
	for {
		t, err := d.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
		if err != nil {
			return rpc.Torrent{}, err
		}
		done, percent := int(width*t.VerifiedBytes/t.TotalBytes), 100*t.VerifiedBytes/t.TotalBytes
		if d.live || percent/10 != shown/10 {
			shown = percent
			fmt.Fprintf(d.out, "%s[%s%s] %3d %%  %9s/s  %d peers%s", d.before, strings.Repeat("#", done), strings.Repeat(".", width-done),
				percent, humanize.IBytes(uint64(t.DownloadRate)), t.Peers, d.after)
		}
		if t.Error != "" {
			return t.Torrent, fmt.Errorf("torrent: %s", t.Error)
		}
		if until(t.Torrent) {
			return t.Torrent, nil
		}
		select {
		case <-ctx.Done():
			return t.Torrent, ctx.Err()
		case <-tick.C:
		}
	}
}

// compare checks every downloaded file against its source.
func (d *demo) compare() error {
	source, copied := filepath.Join(d.dir, "seed", "demo"), filepath.Join(d.dir, "downloads", "demo")
	d.say("\nComplete. SHA-256 of source and download:")
	return filepath.WalkDir(source, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		want, err := sum(p)
		if err != nil {
			return err
		}
		got, err := sum(filepath.Join(copied, rel))
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("%s differs: %x and %x", rel, want, got)
		}
		d.say("  %x  %s: the same", got[:8], rel)
		return nil
	})
}

func sum(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// talk sends a direct message over the air and waits for its acknowledgement
// and the answer.
func (d *demo) talk(ctx context.Context, friend uint32) error {
	to := lora.FormatNodeID(friend)
	sent, err := d.client.MessageSend(ctx, rpc.MessageSendArgs{To: to, Text: "Hello from the daemon"})
	if err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	d.say("Sent %q to %s over the simulated air.", sent.Message.Text, to)
	var cursor uint64
	acknowledged, answered := false, false
	for !acknowledged || !answered {
		r, err := d.client.EventPoll(ctx, rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 20, Types: []string{"message"}})
		if err != nil {
			return fmt.Errorf("wait for the answer: %w", err)
		}
		cursor = r.Cursor
		if !acknowledged {
			m, err := d.client.MessageGet(ctx, rpc.MessageArgs{ID: sent.Message.ID})
			if err != nil {
				return err
			}
			if acknowledged = m.Message.State == rpc.MessageDelivered; acknowledged {
				d.say("  acknowledged: the other node has stored it (%d times on air).", m.Message.Attempts)
			}
		}
		inbox, err := d.client.MessageList(ctx, rpc.MessageListArgs{Direction: "in", Peer: to})
		if err != nil {
			return err
		}
		if !answered && len(inbox.Messages) > 0 {
			m := inbox.Messages[len(inbox.Messages)-1]
			answered = true
			d.say("  answer from %s: %s (%.0f dBm, SNR %.1f dB)", m.From, m.Text, m.RSSIdBm, m.SNRdB)
		}
	}
	return nil
}

func (d *demo) shutDown(ctx context.Context, cmd *exec.Cmd) error {
	if _, err := d.client.DaemonShutdown(ctx, rpc.Empty{}); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon did not end well: %w", err)
	}
	return nil
}
