package lab

import (
	"math"
	"math/rand/v2"
	"time"
)

// mobility moves nodes: each at the pace of walking, riding or driving, a step
// of random length and direction once in a minute on average. The offset of a
// link against the path loss of its length stays as the topology has it.
type mobility struct {
	world  *world
	random *rand.Rand
	x, y   []float64
	rssi   [][]float64
	offset [][]float64
}

const (
	powerdBm   = 30
	areaMetres = 15_000 // of a side; nodes stay within, centred on the origin
)

func newMobility(w *world) *mobility {
	t := w.Topology
	m := &mobility{world: w, random: w.draws(drawsMoves), rssi: t.RSSIdBm}
	if w.Moving <= 0 {
		return m
	}
	m.x, m.y = append(m.x, t.X...), append(m.y, t.Y...)
	m.rssi, m.offset = make([][]float64, t.Len()), make([][]float64, t.Len())
	for i := range t.RSSIdBm {
		m.rssi[i] = append(m.rssi[i], t.RSSIdBm[i]...)
		m.offset[i] = make([]float64, t.Len())
		for j := range m.offset[i] {
			m.offset[i][j] = m.rssi[i][j] - m.unobstructed(i, j)
		}
	}
	return m
}

func (m *mobility) unobstructed(i, j int) float64 {
	return powerdBm - suburbandB(math.Hypot(m.x[i]-m.x[j], m.y[i]-m.y[j]))
}

// plan draws who moves and how fast.
func (m *mobility) plan() {
	w := m.world
	for i := range m.x {
		if m.random.Float64() < w.Moving {
			pace := [...]float64{96, 390, 1500}[m.random.IntN(3)] // metres a minute
			w.agenda.after(m.pause(), func() { m.step(i, pace) })
		}
	}
}

func (m *mobility) pause() time.Duration {
	return time.Duration(m.random.ExpFloat64() * float64(time.Minute))
}

func (m *mobility) step(i int, pace float64) {
	w := m.world
	angle, length := 2*math.Pi*m.random.Float64(), pace*m.random.Float64()
	edge := areaMetres / 2 * math.Sqrt(max(1, float64(len(m.x))/crowd))
	m.x[i] = min(max(m.x[i]+length*math.Cos(angle), -edge), edge)
	m.y[i] = min(max(m.y[i]+length*math.Sin(angle), -edge), edge)
	for j := range m.rssi {
		if j != i {
			m.rssi[i][j] = m.unobstructed(i, j) + m.offset[i][j]
			m.rssi[j][i] = m.unobstructed(j, i) + m.offset[j][i]
		}
	}
	for j := range m.rssi {
		w.air.link(j)
	}
	w.agenda.after(m.pause(), func() { m.step(i, pace) })
}
