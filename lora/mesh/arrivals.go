package mesh

import "lorrent/lora/packet"

// arrivals remember by whom, and at which attempt, direct messages for this
// node came last: that is where acknowledgements start.
type arrivals struct {
	latest map[packet.ID]arrival
	order  []packet.ID
}

type arrival struct {
	tx      uint16
	attempt uint8
	token   packet.Token // what the acknowledgement reveals
}

// note enters a copy; the oldest message is forgotten.
func (a *arrivals) note(p Packet) {
	if a.latest == nil {
		a.latest = make(map[packet.ID]arrival)
	}
	if _, ok := a.latest[p.ID]; !ok {
		if len(a.order) >= maxForwards {
			delete(a.latest, a.order[0])
			a.order = a.order[1:]
		}
		a.order = append(a.order, p.ID)
	}
	a.latest[p.ID] = arrival{p.Tx, p.Attempt, p.Token}
}

// wrote says whether an acknowledgement is one that this node made.
func (a *arrivals) wrote(ack *Packet) bool {
	last, ok := a.latest[ack.ID]
	return ok && last.token == ack.Token
}

func (a *arrivals) last(id packet.ID) (arrival, bool) {
	last, ok := a.latest[id]
	return last, ok
}
