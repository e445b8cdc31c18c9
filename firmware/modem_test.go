package firmware

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/modem"
)

// TestModem drives nodes as a daemon drives boards, over a pseudo-terminal: a packet
// each way, and one that is taken back.
func TestModem(t *testing.T) {
	t.Run("native", func(t *testing.T) {
		air := ether.NewAir(ether.Config{})
		s := join(t, air, ether.Position{})
		testModem(t, air, startNative(t, s, "--flash", filepath.Join(t.TempDir(), "flash")).host)
	})
	t.Run("qemu", func(t *testing.T) {
		air := ether.NewAir(ether.Config{})
		s := join(t, air, ether.Position{})
		need(t, "qemu-system-arm")
		_, out := start(t, "qemu-system-arm", "-M", "lm3s6965evb", "-display", "none", "-monitor", "none", "-nodefaults",
			"-serial", "pty", "-chardev", "socket,id=air,path="+s.path, "-serial", "chardev:air",
			"-semihosting-config", "enable=on,target=native,arg="+filepath.Join(t.TempDir(), "flash")+",arg=89abcdef,arg=5eed",
			"-kernel", qemuImage(t))
		line, err := out.ReadString('\n')
		path := regexp.MustCompile(`/dev/pts/\d+`).FindString(line)
		if path == "" {
			t.Fatalf("QEMU says %q, %v, want the name of a pseudo-terminal", line, err)
		}
		testModem(t, air, path)
	})
}

func testModem(t *testing.T, air *ether.Air, path string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	radio := modem.Radio{
		FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5,
		PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14, DutyCycle: 1,
	}
	m, err := modem.Open(ctx, "board", path, radio)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	far := air.Join("far", ether.Position{X: 100})
	defer far.Close()
	if err := far.Configure(ctx, radio); err != nil {
		t.Fatal(err)
	}
	packet := append([]byte{0xC0, 0}, bytes.Repeat([]byte{0, 0xFF}, 100)...)
	if err := m.Send(ctx, packet); err != nil {
		t.Fatal(err)
	}
	if got, err := far.Receive(ctx); err != nil || !bytes.Equal(got.Packet, packet) {
		t.Fatalf("on the air: %x, %v", got.Packet, err)
	}
	if err := far.Send(ctx, packet[1:]); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Receive(ctx); err != nil || !bytes.Equal(got.Packet, packet[1:]) || got.RSSIdBm > -50 || got.RSSIdBm < -120 {
		t.Fatalf("from the air: %+v, %v", got, err)
	}
	brief, cancelBrief := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelBrief()
	err = m.(modem.Timed).SendTimed(brief, packet, modem.Timing{NotBefore: time.Now().Add(time.Minute)})
	if brief.Err() == nil || err == nil {
		t.Errorf("a packet for later was sent at once: %v", err)
	}
	if err := m.Send(ctx, packet); err != nil {
		t.Errorf("after one that was taken back: %v", err)
	}
}
