package ether

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"lorrent/lora/modem"
)

func TestMain(m *testing.M) {
	if group := os.Getenv("ETHER_TEST_ANSWER"); group != "" {
		answer(group) // we are the second process of TestTwoProcesses
		return
	}
	goleak.VerifyTestMain(m)
}

// fast is SF7 at 250 kHz: 20 bytes take 33 ms.
var fast = modem.Radio{
	FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5,
	PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14,
}

func join(t *testing.T, a *Air, at Position) *Port {
	t.Helper()
	p := a.Join("sim", at)
	configure(t, p)
	t.Cleanup(func() { p.Close() })
	return p
}

func configure(t *testing.T, p *Port) {
	t.Helper()
	if err := p.Configure(context.Background(), fast); err != nil {
		t.Fatal(err)
	}
}
