package kiss

import (
	"encoding/binary"
	"fmt"
)

// MaxPacket is the longest packet a board sends to the air, in bytes. Longer
// ones it drops without a word.
const MaxPacket = 255

// Message is what one frame says: Data, Setting, or one of the types named
// after sub-commands.
type Message interface {
	// Append appends the message's frame to dst.
	Append(dst []byte) []byte
}

type (
	// Data is a packet to send or a packet heard: 1 to MaxPacket bytes.
	Data []byte

	// Setting sets one of the five parameters of KISS, CommandTXDelay to
	// CommandFullDuplex. Boards do not answer it.
	Setting struct {
		Command Command
		Value   byte
	}

	// Query is a request without arguments, like SubPing or SubGetRadio, or
	// SubPong, the reply without any.
	Query Sub

	// SetRadio sets frequency and modulation; answered by OK.
	SetRadio Radio
	// SetTxPower sets the transmit power in dBm; answered by OK.
	SetTxPower int8
	// GetAirtime asks how long a packet of so many bytes takes.
	GetAirtime uint8
	// SetSignalReport turns RxMeta on or off; answered by SignalReport.
	SetSignalReport bool

	// RadioReply tells the settings in effect, zero before the first SetRadio.
	RadioReply Radio
	// TxPower is the transmit power in dBm.
	TxPower int8
	// RSSI is the present signal strength in dBm.
	RSSI int8
	// ChannelBusy says whether something is being received.
	ChannelBusy bool
	// Airtime is the answer to GetAirtime, in milliseconds.
	Airtime uint32
	// NoiseFloor is in dBm.
	NoiseFloor int16
	// Version is that of the modem firmware's protocol.
	Version uint8
	// Battery is in millivolts.
	Battery uint16
	// Name is what the board calls itself, usually its model.
	Name string
	// SignalReport says whether RxMeta is on.
	SignalReport bool

	// OK says that a request without an answer of its own was carried out.
	OK struct{}
	// Failure says why a request was not carried out.
	Failure ErrorCode
	// TxDone says that the transmission of the last Data is over, and whether
	// it succeeded.
	TxDone bool

	// Other is a SetHardware frame that has no type here.
	Other struct {
		Sub  Sub
		Body []byte
	}
)

// Radio is frequency and modulation as boards take them.
type Radio struct {
	FrequencyHz     uint32
	BandwidthHz     uint32
	SpreadingFactor uint8 // 5 to 12
	CodingRate      uint8 // 5 to 8
}

// Stats counts packets since the board started.
type Stats struct {
	Received, Sent, ReceiveErrors uint32
}

// RxMeta describes the packet heard just before it.
type RxMeta struct {
	SNRQuarters int8 // in quarters of a dB
	RSSIdBm     int8
}

// Append implements Message.
func (m Data) Append(dst []byte) []byte { return AppendFrame(dst, byte(CommandData), m...) }

// Append implements Message.
func (m Setting) Append(dst []byte) []byte { return AppendFrame(dst, byte(m.Command), m.Value) }

// Append implements Message.
func (m Query) Append(dst []byte) []byte { return appendHardware(dst, Sub(m)) }

// Append implements Message.
func (m SetRadio) Append(dst []byte) []byte {
	return appendHardware(dst, SubSetRadio, Radio(m).bytes()...)
}

// Append implements Message.
func (m SetTxPower) Append(dst []byte) []byte { return appendHardware(dst, SubSetTxPower, byte(m)) }

// Append implements Message.
func (m GetAirtime) Append(dst []byte) []byte { return appendHardware(dst, SubGetAirtime, byte(m)) }

// Append implements Message.
func (m SetSignalReport) Append(dst []byte) []byte {
	return appendHardware(dst, SubSetSignalReport, flag(bool(m)))
}

// Append implements Message.
func (m RadioReply) Append(dst []byte) []byte {
	return appendHardware(dst, SubRadio, Radio(m).bytes()...)
}

// Append implements Message.
func (m TxPower) Append(dst []byte) []byte { return appendHardware(dst, SubTxPower, byte(m)) }

// Append implements Message.
func (m RSSI) Append(dst []byte) []byte { return appendHardware(dst, SubRSSI, byte(m)) }

// Append implements Message.
func (m ChannelBusy) Append(dst []byte) []byte {
	return appendHardware(dst, SubChannelBusy, flag(bool(m)))
}

// Append implements Message.
func (m Airtime) Append(dst []byte) []byte {
	return appendHardware(dst, SubAirtime, binary.LittleEndian.AppendUint32(nil, uint32(m))...)
}

// Append implements Message.
func (m NoiseFloor) Append(dst []byte) []byte {
	return appendHardware(dst, SubNoiseFloor, binary.LittleEndian.AppendUint16(nil, uint16(m))...)
}

// Append implements Message. The second byte is reserved.
func (m Version) Append(dst []byte) []byte { return appendHardware(dst, SubVersion, byte(m), 0) }

// Append implements Message.
func (m Stats) Append(dst []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, m.Received)
	b = binary.LittleEndian.AppendUint32(b, m.Sent)
	b = binary.LittleEndian.AppendUint32(b, m.ReceiveErrors)
	return appendHardware(dst, SubStats, b...)
}

// Append implements Message.
func (m Battery) Append(dst []byte) []byte {
	return appendHardware(dst, SubBattery, binary.LittleEndian.AppendUint16(nil, uint16(m))...)
}

// Append implements Message.
func (m Name) Append(dst []byte) []byte { return appendHardware(dst, SubName, []byte(m)...) }

// Append implements Message.
func (m SignalReport) Append(dst []byte) []byte {
	return appendHardware(dst, SubSignalReport, flag(bool(m)))
}

// Append implements Message.
func (m OK) Append(dst []byte) []byte { return appendHardware(dst, SubOK) }

// Append implements Message.
func (m Failure) Append(dst []byte) []byte { return appendHardware(dst, SubError, byte(m)) }

// Append implements Message.
func (m TxDone) Append(dst []byte) []byte { return appendHardware(dst, SubTxDone, flag(bool(m))) }

// Append implements Message.
func (m RxMeta) Append(dst []byte) []byte {
	return appendHardware(dst, SubRxMeta, byte(m.SNRQuarters), byte(m.RSSIdBm))
}

// Append implements Message.
func (m Other) Append(dst []byte) []byte { return appendHardware(dst, m.Sub, m.Body...) }

func appendHardware(dst []byte, sub Sub, body ...byte) []byte {
	return AppendFrame(dst, byte(CommandSetHardware), append([]byte{byte(sub)}, body...)...)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func (r Radio) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, r.FrequencyHz)
	b = binary.LittleEndian.AppendUint32(b, r.BandwidthHz)
	return append(b, r.SpreadingFactor, r.CodingRate)
}

func parseRadio(b []byte) Radio {
	return Radio{
		FrequencyHz:     binary.LittleEndian.Uint32(b),
		BandwidthHz:     binary.LittleEndian.Uint32(b[4:]),
		SpreadingFactor: b[8],
		CodingRate:      b[9],
	}
}

// Parse reads what a frame says, as Decoder.Next returns it. It copies what
// it keeps. Frames of other ports, of unknown commands, and too short ones
// are errors; bytes past the end of a known body are ignored, for firmware to
// come. Sub-commands without a type here are Other.
func Parse(frame []byte) (Message, error) {
	if len(frame) == 0 {
		return nil, fmt.Errorf("parse kiss frame: empty")
	}
	kind, body := Command(frame[0]), frame[1:]
	switch {
	case kind == CommandData:
		if len(body) == 0 || len(body) > MaxPacket {
			return nil, fmt.Errorf("parse kiss frame: packet of %d bytes, want 1 to %d", len(body), MaxPacket)
		}
		return Data(append([]byte(nil), body...)), nil
	case kind >= CommandTXDelay && kind <= CommandFullDuplex:
		if len(body) == 0 {
			return nil, fmt.Errorf("parse kiss frame: command %02x without a value", byte(kind))
		}
		return Setting{Command: kind, Value: body[0]}, nil
	case kind == CommandSetHardware:
		if len(body) == 0 {
			return nil, fmt.Errorf("parse kiss frame: hardware frame without a sub-command")
		}
		return parseHardware(Sub(body[0]), body[1:])
	default:
		return nil, fmt.Errorf("parse kiss frame: unknown type %02x", byte(kind))
	}
}
