// Command ctl, released as lorrentctl, drives the lorrent daemon over its
// JSON-RPC endpoint.
//
// It is thin: every answer is the daemon's, ctl only asks and shows. Its rules:
//
//   - Data goes to stdout, everything else to stderr. On a terminal data is an
//     aligned table, in a pipe tab-separated text, and with --json the result
//     of the RPC call.
//   - Nothing that came over the network reaches the terminal unsanitised.
//   - Exit codes are a promise to scripts; the table is in exit.go.
//   - It imports lorrent/rpc and nothing else of this module.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
