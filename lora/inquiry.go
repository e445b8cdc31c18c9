package lora

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Asking for identities. Times are those of the air; those in cards follow the time
// that an IDENTITY with a name takes on it.
const (
	askFirst    = 24 // cards, until a question is repeated, doubled each time
	askMost     = 15 * time.Minute
	askOften    = 4  // times we ask who has written to us, before we give up
	announceGap = 60 // cards, in which we announce ourselves twice at most
	answerSoon  = 4  // cards, over which answers and first questions are spread
	announceTTL = 7
	maxAsked    = 256 // nodes asked for
	maxCards    = 512 // identities remembered as their nodes tell them
	maxUnopened = 32  // messages of nodes that are asked for
)

// leastCards is the least that a wait given in cards is, for the hosts' sake.
const leastCards = time.Second / 4

// inCards is how long that many identities take on the air.
func (b *Bridge) inCards(n int) time.Duration {
	return max(time.Duration(n)*b.plan.TimeOnAir(packet.IdentityOverhead+packet.MaxName), leastCards)
}

// inquiry is a node whose key is wanted, and what waits for it.
type inquiry struct {
	asked   int
	next    time.Time
	waiting []storage.Message
}

// keepUnopened keeps a message of a node that is asked who it is: its latest copy.
// The oldest goes. The caller holds mu.
func (b *Bridge) keepUnopened(p *mesh.Packet, rssi, snr float64) {
	b.unopened = slices.DeleteFunc(b.unopened, func(d mesh.Deliver) bool { return d.Packet.ID == p.ID })
	if len(b.unopened) >= maxUnopened {
		b.unopened = slices.Delete(b.unopened, 0, 1)
	}
	b.unopened = append(b.unopened, mesh.Deliver{Packet: *p, RSSIdBm: rssi, SNRdB: snr})
}

// reopen takes in what came from a node before it was known. The caller holds mu.
func (b *Bridge) reopen(node uint32) (actions []mesh.Action) {
	var theirs []mesh.Deliver
	b.unopened = slices.DeleteFunc(b.unopened, func(d mesh.Deliver) bool {
		if d.Packet.From == node {
			theirs = append(theirs, d)
		}
		return d.Packet.From == node
	})
	for _, d := range theirs {
		if err := b.ring.Claim(&d.Packet); err == nil {
			actions = append(actions, b.mesh.Receive(d.Packet, d.RSSIdBm, d.SNRdB, b.clock.now())...)
		}
	}
	return actions
}

// ask has the identity of a node asked for. The caller holds mu.
func (b *Bridge) ask(node uint32) *inquiry {
	q := b.inquiries[node]
	if q == nil && len(b.inquiries) < maxAsked {
		q = &inquiry{next: b.clock.now().Add(rand.N(b.inCards(answerSoon)))}
		b.inquiries[node] = q
	}
	return q
}

// hold lets a message wait for the key of its receiver. What cannot, since too
// many nodes are asked for, is tried again later from the store. The caller
// holds mu.
func (b *Bridge) hold(m storage.Message) error {
	q := b.ask(m.To)
	if q == nil {
		b.unasked = true
		return nil
	}
	q.waiting = append(q.waiting, m)
	return nil
}

// holds says whether a message waits already. The caller holds mu.
func (b *Bridge) holds(m storage.Message) bool {
	q := b.inquiries[m.To]
	return q != nil && slices.ContainsFunc(q.waiting, func(w storage.Message) bool { return w.ID == m.ID })
}

func waitsForIdentity(node uint32) string {
	return fmt.Sprintf("waits for the identity of %s, which is asked for", FormatNodeID(node))
}

// held counts the messages that wait. The caller holds mu.
func (b *Bridge) held() (n int) {
	for _, q := range b.inquiries {
		n += len(q.waiting)
	}
	return n
}

// tick lets time pass: for the mesh, and for what waits for identities.
func (b *Bridge) tick() []mesh.Action {
	b.expireHeld()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	actions := append(b.mesh.Tick(now), b.askForShares(now)...)
	if wanted, due := b.announcement(now); due {
		actions = append(actions, b.announce(wanted, now)...)
	}
	return actions
}

// announcement says whether it is time to tell who we are, and perhaps to ask
// who someone else is. The caller holds mu.
func (b *Bridge) announcement(now time.Time) (wanted uint32, due bool) {
	if !b.up || now.Before(b.mayAnnounce()) {
		return 0, false
	}
	var first *inquiry
	for node, q := range b.inquiries {
		if q.next.After(now) || first != nil && !q.next.Before(first.next) {
			continue
		}
		first, wanted = q, node
	}
	if first == nil {
		return 0, !b.answer.IsZero() && !b.answer.After(now)
	}
	first.asked++
	pause := max(b.inCards(askFirst), 2*time.Second)
	first.next = now.Add(min(pause<<min(first.asked-1, 10), askMost) + rand.N(pause/2))
	if len(first.waiting) == 0 && first.asked >= askOften {
		delete(b.inquiries, wanted)
	}
	return wanted, true
}

// announce spreads our card. The caller holds mu.
func (b *Bridge) announce(wanted uint32, now time.Time) []mesh.Action {
	b.announced = [2]time.Time{b.announced[1], now}
	b.answer = time.Time{}
	id, err := b.counter.Next(packet.LaneDirect, 1)
	if err == nil {
		var p mesh.Packet
		p, err = b.ring.Announce(id, announceTTL, packet.Card{
			Wanted: wanted, Issued: time.Now(), Capabilities: packet.CanRelay | packet.CanRepair, Name: b.cfg.Name,
		})
		if err == nil {
			return b.mesh.Announce(p, now)
		}
	}
	b.noteFailure(fmt.Errorf("announce identity: %w", err))
	return nil
}

// nextAnnouncement is when announcement may have something to do. The caller
// holds mu.
func (b *Bridge) nextAnnouncement() (at time.Time, ok bool) {
	for _, q := range b.inquiries {
		if !ok || q.next.Before(at) {
			at, ok = q.next, true
		}
	}
	if !b.answer.IsZero() && (!ok || b.answer.Before(at)) {
		at, ok = b.answer, true
	}
	if gap := b.mayAnnounce(); ok && at.Before(gap) {
		at = gap
	}
	return at, ok
}

// mayAnnounce is from when on we may announce ourselves again. Two in a row may,
// since who has just asked is asked, too, when both write for the first time. The
// caller holds mu.
func (b *Bridge) mayAnnounce() time.Time {
	if b.announced[0].IsZero() {
		return time.Time{}
	}
	return b.announced[0].Add(b.inCards(announceGap))
}

// asked has a node answered that asks who we are. The caller holds mu.
func (b *Bridge) asked(by uint32) {
	switch {
	case b.answer.IsZero():
		b.answer, b.answerTo = b.clock.now().Add(rand.N(b.inCards(answerSoon))), by
	case b.answerTo != by:
		b.answerTo = Broadcast
	}
}

// knowsUs is called for who has sealed a message for us: it needs no answer. The
// caller holds mu.
func (b *Bridge) knowsUs(node uint32) {
	if !b.answer.IsZero() && b.answerTo == node {
		b.answer = time.Time{}
	}
}

// expireHeld gives up what has waited for too long.
func (b *Bridge) expireHeld() {
	now := time.Now()
	var expired []storage.Message
	b.mu.Lock()
	for _, q := range b.inquiries {
		kept := q.waiting[:0]
		for _, m := range q.waiting {
			if now.Before(m.ExpiresAt) {
				kept = append(kept, m)
			} else {
				expired = append(expired, m)
			}
		}
		q.waiting = kept
	}
	b.mu.Unlock()
	for _, m := range expired {
		m.State, m.Error = string(mesh.Expired), "the identity of its receiver did not come in time"
		b.keep(m)
		b.publishState(m)
	}
}

// deliverCard learns who a node is, answers when it asks for us, and sends what
// has waited for it.
func (b *Bridge) deliverCard(p *mesh.Packet) []mesh.Action {
	card, err := keyring.OpenCard(p)
	b.mu.Lock()
	if err != nil {
		b.counters.bad++
		b.mesh.Ignored(p.ID)
		b.mu.Unlock()
		return nil
	}
	waiting := b.learn(card)
	if card.Wanted == b.node {
		b.asked(p.From)
	}
	actions := append(b.mesh.Stored(p.ID, b.clock.now()), b.reopen(p.From)...)
	b.mu.Unlock()
	return append(actions, b.enqueue(waiting)...)
}

// learn takes a card in and returns what has waited for its key. The caller
// holds mu.
func (b *Bridge) learn(card packet.Card) []storage.Message {
	id := card.Public.NodeID()
	q := b.inquiries[id]
	defer func() {
		close(b.learned)
		b.learned = make(chan struct{})
	}()
	if err := b.ring.Learn(card.Public, false); err != nil {
		b.cfg.Log.Warn().Err(err).Str("key", card.Public.String()).Msg("identity refused")
		return nil
	}
	if old, ok := b.cards[id]; !ok || card.Issued.After(old.Issued) {
		if !ok && len(b.cards) >= maxCards {
			for other := range b.cards { // any
				delete(b.cards, other)
				break
			}
		}
		b.cards[id] = card
		b.renew(card)
	}
	if q == nil {
		return nil
	}
	delete(b.inquiries, id)
	b.overflow, b.unasked = b.overflow || b.unasked, false
	if len(q.waiting) > 0 {
		if err := b.remember(card.Public); err != nil {
			b.noteFailure(fmt.Errorf("keep key of %s: %w", FormatNodeID(id), err))
		}
	}
	for i := range q.waiting {
		q.waiting[i].Error = ""
	}
	return q.waiting
}

// renew keeps what a known node newly says of itself. The caller holds mu.
func (b *Bridge) renew(card packet.Card) {
	id := card.Public.NodeID()
	p, ok := b.peers[id]
	if !ok || !card.Issued.After(p.Issued) || p.Name == card.Name && p.Capabilities == uint8(card.Capabilities) {
		return
	}
	p.Name, p.Issued, p.Capabilities = card.Name, card.Issued, uint8(card.Capabilities)
	if err := b.cfg.Store.PutPeer(p); err != nil {
		b.noteFailure(err)
		return
	}
	b.peers[id] = p
}
