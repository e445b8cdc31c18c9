package lora

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"lorrent/lora/packet"
	"lorrent/storage"
)

// Keys of the durable settings.
const (
	settingNode     = "lora.node"     // 4 bytes, the node id
	settingSequence = "lora.sequence" // 4 bytes, the first sequence not reserved
)

// sequenceBlock is how many sequences are reserved with one write.
const sequenceBlock = 1024

// loadNodeID reads the address of this node, or draws it and keeps it.
func loadNodeID(db *storage.DB) (uint32, error) {
	kept, err := db.Setting(settingNode)
	if err != nil {
		return 0, fmt.Errorf("load node id: %w", err)
	}
	if len(kept) == 4 {
		if id := binary.BigEndian.Uint32(kept); id != 0 && id != Broadcast {
			return id, nil
		}
	}
	if kept != nil {
		return 0, fmt.Errorf("load node id: setting %q holds %x, which is no node", settingNode, kept)
	}
	id := uint32(0)
	for id == 0 || id == Broadcast {
		id = randomUint32()
	}
	if err := db.SetSetting(settingNode, binary.BigEndian.AppendUint32(nil, id)); err != nil {
		return 0, fmt.Errorf("keep node id: %w", err)
	}
	return id, nil
}

// idSource gives out message IDs, none twice: the sequence is reserved on disk
// in blocks ahead of use, and the epoch, drawn at random at every start, covers
// for a store that was put back to an older copy.
type idSource struct {
	db       *storage.DB
	id       packet.ID // the next one
	reserved uint32    // the first sequence that the store does not know as used
}

func newIDSource(db *storage.DB, node uint32) (idSource, error) {
	kept, err := db.Setting(settingSequence)
	if err != nil {
		return idSource{}, fmt.Errorf("load message sequence: %w", err)
	}
	s := idSource{db: db, id: packet.ID{Source: node, Epoch: uint16(randomUint32())}}
	if kept != nil {
		if len(kept) != 4 {
			return idSource{}, fmt.Errorf("load message sequence: setting %q holds %x, want 4 bytes", settingSequence, kept)
		}
		s.id.Sequence = binary.BigEndian.Uint32(kept)
	}
	s.reserved = s.id.Sequence
	return s, nil
}

// next returns an unused ID. After 2^24 messages the sequence starts again
// under a new epoch.
func (s *idSource) next() (packet.ID, error) {
	if s.id.Sequence > packet.MaxSequence {
		for old := s.id.Epoch; s.id.Epoch == old; {
			s.id.Epoch = uint16(randomUint32())
		}
		s.id.Sequence, s.reserved = 0, 0
	}
	if s.id.Sequence >= s.reserved {
		upTo := s.id.Sequence + sequenceBlock
		if err := s.db.SetSetting(settingSequence, binary.BigEndian.AppendUint32(nil, upTo)); err != nil {
			return packet.ID{}, fmt.Errorf("reserve message sequence: %w", err)
		}
		s.reserved = upTo
	}
	id := s.id
	s.id.Sequence++
	return id, nil
}

func randomUint32() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails, says its documentation
	return binary.BigEndian.Uint32(b[:])
}
