package lab

import (
	"fmt"
	"math"
	"math/rand/v2"
)

const (
	// offsetdB is the standard deviation of a link's loss around that of its
	// length, drawn for each direction by itself.
	offsetdB = 3.0
	// reachdBm is the power over the unobstructed way that a node must get from
	// one placed before it: no node starts out alone.
	reachdBm = -131.5
	// crowd is how many nodes share an area; more get a larger one, as dense.
	crowd = 100
)

// Generate makes a topology by the model of the published ones: nodes placed
// evenly, each in reach of one that stands already.
func Generate(nodes int, seed uint64) (*Topology, error) {
	if nodes < 2 || nodes > maxNodes {
		return nil, fmt.Errorf("%d nodes, want 2 to %d", nodes, maxNodes)
	}
	t := &Topology{Name: fmt.Sprintf("random:%d:%d", nodes, seed), Seed: seed}
	random := rand.New(rand.NewPCG(seed, uint64(nodes)))
	side := areaMetres * math.Sqrt(max(1, float64(nodes)/crowd))
	place := func() float64 { return (random.Float64() - 0.5) * side }
	for len(t.X) < nodes {
		x, y := place(), place()
		near := len(t.X) == 0
		for i := range t.X {
			near = near || powerdBm-suburbandB(math.Hypot(x-t.X[i], y-t.Y[i])) >= reachdBm
		}
		if near {
			t.X, t.Y = append(t.X, x), append(t.Y, y)
		}
	}
	t.RSSIdBm = make([][]float64, nodes)
	for i := range t.RSSIdBm {
		t.RSSIdBm[i] = make([]float64, nodes)
		for j := range t.RSSIdBm[i] {
			loss := suburbandB(math.Hypot(t.X[i]-t.X[j], t.Y[i]-t.Y[j]))
			t.RSSIdBm[i][j] = powerdBm - loss + offsetdB*random.NormFloat64()
		}
		t.RSSIdBm[i][i] = math.NaN()
	}
	return t, nil
}
