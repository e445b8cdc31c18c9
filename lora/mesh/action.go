package mesh

import (
	"time"

	"lorrent/lora/packet"
)

// Action is something for the caller to do: Transmit, Cancel, Deliver or
// StateChanged.
type Action interface{ action() }

type (
	// Transmit asks for a packet to be sent, as soon as the channel is free. No
	// other Transmit comes before Sent or SendFailed has answered this one.
	Transmit struct {
		Packet   Packet
		Airtime  time.Duration
		Priority Priority
		// Copies is how many more of the packet, heard while it waits, make it
		// needless, as a board can count; 0: Cancel says so.
		Copies int
		// Slots is over how many slots a board spreads its first wait for the channel.
		Slots int
	}
	// Cancel takes the last Transmit back, if it is not on the air yet. The caller
	// answers with SendFailed, or with Sent when it was too late.
	Cancel struct{}
	// Deliver hands a message over, for this node or for everyone, or what a node
	// says of itself (Card). The caller answers with Stored or StoreFailed, or
	// with Ignored when it is not what it claims to be, or not for this node.
	Deliver struct {
		Packet         Packet
		RSSIdBm, SNRdB float64
		Repaired       bool // a neighbour sent it again
	}
	// StateChanged says that an outgoing message moved on. Attempts counts the
	// times the source sent it.
	StateChanged struct {
		ID       packet.ID
		State    State
		Attempts int
		Done     bool // the message is no longer held: no more changes come
	}
)

func (Transmit) action()     {}
func (Cancel) action()       {}
func (Deliver) action()      {}
func (StateChanged) action() {}

// State of an outgoing message.
type State string

// States. A message is queued until its first StateChanged.
const (
	Sent      State = "sent"      // on the air at least once
	Relayed   State = "relayed"   // a neighbour has passed it on
	Delivered State = "delivered" // the receiver has stored it
	Expired   State = "expired"   // not acknowledged, or never sent, in time
)
