package lora

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"lorrent/lora/ether"
)

// TestNativeRadio has a direct message answered by the echo node two hops away: over
// the firmware's own node as the radio, and a relay without a host.
func TestNativeRadio(t *testing.T) {
	if _, err := exec.LookPath("g++"); err != nil {
		if os.Getenv("LORRENT_CI") == "1" {
			t.Fatal("g++ is not installed")
		}
		t.Skip("g++ is not installed")
	}
	s := newStation(t, nil, func(c *Config) { c.Radio = "native?relays=1&seed=1" })
	s.run()
	s.send(ether.EchoNode, "hello")
	await(t, 4*time.Minute, "the echo", func() bool { return len(s.inbox()) > 0 })
	if got := s.inbox(); !slices.Equal(got, []string{"echo: hello"}) {
		t.Errorf("inbox %q", got)
	}
	await(t, time.Minute, "delivery", func() bool { return s.states()["delivered"] == 1 })
}
