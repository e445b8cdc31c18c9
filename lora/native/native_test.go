package native

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorrent/lora/ether"
	"lorrent/lora/modem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func needCompiler(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("g++"); err == nil {
		return
	}
	if os.Getenv("LORRENT_CI") == "1" {
		t.Fatal("g++ is not installed")
	}
	t.Skip("g++ is not installed")
}

// fast keeps packets short, not the relay's patience.
func fast() modem.Radio {
	return modem.Radio{
		FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5,
		PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14, DutyCycle: 1,
	}
}

// TestLine sends over a relay that nobody is attached to, to a station that does not
// hear the host's node.
func TestLine(t *testing.T) {
	needCompiler(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	air := ether.NewAir(ether.Config{})
	l, err := Start(ctx, Config{Air: air, Settings: fast(), Relays: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far := air.Join("far", l.End())
	defer far.Close()
	if err := far.Configure(ctx, fast()); err != nil {
		t.Fatal(err)
	}
	relayed := make(chan []byte)
	go func() {
		defer close(relayed)
		for {
			r, err := far.Receive(ctx)
			if err != nil {
				return
			}
			if r.Packet[1]&0x0F == 0 { // a flood, not the relay's beacon
				relayed <- r.Packet
				return
			}
		}
	}()
	for n := byte(0); ; n++ { // until the relay has begun
		if err := l.Send(ctx, flood(n)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-relayed:
			if len(got) == 0 || !bytes.Equal(got[3:9], flood(0)[3:9]) || got[2]&0x0F != 2 {
				t.Errorf("relayed: %x, want a flood like %x with a TTL one less", got, flood(0))
			}
			cancel()
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// flood is one that relays cannot check: source, epoch, sequence n, tx; channel,
// ciphertext and tag of anything.
func flood(n byte) []byte {
	p := []byte{0xC0, 0x10, 0x03, 0x89, 0xAB, 0xCD, 0xEF, 0xBE, 0xEF, 0, 1, n, 0xCD, 0xEF}
	return append(p, bytes.Repeat([]byte{n}, 20)...)
}

func TestNoProgram(t *testing.T) {
	t.Setenv("PATH", "")
	t.Chdir(t.TempDir())
	if _, err := Start(t.Context(), Config{Air: ether.NewAir(ether.Config{}), Settings: fast()}); !errors.Is(err, errNoProgram) {
		t.Errorf("Start = %v, want how to get the program", err)
	}
}

// A program that is no node is found out.
func TestWrongProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+name, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	_, err := Start(t.Context(), Config{Air: ether.NewAir(ether.Config{}), Settings: fast()})
	if err == nil || !strings.Contains(err.Error(), `but "hello"`) {
		t.Errorf("Start = %v", err)
	}
}
