package server

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"lorrent/rpc"
)

// DaemonService answers Daemon.*.
type DaemonService struct{ cfg Config }

// Status describes the daemon in one screen.
func (s *DaemonService) Status(_ *http.Request, _ *rpc.Empty, reply *rpc.DaemonStatus) error {
	info, stats, radio := s.cfg.Info, s.cfg.Engine.Stats(), s.cfg.LoRa.Status()
	*reply = rpc.DaemonStatus{
		Version: info.Version, PID: os.Getpid(),
		StartedAt: info.StartedAt, UptimeSeconds: int64(time.Since(info.StartedAt).Seconds()), CleanStart: info.CleanStart,
		StateDir: info.StateDir, DownloadDir: info.DownloadDir, FreeBytes: -1,
		Listen: stats.ListenAddress, PortMapping: stats.PortMapping, Torrents: stats.Torrents, States: make(map[string]int),
		Peers: stats.Peers, DownloadRate: stats.DownloadRate, UploadRate: stats.UploadRate,
		LoRa:        rpc.LoRaBrief{Radio: radio.Radio, Up: radio.Up, Error: radio.Error},
		EventCursor: s.cfg.Events.Cursor(),
	}
	for state, n := range stats.ByState {
		reply.States[string(state)] = n
	}
	if info.FreeBytes != nil {
		reply.FreeBytes = info.FreeBytes()
	}
	return nil
}

// Version says which program answers, and which version of this interface it
// speaks.
func (s *DaemonService) Version(_ *http.Request, _ *rpc.Empty, reply *rpc.Version) error {
	*reply = rpc.Version{
		Version: s.cfg.Info.Version, Revision: s.cfg.Info.Revision,
		GoVersion: runtime.Version(), API: rpc.API,
	}
	return nil
}

// Shutdown ends the daemon in order. The answer comes first.
func (s *DaemonService) Shutdown(r *http.Request, _ *rpc.Empty, _ *rpc.Empty) error {
	if s.cfg.Shutdown == nil {
		return failure(rpc.CodeDenied, "this daemon cannot be shut down by call")
	}
	s.cfg.Log.Info().Str("client", clientOf(r).name).Msg("shutdown asked for by call")
	if after, ok := r.Context().Value(afterKey{}).(*afterwards); ok {
		after.run = s.cfg.Shutdown
	}
	return nil
}
