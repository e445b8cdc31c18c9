// Package lab is the laboratory for the mesh: a radio channel in virtual time,
// with nodes, traffic and mishaps, in which whole networks run for an hour in
// seconds, the same for the same seed.
//
// The channel is that of the published comparisons:
//
//   - A packet is received when its power is at least the sensitivity, a carrier
//     is sensed 3 dB below. Powers come from a topology file, for each direction
//     of each link, so links may work one way only.
//   - Of two packets that overlap at a receiver, one that leads by 6 dB survives,
//     else both are lost. Only packets strong enough to be received disturb.
//   - Radios are half duplex.
//   - A carrier sense misses packets younger than a slot of 2.5 symbols and
//     7.6 ms, and finds an idle channel busy one time in ten.
//   - Nodes of the mesh come to the air as our board does, those of the baseline as
//     was published, and the oracle without a carrier sense.
//
// Nodes know what they hear, and nothing else; the lab alone knows the rest.
package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

// Config is one run.
type Config struct {
	Topology *Topology
	Preset   Preset
	Policy   string // "fw28", "ours" or "oracle"
	Direct   bool   // messages to one node, else to everyone
	Period   time.Duration
	Duration time.Duration
	// Warmup runs the network before the first message, so that neighbours know
	// each other; what happens meanwhile is not counted but for the airtime.
	Warmup time.Duration
	// Tail is how long at the end nobody writes, so that what was written arrives.
	Tail time.Duration
	// Redraw makes traffic by Seed; else it is that of the topology, as far as
	// Period and Duration are those it was made for.
	Redraw  bool
	Seed    uint64
	Moving  float64 // share of nodes that move
	Reboot  float64 // share of nodes that reboot once
	Flooder bool    // one node talks without end
	Duty    float64 // share of any hour a node may transmit; 0 is no limit
	Loss    float64 // share of packets lost at each receiver, besides those that collide
	Text    int     // bytes of each message, for ours; 0: the usual 40
	Tuning  mesh.Tuning

	loose bool // tests: nodes do not ask the plan
}

// station is a node by one policy or another.
type station interface {
	start()
	stop()
	originate(*message)
	receive(packet any, rssi float64)
	sent()
}

// message is what a user wrote, and how it fared.
type message struct {
	number   int
	from, to int // to is negative for everyone
	at       time.Duration
	seen     map[int]sighting
	acked    bool
	id       packet.ID // ours
	onAir    bool      // ours: sent at least once
	attempts int       // ours
	failed   bool      // its sender was told that it expired
	targets  []int8
}

// sighting is the first time a node showed a message.
type sighting struct {
	at     time.Duration
	repair bool
}

// kind of a transmission, for the count.
type kind int

const (
	kindData kind = iota
	kindAck
	kindBeacon
	kindRepair
	kinds
)

// world is one run in progress.
type world struct {
	Config
	agenda  agenda
	random  *rand.Rand
	preset  Preset
	air     *air
	station []station
	mobile  *mobility

	messages   []*message
	packets    int
	relayed    map[int]bool // floods of which a sender knows a relay
	sent       [kinds]int
	airtime    time.Duration // of these
	duplicates int
	flooder    int // node, or -1
	hosts      []*host
	mind       *oracle
	byID       map[packet.ID]*message
}

// errUnlawful is a node that sent more than Duty allows in some hour: a fault of
// the mesh or of the airtime plan. Only the baseline, which knows no law, may.
var errUnlawful = errors.New("a node broke the law")

// Run lets a network live and returns how it fared.
func Run(cfg Config) (Row, error) {
	if cfg.Policy != "fw28" && cfg.Policy != "ours" && cfg.Policy != "oracle" {
		return Row{}, fmt.Errorf("policy %q: want fw28, ours or oracle", cfg.Policy)
	}
	if cfg.Period <= 0 || cfg.Duration <= 0 || cfg.Warmup < 0 || cfg.Tail < 0 {
		return Row{}, fmt.Errorf("period %v, duration %v: want more than none", cfg.Period, cfg.Duration)
	}
	if err := errors.Join(cfg.checkLaw(), cfg.checkText()); err != nil {
		return Row{}, err
	}
	w := newWorld(cfg)
	w.agenda.run(cfg.Warmup + cfg.Duration)
	row := w.row()
	if w.Duty > 0 && w.Policy != "fw28" && row.HourlyAirtime > 100*w.Duty {
		return row, fmt.Errorf("run %s: %w: %.2f %% of an hour", row.Name, errUnlawful, row.HourlyAirtime)
	}
	return row, nil
}

// newWorld is a network at the beginning of a run, all of it planned.
func newWorld(cfg Config) *world {
	cfg.Preset = cfg.Preset.of(cfg.Policy)
	w := &world{
		Config: cfg, preset: cfg.Preset, random: cfg.draws(drawsNodes),
		relayed: make(map[int]bool), byID: make(map[packet.ID]*message), flooder: -1,
	}
	n := cfg.Topology.Len()
	w.mobile = newMobility(w)
	w.air = newAir(&w.agenda, cfg.Preset, w.mobile.rssi, w.random)
	w.air.since, w.air.loss = cfg.Warmup, cfg.Loss
	w.station = make([]station, n)
	if cfg.Flooder {
		w.flooder = w.random.IntN(n)
	}
	for i := range n {
		w.power(i)
	}
	w.plan()
	return w
}

// What is drawn at random. What befalls the network, and what users write, is drawn
// apart from what nodes and the air draw, of which nobody can tell how much it is: so
// all policies and all versions of the mesh have the same movers on the same paths,
// the same reboots and the same messages.
const (
	drawsNodes uint64 = iota << 32
	drawsMoves
	drawsReboots
	drawsTraffic
)

// draws returns the random numbers of a run for one purpose.
func (cfg *Config) draws(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(cfg.Seed^purpose, cfg.Topology.Seed))
}

// power turns node i on, with nothing in its memory.
func (w *world) power(i int) {
	var s station
	switch {
	case i == w.flooder:
		s = newFlooder(w, i)
	case w.Policy == "fw28":
		s = newFlooding(w, i)
	case w.Policy == "oracle":
		s = newSubject(w, i)
	default:
		s = newMeshed(w, i)
	}
	w.station[i] = s
	r := &w.air.radios[i]
	r.off = false
	r.deliver = func(packet any, rssi float64) { s.receive(packet, rssi) }
	r.sent = s.sent
	s.start()
}

// plan enters messages, moves and reboots into the agenda.
func (w *world) plan() {
	for _, a := range w.traffic() {
		w.agenda.after(w.Warmup+a.At, func() { w.write(a) })
	}
	w.mobile.plan()
	random := w.draws(drawsReboots)
	for i := range w.station {
		chance, when := random.Float64(), random.Float64()
		if i == w.flooder {
			continue
		}
		w.random.Float64() // nothing follows from it but that runs without mishaps stay as they were published
		if chance < w.Reboot {
			w.agenda.after(w.Warmup+time.Duration(when*float64(w.Duration)), func() { w.reboot(i) })
		}
	}
}

// reboot turns a node off for a minute.
func (w *world) reboot(i int) {
	w.station[i].stop()
	w.air.radios[i].off = true
	w.agenda.after(time.Minute, func() { w.power(i) })
}

// traffic is given or drawn: for each node a Poisson process, to receivers
// drawn evenly from the others.
func (w *world) traffic() []Arrival {
	const givenPeriod, givenDuration = 300 * time.Second, 1800 * time.Second
	if !w.Redraw && w.Tail == 0 && w.Period == givenPeriod && w.Duration == givenDuration && len(w.Topology.Traffic) > 0 {
		return w.Topology.Traffic
	}
	var all []Arrival
	n := len(w.station)
	random := w.random // by which runs without Seed's traffic are what was published
	if w.Redraw {
		random = w.draws(drawsTraffic)
	}
	gap := func() time.Duration { return time.Duration(random.ExpFloat64() * float64(w.Period)) }
	end := w.Duration - max(w.Tail, floodHops*w.preset.timeOnAir(floodDataBytes)) // later is too late to get anywhere
	for i := range n {
		for at := gap(); at < end; at += gap() {
			to := random.IntN(n - 1)
			if to >= i {
				to++
			}
			all = append(all, Arrival{at, i, to})
		}
	}
	return all
}

// write lets a user write a message. A node that is off, or the flooder, has
// no user.
func (w *world) write(a Arrival) {
	if a.From == w.flooder || w.air.radios[a.From].off {
		return
	}
	m := &message{number: len(w.messages), from: a.From, to: a.To, at: w.agenda.now, seen: make(map[int]sighting)}
	if !w.Direct {
		m.to = -1
	}
	m.targets = w.air.distances(a.From)
	w.messages = append(w.messages, m)
	w.station[a.From].originate(m)
}

// transmit counts a packet and puts it on the air.
func (w *world) transmit(i int, packet any, d time.Duration, k kind) {
	if w.agenda.now >= w.Warmup && i != w.flooder {
		w.sent[k]++
		w.airtime += d
	}
	w.air.transmit(i, packet, d)
}

// shown notes that a node shows a message to its user.
func (w *world) shown(node int, m *message, repair bool) {
	if m == nil || node == m.from {
		return
	}
	if _, ok := m.seen[node]; !ok {
		m.seen[node] = sighting{w.agenda.now, repair}
	}
}

// acknowledged notes that the sender knows of the delivery.
func (w *world) acknowledged(m *message) {
	if m != nil {
		m.acked = true
	}
}

func (w *world) nextPacket() int {
	w.packets++
	return w.packets
}

// distances are the hops from a node to every other in the graph of who hears
// whom; -1 where there is no way.
func (a *air) distances(from int) []int8 {
	hops := make([]int8, len(a.hears))
	for i := range hops {
		hops[i] = -1
	}
	hops[from] = 0
	queue := []int{from}
	for len(queue) > 0 {
		u := queue[0]
		queue = queue[1:]
		for _, v := range a.hears[u] {
			if hops[v] < 0 {
				hops[v] = min(hops[u]+1, 127)
				queue = append(queue, v)
			}
		}
	}
	return hops
}
