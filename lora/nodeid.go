package lora

import (
	"fmt"
	"strconv"
	"strings"

	"lorrent/lora/packet"
)

// Broadcast is the address of every node that hears.
const Broadcast = packet.Broadcast

// ParseNodeID reads "!89abcdef" or eight hex digits, and "all" or "*" as
// Broadcast. Zero is no node.
func ParseNodeID(s string) (uint32, error) {
	if strings.EqualFold(s, "all") || s == "*" {
		return Broadcast, nil
	}
	digits := strings.TrimPrefix(s, "!")
	id, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) != 8 {
		return 0, fmt.Errorf("node id %q: want \"!\" and eight hex digits, or \"all\"", s)
	}
	if id == 0 {
		return 0, fmt.Errorf("node id %q: zero is no node", s)
	}
	return uint32(id), nil
}

// FormatNodeID writes an address the way ParseNodeID reads it.
func FormatNodeID(id uint32) string {
	if id == Broadcast {
		return "all"
	}
	return fmt.Sprintf("!%08x", id)
}
