package packet

// Preamble is how many symbols a packet begins with, without the sync word and start of
// frame (PROTOCOL.md, Radio): the eight by which receivers lock on for sure, and which
// LoRaWAN sends. At low spreading factors these are over while a board turns from looking
// for a free channel to receiving.
func Preamble(spreadingFactor int) int {
	if spreadingFactor >= 9 {
		return 8
	}
	return 16
}
