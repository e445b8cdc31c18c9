package lora

import (
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/mesh"
)

// ackReserve is the part of the budget that only acknowledgements may use, so
// that a node that has talked too much still answers.
const ackReserve = 10 // one tenth

// timeOnAir is how long a packet occupies the air, sped up as the air is.
func (b *Bridge) timeOnAir(bytes int) time.Duration {
	return time.Duration(float64(ether.TimeOnAir(b.cfg.Settings, bytes)) / b.radio.speedup)
}

// budget is how long a packet has to wait for the duty limit. The mesh calls
// it with mu held.
func (b *Bridge) budget(airtime time.Duration, priority mesh.Priority, now time.Time) time.Duration {
	if priority != mesh.PriorityAck {
		airtime += b.ledger.Budget() / ackReserve
	}
	_, wait := b.ledger.Allow(now, airtime)
	return wait
}

// noteSent counts the outcome of a transmission and returns how many in a row
// have failed.
func (b *Bridge) noteSent(err error, failures int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.counters.sent++
		return 0
	}
	b.cfg.Log.Warn().Err(err).Msg("packet not sent")
	return failures + 1
}

// afterSend tells the mesh. The airtime counts even when the modem reports a
// failure, since it may have come after the fact.
func (b *Bridge) afterSend(err error) []mesh.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.ledger.Record(now, b.onAir)
	if err != nil {
		return b.mesh.SendFailed(now)
	}
	return b.mesh.Sent(now)
}
