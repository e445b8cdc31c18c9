package rpc

// When the alternative limits hold.
const (
	AltOff      = "off"
	AltOn       = "on"
	AltSchedule = "schedule"
)

// Limits is what all torrents together may take. Rates are of payload; 0 is no
// limit.
type Limits struct {
	DownloadLimit    int64  `json:"downloadLimit"`
	UploadLimit      int64  `json:"uploadLimit"`
	AltDownloadLimit int64  `json:"altDownloadLimit"` // in place of DownloadLimit while AltActive
	AltUploadLimit   int64  `json:"altUploadLimit"`
	AltMode          string `json:"altMode"`     // "off", "on" or "schedule"
	AltSchedule      string `json:"altSchedule"` // local time, such as "mon,tue,wed,thu,fri 08:00-18:00"
	AltActive        bool   `json:"altActive"`
	Changed          bool   `json:"changed"` // by Daemon.SetLimits, and no longer what the configuration says
}

// SetLimitsArgs changes the limits of all torrents together. What is not given
// stays. With Reset everything is as the configuration says, and nothing else
// may be given.
type SetLimitsArgs struct {
	DownloadLimit    *int64  `json:"downloadLimit,omitempty"`
	UploadLimit      *int64  `json:"uploadLimit,omitempty"`
	AltDownloadLimit *int64  `json:"altDownloadLimit,omitempty"`
	AltUploadLimit   *int64  `json:"altUploadLimit,omitempty"`
	AltMode          *string `json:"altMode,omitempty"`
	AltSchedule      *string `json:"altSchedule,omitempty"`
	Reset            bool    `json:"reset,omitempty"`
}

// TorrentSetLimitsArgs changes the limits of one torrent, which hold beside
// those of all. What is not given stays; 0 is no limit.
type TorrentSetLimitsArgs struct {
	ID            string `json:"id"`
	DownloadLimit *int64 `json:"downloadLimit,omitempty"`
	UploadLimit   *int64 `json:"uploadLimit,omitempty"`
}
