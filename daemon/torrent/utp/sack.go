package utp

// A selective acknowledgement is a bit mask over the packets from ack+2 on,
// least significant bit first. ack+1 has no bit: it is what is missing.

// maxSack is the longest mask sent, in bytes: a multiple of four that fits the
// extension's length byte. It covers 2016 packets.
const maxSack = 252

// sackLen is the length of a mask that covers span packets from ack+2 on.
func sackLen(span int) int { return min((span+31)/32*4, maxSack) }

func sackBit(mask []byte, i int) bool { return mask[i/8]>>(i%8)&1 != 0 }

func setSackBit(mask []byte, i int) { mask[i/8] |= 1 << (i % 8) }
