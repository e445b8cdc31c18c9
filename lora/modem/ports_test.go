package modem

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lorrent/lora/modem/boardtest"
)

// fakeSys makes a /sys with the ports given, as the kernel lays them out: a port
// of a serial chip is two directories below its device, one of USB itself is one.
func fakeSys(t *testing.T, devices map[string]map[string]string) string {
	t.Helper()
	root := t.TempDir()
	class := filepath.Join(root, "class/tty")
	for name, attributes := range devices {
		usb := filepath.Join(root, "devices/pci/usb1/1-"+name)
		device := filepath.Join(usb, "1-1:1.0")
		if strings.HasPrefix(name, "ttyUSB") {
			device = filepath.Join(device, name)
		}
		if name == "ttyS0" {
			device = filepath.Join(root, "devices/platform/serial8250")
		}
		for _, dir := range []string{usb, device, filepath.Join(class, name)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(device, filepath.Join(class, name, "device")); err != nil {
			t.Fatal(err)
		}
		for attribute, value := range attributes {
			if err := os.WriteFile(filepath.Join(usb, attribute), []byte(value+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return class
}

func TestPorts(t *testing.T) {
	class := fakeSys(t, map[string]map[string]string{
		"ttyUSB10": {"idVendor": "10c4", "idProduct": "ea60", "serial": "0001", "product": "CP2102 USB to UART Bridge Controller"},
		"ttyUSB9":  {"idVendor": "067b", "idProduct": "2303"},
		"ttyACM0":  {"idVendor": "303a", "idProduct": "1001", "product": strings.Repeat("x", 500)},
		"ttyS0":    {"idVendor": "ffff"},
		"ttyUSB1":  nil, // no device above it says what it is
	})
	got, err := ports(class)
	want := []Port{
		{Path: "/dev/ttyACM0", USB: "303a:1001", Product: strings.Repeat("x", 100), Boards: known["303a"]},
		{Path: "/dev/ttyUSB9", USB: "067b:2303"},
		{Path: "/dev/ttyUSB10", USB: "10c4:ea60", Serial: "0001", Product: "CP2102 USB to UART Bridge Controller", Boards: known["10c4:ea60"]},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ports = %+v, %v, want %+v", got, err, want)
	}
	if _, err := ports(filepath.Join(class, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without /sys: %v", err)
	}
}

// Of several ports the first with a board that is not in use is taken; one that
// no radio board is known to have is not even opened.
func TestOpenAny(t *testing.T) {
	stranger, used, free := boardtest.New(t, nil), boardtest.NewOwn(t, time.Millisecond, nil), boardtest.NewOwn(t, time.Millisecond, nil)
	mustOpen(t, func() (Modem, error) { return openOwn(t, used, testRadio()) })
	list := []Port{{Path: stranger.Path()}, {Path: used.Path(), Boards: "x"}, {Path: free.Path(), Boards: "x"}}
	m := mustOpen(t, func() (Modem, error) { return openAny(testContext(t), list) })
	if m.String() != "board:"+free.Path() {
		t.Errorf("opened %s, want %s", m, free.Path())
	}
	_, err := openAny(testContext(t), list)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), used.Path()) || !strings.Contains(err.Error(), free.Path()) {
		t.Errorf("with all in use: %v", err)
	}
	if _, err := openAny(testContext(t), list[:1]); err == nil || !strings.Contains(err.Error(), "no serial port on USB") {
		t.Errorf("with none: %v", err)
	}
}
