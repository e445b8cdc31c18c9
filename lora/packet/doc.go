// Package packet is the on-air format: what is in a packet, who can read it,
// and what proves who wrote it. Every number is in firmware/PROTOCOL.md, and
// golden bytes in firmware/vectors.txt.
//
// A relay needs no key: ParseHeader says all it needs to know,
// SetHop makes the copy that it transmits, DigestOf tells packets apart, and
// Token.Opens whether an acknowledgement is true. ChannelKey and PairKey seal
// and open messages with AES-256-CCM; an Identity makes them, and signs Cards
// and Statements. Counter gives out the IDs, of which none may be used twice,
// and Replay remembers those that were received. Nothing here keeps time,
// starts a goroutine, or reads or writes anything but through Store.
package packet
