package main

import (
	"bytes"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// newLog writes for who reads it: a person at a terminal, the journal, which
// wants a priority in front of each line, or a program.
func newLog(w io.Writer, level zerolog.Level) zerolog.Logger {
	f, isFile := w.(*os.File)
	switch {
	case isFile && term.IsTerminal(int(f.Fd())):
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	case isFile && isJournal(f, os.Getenv("JOURNAL_STREAM")):
		w = journal{w}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// isJournal reports whether f is the stream that systemd connected to the
// journal and named DEVICE:INODE in $JOURNAL_STREAM. Processes inherit the
// variable, also those whose output goes somewhere else.
func isJournal(f *os.File, stream string) bool {
	var s unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &s) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

// journal puts syslog's priority in front of each line, as sd-daemon(3) has it.
type journal struct{ io.Writer }

func (j journal) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	priority := 6
	switch level {
	case zerolog.TraceLevel, zerolog.DebugLevel:
		priority = 7
	case zerolog.WarnLevel:
		priority = 4
	case zerolog.ErrorLevel:
		priority = 3
	case zerolog.FatalLevel, zerolog.PanicLevel:
		priority = 2
	}
	// One write, so that lines of several goroutines do not mix.
	if _, err := j.Write(fmt.Appendf(nil, "<%d>%s", priority, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// captureStandardLog takes what libraries tell the standard log, which knows no
// levels: net/http complains there of servers that speak unasked. release gives
// it back.
func captureStandardLog(log zerolog.Logger) (release func()) {
	flags := stdlog.Flags()
	stdlog.SetFlags(0)
	stdlog.SetOutput(standardLog{log})
	return func() {
		stdlog.SetOutput(os.Stderr)
		stdlog.SetFlags(flags)
	}
}

type standardLog struct{ log zerolog.Logger }

func (s standardLog) Write(p []byte) (int, error) {
	s.log.Debug().Str("component", "library").Msg(string(bytes.TrimSpace(p)))
	return len(p), nil
}
