package lab

import "time"

// flooder is a node that talks without end: ten packets a second, each new, as
// far as a channel of that width takes them. It listens before it talks, since
// one that does not is a jammer, against which no protocol helps.
type flooder struct {
	world *world
	node  int
}

func newFlooder(w *world, node int) station { return &flooder{world: w, node: node} }

func (f *flooder) start()               { f.world.agenda.after(f.world.Warmup, f.try) }
func (f *flooder) stop()                {}
func (f *flooder) originate(*message)   {}
func (f *flooder) receive(any, float64) {}

func (f *flooder) sent() {
	f.world.agenda.after(100*time.Millisecond, f.try)
	if f.world.mind != nil {
		f.world.mind.decide()
	}
}

func (f *flooder) try() {
	w := f.world
	if w.air.busy(f.node) {
		w.agenda.after(w.preset.slot()*time.Duration(1+w.random.IntN(8)), f.try)
		return
	}
	packet, bytes := f.packet()
	w.transmit(f.node, packet, w.preset.timeOnAir(bytes), kindData)
}

// packet is a fresh broadcast in the format of the policy.
func (f *flooder) packet() (any, int) {
	if f.world.Policy == "fw28" {
		return &floodPacket{
			number: f.world.nextPacket(), from: f.node, to: -1, hopsLeft: floodHops, answers: -1, bytes: floodDataBytes,
		}, floodDataBytes
	}
	return meshedSpam(f.world, f.node)
}
