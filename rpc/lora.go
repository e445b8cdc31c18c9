package rpc

import "time"

// States of a message. Incoming ones are always MessageReceived.
const (
	MessageQueued    = "queued"    // stored, not on air yet
	MessageSent      = "sent"      // on air, not acknowledged
	MessageRelayed   = "relayed"   // a neighbour has passed it on
	MessageDelivered = "delivered" // the receiver has stored it
	MessageRead      = "read"      // the receiver's user has seen it
	MessageExpired   = "expired"   // no acknowledgement in time
	MessageFailed    = "failed"    // the radio refused it for good
	MessageReceived  = "received"
)

// Message is one text message. Nodes are written "!89abcdef"; To is "all" for
// the public channel, and "#name" for another one.
type Message struct {
	Seq       uint64     `json:"seq"` // order in this daemon's store
	ID        string     `json:"id"`  // the same at both ends
	From      string     `json:"from"`
	To        string     `json:"to"`
	Nick      string     `json:"nick"`   // of the contact at the other end of a direct message
	Proven    bool       `json:"proven"` // From wrote it. Of a message to a channel it is known only that a member wrote it, and everyone is a member of "all"
	Text      string     `json:"text"`
	Bytes     int        `json:"bytes"`   // of the text
	Packets   int        `json:"packets"` // that it takes when none is lost: 1, or more above some 200 bytes
	Outgoing  bool       `json:"outgoing"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
	ExpiresAt *time.Time `json:"expiresAt"`
	Attempts  int        `json:"attempts"` // times on air
	RSSIdBm   float64    `json:"rssiDbm"`  // of the packet that brought it; 0 for ours
	SNRdB     float64    `json:"snrDb"`
	Error     string     `json:"error"`
}

// MessageSendArgs is a text for a contact (its nick), a node ("!89abcdef"), a
// channel ("#name") or everyone ("all"). What is for a node whose key is not known
// waits while it is asked for: see Message.Error. The text has LoRaStatus.MaxText
// bytes at most; one that its lifetime has no airtime for is refused.
type MessageSendArgs struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// MessageReply is one message; when Message.Send answers, it is stored.
type MessageReply struct {
	Message Message `json:"message"`
}

// MessageListArgs pages through the store. Zero values mean no restriction.
type MessageListArgs struct {
	AfterSeq  uint64 `json:"afterSeq,omitempty"`
	BeforeSeq uint64 `json:"beforeSeq,omitempty"`
	Limit     int    `json:"limit,omitempty"`     // newest that many; 100 when 0, 1000 at most
	Peer      string `json:"peer,omitempty"`      // only with this contact, node or channel; "all" for the public one
	Text      string `json:"text,omitempty"`      // only what contains this, in either case
	Direction string `json:"direction,omitempty"` // "in" or "out"
}

// MessageListReply is a page, newest last.
type MessageListReply struct {
	Messages []Message `json:"messages"`
}

// MessageArgs names one message by its ID.
type MessageArgs struct {
	ID string `json:"id"`
}

// LoRaStatus is the reply of LoRa.Status.
type LoRaStatus struct {
	Radio               string  `json:"radio"` // as configured: "off", "sim", "serial:…"
	Up                  bool    `json:"up"`
	Error               string  `json:"error"`
	NodeID              string  `json:"nodeId"`
	Name                string  `json:"name"`        // what this node calls itself
	Key                 string  `json:"key"`         // public key, 64 hex digits
	Fingerprint         string  `json:"fingerprint"` // of the key, for people to compare
	Region              string  `json:"region"`
	Band                string  `json:"band"`
	BusyShare           float64 `json:"busyShare"` // of the time that the channel is taken, 0 to 1
	MaxText             int     `json:"maxText"`   // bytes of the longest message
	FrequencyHz         int64   `json:"frequencyHz"`
	BandwidthHz         int64   `json:"bandwidthHz"`
	SpreadingFactor     int     `json:"spreadingFactor"`
	CodingRate          int     `json:"codingRate"` // 5 to 8, for 4/5 to 4/8
	TxPowerDBm          int     `json:"txPowerDbm"`
	Queued              int     `json:"queued"` // messages waiting or unacknowledged
	PacketsSent         int64   `json:"packetsSent"`
	PacketsReceived     int64   `json:"packetsReceived"`
	PacketsBad          int64   `json:"packetsBad"`    // not ours, damaged or malformed
	PacketsForged       int64   `json:"packetsForged"` // for our id, and not made with our key
	PacketsDuplicate    int64   `json:"packetsDuplicate"`
	PacketsLost         int64   `json:"packetsLost"`        // sent, and not acknowledged in time
	AirtimeUsedSeconds  float64 `json:"airtimeUsedSeconds"` // in the last hour
	AirtimeLimitSeconds float64 `json:"airtimeLimitSeconds"`
	Nodes               int     `json:"nodes"`
}

// Node is a station that was heard.
type Node struct {
	ID        string    `json:"id"`
	LastHeard time.Time `json:"lastHeard"`
	RSSIdBm   float64   `json:"rssiDbm"`
	SNRdB     float64   `json:"snrDb"`
	Packets   int64     `json:"packets"`
}

// Board is a serial port on USB that may have a radio board.
type Board struct {
	Path    string `json:"path"`
	USB     string `json:"usb"`     // vendor and product, "10c4:ea60"
	Serial  string `json:"serial"`  // often empty
	Product string `json:"product"` // as the device calls itself
	Boards  string `json:"boards"`  // which radio boards have this id; empty when none is known to
	InUse   bool   `json:"inUse"`   // it is the daemon's radio
}

// BoardsReply is every serial port on USB, by path.
type BoardsReply struct {
	Boards []Board `json:"boards"`
}

// NodesReply is every node heard, latest first.
type NodesReply struct {
	Nodes []Node `json:"nodes"`
}
