package lora

import (
	"errors"
	"fmt"

	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Keys of the durable settings, besides packet.SettingCounter.
const (
	settingIdentity = "lora.identity" // 32 bytes, the seed of the identity: secret
	settingKnown    = "lora.known"    // who hears whom: beacons, each with a byte of length
)

// loadIdentity reads the identity of this node, or draws it and keeps it.
func loadIdentity(db *storage.DB) (*packet.Identity, error) {
	kept, err := db.Setting(settingIdentity)
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	if kept != nil {
		id, err := packet.IdentityFromSeed(kept)
		if err != nil {
			return nil, fmt.Errorf("load identity: setting %q: %w", settingIdentity, err)
		}
		return id, nil
	}
	id := packet.NewIdentity()
	if err := db.SetSetting(settingIdentity, id.Seed()); err != nil {
		return nil, fmt.Errorf("keep identity: %w", err)
	}
	return id, nil
}

// loadKeys fills the ring with the keys that the store has.
func (b *Bridge) loadKeys() error {
	if err := b.ring.Join("", []byte(packet.PublicSecret)); err != nil {
		return err
	}
	peers, err := b.cfg.Store.Peers()
	if errors.Is(err, storage.ErrCorrupt) {
		b.cfg.Log.Error().Err(err).Msg("load keys: some nodes are lost")
	} else if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	for _, p := range peers {
		if err := b.ring.Learn(p.Key, true); err != nil {
			b.cfg.Log.Error().Err(err).Str("key", packet.PublicKey(p.Key).String()).Msg("load keys: node left out")
			continue
		}
		b.peers[packet.PublicKey(p.Key).NodeID()] = p
	}
	return nil
}

// loadKnown reads who hears whom, as an earlier process knew it. What is
// damaged costs some floods and no more.
func (b *Bridge) loadKnown() (known []mesh.Packet) {
	rest, err := b.cfg.Store.Setting(settingKnown)
	if err != nil {
		b.cfg.Log.Error().Err(err).Msg("load what was known of the network")
	}
	for len(rest) > 0 && len(rest) > int(rest[0]) {
		if p, err := mesh.Decode(rest[1 : 1+int(rest[0])]); err == nil && p.Type == mesh.Beacon {
			known = append(known, p)
		}
		rest = rest[1+int(rest[0]):]
	}
	return known
}

// saveKnown keeps who hears whom. The caller holds mu.
func (b *Bridge) saveKnown() error {
	value := []byte{}
	for _, p := range b.mesh.Known() {
		p.Tx = b.short()
		p.ID.Source = p.From
		bytes, err := mesh.Encode(&p)
		if err != nil {
			return fmt.Errorf("keep what is known of the network: %w", err)
		}
		value = append(append(value, byte(len(bytes))), bytes...)
	}
	return b.cfg.Store.SetSetting(settingKnown, value)
}

func (b *Bridge) short() uint16 { return packet.Short(b.node) }

// remember keeps the key of a node for good: it is a contact, or we wrote to each
// other. The caller holds mu.
func (b *Bridge) remember(public packet.PublicKey) error {
	id := public.NodeID()
	if _, ok := b.peers[id]; ok {
		return nil
	}
	p := storage.Peer{Key: public}
	if card, ok := b.cards[id]; ok && card.Public == public {
		p.Name, p.Issued, p.Capabilities = card.Name, card.Issued, uint8(card.Capabilities)
	}
	if len(b.peers) >= maxPeers {
		return fmt.Errorf("%w: %d nodes are known", ErrFull, len(b.peers))
	}
	if err := b.ring.Learn(public, true); err != nil {
		return err
	}
	if err := b.cfg.Store.PutPeer(p); err != nil {
		return err
	}
	b.peers[id] = p
	return nil
}

// maxPeers bounds the keys that are kept; contacts count.
const maxPeers = 4096
