package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// maxMessageID bounds the length of Message.ID, which is a length byte's worth
// in the index and 16 hex digits in practice.
const maxMessageID = 255

// broadcast is the node number that means everyone.
const broadcast = 0xFFFFFFFF

// Message is one LoRa text message, received or to be sent.
type Message struct {
	Seq       uint64    `json:"-"`  // order in the database from 1, given by AddMessage
	ID        string    `json:"id"` // sender and packet id, the same at both ends and over retries
	From      uint32    `json:"from"`
	To        uint32    `json:"to"`                // 0xFFFFFFFF: everyone, or a channel
	Channel   string    `json:"channel,omitempty"` // whose members it is for; the public one when empty
	Port      uint8     `json:"port,omitempty"`    // what the text is, by the numbers of the air; 0: text
	Text      string    `json:"text"`
	Outgoing  bool      `json:"outgoing,omitzero"`
	State     string    `json:"state"` // "received", or "queued" "sent" "relayed" "delivered" "read" "expired" "failed"
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Attempts  int       `json:"attempts,omitzero"`
	RSSIdBm   float64   `json:"rssiDBm,omitzero"` // of a received message
	SNRdB     float64   `json:"snrDB,omitzero"`
	Error     string    `json:"error,omitzero"`

	// How a message too long for one packet is cut, which may never change: into so
	// many shares of data, and these with parity (0 for a received one).
	DataShares int `json:"dataShares,omitzero"`
	Shares     int `json:"shares,omitzero"`
}

// pending reports whether the message belongs into the outbox. Nobody
// acknowledges a broadcast, so that sent is the end of one.
func (m *Message) pending() bool {
	return m.Outgoing && (m.State == "queued" || (m.State == "sent" || m.State == "relayed") && m.To != broadcast)
}

func (m *Message) direction() byte {
	if m.Outgoing {
		return 'o'
	}
	return 'i'
}

// peer is the node in whose conversation the message appears: the other end, or
// everyone for what is for everyone. A channel proves nothing of its author.
func (m *Message) peer() uint32 {
	if m.Outgoing || m.To == broadcast {
		return m.To
	}
	return m.From
}

// Window is the state of a replay window, kept under a name.
type Window struct {
	Name  []byte
	State []byte
}

// AddMessage stores a message and sets its Seq. The error is ErrExists when one
// of the same sender and ID was stored before, in this process or an earlier one.
// Windows are stored in the same commit.
func (db *DB) AddMessage(m *Message, windows ...Window) error {
	if len(m.ID) == 0 || len(m.ID) > maxMessageID || len(m.Channel) > maxMessageID {
		return fmt.Errorf("add message: ID of %d bytes, channel of %d", len(m.ID), len(m.Channel))
	}
	var seq uint64
	err := db.update(func(tx *bolt.Tx) error {
		ids, id := tx.Bucket(bucketMessageIDs), idKey(m.ID, m.From)
		if ids.Get(id) != nil {
			return ErrExists
		}
		var err error
		if seq, err = tx.Bucket(bucketMessages).NextSequence(); err != nil {
			return err
		}
		stored := *m
		stored.Seq = seq
		if err := ids.Put(id, seqKey(seq)); err != nil {
			return err
		}
		if err := putIndexes(tx, &stored); err != nil {
			return err
		}
		for _, w := range windows {
			if err := tx.Bucket(bucketWindows).Put(w.Name, w.State); err != nil {
				return err
			}
		}
		return putMessage(tx, &stored)
	})
	if err != nil {
		return fmt.Errorf("add message %s: %w", m.ID, err)
	}
	m.Seq = seq
	return nil
}

// putIndexes adds a new message to the indexes that its queries use.
func putIndexes(tx *bolt.Tx, m *Message) error {
	key := append([]byte{m.direction()}, seqKey(m.Seq)...)
	if err := tx.Bucket(bucketDirections).Put(key, nil); err != nil {
		return err
	}
	bucket, prefix := conversation(m.peer(), m.Channel)
	return tx.Bucket(bucket).Put(append(prefix, seqKey(m.Seq)...), []byte{m.direction()})
}

// conversation is where messages with a node, or of a channel, are indexed.
func conversation(node uint32, channel string) (bucket, prefix []byte) {
	if channel != "" {
		return bucketByChannel, append([]byte{byte(len(channel))}, channel...)
	}
	return bucketPeers, nodeKey(node)
}

// forgetClaims takes messages to everyone out of the conversations of nodes.
func forgetClaims(tx *bolt.Tx) error {
	peers, everyone := tx.Bucket(bucketPeers), nodeKey(broadcast)
	if peers == nil {
		return nil // migrate says what is missing
	}
	var claims [][]byte // keys of such messages with their author as the other end
	c := peers.Cursor()
	for key, value := c.Seek(everyone); hasPrefix(key, everyone); key, value = c.Next() {
		if !bytes.Equal(value, []byte{'i'}) {
			continue
		}
		m, err := getMessage(tx, key[len(everyone):])
		if err != nil {
			continue // damaged: it is reported when it is read
		}
		claims = append(claims, append(nodeKey(m.From), key[len(everyone):]...))
	}
	for _, key := range claims {
		if err := peers.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// UpdateMessage changes a message by fn, which must not call the DB and leaves
// Seq, ID, From, To and Outgoing as they are. The error is ErrNotFound when
// there is none.
func (db *DB) UpdateMessage(seq uint64, fn func(*Message)) error {
	err := db.update(func(tx *bolt.Tx) error {
		m, err := getMessage(tx, seqKey(seq))
		if err != nil {
			return err
		}
		before := m
		fn(&m)
		if m.Seq != before.Seq || m.ID != before.ID || m.From != before.From || m.To != before.To || m.Channel != before.Channel || m.Outgoing != before.Outgoing {
			return errors.New("an update may not make it another message")
		}
		return putMessage(tx, &m)
	})
	if err != nil {
		return fmt.Errorf("update message %d: %w", seq, err)
	}
	return nil
}

// HasMessage reports whether a message of this ID is stored, from any sender.
func (db *DB) HasMessage(id string) bool {
	if len(id) == 0 || len(id) > maxMessageID {
		return false
	}
	found := false
	// A failure means false: AddMessage looks again, and says what is wrong.
	_ = db.view(func(tx *bolt.Tx) error {
		prefix := idKey(id, 0)[:1+len(id)]
		key, _ := tx.Bucket(bucketMessageIDs).Cursor().Seek(prefix)
		found = hasPrefix(key, prefix)
		return nil
	})
	return found
}

// Message returns the message of an ID, the newest when several senders gave it to
// one. Only it is read, whatever the number of messages. The error is ErrNotFound
// when there is none.
func (db *DB) Message(id string) (m Message, err error) {
	if len(id) == 0 || len(id) > maxMessageID {
		return Message{}, fmt.Errorf("read message: ID of %d bytes: %w", len(id), ErrNotFound)
	}
	err = db.view(func(tx *bolt.Tx) error {
		var newest []byte
		prefix := idKey(id, 0)[:1+len(id)]
		c := tx.Bucket(bucketMessageIDs).Cursor()
		for key, seq := c.Seek(prefix); hasPrefix(key, prefix); key, seq = c.Next() {
			if len(seq) != 8 {
				return fmt.Errorf("%w: its sequence number has %d bytes", ErrCorrupt, len(seq))
			}
			if bytes.Compare(seq, newest) > 0 {
				newest = seq
			}
		}
		if newest == nil {
			return ErrNotFound
		}
		var err error
		m, err = getMessage(tx, newest)
		return err
	})
	if err != nil {
		return Message{}, fmt.Errorf("read message %s: %w", id, err)
	}
	return m, nil
}

func getMessage(tx *bolt.Tx, key []byte) (m Message, err error) {
	value := tx.Bucket(bucketMessages).Get(key)
	if value == nil {
		return Message{}, ErrNotFound
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	m.Seq = binary.BigEndian.Uint64(key)
	return m, nil
}

// putMessage stores the record and its place in, or out of, the outbox.
func putMessage(tx *bolt.Tx, m *Message) error {
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	key, outbox := seqKey(m.Seq), tx.Bucket(bucketOutbox)
	if m.pending() {
		err = outbox.Put(key, nil)
	} else {
		err = outbox.Delete(key)
	}
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMessages).Put(key, value)
}

func seqKey(seq uint64) []byte   { return binary.BigEndian.AppendUint64(nil, seq) }
func nodeKey(node uint32) []byte { return binary.BigEndian.AppendUint32(nil, node) }

func idKey(id string, from uint32) []byte {
	key := append([]byte{byte(len(id))}, id...)
	return binary.BigEndian.AppendUint32(key, from)
}
