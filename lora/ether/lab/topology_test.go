package lab

import (
	"math"
	"strings"
	"testing"
	"time"
)

const twoNodes = `{"N":2,"seed":7,"pos":[[0,0],[3,4]],"rssi_dbm_x10":[[null,-1256],[-1300,null]],"traffic_p300":[[1500,1,0]]}`

func TestParse(t *testing.T) {
	top, err := Parse([]byte(twoNodes))
	if err != nil {
		t.Fatal(err)
	}
	if top.Len() != 2 || top.Seed != 7 || top.RSSIdBm[0][1] != -125.6 || top.RSSIdBm[1][0] != -130 || !math.IsNaN(top.RSSIdBm[0][0]) ||
		top.X[1] != 3 || top.Y[1] != 4 || len(top.Traffic) != 1 || top.Traffic[0] != (Arrival{1500 * time.Millisecond, 1, 0}) {
		t.Errorf("read %+v", top)
	}
	bad := []struct{ name, old, new, want string }{
		{"too small", `"N":2`, `"N":1`, "1 nodes"},
		{"too large", `"N":2`, `"N":99999`, "99999 nodes"},
		{"a row too few", `[-1300,null]`, ``, ""},
		{"a power too few", `[-1300,null]`, `[-1300]`, "row 1 has 1 powers"},
		{"nobody writes", `[1500,1,0]`, `[1500,2,0]`, "message 0"},
		{"to itself", `[1500,1,0]`, `[1500,1,1]`, "message 0"},
		{"before the start", `[1500,1,0]`, `[-1,1,0]`, "message 0"},
	}
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse([]byte(strings.Replace(twoNodes, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %q", err, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(twoNodes))
	f.Add([]byte(`{"N":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		top, err := Parse(b)
		if err != nil {
			return
		}
		if n := top.Len(); n < 2 || n > maxNodes || len(top.RSSIdBm) != n {
			t.Fatalf("%d nodes with %d rows", n, len(top.RSSIdBm))
		}
		for _, a := range top.Traffic {
			_ = top.RSSIdBm[a.From][a.To]
		}
	})
}

// The path loss is that of which the topologies were made: their offsets are
// normal with 3 dB around none.
func TestPathLoss(t *testing.T) {
	top := load(t, "n50_s2")
	sum, squares, n := 0.0, 0.0, 0.0
	for i := range top.RSSIdBm {
		for j, rssi := range top.RSSIdBm[i] {
			if i == j {
				continue
			}
			offset := rssi - (powerdBm - suburbandB(math.Hypot(top.X[i]-top.X[j], top.Y[i]-top.Y[j])))
			sum, squares, n = sum+offset, squares+offset*offset, n+1
		}
	}
	if mean, sd := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 0.2 || math.Abs(sd-3) > 0.2 {
		t.Errorf("offsets of %.2f ± %.2f dB, want 0 ± 3", mean, sd)
	}
}
