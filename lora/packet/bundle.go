package packet

import (
	"encoding/binary"
	"fmt"
)

// An item of a BUNDLE is a packet without what all have in common: its length,
// TTL and type in a byte, then the rest but tx. In the place of that a directed
// packet has its options, and its type is marked. So has a brief ACK, whose type is not.
const (
	// BundleOverhead is the length of a BUNDLE without its items.
	BundleOverhead = bundleStart
	// BundleSaving is how much shorter a packet to a channel is as an item, and
	// DirectedSaving one to a node.
	BundleSaving   = itemFrom - itemHeader + (itemCut - txAt)
	DirectedSaving = BundleSaving - 1

	itemHeader   = 2 // length of the rest, TTL and type
	itemFrom     = sourceAt
	itemCut      = channelAt // tx lies between txAt and here
	itemDirected = 8         // added to the type
	itemTypes    = 7
)

// AppendBundle appends a BUNDLE to dst, in which tx transmits several FLOODs,
// ROUTEDs, ACKs and FRAGs. Their transmitters are lost, and of those to channels
// the attempt; TTL stays.
func AppendBundle(dst []byte, tx uint16, packets ...[]byte) ([]byte, error) {
	h := Header{Type: TypeBundle, Tx: tx}
	size := bundleStart
	for _, b := range packets {
		inner, err := ParseHeader(b)
		if err != nil {
			return nil, fmt.Errorf("make bundle: %w", err)
		}
		if !inner.bundles() {
			return nil, fmt.Errorf("make bundle: %w: type %d", ErrInvalid, inner.Type)
		}
		size += len(b) - inner.bundleSaving()
	}
	if err := h.checkOneHop(size); err != nil {
		return nil, fmt.Errorf("make bundle: %w", err)
	}
	dst = h.appendOneHop(dst)
	for _, b := range packets {
		dst = appendItem(dst, b)
	}
	return dst, nil
}

// bundles says whether the packet may be an item.
func (h *Header) bundles() bool { return h.onChannel() || h.Directed || h.Brief }

// appendItem appends a packet without what all in a BUNDLE have in common.
func appendItem(dst, b []byte) []byte {
	ttlAndType := b[optionsAt]<<4 | b[1]&itemTypes
	directed := b[optionsAt]&optionDirected != 0
	if !directed && Type(b[1]&itemTypes) == TypeAck {
		dst = append(dst, byte(len(b)-DirectedSaving-itemHeader), ttlAndType, b[optionsAt]&^ttlMask)
		return append(dst, b[hopNextAt:]...)
	}
	if !directed {
		dst = append(dst, byte(len(b)-BundleSaving-itemHeader), ttlAndType)
		dst = append(dst, b[itemFrom:txAt]...)
		return append(dst, b[itemCut:]...)
	}
	dst = append(dst, byte(len(b)-DirectedSaving-itemHeader), ttlAndType|itemDirected)
	dst = append(dst, b[itemFrom:txAt]...)
	dst = append(dst, b[optionsAt]&^ttlMask)
	return append(dst, b[itemCut:]...)
}

// bundleSaving is how much shorter the packet is as an item.
func (h *Header) bundleSaving() int {
	if h.onChannel() {
		return BundleSaving
	}
	return DirectedSaving
}

// SplitBundle appends to packets the packets in a BUNDLE, each as its
// transmitter would have sent it alone, and checked by ParseHeader. They are
// newly allocated.
func SplitBundle(packets [][]byte, b []byte) ([][]byte, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return packets, err
	}
	if h.Type != TypeBundle {
		return packets, fmt.Errorf("split bundle: %w: type %d", ErrInvalid, h.Type)
	}
	for rest := b[bundleStart:]; len(rest) > 0; { // ParseHeader has checked all lengths
		size := itemHeader + int(rest[0])
		inner, err := joinItem(rest[:size], h.Tx)
		if err != nil {
			return packets, fmt.Errorf("split bundle: %w", err)
		}
		packets = append(packets, inner)
		rest = rest[size:]
	}
	return packets, nil
}

// joinItem is the packet that an item stands for.
func joinItem(item []byte, tx uint16) ([]byte, error) {
	kind, ttl, rest := item[1]&itemTypes, item[1]>>4, item[itemHeader:]
	if Type(item[1]&(itemTypes|itemDirected)) == TypeAck { // not marked
		return joinBrief(ttl, rest, tx)
	}
	key, rest := rest[:txAt-itemFrom], rest[txAt-itemFrom:]
	options := byte(0)
	directed := item[1]&itemDirected != 0
	if directed {
		options, rest = rest[0], rest[1:]
	}
	if options&ttlMask != 0 {
		return nil, fmt.Errorf("%w: TTL %d in the options of an item", ErrInvalid, options&ttlMask)
	}
	inner := make([]byte, 0, len(item)+BundleSaving)
	inner = append(inner, link, onAirVersion<<4|kind, options|ttl)
	inner = append(inner, key...)
	inner = binary.BigEndian.AppendUint16(inner, tx)
	inner = append(inner, rest...)
	h, err := ParseHeader(inner)
	if err != nil {
		return nil, err
	}
	if h.Directed != directed || !h.bundles() {
		return nil, fmt.Errorf("%w: type %d, directed %v", ErrInvalid, h.Type, directed)
	}
	return inner, nil
}

// joinBrief is the brief ACK that an item stands for.
func joinBrief(ttl byte, rest []byte, tx uint16) ([]byte, error) {
	if rest[0]&ttlMask != 0 {
		return nil, fmt.Errorf("%w: TTL %d in the options of an item", ErrInvalid, rest[0]&ttlMask)
	}
	brief := []byte{link, onAirVersion<<4 | byte(TypeAck), rest[0] | ttl}
	brief = append(binary.BigEndian.AppendUint16(brief, tx), rest[1:]...)
	h, err := ParseHeader(brief)
	if err == nil && !h.Brief {
		err = fmt.Errorf("%w: type %d, directed %v", ErrInvalid, h.Type, h.Directed)
	}
	return brief, err
}

// checkBundle makes sure that the items fill a BUNDLE exactly, and that each is
// long enough to be put together again.
func checkBundle(b []byte) error {
	for at := bundleStart; at < len(b); {
		size := int(b[at])
		if size <= txAt-itemFrom || at+itemHeader+size > len(b) {
			return fmt.Errorf("%w: item of %d bytes at %d of a bundle of %d", ErrInvalid, size, at, len(b))
		}
		at += itemHeader + size
	}
	return nil
}
