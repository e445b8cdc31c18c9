package rpc

import "fmt"

// Error codes. The negative ones are JSON-RPC 2.0's own.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603

	CodeNotFound  = 1  // no such torrent, message or file
	CodeAmbiguous = 2  // an ID prefix fits several torrents
	CodeInvalid   = 3  // a torrent, address or text that cannot be used
	CodeBusy      = 4  // not now: the thing is in the middle of something else
	CodeDenied    = 5  // no or wrong credentials
	CodeDisk      = 6  // full, read-only or missing storage
	CodeLoRaDown  = 7  // the radio is off or too far behind
	CodeTimeout   = 8  // it took too long
	CodeClosing   = 9  // the daemon is shutting down
	CodeFetch     = 10 // the URL or path of a torrent could not be read
)

// Kinds, one for each code: the stable string in Error.Data.Kind.
const (
	KindParse          = "parse"
	KindInvalidRequest = "invalidRequest"
	KindMethodNotFound = "methodNotFound"
	KindInvalidParams  = "invalidParams"
	KindInternal       = "internal"
	KindNotFound       = "notFound"
	KindAmbiguous      = "ambiguous"
	KindInvalid        = "invalid"
	KindBusy           = "busy"
	KindDenied         = "denied"
	KindDisk           = "disk"
	KindLoRaDown       = "loraDown"
	KindTimeout        = "timeout"
	KindClosing        = "closing"
	KindFetch          = "fetch"
)

// Error is what a call that was understood may fail with.
type Error struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Data    ErrorData `json:"data"`
}

// ErrorData says the kind of an error, and what it was about.
type ErrorData struct {
	Kind    string   `json:"kind"`
	Matches []string `json:"matches,omitempty"` // info hashes, for "ambiguous"
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Data.Kind) }
