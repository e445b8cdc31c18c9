package packet

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page and the code give the same numbers.
func TestProtocolNumbers(t *testing.T) {
	page, err := os.ReadFile("../../firmware/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for _, want := range []string{
		fmt.Sprintf("FLOOD %d, ROUTED %d (%d with a piggy-backed acknowledgement), share %d and %d bytes; with a network MAC %d less",
			MaxFloodBody, MaxRoutedBody, MaxRoutedBody-AckedSize, MaxFloodShare, MaxRoutedShare, NetworkMACSize),
		fmt.Sprintf("| FLOOD | 0 0 | channel 1, ciphertext, tag 8 | %d + body |", FloodOverhead),
		fmt.Sprintf("| ROUTED | 1 a | next 2 (M), destination 2, ciphertext, lock 8 | %d + body |", RoutedOverhead),
		fmt.Sprintf("token 8 | %d |", AckPacketSize),
		fmt.Sprintf("| ACK, brief | tx 2, next 2, token 8 | %d |", BriefAckSize),
		fmt.Sprintf("| ACK by a relay | 1 1 | next 2 (M) | %d |", HopAckSize),
		fmt.Sprintf("| BEACON | 0 s | see below | %d + %d n + %d m (+ %d) |", beaconHeader, neighbourSize, runSize, StatementSize),
		fmt.Sprintf("name 0–%d, signature 64 | %d + name |", MaxName, IdentityOverhead),
		fmt.Sprintf("floods wanted | %d + %d m |", askHeader, runSize),
		fmt.Sprintf("filter 1–%d: floods that tx has | %d + filter |", MaxFilter, pullHeader),
		fmt.Sprintf("| %d + items |", BundleOverhead),
		fmt.Sprintf("It is %d bytes shorter than the packet", BundleSaving),
		fmt.Sprintf("is %d bytes shorter than the packet. Each", DirectedSaving),
		fmt.Sprintf("in blocks of %d before use", CounterBlock),
		fmt.Sprintf("(%d packets;", laneSize),
		fmt.Sprintf("last %d epochs the newest sequence accepted and which of the %d up to it were; the names of the %d", maxOpenEpochs, ReplayWindow, maxClosedEpochs),
		fmt.Sprintf("**Statement** (%d bytes", StatementSize),
		fmt.Sprintf("count 1 (1–%d)", MaxStated),
		fmt.Sprintf("`%s` (%d bytes, ASCII)", PublicSecret, len(PublicSecret)),
		fmt.Sprintf("The secret has at least %d bytes", MinSecret),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("PROTOCOL.md does not say %q", want)
		}
	}
	for _, label := range []string{labelPair, labelChannel, labelNetwork, labelAck, labelIdentity, labelStatement} {
		if !strings.Contains(text, "`"+label+"`") {
			t.Errorf("PROTOCOL.md does not have the label %q", label)
		}
	}
}
