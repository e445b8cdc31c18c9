package rpc

import "time"

// Contact is a node whose key is known: one that the user has added, with a
// nick, or one that messages were exchanged with.
type Contact struct {
	Node        string `json:"node"`
	Key         string `json:"key"`         // public key, 64 hex digits
	Fingerprint string `json:"fingerprint"` // of the key, for people to compare
	Nick        string `json:"nick"`        // the user's name for it; empty when it is no contact
	Name        string `json:"name"`        // what it calls itself, which proves nothing
	Verified    bool   `json:"verified"`    // the user has compared the fingerprint
	Commands    bool   `json:"commands"`    // it may command this daemon
	Unread      int    `json:"unread"`      // messages from it, 1000 at most
}

// ContactsReply is every contact, those with a nick first.
type ContactsReply struct {
	Contacts []Contact `json:"contacts"`
}

// ContactReply is one contact.
type ContactReply struct {
	Contact Contact `json:"contact"`
}

// ContactAddArgs names a node by its key or its id, and gives it a nick. A node
// whose key is not known is asked for over the air meanwhile.
type ContactAddArgs struct {
	Who  string `json:"who"`
	Nick string `json:"nick"`
}

// ContactArgs names a contact by nick, node id or key.
type ContactArgs struct {
	Who string `json:"who"`
}

// ContactSetArgs sets or takes back a mark of a contact.
type ContactSetArgs struct {
	Who string `json:"who"`
	On  bool   `json:"on"`
}

// Channel is a named channel that the daemon has joined.
type Channel struct {
	ID       string    `json:"id"`     // the same at all members
	Name     string    `json:"name"`   // here
	Link     string    `json:"link"`   // by which others join: it has the secret
	Unread   int       `json:"unread"` // 1000 at most
	JoinedAt time.Time `json:"joinedAt"`
}

// ChannelsReply is every channel but the public one, by name.
type ChannelsReply struct {
	Channels []Channel `json:"channels"`
}

// ChannelReply is one channel.
type ChannelReply struct {
	Channel Channel `json:"channel"`
}

// ChannelArgs names a channel, with or without "#".
type ChannelArgs struct {
	Name string `json:"name"`
}

// ChannelJoinArgs is the link of a channel, and another name for it if wanted.
type ChannelJoinArgs struct {
	Link string `json:"link"`
	Name string `json:"name,omitempty"`
}

// MarkReadArgs says that a conversation was read up to a message.
type MarkReadArgs struct {
	Peer string `json:"peer"` // contact, node, channel or "all"
	Seq  uint64 `json:"seq"`
}

// Station is a node as a hop: the air names it by four hex digits.
type Station struct {
	Short string `json:"short"`
	Node  string `json:"node"` // when it is known which one that is
	Nick  string `json:"nick"`
}

// Neighbour is a node heard directly. None of this is proven.
type Neighbour struct {
	Station
	LastHeard     time.Time `json:"lastHeard"`
	RSSIdBm       float64   `json:"rssiDbm"` // of its last packet; 0 when not known
	SNRdB         float64   `json:"snrDb"`
	MarginDB      int       `json:"marginDb"`      // above the weakest signal that is received, as it arrives here
	HearsUs       bool      `json:"hearsUs"`       // it says so
	TheirMarginDB int       `json:"theirMarginDb"` // the margin with which we arrive there
	Passes        float64   `json:"passes"`        // share of what is sent to it that it passes on
}

// Route is the way to a node.
type Route struct {
	To   Station `json:"to"`
	Next Station `json:"next"`
	Hops int     `json:"hops"`
}

// NetworkReply is what is known of the network.
type NetworkReply struct {
	Neighbours []Neighbour `json:"neighbours"`
	Routes     []Route     `json:"routes"`
}

// PingReply is how a node answered.
type PingReply struct {
	Node     string    `json:"node"`
	Seconds  float64   `json:"seconds"`  // until its acknowledgement came
	Attempts int       `json:"attempts"` // times on air
	Path     []Station `json:"path"`     // the way to it, as far as is known here
}
