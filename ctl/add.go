package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// maxMetainfo is the largest .torrent the daemon takes.
const maxMetainfo = 32 << 20

type addOptions struct {
	dir      string
	paused   bool
	wait     bool
	super    bool
	quiet    bool
	files    string
	interval time.Duration
	down, up rateFlag
}

func (a *app) addCommand() *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "add FILE|URL|MAGNET|- ...",
		Short: "Add torrents",
		Long: `Add torrents. A FILE is read here and sent to the daemon, a URL is fetched by
the daemon, and - is the .torrent on standard input. What a MAGNET link names is
found among its peers: until then the state is "metadata". Adding a torrent that
is there already gives it the trackers, peers and web seeds it does not know,
unless it is private, and changes nothing else.`,
		Example: "  lorrentctl add debian.torrent --wait\n" +
			"  lorrentctl add 'magnet:?xt=urn:btih:…' --wait\n" +
			"  lorrentctl add season.torrent --files 0,2,4-8\n" +
			"  curl -s https://example.org/x.torrent | lorrentctl add - --dir /srv/iso",
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"torrent"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			return a.add(ctx, c, o, args)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", "", "`folder` for the files (default: the daemon's download folder)")
	flags.BoolVar(&o.paused, "paused", false, "add, but do not start")
	flags.BoolVar(&o.wait, "wait", false, "wait until everything is downloaded, with the progress on stderr")
	flags.BoolVar(&o.super, "super-seed", false, "as the first seed, give every piece away once if possible (BEP 16)")
	flags.StringVar(&o.files, "files", "", "download only these `FILES`, by their numbers, such as 0,2,4-8 (see: files); a magnet link may name some itself")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print info hashes only")
	flags.Var(&o.down, "down-limit", "download limit of these torrents, such as 1MB")
	flags.Var(&o.up, "up-limit", "upload limit of these torrents")
	flags.DurationVar(&o.interval, "interval", 0, "time between progress lines (default 500ms on a terminal, else 5s)")
	a.completeFlag(cmd, "files", rpc.AllFiles)
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func (a *app) add(ctx context.Context, c *rpc.Client, o addOptions, sources []string) error {
	if o.wait && o.paused {
		return usage("--wait and --paused: a paused torrent never completes")
	}
	if o.interval < 0 {
		return usage("--interval %s: must not be negative", o.interval)
	}
	dir, err := a.remoteDir(o.dir)
	if err != nil {
		return err
	}
	stdinUsed := false
	var added []*rpc.Torrent
	b := a.newBatch(len(sources) > 1)
	b.do(sources, func(source string) (any, error) {
		if source == "-" {
			if stdinUsed {
				return nil, usage("standard input (-) can be read only once")
			}
			stdinUsed = true
		}
		args, err := a.addArgs(source)
		if err != nil {
			return nil, err
		}
		args.Dir, args.Paused, args.SuperSeed, args.Files = dir, o.paused, o.super, o.files
		args.DownloadLimit, args.UploadLimit = o.down.value(), o.up.value()
		reply, err := c.TorrentAdd(ctx, args)
		if err != nil {
			return nil, fmt.Errorf("add %s: %w", source, err)
		}
		added = append(added, &reply.Torrent)
		return &reply.Torrent, a.printAdded(reply, o.quiet)
	})
	if o.wait && len(added) > 0 {
		if err := a.waitComplete(ctx, c, added, o.interval); err != nil {
			return err
		}
	}
	return b.finish()
}

// remoteDir makes --dir absolute, as the daemon wants it. A relative folder
// means something only when the daemon shares our file system.
func (a *app) remoteDir(dir string) (string, error) {
	switch {
	case dir == "" || filepath.IsAbs(dir):
		return dir, nil
	case !strings.HasPrefix(a.daemonAddress(), "unix:"):
		return "", usage("--dir %s: must be absolute, the daemon at %s is not in this folder", dir, a.daemonAddress())
	}
	return filepath.Abs(dir)
}

// addArgs turns a source from the command line into one for the daemon.
func (a *app) addArgs(source string) (rpc.TorrentAddArgs, error) {
	for _, scheme := range []string{"http://", "https://", "magnet:"} {
		if strings.HasPrefix(strings.ToLower(source), scheme) {
			return rpc.TorrentAddArgs{URL: source}, nil
		}
	}
	if source == "-" {
		return metainfoArgs("standard input", a.stdin)
	}
	f, err := os.Open(source)
	if err != nil {
		return rpc.TorrentAddArgs{}, fileFailure(err)
	}
	defer f.Close()
	return metainfoArgs(source, f)
}

func metainfoArgs(name string, r io.Reader) (rpc.TorrentAddArgs, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxMetainfo+1))
	switch {
	case err != nil:
		return rpc.TorrentAddArgs{}, fileFailure(fmt.Errorf("read %s: %w", name, err))
	case len(b) == 0:
		return rpc.TorrentAddArgs{}, fileFailure(fmt.Errorf("%s is empty: want the bytes of a .torrent", name))
	case len(b) > maxMetainfo:
		return rpc.TorrentAddArgs{}, fileFailure(fmt.Errorf("%s is larger than the %d MiB a .torrent may have", name, maxMetainfo>>20))
	}
	return rpc.TorrentAddArgs{Metainfo: b}, nil
}

func fileFailure(err error) *failure {
	return &failure{exit: exitUsage, kind: "file", message: err.Error(), cause: err}
}

func (a *app) printAdded(reply rpc.TorrentAddReply, quiet bool) error {
	verb := cell{"added", green}
	if reply.Duplicate {
		verb = cell{"known", yellow}
	}
	switch t := reply.Torrent; {
	case a.json:
		return nil
	case quiet:
		return a.out.line(text("%s", t.InfoHash))
	default:
		return a.out.line(verb, a.out.id(t.InfoHash), text("%s", t.Name))
	}
}

// incomplete says why waiting for t makes no sense, nil while it does.
func incomplete(t *rpc.Torrent) error {
	switch t.State {
	case rpc.StateError:
		return &failure{
			exit: exitRPC, code: rpc.CodeInternal, kind: rpc.KindInternal,
			message: fmt.Sprintf("torrent %s: %s", t.Name, t.Error),
			hints:   []string{"when that is put right: " + program + " start " + t.InfoHash},
		}
	case rpc.StateStopped:
		return &failure{
			exit: exitRPC, code: rpc.CodeBusy, kind: rpc.KindBusy,
			message: fmt.Sprintf("torrent %s is stopped and incomplete", t.Name),
			hints:   []string{"let it run: " + program + " start " + t.InfoHash},
		}
	}
	return nil
}

// complete says that every byte that is wanted of t is verified and written.
func complete(t *rpc.Torrent) bool {
	done, total := wantedOf(*t)
	return t.State == rpc.StateSeeding || t.State == rpc.StateStopped && total > 0 && done == total
}

// waitComplete keeps torrents up to date until each is complete or cannot
// become so, and shows how far they are.
func (a *app) waitComplete(ctx context.Context, c *rpc.Client, torrents []*rpc.Torrent, interval time.Duration) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	p := a.newProgress(interval)
	defer p.end()
	tick := time.NewTicker(p.poll)
	defer tick.Stop()
	for {
		waiting := 0
		var stuck error
		for _, t := range torrents {
			if complete(t) {
				continue
			}
			detail, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: t.InfoHash})
			if err != nil {
				return fmt.Errorf("wait for %s: %w", t.Name, err)
			}
			*t = detail.Torrent
			if complete(t) {
				continue
			}
			if err := incomplete(t); err != nil {
				stuck = errors.Join(stuck, err)
				continue
			}
			waiting++
		}
		p.show(torrents, waiting == 0)
		if waiting == 0 {
			return stuck
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
