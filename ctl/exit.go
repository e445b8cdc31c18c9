package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// Exit codes. They are a promise to scripts: none changes its meaning.
const (
	exitOK          = 0
	exitRPC         = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitDenied      = 5
	exitTimeout     = 6
	exitInterrupted = 130
)

// exitMeaning is a line of the table in `help exit-codes`.
type exitMeaning struct {
	code    int
	meaning string
}

func exitTable() []exitMeaning {
	return []exitMeaning{
		{exitOK, "done"},
		{exitRPC, "the daemon answered with an error, or the output could not be written"},
		{exitUsage, "the command line is wrong, or names a local file that cannot be read"},
		{exitUnreachable, "no daemon answers at the address"},
		{exitNotFound, "there is no such torrent or message"},
		{exitDenied, "the daemon refused access: token or socket group"},
		{exitTimeout, "not done in time: --timeout passed, or a message was not acknowledged, or not sent to its channel"},
		{exitInterrupted, "interrupted by a signal while waiting"},
	}
}

// exitCodesTopic is a command that cannot run, which cobra shows as a topic.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes:\n\n")
	for _, e := range exitTable() {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	b.WriteString(`
When a command takes several torrents it goes on after one failed, and exits
with the code of the first failure.

With --json a failure is one object on stdout:

  {"error":{"code":1,"kind":"notFound","message":"…"}}

"code" and "kind" are those of the RPC error. Failures that are not the
daemon's answer have code 0 and kind "usage", "file", "unreachable",
"interrupted" or "internal"; a time-out here is like one there.
An ambiguous id also has "matches", the info hashes it could mean.`)
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long:  b.String(),
	}
}

// failure is how an error ends the program: the code for the shell, the RPC
// code and kind for --json, the message, and what to do about it.
type failure struct {
	exit    int
	code    int // of the RPC error; 0 when ctl itself failed
	kind    string
	message string
	hints   []string // one line each
	matches []string // info hashes an ambiguous id could mean
	cause   error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

// usage is the failure of a command line that makes no sense.
func usage(format string, args ...any) *failure {
	err := fmt.Errorf(format, args...)
	return &failure{exit: exitUsage, kind: "usage", message: err.Error(), cause: errors.Unwrap(err)}
}

// reported is a failure whose message was printed already.
type reported struct{ exit int }

func (r *reported) Error() string { return fmt.Sprintf("exit code %d", r.exit) }

// classify finds the exit code, the kind and the advice for an error.
func (a *app) classify(err error) *failure {
	var (
		own         *failure
		answer      *rpc.Error
		unreachable *rpc.UnreachableError
		denied      *rpc.DeniedError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &denied):
		return &failure{
			exit: exitDenied, code: rpc.CodeDenied, kind: rpc.KindDenied,
			message: err.Error(), hints: deniedHints(denied.Address),
		}
	case errors.As(err, &unreachable):
		return &failure{
			exit: exitUnreachable, kind: "unreachable", message: err.Error(),
			hints: []string{
				"start it: lorrentd   (as a service: systemctl start lorrent)",
				"if it listens elsewhere: --rpc unix:PATH or --rpc HOST:PORT, or set " + rpc.AddressVariable,
			},
		}
	case errors.As(err, &answer):
		return a.answered(err, answer)
	case errors.Is(err, context.DeadlineExceeded):
		f := &failure{exit: exitTimeout, code: rpc.CodeTimeout, kind: rpc.KindTimeout, message: "the daemon did not answer in time"}
		if a.timeout > 0 {
			f.message = fmt.Sprintf("not done after %s", a.timeout)
			f.hints = []string{"the daemon goes on with what it was told; wait longer with --timeout"}
		}
		return f
	case errors.Is(err, context.Canceled):
		return &failure{exit: exitInterrupted, kind: "interrupted", message: "interrupted"}
	}
	return &failure{exit: exitRPC, kind: rpc.KindInternal, message: err.Error()}
}

// answered is the failure for an error the daemon answered with.
func (a *app) answered(err error, answer *rpc.Error) *failure {
	f := &failure{
		exit: exitRPC, code: answer.Code, kind: answer.Data.Kind,
		message: strings.TrimSuffix(err.Error(), " ("+answer.Data.Kind+")"),
		matches: answer.Data.Matches,
	}
	switch answer.Code {
	case rpc.CodeNotFound:
		f.exit = exitNotFound
	case rpc.CodeDenied:
		f.exit = exitDenied
		f.hints = deniedHints(a.daemonAddress())
	case rpc.CodeTimeout:
		f.exit = exitTimeout
	case rpc.CodeAmbiguous:
		f.hints = append([]string{"it could be one of these; give more digits:"}, answer.Data.Matches...)
	case rpc.CodeMethodNotFound:
		f.hints = []string{"the daemon is older or newer than " + program + ": compare with `" + program + " version`"}
	case rpc.CodeLoRaDown:
		f.hints = []string{"see: " + program + " status --lora"}
	}
	return f
}

func deniedHints(address string) []string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return []string{
			"the socket is for its owner and group: ls -l " + path,
			"join the group (usermod -aG GROUP USER, then log in again) or run as the daemon's user",
		}
	}
	return []string{"give the daemon's token with --token-file FILE or in LORRENT_TOKEN"}
}

// report prints an error where it belongs and returns the exit code.
func (a *app) report(err error) int {
	var done *reported
	if errors.As(err, &done) {
		return done.exit
	}
	f := a.classify(err)
	if a.json {
		if out := (&output{w: a.stdout, tty: isTerminal(a.stdout)}); out.printJSON(f.object("")) != nil {
			fmt.Fprintln(a.stderr, f.text())
		}
		return f.exit
	}
	fmt.Fprintln(a.stderr, f.text())
	return f.exit
}

// text is the message for a person: one line, then the advice.
func (f *failure) text() string {
	var b strings.Builder
	b.WriteString(program + ": " + sanitise(f.message))
	for _, hint := range f.hints {
		b.WriteString("\n  " + sanitise(hint))
	}
	return b.String()
}

// errorObject is a failure in JSON. ID is there when it is one of several.
type errorObject struct {
	ID    string    `json:"id,omitempty"`
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    int      `json:"code"`
	Kind    string   `json:"kind"`
	Message string   `json:"message"`
	Matches []string `json:"matches,omitempty"`
}

func (f *failure) object(id string) errorObject {
	return errorObject{ID: id, Error: errorBody{Code: f.code, Kind: f.kind, Message: f.message, Matches: f.matches}}
}
