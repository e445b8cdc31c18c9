package server

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"lorrent/rpc"
)

// discoverMethod is the name that the OpenRPC specification reserves.
const discoverMethod = "rpc.discover"

// openRPC describes every method, type, event and error. It is generated from
// the Go types and their comments: go test ./rpc/server -run OpenRPC -update.
//
//go:embed openrpc.json
var openRPC []byte

// DiscoverService answers rpc.discover.
type DiscoverService struct{}

// Document is an OpenRPC 1.3 document.
type Document struct{ json.RawMessage }

// Discover returns this document.
func (*DiscoverService) Discover(_ *http.Request, _ *rpc.Empty, reply *Document) error {
	reply.RawMessage = openRPC
	return nil
}
