package modem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Port is a serial port on USB.
type Port struct {
	Path    string // "/dev/ttyUSB0"
	USB     string // vendor and product, "10c4:ea60"
	Serial  string // of the device; often empty, or the same for all
	Product string // as the device calls itself
	Boards  string // which radio boards have this id; "" if none is known to
}

// known are the ids of chips that radio boards have, which others have, too.
// Without a product it is for all of the vendor.
var known = map[string]string{
	"10c4:ea60": "CP210x: Heltec V2 and V3, many others",
	"1a86:7523": "CH340: LilyGO and others",
	"1a86:55d4": "CH9102: LilyGO and others",
	"0403":      "FTDI: some boards",
	"303a":      "ESP32 with USB of its own: Heltec V4 and others",
	"239a":      "nRF52: RAK4631, T-Echo and others",
	"2886":      "Seeed: XIAO, Wio Tracker",
}

// Ports lists the serial ports on USB by path, without opening any: that
// restarts some boards. It reads Linux's /sys.
func Ports() ([]Port, error) { return ports("/sys/class/tty") }

func ports(class string) ([]Port, error) {
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("list serial ports: %w", err)
	}
	var list []Port
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "ttyUSB") && !strings.HasPrefix(e.Name(), "ttyACM") {
			continue
		}
		device, err := filepath.EvalSymlinks(filepath.Join(class, e.Name(), "device"))
		if err != nil {
			continue // pulled out meanwhile
		}
		if p, ok := describe(device); ok {
			p.Path = "/dev/" + e.Name()
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Port) int {
		if d := len(a.Path) - len(b.Path); d != 0 { // ttyUSB10 after ttyUSB9
			return d
		}
		return strings.Compare(a.Path, b.Path)
	})
	return list, nil
}

// describe reads the attributes of the USB device that a port belongs to, which
// is some directories above its own.
func describe(dir string) (p Port, ok bool) {
	for range 4 {
		vendor := attribute(dir, "idVendor")
		if vendor == "" {
			dir = filepath.Dir(dir)
			continue
		}
		p.USB = vendor + ":" + attribute(dir, "idProduct")
		p.Serial, p.Product = attribute(dir, "serial"), attribute(dir, "product")
		if p.Boards = known[p.USB]; p.Boards == "" {
			p.Boards = known[vendor]
		}
		return p, true
	}
	return p, false
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	const most = 100
	return strings.TrimSpace(string(b[:min(len(b), most)]))
}

// openAny opens the first port of those listed that has a board which answers.
// Ports in use, of other daemons perhaps, are passed over.
func openAny(ctx context.Context, list []Port) (Modem, error) {
	var tried []error
	for _, p := range list {
		if p.Boards == "" {
			continue
		}
		m, err := detect(ctx, p.Path)
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		tried = append(tried, err)
	}
	if len(tried) == 0 {
		return nil, fmt.Errorf("find a board: %w: no serial port on USB looks like one", ErrGone)
	}
	return nil, fmt.Errorf("find a board: %w", errors.Join(tried...))
}
