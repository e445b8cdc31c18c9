package firmware

import (
	"bytes"
	"encoding/binary"
	"testing"

	"lorrent/lora/ether"
	"lorrent/lora/link"
	"lorrent/lora/packet"
)

// The stations of a line hear their neighbours and nobody else.
const apart = 2500.0

const (
	nodeOne   = 0x11110001
	nodeRelay = 0x22220002
	nodeTwo   = 0x33330003
)

// travelling is a packet's head, for all that travels.
func travelling(kind packet.Type, options byte, source uint32, sequence uint32, tx uint16) []byte {
	b := []byte{0xC0, 0x10 | byte(kind), options}
	b = binary.BigEndian.AppendUint32(b, source)
	b = binary.BigEndian.AppendUint16(b, 0xBEEF)
	b = append(b, byte(sequence>>16), byte(sequence>>8), byte(sequence))
	return binary.BigEndian.AppendUint16(b, tx)
}

func flood(source, sequence uint32, ttl byte) []byte {
	return append(travelling(packet.TypeFlood, ttl, source, sequence, uint16(source)), bytes.Repeat([]byte{0xAA}, 20)...)
}

func beacon(source, sequence uint32, hears ...uint16) []byte {
	b := append(travelling(packet.TypeBeacon, 0, source, sequence, uint16(source)), byte(len(hears)))
	for _, id := range hears {
		b = append(b, byte(id>>8), byte(id), 20<<3|7)
	}
	return b
}

func routed(source, sequence uint32, next, dest uint16) []byte {
	b := travelling(packet.TypeRouted, 0x80|0x40|4, source, 0x800000|sequence, uint16(source))
	b = binary.BigEndian.AppendUint16(b, next)
	b = binary.BigEndian.AppendUint16(b, dest)
	return append(b, bytes.Repeat([]byte{0xBB}, 20)...)
}

func acknowledgement(of []byte, tx, next uint16) []byte {
	b := travelling(packet.TypeAck, 0x80|4, binary.BigEndian.Uint32(of[3:]), 0x800000|uint32(binary.BigEndian.Uint16(of[10:])), tx)
	b = binary.BigEndian.AppendUint16(b, next)
	return append(b, "8 bytes!"...)
}

// send transmits a packet and returns when that is done.
func (h *host) send(id uint16, b []byte) {
	h.t.Helper()
	want[link.TxAnswer](h, link.Tx{ID: id, Slots: 1, Packet: b})
	await(h, patience, func(d link.TxDone) bool { return d.ID == id })
}

// hears waits for a packet of a type by a transmitter.
func (h *host) hears(kind packet.Type, tx uint16) []byte {
	h.t.Helper()
	return await(h, patience, func(r link.Rx) bool {
		head, err := packet.ParseHeader(r.Packet)
		return err == nil && head.Type == kind && head.Tx == tx
	}).Packet
}

// line is two hosts with their boards at the ends, and a board between them.
type line struct {
	one, two *host
	relay    *process
	at       *station
	flash    string
}

// relayKinds are the ways to run a node.
var relayKinds = map[string]func(t *testing.T, s *station, flash string) *process{
	"native": func(t *testing.T, s *station, flash string) *process {
		return startNative(t, s, "--flash", flash, "--node", "22220002", "--seed", "5")
	},
	"QEMU": func(t *testing.T, s *station, flash string) *process {
		return startQEMU(t, s, flash, "22220002")
	},
}

// newLine stores that the board in the middle relays, and lets it start anew, alone.
func newLine(t *testing.T, kind string, cfg ether.Config) *line {
	t.Helper()
	if kind == "QEMU" {
		qemuImage(t) // skips
	}
	a := ether.NewAir(cfg)
	l := &line{at: join(t, a, ether.Position{X: apart}), flash: t.TempDir() + "/flash"}
	l.one = attach(t, startNative(t, join(t, a, ether.Position{}), "--node", "11110001")).tune(fast)
	l.two = attach(t, startNative(t, join(t, a, ether.Position{X: 2 * apart}), "--node", "33330003")).tune(fast)
	l.relay = relayKinds[kind](t, l.at, l.flash)
	h := attach(t, l.relay).tune(fast)
	want[link.StoreAnswer](h, link.Store{Flags: link.RelayAlone})
	h.close()
	return l
}

// passes sends floods from one end until one arrives at the other.
func (l *line) passes(t *testing.T, sequence uint32) {
	t.Helper()
	for try := range uint32(60) {
		b := flood(nodeOne, sequence+try, 3)
		l.one.send(uint16(sequence+try), b)
		for until := l.two.clock() + 1000; int32(l.two.clock()-until) < 0; {
			for _, m := range l.two.kept {
				if rx, ok := m.(link.Rx); ok && bytes.Equal(rx.Packet[3:12], b[3:12]) {
					l.two.kept = nil
					return
				}
			}
			l.two.kept = nil
		}
	}
	t.Fatal("nothing arrives over the relay")
}

// A board whose host dies relays by itself, stops when a host comes back, and goes
// on when that one dies too.
func TestRelayWhenItsHostDies(t *testing.T) {
	t.Parallel()
	for kind := range relayKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLine(t, kind, ether.Config{})
			l.passes(t, 100)
			l.passes(t, 200) // by now the first has left the relay
			h := attach(t, l.relay)
			var state link.State
			until(t, patience, "the relay has sent what it had", func() bool {
				state = want[link.StatusAnswer](h, link.AskStatus{}).State
				return state.Queued == 0
			})
			if state.Relayed == 0 || state.Flags&link.RelayedOnce == 0 {
				t.Errorf("state after relaying %+v", state)
			}
			b := flood(nodeOne, 5000, 3)
			l.one.send(5000, b)
			await(h, patience, func(r link.Rx) bool { return bytes.Equal(r.Packet, b) })
			for until := h.clock() + 1500; int32(h.clock()-until) < 0; {
			}
			if now := want[link.StatusAnswer](h, link.AskStatus{}).State; now.Relayed != state.Relayed || now.Queued != 0 {
				t.Errorf("with a host it relayed: %+v", now)
			}
			h.close()
			l.passes(t, 6000)
		})
	}
}

// A relay comes back after a power cut by itself.
func TestRelayAfterPowerCut(t *testing.T) {
	t.Parallel()
	for kind, begin := range relayKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLine(t, kind, ether.Config{})
			l.passes(t, 100)
			l.relay.kill()
			l.relay = begin(t, l.at, l.flash)
			l.passes(t, 200)
		})
	}
}

// What is directed goes over the relay hop by hop, and is repeated until the
// acknowledgement comes.
func TestRelayPassesOn(t *testing.T) {
	t.Parallel()
	for kind := range relayKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLine(t, kind, ether.Config{})
			relay := uint16(nodeRelay & 0xFFFF)
			one, two := uint16(nodeOne&0xFFFF), uint16(nodeTwo&0xFFFF)
			l.passes(t, 100)
			l.one.send(1, beacon(nodeOne, 1, relay))
			l.two.send(2, beacon(nodeTwo, 1, relay))
			message := routed(nodeOne, 7, relay, two)
			l.one.send(3, message)
			got := l.two.hears(packet.TypeRouted, relay)
			if head, err := packet.ParseHeader(got); err != nil || head.Next != two || head.TTL != 3 || !bytes.Equal(got[16:], message[16:]) {
				t.Errorf("passed on as %x, %v", got, err)
			}
			l.two.hears(packet.TypeRouted, relay) // again, since nobody acknowledges
			l.two.send(4, acknowledgement(message, two, relay))
			if head, err := packet.ParseHeader(l.one.hears(packet.TypeAck, relay)); err != nil || head.Next != one || head.TTL != 3 {
				t.Errorf("acknowledgement passed on as %+v, %v", head, err)
			}
			l.one.send(5, message) // missed it, and asks again
			if head, err := packet.ParseHeader(l.one.hears(packet.TypeAck, relay)); err != nil || head.Next != one {
				t.Errorf("acknowledgement from memory %+v, %v", head, err)
			}
		})
	}
}
