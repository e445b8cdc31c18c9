package boardtest

import (
	"io"
	"testing"
	"time"

	"lorrent/lora/link"
)

// OwnBehaviour is how a board with our own firmware deviates from
// firmware/PROTOCOL.md. The zero value does not.
type OwnBehaviour struct {
	Silent      bool        // reads, but answers and transmits nothing
	Mute        int         // carries out so many commands without answering
	Swallow     bool        // takes packets, but never reports their end
	LoseReports int         // so many ends of transmissions are not reported
	CancelLate  bool        // says that what it shall cancel is on the air
	Refuse      link.Status // answers packets so, if not OK
	Drop        link.Reason // drops packets for this reason, if not 0
	OtherRadio  bool        // takes other settings than it is given
	NoFlash     bool        // cannot store anything
	Version     uint8       // of the link; 0: the right one
	Halves      bool        // writes everything in two pieces
}

// Own is a board with our own firmware, as far as a host can tell: sessions,
// numbered commands, transmissions that end later. Its methods may be called
// at any time.
type Own struct {
	wire
	onTransmit func(packet []byte)
	onAir      time.Duration

	// guarded by mu
	behaviour OwnBehaviour
	since     time.Time // its start
	session   uint32    // 0: none
	reports   uint8
	radio     link.Radio
	stored    link.Stored
	asked     map[link.Type]int
	queued    map[uint16]*time.Timer
	over      map[uint16]link.Message
	last      link.Tx
	display   []link.Display
}

// NewOwn is New for a board with our own firmware. onAir is how long each
// packet takes, its wait for a free channel included.
func NewOwn(t testing.TB, onAir time.Duration, onTransmit func(packet []byte)) *Own {
	t.Helper()
	b := NewDetachedOwn(onAir, onTransmit)
	b.openTerminal(t, b.Serve)
	return b
}

// NewDetachedOwn makes one without a link of its own, for Serve.
func NewDetachedOwn(onAir time.Duration, onTransmit func([]byte)) *Own {
	b := &Own{onTransmit: onTransmit, onAir: onAir, asked: make(map[link.Type]int)}
	b.forget()
	return b
}

// Behave changes how the board deviates.
func (b *Own) Behave(how OwnBehaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behaviour, b.halves = how, how.Halves
}

// Deliver makes the board hear a packet.
func (b *Own) Deliver(packet []byte, rssidBm, snrdB float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report(link.Rx{Time: b.now(), RSSITenths: int16(rssidBm * 10), SNRTenths: int16(snrdB * 10), Packet: packet})
}

// Reboot makes the board forget everything but its flash and say so.
func (b *Own) Reboot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget()
	b.write([]byte("ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n\xff\x00\x03\x00"))
	b.report(link.Started{Board: b.board()})
}

// forget needs mu.
func (b *Own) forget() {
	for _, t := range b.queued {
		t.Stop()
	}
	b.since, b.session, b.radio = time.Now(), 0, link.Radio{}
	b.queued, b.over = make(map[uint16]*time.Timer), make(map[uint16]link.Message)
}

// Radio are the settings in effect, and what is stored.
func (b *Own) Radio() (link.Radio, link.Stored) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.radio, b.stored
}

// LastTx is the last Tx taken.
func (b *Own) LastTx() link.Tx {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// Displayed is what the board was told to show.
func (b *Own) Displayed() []link.Display {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.display
}

// Asked counts the commands of a type so far, silent or not.
func (b *Own) Asked(t link.Type) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[t]
}

// Serve runs the board on a stream until it ends.
func (b *Own) Serve(stream io.ReadWriter) {
	defer b.connect(stream)()
	frames := link.NewDecoder(stream)
	for {
		frame, err := frames.Next()
		if err != nil {
			return
		}
		if m, err := link.Parse(frame); err == nil {
			b.handle(frame.Sequence, m)
		}
	}
}

func (b *Own) handle(sequence uint8, m link.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[m.Type()]++
	if b.behaviour.Silent {
		return
	}
	answer := b.answer(m)
	if b.behaviour.Mute > 0 {
		b.behaviour.Mute--
		return
	}
	b.write(link.Append(nil, answer, sequence))
	if again, over := b.over[b.last.ID]; m.Type() == link.TypeTx && over {
		b.report(again)
	}
}

func (b *Own) now() uint32 { return uint32(time.Since(b.since).Milliseconds()) }

func (b *Own) board() link.Board {
	d := link.Board{Capabilities: link.HasFlash | link.HasCAD | link.CanRelay, Board: 4, Chip: 2, MaxPowerDBm: 22, Places: 8, Time: b.now()}
	if b.behaviour.NoFlash {
		d.Capabilities &^= link.HasFlash
	}
	return d
}

// report needs mu.
func (b *Own) report(m link.Message) {
	if b.behaviour.Silent {
		return
	}
	b.reports++
	b.write(link.Append(nil, m, b.reports))
}

// answer carries out a command. It needs mu.
func (b *Own) answer(m link.Message) link.Message {
	refuse := func(s link.Status) link.Message { return link.Refused{Command: m.Type(), Status: s} }
	if h, is := m.(link.Hello); is {
		if v := b.behaviour.Version; v != 0 && v != h.Version {
			return refuse(link.OtherVersion)
		}
		b.session = h.Session
		return link.HelloAnswer{Version: link.Version, Session: h.Session, Board: b.board()}
	}
	if _, is := m.(link.Ping); !is && b.session == 0 {
		return refuse(link.NoHello)
	}
	switch m := m.(type) {
	case link.Ping:
		return link.PingAnswer{Time: b.now()}
	case link.SetRadio:
		b.radio = m.Radio
		if b.behaviour.OtherRadio {
			b.radio.TxPowerDBm--
		}
		return link.RadioAnswer{Radio: b.radio}
	case link.AskStored:
		return link.StoredAnswer{Stored: b.stored}
	case link.Store:
		b.stored = link.Stored{Generation: b.stored.Generation + 1, Flags: m.Flags, Radio: b.radio, Name: m.Name}
		return link.StoreAnswer{Stored: b.stored}
	case link.Display:
		b.display = append(b.display, m)
		return link.DisplayAnswer{}
	case link.Tx:
		return b.queue(m)
	case link.Cancel:
		if t := b.queued[m.ID]; t == nil || b.behaviour.CancelLate || !t.Stop() {
			return refuse(link.NoSuchID)
		}
		delete(b.queued, m.ID)
		b.end(m.ID, link.TxDropped{ID: m.ID, Reason: link.Cancelled})
		return link.CancelAnswer(m)
	default:
		return refuse(link.Unknown)
	}
}

// queue needs mu. What was queued already is not sent again.
func (b *Own) queue(tx link.Tx) link.Message {
	if s := b.behaviour.Refuse; s != link.OK {
		return link.Refused{Command: link.TypeTx, Status: s}
	}
	b.last = tx
	_, waits := b.queued[tx.ID]
	if _, over := b.over[tx.ID]; !waits && !over {
		wait := b.onAir
		if ahead := int32(tx.NotBefore - b.now()); tx.NotBefore != 0 && ahead > 0 {
			wait += time.Duration(ahead) * time.Millisecond
		}
		b.queued[tx.ID] = time.AfterFunc(wait, func() { b.transmit(tx) })
	}
	return link.TxAnswer{ID: tx.ID, Free: 7}
}

func (b *Own) transmit(tx link.Tx) {
	b.mu.Lock()
	how := b.behaviour
	b.mu.Unlock()
	if how.Silent || how.Swallow {
		return
	}
	if how.Drop == 0 && b.onTransmit != nil {
		b.onTransmit(tx.Packet)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.queued, tx.ID)
	if how.Drop != 0 {
		b.end(tx.ID, link.TxDropped{ID: tx.ID, Reason: how.Drop})
		return
	}
	b.end(tx.ID, link.TxDone{ID: tx.ID, Begin: b.now(), AirtimeMicros: uint32(b.onAir.Microseconds())})
}

// end needs mu.
func (b *Own) end(id uint16, m link.Message) {
	b.over[id] = m
	if b.behaviour.LoseReports > 0 {
		b.behaviour.LoseReports--
		return
	}
	b.report(m)
}
