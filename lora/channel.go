package lora

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"lorrent/daemon/event"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Channel is one that this node has joined.
type Channel struct {
	ID       string // 16 hex digits, the same at all members
	Name     string // here; others may call it otherwise
	Link     string // with its secret: who has it is a member
	Unread   int
	JoinedAt time.Time
}

const (
	channelLink   = "lorrent://channel/"
	channelSecret = 16 // bytes, of one that is made here
	maxSecret     = 64
	maxChannels   = 64
)

// ErrExists is a channel that has been joined already, or a name that is taken.
var ErrExists = errors.New("there is one already")

// Channels returns the channels that this node has joined, by name. The public
// one, which everyone is in, is not among them.
func (b *Bridge) Channels() ([]Channel, error) {
	b.mu.Lock()
	var list []Channel
	for _, c := range b.channels {
		list = append(list, channelOf(c))
	}
	b.mu.Unlock()
	for i := range list {
		unread, err := b.cfg.Store.Unread(Broadcast, list[i].ID)
		if err != nil {
			return nil, err
		}
		list[i].Unread = unread
	}
	slices.SortFunc(list, func(a, b Channel) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func channelOf(c storage.Channel) Channel {
	return Channel{ID: c.ID, Name: c.Name, Link: formatLink(c.Name, c.Secret), JoinedAt: c.JoinedAt}
}

// CreateChannel makes a channel with a random secret and joins it.
func (b *Bridge) CreateChannel(name string) (Channel, error) {
	secret := make([]byte, channelSecret)
	rand.Read(secret) // never fails, says its documentation
	return b.join(name, secret)
}

// JoinChannel joins the channel of a link, under another name when one is given.
func (b *Bridge) JoinChannel(link, name string) (Channel, error) {
	own, secret, err := parseLink(link)
	if err != nil {
		return Channel{}, err
	}
	return b.join(cmp.Or(strings.TrimPrefix(name, "#"), own), secret)
}

func (b *Bridge) join(name string, secret []byte) (Channel, error) {
	if err := checkNick(name); err != nil {
		return Channel{}, err
	}
	c := storage.Channel{ID: channelID(secret), Name: name, Secret: secret, JoinedAt: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, other := range b.channels {
		switch {
		case other.ID == c.ID:
			return Channel{}, fmt.Errorf("channel %q, joined as %q: %w", name, other.Name, ErrExists)
		case strings.EqualFold(other.Name, name):
			return Channel{}, fmt.Errorf("channel %q: %w", name, ErrExists)
		}
	}
	if len(b.channels) >= maxChannels {
		return Channel{}, fmt.Errorf("%w: %d channels are joined already", ErrInvalid, len(b.channels))
	}
	if err := b.ring.Join(c.ID, secret); err != nil {
		return Channel{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := b.cfg.Store.PutChannel(c); err != nil {
		b.ring.Leave(c.ID)
		return Channel{}, err
	}
	b.channels[c.ID] = c
	b.cfg.Events.Publish(event.LoRaChannel{ID: c.ID, Name: c.Name, Joined: true})
	return channelOf(c), nil
}

// LeaveChannel forgets the secret of a channel. Its messages stay.
func (b *Bridge) LeaveChannel(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.byName(name)
	if !ok {
		return fmt.Errorf("channel %q: %w", name, ErrUnknown)
	}
	if err := b.cfg.Store.DeleteChannel(c.ID); err != nil {
		return err
	}
	b.ring.Leave(c.ID)
	delete(b.channels, c.ID)
	b.cfg.Events.Publish(event.LoRaChannel{ID: c.ID, Name: c.Name})
	return nil
}

// byName finds a channel by name or id, with or without "#". The caller holds mu.
func (b *Bridge) byName(name string) (storage.Channel, bool) {
	name = strings.TrimPrefix(name, "#")
	for _, c := range b.channels {
		if strings.EqualFold(c.Name, name) || c.ID == name {
			return c, true
		}
	}
	return storage.Channel{}, false
}

// ChannelName is the name of a channel with "#" in front, its id when it has
// been left, and empty for the public one.
func (b *Bridge) ChannelName(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.channelName(id)
}

// channelName is ChannelName for who holds mu.
func (b *Bridge) channelName(id string) string {
	if c, ok := b.channels[id]; ok {
		return "#" + c.Name
	}
	if id == "" {
		return ""
	}
	return "#" + id
}

// loadChannels joins the channels that the store has.
func (b *Bridge) loadChannels() error {
	channels, err := b.cfg.Store.Channels()
	if errors.Is(err, storage.ErrCorrupt) {
		b.cfg.Log.Error().Err(err).Msg("load channels: some are lost")
	} else if err != nil {
		return fmt.Errorf("load channels: %w", err)
	}
	for _, c := range channels {
		if err := b.ring.Join(c.ID, c.Secret); err != nil {
			b.cfg.Log.Error().Err(err).Str("channel", c.Name).Msg("load channels: one left out")
			continue
		}
		b.channels[c.ID] = c
	}
	return nil
}

// channelID names a channel in the store. It tells nothing of the secret that
// is of use.
func channelID(secret []byte) string {
	sum := sha256.Sum256(append([]byte("lorrent channel id 1"), secret...))
	return hex.EncodeToString(sum[:8])
}

// formatLink is what others join by: it fits a QR code. The secret comes after
// "#", where browsers keep it to themselves.
func formatLink(name string, secret []byte) string {
	return channelLink + url.PathEscape(name) + "#" + base64.RawURLEncoding.EncodeToString(secret)
}

func parseLink(link string) (name string, secret []byte, err error) {
	bad := func(why string) error {
		return fmt.Errorf("%w: a link to a channel looks like %sNAME#SECRET: %s", ErrInvalid, channelLink, why)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(link), channelLink)
	if !ok {
		return "", nil, bad("it begins otherwise")
	}
	escaped, encoded, ok := strings.Cut(rest, "#")
	if !ok {
		return "", nil, bad("it has no secret")
	}
	if name, err = url.PathUnescape(escaped); err != nil {
		return "", nil, bad(err.Error())
	}
	if secret, err = base64.RawURLEncoding.DecodeString(encoded); err != nil {
		return "", nil, bad("its secret is not base64url")
	}
	if len(secret) < packet.MinSecret || len(secret) > maxSecret {
		return "", nil, bad(fmt.Sprintf("its secret has %d bytes, want %d to %d", len(secret), packet.MinSecret, maxSecret))
	}
	return name, secret, nil
}
