package firmware

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/link"
	"lorrent/rpc"
)

var daemonProgram program

// daemon is a real one, with a board of ours.
type daemon struct {
	*rpc.Client
	process *process
	address string // of its RPC
	id      string
}

func startDaemon(t *testing.T, p *process) *daemon {
	t.Helper()
	dir := socketDir(t)
	address := "unix:" + filepath.Join(dir, "rpc.sock")
	client, err := rpc.Dial(address, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d := &daemon{Client: client, address: address}
	d.process, _ = start(t, daemonProgram.path, "run", "--config", os.DevNull, "--state-dir", dir, "--download-dir", dir,
		"--listen", "127.0.0.1:0", "--rpc", address, "--lora", "board:"+p.host, "--lora-region", "US915", "--lora-channel", fastest, "--log-level", "info")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.process.log())
		}
	})
	until(t, patience, "the daemon has its radio", func() bool {
		s, err := client.LoRaStatus(t.Context(), rpc.Empty{})
		d.id = s.NodeID
		return err == nil && s.Up
	})
	return d
}

// until asks again and again.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		case <-again.C:
		}
	}
}

// fastest is what the law allows where it allows most: a packet with a text takes
// 30 ms. The daemons are told so, and the relay.
const fastest = "915/500/7"

// Two daemons out of each other's reach, which have never met, send each other direct
// messages over a board that has no host, whose power is cut once, on an air that
// loses every tenth packet. Each arrives, once. Time is real.
func TestDaemonsOverRelay(t *testing.T) {
	t.Parallel()
	const each = 50
	qemuImage(t) // skips
	daemonProgram.goProgram(t, "lorrentd", "lorrent/daemon")

	const distance = 1700.0
	a := ether.NewAir(ether.Config{Loss: 0.1})
	flash, at := t.TempDir()+"/flash", join(t, a, ether.Position{X: distance})
	relay := startQEMU(t, at, flash, "22220002")
	h := attach(t, relay).tune(link.Radio{
		FrequencyHz: 915_000_000, BandwidthHz: 500_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 16,
		SyncWord: 0x12, TxPowerDBm: 14, DutyCycle: 10000,
	})
	want[link.StoreAnswer](h, link.Store{Flags: link.RelayAlone})
	h.close()
	one := startDaemon(t, startNative(t, join(t, a, ether.Position{})))
	two := startDaemon(t, startNative(t, join(t, a, ether.Position{X: 2 * distance})))

	began := time.Now()
	for n := range each {
		for from, to := range map[*daemon]*daemon{one: two, two: one} {
			if _, err := from.MessageSend(t.Context(), rpc.MessageSendArgs{To: to.id, Text: fmt.Sprintf("number %d", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut, last := false, 0
	until(t, 30*time.Minute, "all are delivered", func() bool {
		done := delivered(t, one) + delivered(t, two)
		if done >= last+10 || done != last && done == 2*each {
			last = done
			t.Logf("%d after %v", done, time.Since(began).Round(time.Second))
		}
		if !cut && done >= each {
			cut = true
			relay.kill()
			relay = startQEMU(t, at, flash, "22220002")
		}
		return done == 2*each
	})
	t.Logf("%d messages in %v", 2*each, time.Since(began).Round(time.Second))
	for _, d := range []*daemon{one, two} {
		seen := make(map[string]int)
		r, err := d.MessageList(t.Context(), rpc.MessageListArgs{Direction: "in", Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Messages {
			seen[m.Text]++
		}
		for n := range each {
			if text := fmt.Sprintf("number %d", n); seen[text] != 1 {
				t.Errorf("%q arrived %d times", text, seen[text])
			}
		}
	}
}

// delivered is how many messages of a daemon have arrived.
func delivered(t *testing.T, d *daemon) (n int) {
	t.Helper()
	r, err := d.MessageList(t.Context(), rpc.MessageListArgs{Direction: "out", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Messages {
		switch m.State {
		case rpc.MessageDelivered:
			n++
		case rpc.MessageExpired:
			t.Fatalf("message %q expired: %s", m.Text, m.Error)
		}
	}
	return n
}
