package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	humanize "github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/tracker"
	"lorrent/lora"
	"lorrent/storage"
)

// The world around the demonstrated daemon: a tracker, seeds, and somebody to
// talk to.

// seedSwarm makes the payload, a tracker and the seeds.
func (d *demo) seedSwarm(ctx context.Context) ([]byte, error) {
	tr, err := tracker.NewServer(tracker.ServerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	d.wg.Go(func() { tr.Run(ctx) })
	source := filepath.Join(d.dir, "seed", "demo")
	if err := makePayload(source); err != nil {
		return nil, err
	}
	data, err := metainfo.Build(source, metainfo.BuildOptions{Trackers: [][]string{{tr.URL()}}})
	if err != nil {
		return nil, err
	}
	for i := range demoSeeds {
		if err := d.seed(ctx, i, data); err != nil {
			return nil, err
		}
	}
	d.say("A tracker and %d seeds are up, with %d files of %s in all.", demoSeeds, demoFiles, humanize.IBytes(demoPayload))
	return data, nil
}

// makePayload writes files of different sizes, random bytes throughout.
func makePayload(root string) error {
	if err := os.MkdirAll(filepath.Join(root, "more"), 0o755); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte([]byte("a demo shows the same every time")))
	left := int64(demoPayload)
	for i := range demoFiles {
		size := left
		if i < demoFiles-1 {
			size = left/2 + 12345
		}
		left -= size
		name := filepath.Join(root, fmt.Sprintf("file-%d.bin", i))
		if i%2 == 1 {
			name = filepath.Join(root, "more", fmt.Sprintf("file-%d.bin", i))
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, random, size)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seed runs an engine that finds the payload and serves it.
func (d *demo) seed(ctx context.Context, i int, data []byte) error {
	store, err := storage.Open(filepath.Join(d.dir, fmt.Sprintf("seed-%d.db", i)))
	if err != nil {
		return err
	}
	e, err := torrent.New(torrent.Config{
		Listen: "127.0.0.1:0", DownloadDir: filepath.Join(d.dir, "seed"), Store: store,
		Events: event.New(64), Log: zerolog.New(d.errs).Level(zerolog.ErrorLevel), Version: version,
		Speed: torrent.Speed{Limits: torrent.Limits{Upload: demoRate}},
	})
	if err != nil {
		store.Close()
		return err
	}
	d.wg.Go(func() {
		e.Run(ctx)
		store.Close()
	})
	if err := e.Ping(ctx); err != nil {
		return err
	}
	_, _, err = e.Add(ctx, data, torrent.AddOptions{})
	return err
}

// secondNode is a bridge of its own on the shared air, with a friend behind it
// who answers.
func (d *demo) secondNode(ctx context.Context) (uint32, error) {
	store, err := storage.Open(filepath.Join(d.dir, "friend.db"))
	if err != nil {
		return 0, err
	}
	events := event.New(64)
	b, err := lora.New(lora.Config{Radio: d.air, Store: store, Events: events, Log: zerolog.New(d.errs).Level(zerolog.ErrorLevel)})
	if err != nil {
		store.Close()
		return 0, err
	}
	running, answering := make(chan struct{}), make(chan struct{})
	d.wg.Go(func() { b.Run(ctx); close(running) })
	d.wg.Go(func() { answer(ctx, b, events); close(answering) })
	d.wg.Go(func() { <-running; <-answering; store.Close() })
	return b.Status().NodeID, nil
}

// answer replies to each message that comes in.
func answer(ctx context.Context, b *lora.Bridge, events *event.Ring) {
	var cursor uint64
	for {
		list, _, err := events.Since(ctx, cursor)
		if err != nil {
			return
		}
		for _, e := range list {
			cursor = e.ID
			m, ok := e.Data.(event.MessageReceived)
			if !ok {
				continue
			}
			if from, err := lora.ParseNodeID(m.From); err == nil {
				b.Send(ctx, lora.Target{Node: from}, fmt.Sprintf("Got %q loud and clear.", m.Text))
			}
		}
	}
}
