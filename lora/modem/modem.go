// Package modem gives every radio one interface, Modem, and drives boards that
// run the MeshCore KISS modem firmware over a serial port or over TCP.
//
// A modem moves raw packets of at most 255 bytes; what is inside them is the
// business of lora/packet. One reader goroutine belongs to each open board and
// ends before Close returns. Whatever the board sends is bounded: frames by
// lora/kiss, received packets by a queue that drops its oldest, every wait by
// a deadline.
package modem

import (
	"context"
	"time"
)

// MaxPacket is the longest packet a LoRa radio carries, in bytes.
const MaxPacket = 255

// Received is one packet heard on the air.
type Received struct {
	Packet  []byte    // 1 to MaxPacket bytes, owned by the caller
	RSSIdBm float64   // NaN when the modem did not say
	SNRdB   float64   // NaN when the modem did not say
	At      time.Time // when it reached the host
}

// Radio is how a radio shall send and listen. Both ends must agree on
// everything but the power.
type Radio struct {
	FrequencyHz     uint32
	BandwidthHz     uint32 // 7_800 to 500_000
	SpreadingFactor int    // 5 to 12
	CodingRate      int    // 5 to 8, for 4/5 to 4/8
	PreambleSymbols int
	SyncWord        byte // 0x12 on private networks
	TxPowerDBm      int

	// Limits that boards with our own firmware keep by themselves, too.
	DutyCycle float64       // share of any hour; 0: no limit
	Dwell     time.Duration // of one transmission, in steps of 10 ms; 0: no limit
}

// Modem sends packets to the air and hears them from it. Its methods may be
// called at the same time; after Close, and once the link is gone, Send and
// Receive fail at once.
type Modem interface {
	// Configure sets the radio and returns once the modem has taken it over.
	Configure(ctx context.Context, r Radio) error
	// Send transmits packet and returns once it has left the antenna, or why
	// it did not.
	Send(ctx context.Context, packet []byte) error
	// Receive waits for the next packet heard. It fails when ctx ends and when
	// the link to the modem is gone.
	Receive(ctx context.Context) (Received, error)
	// Close releases the modem and awaits what it had running.
	Close() error
	// String names the modem as the configuration does: "sim",
	// "serial:/dev/ttyUSB0".
	String() string
}
