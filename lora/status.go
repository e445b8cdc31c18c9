package lora

import (
	"time"

	"lorrent/lora/packet"
	"lorrent/storage"
)

// Status is a copy of how the bridge stands. Counters start at zero with the
// process.
type Status struct {
	Radio  string // as configured: "off", "sim", "serial:/dev/ttyUSB0"
	Up     bool   // the radio is open and configured
	Error  string // why it is not, or what failed last
	NodeID uint32
	Name   string           // what the node calls itself
	Key    packet.PublicKey // by which others know it

	Region    string
	Band      string
	BusyShare float64 // of the time, 0 to 1, that the channel is taken as heard here
	MaxText   int     // bytes of the longest message

	FrequencyHz     uint32
	BandwidthHz     uint32
	SpreadingFactor int
	CodingRate      int // 5 to 8, for 4/5 to 4/8
	TxPowerDBm      int

	Queued           int // messages waiting or not yet acknowledged
	PacketsSent      uint64
	PacketsReceived  uint64 // well-formed ones, of any sender
	PacketsBad       uint64 // foreign, damaged or malformed
	PacketsForged    uint64 // direct ones with our id that our key does not open
	PacketsDuplicate uint64 // messages heard again
	PacketsLost      uint64 // sent, and not acknowledged in time

	AirtimeUsed  time.Duration // in the last hour
	AirtimeLimit time.Duration // of an hour
}

// Node is a station that was heard.
type Node struct {
	ID        uint32
	LastHeard time.Time
	RSSIdBm   float64 // of the last packet, 0 when the modem did not say
	SNRdB     float64 // of the last packet, 0 when the modem did not say
	Packets   uint64
}

// Status returns how the bridge stands. It never waits for the radio.
func (b *Bridge) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Radio: b.cfg.Radio, Up: b.up, Error: b.failure, NodeID: b.node, Name: b.cfg.Name, Key: b.ring.Identity().Public(),
		Region: b.cfg.Region, BusyShare: b.mesh.Busy(b.clock.now()), MaxText: b.maxText,
		Queued:           b.queued(),
		PacketsSent:      b.counters.sent,
		PacketsReceived:  b.counters.received,
		PacketsBad:       b.counters.bad,
		PacketsForged:    b.counters.forged,
		PacketsDuplicate: b.mesh.Stats().Duplicates,
		PacketsLost:      b.mesh.Stats().Lost,
		AirtimeUsed:      b.plan.Used(b.clock.now()),
		AirtimeLimit:     b.plan.Budget(),
	}
	if band, ok := b.plan.Band(); ok {
		s.Band = band.Name
	}
	if b.radio.kind != radioOff {
		r := b.cfg.Settings
		s.FrequencyHz, s.BandwidthHz, s.TxPowerDBm = r.FrequencyHz, r.BandwidthHz, r.TxPowerDBm
		s.SpreadingFactor, s.CodingRate = r.SpreadingFactor, r.CodingRate
	}
	return s
}

// Nodes returns the stations heard since the start of the process, latest
// first, 256 at most.
func (b *Bridge) Nodes() []Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	var nodes []Node
	for _, n := range b.mesh.Nodes() {
		node := Node(n)
		node.LastHeard = b.clock.back(n.LastHeard)
		nodes = append(nodes, node)
	}
	return nodes
}

// Messages returns stored messages, newest last.
func (b *Bridge) Messages(q storage.MessageQuery) ([]storage.Message, error) {
	return b.cfg.Store.Messages(q)
}

// Message returns a stored message by its ID, storage.ErrNotFound when there is
// none.
func (b *Bridge) Message(id string) (storage.Message, error) { return b.cfg.Store.Message(id) }

// fail logs what went wrong with the store and shows it in Status; the radio
// goes on.
func (b *Bridge) fail(err error) {
	b.mu.Lock()
	b.noteFailure(err)
	b.mu.Unlock()
}

// noteFailure is fail for who holds mu.
func (b *Bridge) noteFailure(err error) {
	b.failure = err.Error()
	b.cfg.Log.Error().Err(err).Msg("lora")
}
