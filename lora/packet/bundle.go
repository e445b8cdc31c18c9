package packet

import (
	"encoding/binary"
	"fmt"
)

// An item of a BUNDLE is a packet without what all have in common: its length,
// TTL and type in a byte, then the rest but tx. In the place of that a directed
// packet has its options, and its type is marked. So have a PULL and a brief ACK, whose
// type is not.
const (
	// BundleOverhead is the length of a BUNDLE without its items.
	BundleOverhead = bundleStart
	// BundleSaving is how much shorter a packet is as an item, and DirectedSaving one to
	// a node, or a PULL.
	BundleSaving   = itemFrom - itemHeader + (itemCut - txAt)
	DirectedSaving = BundleSaving - 1

	itemHeader   = 2 // length of the rest, TTL and type
	itemFrom     = sourceAt
	itemCut      = channelAt // tx lies between txAt and here
	itemDirected = 8         // added to the type
	itemTypes    = 7
	itemLeast    = txAt - itemFrom + 1

	// MinBundledFilter is how long the filter of a PULL must be for a bundle.
	MinBundledFilter = itemLeast - (1 + saltAt + 1 - hopNextAt)
)

// AppendBundle appends a BUNDLE to dst, in which tx transmits several others, of any type
// but NACK and BUNDLE, and no BEACON with a statement. Their transmitters are lost, and
// the attempt of what is not for one node; TTL stays.
func AppendBundle(dst []byte, tx uint16, packets ...[]byte) ([]byte, error) {
	h := Header{Type: TypeBundle, Tx: tx}
	size := bundleStart
	for _, b := range packets {
		inner, err := ParseHeader(b)
		if err != nil {
			return nil, fmt.Errorf("make bundle: %w", err)
		}
		if item := len(b) - inner.bundleSaving() - itemHeader; !inner.bundles() || item < itemLeast || hasStatement(b) {
			return nil, fmt.Errorf("make bundle: %w: type %d of %d bytes", ErrInvalid, inner.Type, len(b))
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
func (h *Header) bundles() bool { return h.Type != TypeNack && h.Type != TypeBundle }

// nextFirst says whether the next hop of the packet follows tx, and nothing is before
// that but its options.
func (h *Header) nextFirst() bool { return h.Brief || h.Type == TypePull }

// hasStatement says whether b is a BEACON with a statement, which only its options tell.
func hasStatement(b []byte) bool {
	return Type(b[1]&0x0F) == TypeBeacon && b[optionsAt]&optionAck != 0
}

// appendItem appends a packet without what all in a BUNDLE have in common.
func appendItem(dst, b []byte) []byte {
	ttlAndType := b[optionsAt]<<4 | b[1]&itemTypes
	directed := b[optionsAt]&optionDirected != 0
	if kind := Type(b[1] & itemTypes); !directed && (kind == TypeAck || kind == TypePull) {
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
	if h.Directed || h.nextFirst() {
		return DirectedSaving
	}
	return BundleSaving
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
	if unmarked := Type(item[1] & (itemTypes | itemDirected)); unmarked == TypeAck || unmarked == TypePull {
		return joinNextFirst(kind, ttl, rest, tx)
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

// joinNextFirst is the brief ACK or PULL that an item stands for.
func joinNextFirst(kind, ttl byte, rest []byte, tx uint16) ([]byte, error) {
	if rest[0]&ttlMask != 0 {
		return nil, fmt.Errorf("%w: TTL %d in the options of an item", ErrInvalid, rest[0]&ttlMask)
	}
	inner := []byte{link, onAirVersion<<4 | kind, rest[0] | ttl}
	inner = append(binary.BigEndian.AppendUint16(inner, tx), rest[1:]...)
	h, err := ParseHeader(inner)
	if err == nil && !h.nextFirst() {
		err = fmt.Errorf("%w: type %d, directed %v", ErrInvalid, h.Type, h.Directed)
	}
	return inner, err
}

// checkBundle makes sure that the items fill a BUNDLE exactly, and that each is
// long enough to be put together again.
func checkBundle(b []byte) error {
	for at := bundleStart; at < len(b); {
		size := int(b[at])
		if size < itemLeast || at+itemHeader+size > len(b) {
			return fmt.Errorf("%w: item of %d bytes at %d of a bundle of %d", ErrInvalid, size, at, len(b))
		}
		at += itemHeader + size
	}
	return nil
}
