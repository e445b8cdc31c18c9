package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Size assumed when a terminal does not tell.
const (
	fallbackWidth  = 80
	fallbackHeight = 24
)

// control calls fn with the descriptor of a stream, if it has one. Unlike
// os.File.Fd it leaves the descriptor's blocking mode alone.
func control(stream any, fn func(fd int)) bool {
	conn, ok := stream.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	return err == nil && raw.Control(func(fd uintptr) { fn(int(fd)) }) == nil
}

func isTerminal(stream any) bool {
	is := false
	control(stream, func(fd int) { is = term.IsTerminal(fd) })
	return is
}

// terminalSize is the width and height of a terminal in cells.
func terminalSize(stream any) (width, height int) {
	control(stream, func(fd int) { width, height, _ = term.GetSize(fd) })
	if width <= 0 {
		width = fallbackWidth
	}
	if height <= 0 {
		height = fallbackHeight
	}
	return width, height
}

// Control sequences of the screen, understood by every terminal since VT220
// and its emulators.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // alternate buffer, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	clearLine   = "\x1b[K" // from the cursor to the end
	clearBelow  = "\x1b[J"
)

// screen is a terminal that is redrawn as a whole, and what it was before.
type screen struct {
	out     *output
	restore func()
}

// openScreen takes the terminal over. keys is put into raw mode when not nil.
func openScreen(out *output, keys *os.File) (*screen, error) {
	s := &screen{out: out, restore: func() {}}
	if keys != nil {
		var state *term.State
		var err error
		control(keys, func(fd int) { state, err = term.MakeRaw(fd) })
		if err != nil {
			return nil, err
		}
		s.restore = func() { control(keys, func(fd int) { _ = term.Restore(fd, state) }) }
	}
	if err := out.print(enterScreen); err != nil {
		s.restore()
		return nil, err
	}
	return s, nil
}

func (s *screen) close() {
	_ = s.out.print(leaveScreen)
	s.restore()
}

// draw replaces the picture by lines, which must fit the size, in one write.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	b.WriteString(homeCursor)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearBelow)
	return s.out.print(b.String())
}

// openKeys returns a file from which key presses can be read and the read be
// interrupted: stdin itself, or the controlling terminal when stdin is in
// blocking mode, as it is when a shell hands it down. Nil means no keyboard.
func openKeys(stdin any) (keys *os.File, release func()) {
	file, ok := stdin.(*os.File)
	if !ok || !isTerminal(file) {
		return nil, func() {}
	}
	if file.SetReadDeadline(time.Time{}) == nil {
		return file, func() { _ = file.SetReadDeadline(time.Time{}) }
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil {
		return nil, func() {}
	}
	if tty.SetReadDeadline(time.Time{}) != nil {
		tty.Close()
		return nil, func() {}
	}
	return tty, func() { tty.Close() }
}

// waitQuit returns nil when q or Ctrl-C is pressed or the keyboard is gone,
// ctx's error when that ends first.
func waitQuit(ctx context.Context, keys *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = keys.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 64)
	for {
		n, err := keys.Read(buf)
		if strings.ContainsAny(string(buf[:n]), "qQ\x03") {
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
		if err != nil {
			return nil
		}
	}
}
