package lora

import (
	"encoding/binary"
	"fmt"
	"time"

	"lorrent/lora/mesh"
)

// settingRecent is what came of late that neighbours may ask for: for each packet
// when, in milliseconds since 1970 (8 bytes, big-endian), how long it is (1), and
// itself.
const settingRecent = "lora.recent"

const recentHeader = 8 + 1

// loadRecent reads what came in the last minutes of an earlier process. What is
// damaged is sent again by neighbours.
func (b *Bridge) loadRecent() (recent []mesh.Heard) {
	rest, err := b.cfg.Store.Setting(settingRecent)
	if err != nil {
		b.cfg.Log.Error().Err(err).Msg("load what came of late")
	}
	for len(rest) >= recentHeader && len(rest) >= recentHeader+int(rest[8]) {
		at := time.UnixMilli(int64(binary.BigEndian.Uint64(rest)))
		end := recentHeader + int(rest[8])
		if p, err := mesh.Decode(rest[recentHeader:end]); err == nil {
			recent = append(recent, mesh.Heard{Packet: p, At: b.clock.at(at)})
		}
		rest = rest[end:]
	}
	return recent
}

// saveRecent keeps what came of late. The caller holds mu.
func (b *Bridge) saveRecent() error {
	value := []byte{}
	for _, h := range b.mesh.Recent() {
		h.Packet.Tx = b.short() // of who wrote it, where that was this node, there is none
		bytes, err := mesh.Encode(&h.Packet)
		if err != nil {
			return fmt.Errorf("keep what came of late: %w", err)
		}
		value = binary.BigEndian.AppendUint64(value, uint64(b.clock.back(h.At).UnixMilli()))
		value = append(append(value, byte(len(bytes))), bytes...)
	}
	return b.cfg.Store.SetSetting(settingRecent, value)
}
