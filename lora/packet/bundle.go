package packet

import (
	"encoding/binary"
	"fmt"
)

// An item of a BUNDLE is a packet without what all have in common: its length,
// TTL and type in a byte, then the rest but tx.
const (
	// BundleOverhead is the length of a BUNDLE without its items.
	BundleOverhead = bundleStart
	// BundleSaving is how much shorter a packet is as an item.
	BundleSaving = itemFrom - itemHeader + (itemCut - txAt)

	itemHeader = 2 // length of the rest, TTL and type
	itemFrom   = sourceAt
	itemCut    = channelAt // tx lies between txAt and here
)

// AppendBundle appends a BUNDLE to dst, in which tx transmits several FLOODs
// and FRAGs to channels. Their attempts and transmitters are lost; TTL stays.
func AppendBundle(dst []byte, tx uint16, packets ...[]byte) ([]byte, error) {
	h := Header{Type: TypeBundle, Tx: tx}
	size := bundleStart
	for _, b := range packets {
		inner, err := ParseHeader(b)
		if err != nil {
			return nil, fmt.Errorf("make bundle: %w", err)
		}
		if !inner.onChannel() {
			return nil, fmt.Errorf("make bundle: %w: type %d", ErrInvalid, inner.Type)
		}
		size += len(b) - BundleSaving
	}
	if err := h.checkOneHop(size); err != nil {
		return nil, fmt.Errorf("make bundle: %w", err)
	}
	dst = h.appendOneHop(dst)
	for _, b := range packets {
		dst = append(dst, byte(len(b)-BundleSaving-itemHeader), b[optionsAt]<<4|b[1]&0x0F)
		dst = append(dst, b[itemFrom:txAt]...)
		dst = append(dst, b[itemCut:]...)
	}
	return dst, nil
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
		item := rest[itemHeader : itemHeader+int(rest[0])]
		inner := make([]byte, 0, len(item)+itemHeader+BundleSaving)
		inner = append(inner, link, onAirVersion<<4|rest[1]&0x0F, rest[1]>>4)
		inner = append(inner, item[:txAt-itemFrom]...)
		inner = binary.BigEndian.AppendUint16(inner, h.Tx)
		inner = append(inner, item[txAt-itemFrom:]...)
		innerHeader, err := ParseHeader(inner)
		if err != nil {
			return packets, fmt.Errorf("split bundle: %w", err)
		}
		if !innerHeader.onChannel() {
			return packets, fmt.Errorf("split bundle: %w: type %d", ErrInvalid, innerHeader.Type)
		}
		packets = append(packets, inner)
		rest = rest[itemHeader+len(item):]
	}
	return packets, nil
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
