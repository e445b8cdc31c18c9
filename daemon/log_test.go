package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// decodeLine reads one line of JSON.
func decodeLine(t *testing.T, line string) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return fields
}

func TestLogJSON(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, zerolog.WarnLevel)
	log.Info().Msg("quiet")
	log.Warn().Str("peer", "a\nb").Msg("careful")
	fields := decodeLine(t, out.String())
	if strings.Count(out.String(), "\n") != 1 || fields["level"] != "warn" || fields["message"] != "careful" || fields["peer"] != "a\nb" {
		t.Errorf("got %q", &out)
	}
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(fields["time"])); err != nil {
		t.Error(err)
	}
}

// TestStandardLog: what a library says is of the level debug, and of one line.
func TestStandardLog(t *testing.T) {
	var loud, quiet bytes.Buffer
	for level, out := range map[zerolog.Level]*bytes.Buffer{zerolog.DebugLevel: &loud, zerolog.InfoLevel: &quiet} {
		release := captureStandardLog(newLog(out, level))
		log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "x\n", io.EOF)
		release()
	}
	fields := decodeLine(t, loud.String())
	if fields["level"] != "debug" || !strings.HasPrefix(fmt.Sprint(fields["message"]), "Unsolicited response") || quiet.Len() > 0 {
		t.Errorf("got %q and %q", &loud, &quiet)
	}
}

// TestLogPriorities has the file that systemd would call the journal.
func TestLogPriorities(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", s.Dev, s.Ino))
	log := newLog(f, zerolog.TraceLevel)
	levels := []struct {
		level    zerolog.Level
		priority int // of syslog
	}{
		{zerolog.TraceLevel, 7}, {zerolog.DebugLevel, 7}, {zerolog.InfoLevel, 6}, {zerolog.WarnLevel, 4},
		{zerolog.ErrorLevel, 3}, {zerolog.FatalLevel, 2}, {zerolog.PanicLevel, 2}, {zerolog.NoLevel, 6},
	}
	for _, l := range levels {
		log.WithLevel(l.level).Msg("one line")
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(written), "\n"), "\n")
	if len(lines) != len(levels) {
		t.Fatalf("got %q", lines)
	}
	for i, l := range levels {
		rest, ok := strings.CutPrefix(lines[i], fmt.Sprintf("<%d>", l.priority))
		if !ok || decodeLine(t, rest)["message"] != "one line" {
			t.Errorf("level %q: %s", l.level, lines[i])
		}
	}
}

// TestLogBesideJournal redirects stderr of a process whose parent is a service.
func TestLogBesideJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "1:2")
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log := newLog(f, zerolog.InfoLevel)
	log.Info().Msg("plain")
	written, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if decodeLine(t, string(written))["message"] != "plain" {
		t.Errorf("got %q", written)
	}
}

func TestLogConsole(t *testing.T) {
	for _, tt := range []struct {
		noColor string
		escapes bool
	}{{"", true}, {"1", false}} {
		t.Run("NO_COLOR="+tt.noColor, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.noColor)
			t.Setenv("JOURNAL_STREAM", "")
			master, slave, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			defer slave.Close()
			log := newLog(slave, zerolog.InfoLevel)
			log.Info().Str("lora", "sim").Msg("started")
			line, err := bufio.NewReader(master).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "{") || !strings.Contains(line, "INF") || !strings.Contains(line, "started") || !strings.Contains(line, "sim") {
				t.Errorf("got %q", line)
			}
			if strings.Contains(line, "\x1b") != tt.escapes {
				t.Errorf("colours: %q", line)
			}
		})
	}
}
