//go:build linux

package modem

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lorrent/lora/modem/boardtest"
)

func TestSerialLocked(t *testing.T) {
	b := boardtest.New(t, nil)
	m := mustOpen(t, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) })
	for range 2 {
		if second, err := Open(testContext(t), "meshcore", b.Path(), testRadio()); !errors.Is(err, ErrLocked) {
			if err == nil {
				second.Close()
			}
			t.Fatalf("second open = %v, want ErrLocked", err)
		}
	}
	if err := m.Send(testContext(t), []byte("x")); err != nil {
		t.Errorf("Send after others tried to open: %v", err)
	}
	m.Close()
	mustOpen(t, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) })
}

func TestSerialMode(t *testing.T) {
	b := boardtest.New(t, nil)
	mustOpen(t, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) })
	file, err := os.OpenFile(b.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatal(err)
	}
	if err != nil {
		return // not root: exclusive, as it shall be
	}
	defer file.Close()
	settings, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if settings.Cflag&unix.HUPCL != 0 {
		t.Error("HUPCL is set: closing would restart the board")
	}
	if settings.Cflag&unix.CBAUD != unix.B115200 {
		t.Errorf("speed %o, want 115200", settings.Cflag&unix.CBAUD)
	}
	if settings.Lflag&(unix.ICANON|unix.ECHO) != 0 || settings.Cflag&unix.CRTSCTS != 0 {
		t.Error("the terminal is not raw")
	}
}

func TestSerialOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a port"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		path string
		want error
	}{
		{"missing", filepath.Join(t.TempDir(), "ttyUSB9"), os.ErrNotExist},
		{"a file", file, unix.ENOTTY},
		{"no terminal", "/dev/null", unix.ENOTTY},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Open(testContext(t), "meshcore", test.path, testRadio())
			if err == nil {
				m.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("Open() = %v, want %v", err, test.want)
			}
		})
	}
}
