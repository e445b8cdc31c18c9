package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/lora"
	"lorrent/rpc/server"
	"lorrent/storage"
	"lorrent/storage/disk"
)

const (
	stopGrace     = 20 * time.Second // for everything to end in order
	eventMemory   = 4096             // events kept for those who poll
	radioBackoff  = 5 * time.Second  // between tries to open a lost radio
	radioQuiet    = time.Minute      // longer between two failures: it worked meanwhile
	statusRefresh = 5 * time.Second

	radioSupervisor = "lora"
)

// errStuck says that a service did not end in its time; what it holds cannot
// be closed under it.
var errStuck = errors.New("a service did not stop in time")

// daemon is everything one process owns, in the order it was opened.
type daemon struct {
	cfg    *config
	log    zerolog.Logger
	store  *storage.DB
	events *event.Ring
	engine *torrent.Engine
	bridge *lora.Bridge
	rpc    *server.Server
	stop   context.CancelFunc
}

// run is the daemon's life: open, serve until ctx ends, close in reverse.
func run(ctx context.Context, cfg *config, stderr io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d := &daemon{cfg: cfg, log: newLog(stderr, cfg.level), events: event.New(eventMemory), stop: stop}
	defer captureStandardLog(d.log)()
	if err := d.open(); err != nil {
		return err
	}
	err := d.serve(ctx)
	if errors.Is(err, errStuck) {
		return err // the marker stays unclean, as it should
	}
	if cerr := errors.Join(d.bridge.Close(), d.store.Close()); err == nil && cerr != nil {
		err = cerr
	}
	d.log.Info().Msg("stopped")
	return err
}

// open makes everything ready that must be before the daemon is: a failure
// here is the user's to correct.
func (d *daemon) open() (err error) {
	if err := os.MkdirAll(d.cfg.StateDir, 0o750); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	if d.store, err = storage.Open(filepath.Join(d.cfg.StateDir, "lorrent.db")); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if !d.store.WasClean() {
		d.log.Warn().Msg("the daemon was not stopped in order last time; only what was committed counts")
	}
	if err := disk.CreateRoot(d.cfg.DownloadDir); err != nil {
		return fmt.Errorf("create download folder: %w", err)
	}
	d.engine, err = torrent.New(torrent.Config{
		Listen:             d.cfg.Listen,
		DownloadDir:        d.cfg.DownloadDir,
		Store:              d.store,
		Events:             d.events,
		Log:                d.log,
		Version:            version,
		Allocate:           d.cfg.allocate,
		Encryption:         d.cfg.encrypt,
		Transport:          d.cfg.transport,
		Out:                d.cfg.out,
		Blocklist:          d.cfg.Blocklist,
		BlocklistCache:     filepath.Join(d.cfg.StateDir, "blocklist"),
		PortMapping:        d.cfg.PortMapping == "on",
		DHT:                d.cfg.dht,
		DHTBootstrap:       d.cfg.DHTBootstrap,
		LSD:                d.cfg.lsd,
		MaxPeers:           d.cfg.MaxPeers,
		MaxPeersPerTorrent: d.cfg.PeersPerTorrent,
		UploadSlots:        d.cfg.UploadSlots,
		BufferBytes:        d.cfg.buffer,
		Speed:              d.cfg.speed,
	})
	if err != nil {
		return err
	}
	d.bridge, err = lora.New(lora.Config{
		Radio: d.cfg.LoRa, Region: d.cfg.LoRaRegion, Channel: d.cfg.LoRaChannel, Name: d.cfg.LoRaName,
		Store: d.store, Events: d.events, Log: d.log,
	})
	if err != nil {
		return err
	}
	return d.openRPC()
}

func (d *daemon) openRPC() (err error) {
	for _, address := range d.cfg.RPC {
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("create the folder of the RPC socket: %w", err)
			}
		}
	}
	d.rpc, err = server.New(server.Config{
		Engine:        d.engine,
		LoRa:          d.bridge,
		Events:        d.events,
		Info:          d.info(),
		Listen:        d.cfg.RPC,
		SocketGroup:   d.cfg.RPCSocketGroup,
		TokenFile:     d.cfg.RPCTokenFile,
		AllowedHosts:  d.cfg.RPCAllowedHosts,
		DownloadRoots: d.cfg.DownloadRoots,
		Out:           d.cfg.out,
		Shutdown:      d.stop,
		Log:           d.log,
	})
	if err != nil {
		return err
	}
	return d.rpc.Listen()
}

func (d *daemon) info() server.Info {
	return server.Info{
		Version:     version,
		Revision:    revision(),
		StartedAt:   time.Now(),
		CleanStart:  d.store.WasClean(),
		StateDir:    d.cfg.StateDir,
		DownloadDir: d.cfg.DownloadDir,
		FreeBytes: func() int64 {
			free, err := disk.FreeBytes(d.cfg.DownloadDir)
			if err != nil {
				return -1
			}
			return free
		},
	}
}

// close undoes a half-done open.
func (d *daemon) close() {
	if d.engine != nil {
		d.engine.Close()
	}
	d.store.Abandon()
}

// serve runs the services under supervision. The radio has a supervisor of
// its own: it may fail and come back as often as it likes without the others
// noticing. The engine and the RPC server are the daemon: when they fail for
// good, it ends.
func (d *daemon) serve(ctx context.Context) error {
	root := suture.New("lorrent", suture.Spec{EventHook: d.hook(), Timeout: stopGrace}) // those below inherit the hook
	radio := suture.New(radioSupervisor, suture.Spec{Timeout: stopGrace, FailureThreshold: 1, FailureBackoff: radioBackoff})
	radio.Add(service{"radio", d.bridge.Run})
	root.Add(radio)

	failure := make(chan error, 2)
	root.Add(vital{service{"engine", d.engine.Run}, failure})
	root.Add(vital{service{"rpc", d.answer}, failure})
	root.Add(service{"watchdog", d.watch})
	if d.cfg.LoRaCommands == "on" || d.cfg.LoRaNotify != "" {
		root.Add(service{"radio desk", d.desk().run})
	}

	d.log.Info().Str("version", version).Str("listen", d.engine.Stats().ListenAddress).Strs("rpc", d.cfg.RPC).
		Str("lora", d.cfg.LoRa).Int("torrents", d.engine.Stats().Torrents).Msg("started")
	err := root.Serve(ctx)
	if stuck, _ := root.UnstoppedServiceReport(); len(stuck) > 0 {
		return fmt.Errorf("%w: %s", errStuck, stuck[0].Name)
	}
	select {
	case err := <-failure:
		return err
	default:
	}
	if ctx.Err() != nil {
		return nil // asked to end
	}
	return err
}

// answer serves RPC. Who calls before the engine takes commands waits for it.
func (d *daemon) answer(ctx context.Context) error {
	_ = d.engine.Ping(ctx) // fails when ctx has ended: Run then closes its sockets at once
	return d.rpc.Run(ctx)
}

// desk is what torrents and the radio have to do with each other.
func (d *daemon) desk() *desk {
	return &desk{
		engine: d.engine, radio: d.bridge, events: d.events, commands: d.cfg.LoRaCommands == "on", notify: d.cfg.LoRaNotify,
		free:   d.info().FreeBytes,
		failed: func(err error) { d.log.Warn().Err(err).Msg("radio desk") },
	}
}

// hook logs what the supervisors see. A radio may be away for days and is tried
// every few seconds: its failures are logged when the reason is new, and not
// more than once a minute.
func (d *daemon) hook() suture.EventHook {
	var mu sync.Mutex
	var reason string
	var failed, logged time.Time
	return func(e suture.Event) {
		mu.Lock()
		defer mu.Unlock()
		end, ok := e.(suture.EventServiceTerminate)
		switch {
		case ok && end.SupervisorName == radioSupervisor:
			now, why := time.Now(), fmt.Sprint(end.Err)
			worked := now.Sub(failed) > radioQuiet
			failed = now
			if worked || why != reason && now.Sub(logged) > radioQuiet {
				reason, logged = why, now
				d.log.Warn().Str("radio", d.cfg.LoRa).Str("error", why).Msg("the radio failed; trying until it works")
			}
		case e.Type() == suture.EventTypeBackoff || e.Type() == suture.EventTypeResume:
			d.log.Debug().Fields(e.Map()).Msg(e.String())
		default:
			d.log.Warn().Fields(e.Map()).Msg(e.String())
		}
	}
}

// service gives a Run method a name for the supervisor.
type service struct {
	name string
	run  func(context.Context) error
}

func (s service) Serve(ctx context.Context) error {
	err := s.run(ctx)
	if err != nil && ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		// A time-out inside the service is a failure, not the end of its life.
		return fmt.Errorf("%s: %v", s.name, err)
	}
	return err
}

func (s service) String() string { return s.name }

// vital is a service whose failure ends the daemon.
type vital struct {
	service
	failure chan<- error
}

func (v vital) Serve(ctx context.Context) error {
	err := v.service.Serve(ctx)
	if ctx.Err() != nil {
		return err
	}
	v.failure <- fmt.Errorf("%s: %w", v.name, err)
	return suture.ErrTerminateSupervisorTree
}
