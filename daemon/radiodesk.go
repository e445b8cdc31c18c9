package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	humanize "github.com/dustin/go-humanize"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/magnet"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/storage"
)

// deskPatience bounds what one command may take.
const deskPatience = time.Minute

// maxAnswer is the longest answer in bytes: it fits a packet.
const maxAnswer = 228

// desk joins the two worlds: it obeys commands that come by radio, and tells
// by radio what is complete.
//
// Commands are direct messages, whose sender is proven, from contacts that the
// user has allowed. A message is published once, after it was stored for good, so
// that one that is repeated on the air, or comes again after a restart, is not
// obeyed again; one that dies with the daemon is not obeyed at all.
type desk struct {
	engine   deskEngine
	radio    deskRadio
	events   *event.Ring
	commands bool
	notify   string // whom to tell what is complete; nobody when empty
	free     func() int64
	failed   func(error)
}

type deskEngine interface {
	List() []torrent.Status
	Stats() torrent.Stats
	Resolve(prefix string) (metainfo.Hash, error)
	Stop(ctx context.Context, h metainfo.Hash) error
	AddMagnet(ctx context.Context, uri string, o torrent.AddOptions) (torrent.Status, bool, error)
}

type deskRadio interface {
	Send(ctx context.Context, to lora.Target, text string) (storage.Message, error)
	Resolve(who string) (lora.Target, error)
	MayCommand(node uint32) bool
	Status() lora.Status
}

// run serves until ctx ends.
func (d *desk) run(ctx context.Context) error {
	var cursor uint64
	for {
		list, _, err := d.events.Since(ctx, cursor)
		if err != nil {
			return err
		}
		for _, e := range list {
			cursor = e.ID
			switch data := e.Data.(type) {
			case event.MessageReceived:
				d.hear(ctx, data)
			case event.TorrentCompleted:
				d.tell(ctx, data)
			}
		}
	}
}

// hear obeys a message that is a command, and answers its sender.
func (d *desk) hear(ctx context.Context, m event.MessageReceived) {
	from, err := lora.ParseNodeID(m.From)
	if !d.commands || err != nil || m.Late || m.Channel != "" || m.To == lora.FormatNodeID(lora.Broadcast) || !d.radio.MayCommand(from) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	if answer := d.obey(limited, m.Text); answer != "" {
		d.send(ctx, lora.Target{Node: from}, answer)
	}
}

// tell says that a torrent is complete.
func (d *desk) tell(ctx context.Context, done event.TorrentCompleted) {
	if d.notify == "" {
		return
	}
	to, err := d.radio.Resolve(d.notify)
	if err != nil {
		d.failed(fmt.Errorf("tell that %s is complete: %w", done.Name, err))
		return
	}
	d.send(ctx, to, fmt.Sprintf("Complete: %s, %s", done.Name, humanize.IBytes(uint64(done.TotalBytes))))
}

func (d *desk) send(ctx context.Context, to lora.Target, text string) {
	if _, err := d.radio.Send(ctx, to, clip(text, min(d.radio.Status().MaxText, maxAnswer))); err != nil {
		d.failed(fmt.Errorf("answer by radio: %w", err))
	}
}

// obey carries a command out and returns the answer; none for what is no command,
// since contacts also just talk.
func (d *desk) obey(ctx context.Context, text string) string {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	var answer string
	var err error
	switch word = strings.ToLower(strings.TrimPrefix(word, "/")); {
	case word == "status" && rest == "":
		answer = d.status()
	case word == "ls" && rest == "":
		answer = d.list()
	case word == "add" && magnet.Is(rest):
		answer, err = d.add(ctx, rest)
	case word == "stop" && rest != "" && !strings.Contains(rest, " "):
		answer, err = d.stop(ctx, rest)
	default:
		return ""
	}
	if err != nil {
		return word + ": " + err.Error()
	}
	return answer
}

func (d *desk) status() string {
	s := d.engine.Stats()
	text := fmt.Sprintf("%d torrents", s.Torrents)
	for _, state := range []torrent.State{torrent.Downloading, torrent.Seeding, torrent.Failed} {
		if n := s.ByState[state]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, state)
		}
	}
	text += fmt.Sprintf("; down %s/s, up %s/s", humanize.IBytes(uint64(s.DownloadRate)), humanize.IBytes(uint64(s.UploadRate)))
	if free := d.free(); free >= 0 {
		text += ", " + humanize.IBytes(uint64(free)) + " free"
	}
	return text
}

// list has a line for each torrent, the latest first, as many as fit.
func (d *desk) list() string {
	torrents := d.engine.List()
	if len(torrents) == 0 {
		return "no torrents"
	}
	slices.SortFunc(torrents, func(a, b torrent.Status) int {
		return cmp.Or(b.AddedAt.Compare(a.AddedAt), slices.Compare(a.InfoHash[:], b.InfoHash[:]))
	})
	var lines []string
	for _, t := range torrents {
		percent := 0
		if t.WantedBytes > 0 {
			percent = int(100 * t.WantedVerifiedBytes / t.WantedBytes)
		}
		lines = append(lines, fmt.Sprintf("%.8s %s %d%% %s", t.InfoHash, t.State, percent, clip(t.Name, 30)))
	}
	return strings.Join(lines, "\n")
}

func (d *desk) add(ctx context.Context, uri string) (string, error) {
	t, known, err := d.engine.AddMagnet(ctx, uri, torrent.AddOptions{})
	if err != nil {
		return "", err
	}
	if known {
		return fmt.Sprintf("%.8s is there already", t.InfoHash), nil
	}
	return fmt.Sprintf("added %.8s %s", t.InfoHash, clip(t.Name, 60)), nil
}

func (d *desk) stop(ctx context.Context, prefix string) (string, error) {
	hash, err := d.engine.Resolve(prefix)
	if err != nil {
		return "", err
	}
	if err := d.engine.Stop(ctx, hash); err != nil {
		return "", err
	}
	return fmt.Sprintf("stopped %.8s", hash), nil
}

// clip cuts text to at most size bytes, between two characters.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
