// Package rpc is the contract between the daemon and everyone who drives it:
// method names, arguments, replies, events, error codes, and a Go client.
//
// It is JSON-RPC 2.0 over POST /rpc, on a unix socket or on TCP with a bearer
// token. Arguments are one object (by name). All sizes are bytes, all rates
// bytes per second, all times RFC 3339, and unknown integers are -1. The
// package imports nothing of the daemon, so that a client costs no engine.
package rpc

import "time"

// Path is where the endpoint lives.
const Path = "/rpc"

// Empty is the argument of methods that take none, and the reply of those
// that have nothing to say.
type Empty struct{}

// DaemonStatus is the reply of Daemon.Status.
type DaemonStatus struct {
	Version       string         `json:"version"`
	PID           int            `json:"pid"`
	StartedAt     time.Time      `json:"startedAt"`
	UptimeSeconds int64          `json:"uptimeSeconds"`
	CleanStart    bool           `json:"cleanStart"` // the previous process ended in order
	StateDir      string         `json:"stateDir"`
	DownloadDir   string         `json:"downloadDir"`
	FreeBytes     int64          `json:"freeBytes"`   // in DownloadDir, -1 when unknown
	Listen        string         `json:"listen"`      // peer address in use
	PortMapping   string         `json:"portMapping"` // what the router was asked for and answered, for people; "off"
	Torrents      int            `json:"torrents"`
	States        map[string]int `json:"states"` // torrents by state
	Peers         int            `json:"peers"`
	DownloadRate  int64          `json:"downloadRate"`
	UploadRate    int64          `json:"uploadRate"`
	LoRa          LoRaBrief      `json:"lora"`
	EventCursor   uint64         `json:"eventCursor"`
}

// LoRaBrief is the line about the radio in DaemonStatus.
type LoRaBrief struct {
	Radio string `json:"radio"`
	Up    bool   `json:"up"`
	Error string `json:"error"`
}

// Version is the reply of Daemon.Version.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	GoVersion string `json:"goVersion"`
	API       int    `json:"api"` // grows when a method or field changes its meaning
}

// API is the number this package describes.
const API = 1
