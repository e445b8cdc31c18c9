package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// Row is how one run went. Shares are in percent; a share of nothing is NaN
// and left out of means.
type Row struct {
	Name     string
	Nodes    int
	Messages int

	ReachAll       float64 // of all other nodes, at the end
	ReachConnected float64 // of those to whom there is a way
	ReachNear      float64 // of those within four hops
	FloodNear      float64 // the same without what repair brought
	Within15       float64 // of those to whom there is a way, within 15 min, messages old enough
	Delivered      float64 // of direct messages
	Deliverable    float64 // of direct messages: there is a way
	Acked          float64

	PerMessage       float64 // transmissions of all kinds by message
	PerMessageData   float64
	PerMessageAck    float64
	PerMessageBeacon float64
	PerMessageRepair float64
	AirPerMessage    float64 // seconds on the air of all kinds by message
	Collided         float64 // of receptions
	Busy             float64 // airtime heard, mean over nodes
	LatencyP50       float64 // seconds
	LatencyP95       float64
	HourlyAirtime    float64 // the busiest node in its busiest hour
	Duplicates       int     // messages that the mesh handed over twice in one life of a node
	FalselyFailed    int     // messages said to have failed that were delivered
}

// columns in the order of the table.
var columns = [...]struct {
	title string
	value func(*Row) float64
}{
	{"msgs", func(r *Row) float64 { return float64(r.Messages) }},
	{"all", func(r *Row) float64 { return r.ReachAll }},
	{"reachable", func(r *Row) float64 { return r.ReachConnected }},
	{"<=4hops", func(r *Row) float64 { return r.ReachNear }},
	{"norepair", func(r *Row) float64 { return r.FloodNear }},
	{"15min", func(r *Row) float64 { return r.Within15 }},
	{"deliv", func(r *Row) float64 { return r.Delivered }},
	{"bound", func(r *Row) float64 { return r.Deliverable }},
	{"acked", func(r *Row) float64 { return r.Acked }},
	{"tx/msg", func(r *Row) float64 { return r.PerMessage }},
	{"data", func(r *Row) float64 { return r.PerMessageData }},
	{"ack", func(r *Row) float64 { return r.PerMessageAck }},
	{"beacon", func(r *Row) float64 { return r.PerMessageBeacon }},
	{"repair", func(r *Row) float64 { return r.PerMessageRepair }},
	{"air/msg", func(r *Row) float64 { return r.AirPerMessage }},
	{"coll%", func(r *Row) float64 { return r.Collided }},
	{"busy%", func(r *Row) float64 { return r.Busy }},
	{"p50s", func(r *Row) float64 { return r.LatencyP50 }},
	{"p95s", func(r *Row) float64 { return r.LatencyP95 }},
	{"hour%", func(r *Row) float64 { return r.HourlyAirtime }},
	{"dup", func(r *Row) float64 { return float64(r.Duplicates) }},
	{"false", func(r *Row) float64 { return float64(r.FalselyFailed) }},
}

// Print writes one line for each run, and mean and standard deviation.
func Print(out io.Writer, rows []Row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "topology\t")
	for _, c := range columns {
		fmt.Fprintf(table, "%s\t", c.title)
	}
	fmt.Fprintln(table)
	line := func(name string, value func(int) float64) {
		fmt.Fprintf(table, "%s\t", name)
		for i := range columns {
			if v := value(i); math.IsNaN(v) {
				fmt.Fprint(table, "-\t")
			} else {
				fmt.Fprintf(table, "%.*f\t", decimals(i), v)
			}
		}
		fmt.Fprintln(table)
	}
	for i := range rows {
		line(rows[i].Name, func(c int) float64 { return columns[c].value(&rows[i]) })
	}
	if len(rows) > 1 {
		line("mean", func(c int) float64 { mean, _ := Spread(rows, columns[c].value); return mean })
		line("sd", func(c int) float64 { _, sd := Spread(rows, columns[c].value); return sd })
	}
	return table.Flush()
}

func decimals(column int) int {
	switch columns[column].title {
	case "msgs", "dup", "false":
		return 0
	case "tx/msg", "air/msg", "data", "ack", "beacon", "repair", "hour%":
		return 2
	}
	return 1
}

// Spread is the mean and the standard deviation (of a sample) of a value.
func Spread(rows []Row, value func(*Row) float64) (mean, sd float64) {
	var values []float64
	for i := range rows {
		if v := value(&rows[i]); !math.IsNaN(v) {
			values = append(values, v)
			mean += v
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	mean /= float64(len(values))
	for _, v := range values {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(max(len(values)-1, 1)))
}

// share is part of whole in percent.
func share(part, whole float64) float64 { return 100 * part / whole } // NaN for nothing of nothing

// row sums a run up.
func (w *world) row() Row {
	r := Row{Name: w.Topology.Name, Nodes: len(w.station), Messages: len(w.messages), Duplicates: w.duplicates}
	count := w.count(&r)
	if w.Direct {
		r.Delivered, r.Deliverable = share(count.delivered, count.all), share(count.connected, count.all)
		r.Acked = share(count.acked, count.all)
		r.ReachAll, r.FloodNear, r.Within15 = math.NaN(), math.NaN(), math.NaN()
		r.ReachConnected, r.ReachNear = share(count.delivered, count.connected), share(count.reachedNear, count.near)
	} else {
		r.ReachAll, r.ReachConnected = share(count.delivered, count.all), share(count.delivered, count.connected)
		r.ReachNear, r.FloodNear = share(count.reachedNear, count.near), share(count.floodedNear, count.near)
		r.Within15 = share(count.soon, count.old)
		r.Delivered, r.Deliverable, r.Acked = math.NaN(), math.NaN(), math.NaN()
	}
	per := func(k kind) float64 { return float64(w.sent[k]) / float64(len(w.messages)) }
	r.PerMessageData, r.PerMessageAck = per(kindData), per(kindAck)
	r.PerMessageBeacon, r.PerMessageRepair = per(kindBeacon), per(kindRepair)
	r.PerMessage = r.PerMessageData + r.PerMessageAck + r.PerMessageBeacon + r.PerMessageRepair
	r.AirPerMessage = w.airtime.Seconds() / float64(len(w.messages))
	var collided, received, hourly float64
	var heard time.Duration
	for i := range w.air.radios {
		radio := &w.air.radios[i]
		collided += float64(radio.collided)
		received += float64(radio.received)
		heard += radio.heard
		if i != w.flooder {
			hourly = max(hourly, share(float64(radio.hourly()), float64(time.Hour)))
		}
	}
	r.Collided, r.HourlyAirtime = share(collided, collided+received), hourly
	r.Busy = share(float64(heard), float64(w.Duration)*float64(r.Nodes))
	return r
}

// counts are pairs of a message and a node it is for.
type counts struct {
	all, connected, near                       float64
	delivered, reachedNear, floodedNear, acked float64
	old, soon                                  float64 // connected, of messages old enough; reached in 15 min
}

func (w *world) count(r *Row) counts {
	var c counts
	var latencies []float64
	for _, m := range w.messages {
		if m.acked {
			c.acked++
		}
		for node, hops := range m.targets {
			if node == m.from || node == w.flooder || m.to >= 0 && node != m.to {
				continue
			}
			s, ok := m.seen[node]
			c.add(hops, s, ok, m.at, w.agenda.now)
			if ok {
				latencies = append(latencies, (s.at - m.at).Seconds())
			}
			if ok && m.failed {
				r.FalselyFailed++
			}
		}
	}
	slices.Sort(latencies)
	r.LatencyP50, r.LatencyP95 = quantile(latencies, 0.5), quantile(latencies, 0.95)
	return c
}

func (c *counts) add(hops int8, s sighting, ok bool, at, now time.Duration) {
	const soon, nearHops = 15 * time.Minute, 4
	c.all++
	if ok {
		c.delivered++
	}
	if hops < 0 && !ok {
		return
	}
	c.connected++ // or became so while the message was under way
	if at+soon <= now {
		c.old++
		if ok && s.at <= at+soon {
			c.soon++
		}
	}
	if hops > nearHops || hops < 0 {
		return
	}
	c.near++
	if ok {
		c.reachedNear++
		if !s.repair {
			c.floodedNear++
		}
	}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// MarshalJSON writes the row as the table shows it, by column titles, and leaves
// out what is no number.
func (r Row) MarshalJSON() ([]byte, error) {
	values := map[string]any{"topology": r.Name, "nodes": r.Nodes}
	for _, c := range columns {
		if v := c.value(&r); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values[c.title] = v
		}
	}
	return json.Marshal(values)
}
