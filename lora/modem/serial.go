package modem

import (
	"errors"
	"fmt"
	"os"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// serialLink reads and writes through a file of its own while the library
// holds the port's mode. The library's Write has no deadline, and its Close
// frees the descriptor under a Read or Write still under way, whose bytes
// could then go to whatever file gets the number next.
type serialLink struct {
	*os.File
	port serial.Port
}

// Close ends Read and Write under way and gives the port free.
func (l *serialLink) Close() error {
	return errors.Join(l.port.Close(), l.File.Close())
}

func openPort(path string, baud int) (*serialLink, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EBUSY) { // TIOCEXCL, for users other than root
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	port, err := setUp(file, path, baud)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &serialLink{File: file, port: port}, nil
}

// setUp locks the port, before anything is changed on it, and sets its mode.
func setUp(file *os.File, path string, baud int) (serial.Port, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		// flock holds off other processes of root, whom TIOCEXCL, which the
		// library sets, does not.
		if inner = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB); inner == nil {
			inner = keepLines(int(fd))
		}
	})
	if errors.Is(inner, unix.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	if err := errors.Join(err, inner); err != nil {
		return nil, err
	}
	port, err := serial.Open(path, &serial.Mode{
		BaudRate: baud, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(equalLines(port), port.ResetInputBuffer()); err != nil {
		port.Close()
		return nil, err
	}
	return port, nil
}

// equalLines raises DTR and RTS, as opening has done already: boards with the
// usual reset circuit restart while the two differ, and boards with USB of
// their own are mute while DTR is low. A pseudo-terminal has no lines.
func equalLines(port serial.Port) error {
	for _, set := range []func(bool) error{port.SetDTR, port.SetRTS} {
		if err := set(true); err != nil && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("set control lines: %w", err)
		}
	}
	return nil
}
