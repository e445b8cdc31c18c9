package server

import (
	"net/http"

	"lorrent/daemon/torrent"
	"lorrent/rpc"
)

// Limits returns the limits of all torrents together.
func (s *DaemonService) Limits(r *http.Request, _ *rpc.Empty, reply *rpc.Limits) error {
	speed, err := s.cfg.Engine.Speed(r.Context())
	*reply = toLimits(speed)
	return err
}

// SetLimits changes the limits of all torrents together. They hold, also after
// a restart, until they are changed or reset; they are stored when the answer
// comes.
func (s *DaemonService) SetLimits(r *http.Request, args *rpc.SetLimitsArgs, reply *rpc.Limits) (err error) {
	var speed torrent.SpeedStatus
	if args.Reset {
		if *args != (rpc.SetLimitsArgs{Reset: true}) {
			return failure(rpc.CodeInvalidParams, "reset: nothing else may be given with it")
		}
		speed, err = s.cfg.Engine.ResetSpeed(r.Context())
	} else {
		speed, err = s.cfg.Engine.SetSpeed(r.Context(), func(to *torrent.Speed) { change(to, args) })
	}
	*reply = toLimits(speed)
	return err
}

// change takes over what is given.
func change(to *torrent.Speed, args *rpc.SetLimitsArgs) {
	set(&to.Download, args.DownloadLimit)
	set(&to.Upload, args.UploadLimit)
	set(&to.Alternative.Download, args.AltDownloadLimit)
	set(&to.Alternative.Upload, args.AltUploadLimit)
	set(&to.Schedule, args.AltSchedule)
	if args.AltMode != nil {
		to.Mode = torrent.AltMode(*args.AltMode)
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func toLimits(s torrent.SpeedStatus) rpc.Limits {
	return rpc.Limits{
		DownloadLimit: s.Download, UploadLimit: s.Upload,
		AltDownloadLimit: s.Alternative.Download, AltUploadLimit: s.Alternative.Upload,
		AltMode: string(s.Mode), AltSchedule: s.Schedule, AltActive: s.AltActive, Changed: s.Changed,
	}
}

// SetLimits changes the limits of one torrent. They are stored when the answer,
// the torrent, comes.
func (s *TorrentService) SetLimits(r *http.Request, args *rpc.TorrentSetLimitsArgs, reply *rpc.Torrent) error {
	hash, err := s.resolve(args.ID)
	if err != nil {
		return err
	}
	status, err := s.engine.SetLimits(r.Context(), hash, args.DownloadLimit, args.UploadLimit)
	*reply = toTorrent(status)
	return err
}
