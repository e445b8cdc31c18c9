package link

import (
	"encoding/binary"
	"fmt"
)

// Parse reads what is in a frame. Nothing of the message shares memory with
// the frame. Commands have to have their exact length; answers and reports may
// be longer, as later versions may make them.
func Parse(f Frame) (Message, error) {
	b := &body{left: f.Body}
	if f.Type.IsAnswer() {
		if s := Status(b.u8()); s != OK && !b.short {
			return Refused{Command: f.Type &^ Answered, Status: s}, nil
		}
	}
	m := b.message(f.Type)
	switch {
	case m == nil:
		return nil, fmt.Errorf("%w: type 0x%02x is not known", ErrMalformed, byte(f.Type))
	case b.short:
		return nil, fmt.Errorf("%w: type 0x%02x with %d bytes", ErrMalformed, byte(f.Type), len(f.Body))
	case f.Type < Answered && len(b.left) > 0:
		return nil, fmt.Errorf("%w: type 0x%02x with %d bytes too many", ErrMalformed, byte(f.Type), len(b.left))
	}
	return m, nil
}

// message reads the fields of one type; nil when there is no such type.
func (b *body) message(t Type) Message {
	switch t {
	case TypeHello:
		return Hello{Version: b.u8(), Session: b.u32()}
	case TypePing:
		return Ping{}
	case TypeRadio:
		if len(b.left) == 0 {
			return AskRadio{}
		}
		return SetRadio{b.radio()}
	case TypeTx:
		m := Tx{ID: b.u16(), NotBefore: b.u32(), Slots: b.u8(), Copies: b.u8()}
		copy(m.Key[:], b.take(len(m.Key)))
		m.Packet = b.packet()
		return m
	case TypeCancel:
		return Cancel{b.u16()}
	case TypeStatus:
		return AskStatus{}
	case TypeDisplay:
		return Display{Kind: DisplayKind(b.u8()), Text: b.rest(0, MaxText)}
	case TypeStore:
		return Store{Flags: StoreFlags(b.u8()), Name: string(b.rest(0, MaxName))}
	case TypeStored:
		return AskStored{}
	case TypeReboot:
		return Reboot{RebootMode(b.u8())}
	case TypeAirSet:
		return AirSet{b.radio()}
	case TypeAirSend:
		return AirSend{b.packet()}
	case TypeAirListen:
		return AirListen{}
	}
	if t.IsAnswer() {
		return b.answer(t)
	}
	return b.report(t)
}

func (b *body) answer(t Type) Message {
	switch t &^ Answered {
	case TypeHello:
		return HelloAnswer{Version: b.u8(), Session: b.u32(), Board: b.board()}
	case TypePing:
		return PingAnswer{b.u32()}
	case TypeRadio:
		return RadioAnswer{b.radio()}
	case TypeTx:
		return TxAnswer{ID: b.u16(), Free: b.u8()}
	case TypeCancel:
		return CancelAnswer{b.u16()}
	case TypeStatus:
		return StatusAnswer{b.state()}
	case TypeDisplay:
		return DisplayAnswer{}
	case TypeStore:
		return StoreAnswer{b.stored()}
	case TypeStored:
		return StoredAnswer{b.stored()}
	case TypeReboot:
		return RebootAnswer{}
	}
	return nil
}

func (b *body) report(t Type) Message {
	switch t {
	case TypeStarted:
		return Started{b.board()}
	case TypeTxDone:
		return TxDone{ID: b.u16(), Begin: b.u32(), AirtimeMicros: b.u32(), Taken: b.u8()}
	case TypeTxDropped:
		return TxDropped{ID: b.u16(), Reason: Reason(b.u8())}
	case TypeRx:
		return Rx{Time: b.u32(), RSSITenths: b.i16(), SNRTenths: b.i16(), Packet: b.packet()}
	case TypeState:
		return StateReport{b.state()}
	case TypeLog:
		return Log{string(b.rest(0, maxLog))}
	case TypeAirSent:
		return AirSent{}
	case TypeAirListened:
		return AirListened{Taken: b.u8() != 0, RSSITenths: b.i16()}
	case TypeAirHeard:
		return AirHeard{RSSITenths: b.i16(), SNRTenths: b.i16(), Packet: b.packet()}
	case TypeAirSignal:
		return AirSignal{b.u8() != 0}
	}
	return nil
}

// body reads fields. Once something is missing, short is set and all is zero.
type body struct {
	left  []byte
	short bool
}

func (b *body) take(n int) []byte {
	if len(b.left) < n {
		b.short, b.left = true, nil
		return make([]byte, n)
	}
	taken := b.left[:n]
	b.left = b.left[n:]
	return taken
}

func (b *body) u8() uint8   { return b.take(1)[0] }
func (b *body) i8() int8    { return int8(b.u8()) }
func (b *body) u16() uint16 { return binary.BigEndian.Uint16(b.take(2)) }
func (b *body) i16() int16  { return int16(b.u16()) }
func (b *body) u32() uint32 { return binary.BigEndian.Uint32(b.take(4)) }

// rest takes a copy of what is left, if it has least to most bytes.
func (b *body) rest(least, most int) []byte {
	if len(b.left) < least || len(b.left) > most {
		b.short, b.left = true, nil
		return nil
	}
	return append([]byte(nil), b.take(len(b.left))...)
}

func (b *body) packet() []byte { return b.rest(1, maxPacket) }

// maxPacket is the longest packet that a LoRa radio carries.
const maxPacket = 255

func (b *body) radio() Radio {
	return Radio{
		FrequencyHz: b.u32(), BandwidthHz: b.u32(), SpreadingFactor: b.u8(), CodingRate: b.u8(),
		PreambleSymbols: b.u8(), SyncWord: b.u8(), TxPowerDBm: b.i8(), DutyCycle: b.u16(), Dwell: b.u8(),
	}
}

func (b *body) board() Board {
	return Board{
		Capabilities: Capability(b.u16()), Board: b.u8(), Chip: b.u8(), Firmware: [3]uint8{b.u8(), b.u8(), b.u8()},
		Node: b.u32(), MaxPowerDBm: b.i8(), Places: b.u8(), StartReason: b.u8(), Time: b.u32(),
	}
}

func (b *body) state() State {
	return State{
		Time: b.u32(), UsedMillis: b.u32(), AllowedMillis: b.u32(), Load: b.u16(), NoiseTenths: b.i16(),
		BatteryMillis: b.u16(), BatteryPercent: b.u8(), Flags: StateFlags(b.u8()), Queued: b.u8(),
		BadFrames: b.u16(), LostReports: b.u16(), Heard: b.u32(), Sent: b.u32(), Relayed: b.u32(),
	}
}

func (b *body) stored() Stored {
	return Stored{Generation: b.u32(), Node: b.u32(), Flags: StoreFlags(b.u8()), Radio: b.radio(), Name: string(b.rest(0, MaxName))}
}
