package lab

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxNodes bounds a topology: the matrix of a larger one does not fit a desk.
const maxNodes = 5000

// Arrival is a message that a user writes.
type Arrival struct {
	At       time.Duration
	From, To int // To is ignored for broadcasts
}

// Topology is where nodes stand and how strongly each hears each.
type Topology struct {
	Name    string
	Seed    uint64
	X, Y    []float64   // metres
	RSSIdBm [][]float64 // [sender][receiver]; NaN on the diagonal
	Traffic []Arrival   // as given, in order of time
}

// Load reads a topology file: N, seed, pos, rssi_dbm_x10 and traffic_p300, the
// received powers in tenths of a dBm, the traffic as [ms, sender, receiver].
// random:NODES:SEED is made up instead.
func Load(path string) (*Topology, error) {
	if rest, ok := strings.CutPrefix(path, "random:"); ok {
		var nodes int
		var seed uint64
		if _, err := fmt.Sscanf(rest, "%d:%d", &nodes, &seed); err != nil {
			return nil, fmt.Errorf("load topology %s: want random:NODES:SEED", path)
		}
		return Generate(nodes, seed)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load topology: %w", err)
	}
	t, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("load topology %s: %w", path, err)
	}
	t.Name = strings.TrimSuffix(filepath.Base(path), ".json")
	return t, nil
}

// Parse reads the bytes of a topology file.
func Parse(b []byte) (*Topology, error) {
	var file struct {
		N       int          `json:"N"`
		Seed    uint64       `json:"seed"`
		Pos     [][2]float64 `json:"pos"`
		RSSI    [][]*float64 `json:"rssi_dbm_x10"`
		Traffic [][3]int64   `json:"traffic_p300"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, err
	}
	if file.N < 2 || file.N > maxNodes {
		return nil, fmt.Errorf("%d nodes, want 2 to %d", file.N, maxNodes)
	}
	if len(file.Pos) != file.N || len(file.RSSI) != file.N {
		return nil, fmt.Errorf("%d positions and %d rows of powers for %d nodes", len(file.Pos), len(file.RSSI), file.N)
	}
	t := &Topology{Seed: file.Seed, RSSIdBm: make([][]float64, file.N)}
	for i, row := range file.RSSI {
		if len(row) != file.N {
			return nil, fmt.Errorf("row %d has %d powers, want %d", i, len(row), file.N)
		}
		t.X, t.Y = append(t.X, file.Pos[i][0]), append(t.Y, file.Pos[i][1])
		t.RSSIdBm[i] = make([]float64, file.N)
		for j, tenths := range row {
			t.RSSIdBm[i][j] = math.NaN()
			if tenths != nil && i != j {
				t.RSSIdBm[i][j] = *tenths / 10
			}
		}
	}
	for i, a := range file.Traffic {
		if a[0] < 0 || a[1] < 0 || a[1] >= int64(file.N) || a[2] < 0 || a[2] >= int64(file.N) || a[1] == a[2] {
			return nil, fmt.Errorf("message %d: %v is none of %d nodes", i, a, file.N)
		}
		t.Traffic = append(t.Traffic, Arrival{time.Duration(a[0]) * time.Millisecond, int(a[1]), int(a[2])})
	}
	return t, nil
}

// Len is the number of nodes.
func (t *Topology) Len() int { return len(t.X) }

// suburbandB is the 3GPP suburban macro path loss between antennas one metre
// above ground at 908.75 MHz.
func suburbandB(metres float64) float64 {
	const (
		slope     = 44.9
		intercept = 45.5 + (35.46-1.1)*2.9584444 + 0.7 // log10 of 908.75 MHz
	)
	return slope*(math.Log10(max(metres, 0.001))-3) + intercept
}
