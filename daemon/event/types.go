package event

import "time"

// Torrent events. InfoHash is lower-case hex.
type (
	// TorrentAdded says that a torrent is stored and known to the engine.
	TorrentAdded struct {
		InfoHash string `json:"infoHash"`
		Name     string `json:"name"`
	}
	// TorrentRemoved says that a torrent is forgotten; its data may remain.
	TorrentRemoved struct {
		InfoHash    string `json:"infoHash"`
		Name        string `json:"name"`
		DataDeleted bool   `json:"dataDeleted"`
	}
	// TorrentState says that a torrent entered a state. Error is the reason
	// when State is "error", or a warning that does not stop it.
	TorrentState struct {
		InfoHash string `json:"infoHash"`
		Name     string `json:"name"`
		State    string `json:"state"`
		Error    string `json:"error,omitempty"`
	}
	// TorrentCompleted says that every piece is verified and written.
	TorrentCompleted struct {
		InfoHash   string `json:"infoHash"`
		Name       string `json:"name"`
		TotalBytes int64  `json:"totalBytes"`
	}
	// PeerBanned says that a peer sent bad data and will not be used again.
	PeerBanned struct {
		InfoHash string `json:"infoHash"`
		Address  string `json:"address"`
		Reason   string `json:"reason"`
	}
	// TrackerFailed says that an announce failed and when it is tried again.
	TrackerFailed struct {
		InfoHash string    `json:"infoHash"`
		URL      string    `json:"url"`
		Error    string    `json:"error"`
		Retry    time.Time `json:"retry"`
	}
	// WebSeedFailed says that a web seed could not be used and when it is
	// tried again. One that sends bad data is banned, as a peer is.
	WebSeedFailed struct {
		InfoHash string    `json:"infoHash"`
		URL      string    `json:"url"`
		Error    string    `json:"error"`
		Retry    time.Time `json:"retry"`
	}
)

// LoRa events. Node addresses are eight hex digits, "!" in front.
type (
	// MessageReceived says that a message for us, or for everyone, is stored.
	MessageReceived struct {
		ID   string `json:"id"`
		From string `json:"from"`
		To   string `json:"to"`
		// Channel that it was written to, empty for the public one and for a direct
		// message. Of a channel only its members can write; which of them did is not
		// proven.
		Channel string `json:"channel,omitempty"`
		Text    string `json:"text"`
		// Late is a message so far behind others of its sender that only the store
		// can tell that it is new: nothing that must not happen twice comes of it.
		Late bool `json:"late,omitempty"`
	}
	// MessageState says that a message of ours moved on: "queued", "sent",
	// "delivered", "expired" or "failed".
	MessageState struct {
		ID    string `json:"id"`
		To    string `json:"to"`
		State string `json:"state"`
		Error string `json:"error,omitempty"`
	}
	// LoRaState says that the radio came up or went down.
	LoRaState struct {
		Up    bool   `json:"up"`
		Radio string `json:"radio"`
		Error string `json:"error,omitempty"`
	}
)

type (
	// LoRaContact says that what the user says of a node has changed: "added",
	// "verified", "commands" or "removed".
	LoRaContact struct {
		Node   string `json:"node"`
		Nick   string `json:"nick"`
		Change string `json:"change"`
	}
	// LoRaChannel says that a channel was joined or left.
	LoRaChannel struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Joined bool   `json:"joined"`
	}
)

func (TorrentAdded) Type() string     { return "torrent.added" }
func (TorrentRemoved) Type() string   { return "torrent.removed" }
func (TorrentState) Type() string     { return "torrent.state" }
func (TorrentCompleted) Type() string { return "torrent.completed" }
func (PeerBanned) Type() string       { return "torrent.peerBanned" }
func (TrackerFailed) Type() string    { return "torrent.trackerFailed" }
func (WebSeedFailed) Type() string    { return "torrent.webSeedFailed" }
func (MessageReceived) Type() string  { return "message.received" }
func (MessageState) Type() string     { return "message.state" }
func (LoRaContact) Type() string      { return "lora.contact" }
func (LoRaChannel) Type() string      { return "lora.channel" }
func (LoRaState) Type() string        { return "lora.state" }
