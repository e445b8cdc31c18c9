package packet

// Preamble is how many symbols a packet begins with, without the sync word and start of
// frame (PROTOCOL.md, Radio). A receiver locks on after some five of them. At low spreading
// factors symbols are short, and more are needed to bridge the time in which a board looks
// for a free channel.
func Preamble(spreadingFactor int) int {
	if spreadingFactor >= 9 {
		return 8
	}
	return 16
}
