package airtime

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
	percent := func(c Class) int { return int(100*c.ceiling() + 0.5) }
	for _, want := range []string{
		fmt.Sprintf("ack %d %%, direct %d, channel %d, repair %d, beacon %d %% of the budget",
			percent(ClassAck), percent(ClassDirect), percent(ClassChannel), percent(ClassRepair), percent(ClassBeacon)),
		fmt.Sprintf("| beacons beyond that | %.0f %% of the budget |", 100*ClassBeacon.floor()),
		fmt.Sprintf("| busy air, from which on origins get a share | %.0f %% |", 100*busyAir),
		fmt.Sprintf("active origins, at least %d; remembered over %.0f min", fairLeast, fairMemory.Minutes()),
		fmt.Sprintf("| window of the duty cycle | %.0f h, sliding |", Window.Hours()),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("PROTOCOL.md does not say %q", want)
		}
	}
}
