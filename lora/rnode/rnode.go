// Package rnode has the commands of RNode firmware, which it sends in KISS
// frames (package kiss): C0, a command, its parameter, C0. As read in the
// firmware's 1.86 (Framing.h, RNode_Firmware.ino). Integers are big-endian.
//
// A command that sets something is answered by the same command with the
// value in effect; one that asks has the parameter FF (one byte) or 0 (more),
// which can therefore not be set. There is no checksum.
package rnode

import (
	"encoding/binary"
	"fmt"

	"lorrent/lora/kiss"
)

// Command is the first byte of a frame.
type Command byte

// The commands lorrent uses.
const (
	CommandData       Command = 0x00 // a packet without the link byte, either way
	CommandFrequency  Command = 0x01 // Hz
	CommandBandwidth  Command = 0x02 // Hz
	CommandTxPower    Command = 0x03 // dBm, 0 to 37; clamped to what the chip has
	CommandSF         Command = 0x04 // 5 to 12
	CommandCR         Command = 0x05 // 5 to 8
	CommandRadioState Command = 0x06 // 1 on, 0 off
	CommandDetect     Command = 0x08 // DetectRequest, answered by DetectReply
	CommandShortLock  Command = 0x0B // share of 15 s for transmissions, in 0.01 %; 0 is no limit
	CommandLongLock   Command = 0x0C // share of an hour
	CommandPromisc    Command = 0x0E // 1: packets as they are, and deaf
	CommandReady      Command = 0x0F // asked with 0; 1: the queue has room
	CommandRSSI       Command = 0x23 // of the packet that follows, dBm + 157
	CommandSNR        Command = 0x24 // of the packet that follows, signed quarters of a dB
	CommandChannel    Command = 0x25 // Channel, unasked about once a second
	CommandBattery    Command = 0x27 // state, per cent
	CommandVersion    Command = 0x50 // major, minor
	CommandReset      Command = 0x55 // ResetByte; sent by a board that has started
	CommandError      Command = 0x90 // ErrorCode
)

// Parameters with a meaning of their own.
const (
	DetectRequest = 0x73
	DetectReply   = 0x46
	ResetByte     = 0xF8
	Ask           = 0xFF // what the value is, of commands with one byte

	rssiOffset = 157
)

// MaxPacket is the longest packet of one transmission: 255 bytes on the air
// of which the firmware makes the first itself. Longer ones it splits in two.
const MaxPacket = 254

// maxData is the longest CommandData: a packet that was split and joined.
const maxData = 2 * MaxPacket

// ErrorCode is what a board says went wrong, whatever it was asked.
type ErrorCode byte

// The errors of a board.
const (
	ErrorInitRadio    ErrorCode = 0x01
	ErrorTxFailed     ErrorCode = 0x02
	ErrorEEPROM       ErrorCode = 0x03
	ErrorQueueFull    ErrorCode = 0x04
	ErrorMemoryLow    ErrorCode = 0x05
	ErrorModemTimeout ErrorCode = 0x06
)

// Error makes the code an error that spells it out.
func (c ErrorCode) Error() string {
	text := map[ErrorCode]string{
		ErrorInitRadio: "the radio does not start", ErrorTxFailed: "transmission failed",
		ErrorEEPROM: "settings memory is locked", ErrorQueueFull: "queue is full",
		ErrorMemoryLow: "memory is low", ErrorModemTimeout: "radio chip does not answer",
	}[c]
	if text == "" {
		text = "unknown error"
	}
	return fmt.Sprintf("board error %02x: %s", byte(c), text)
}

// Frame is one frame: a command and its parameter.
type Frame struct {
	Command Command
	Body    []byte
}

// Packet is the frame of a packet to send, 1 to MaxPacket bytes.
func Packet(packet []byte) Frame { return Frame{CommandData, packet} }

// Byte is a frame with a parameter of one byte.
func Byte(c Command, value byte) Frame { return Frame{c, []byte{value}} }

// Uint16 is a frame with a parameter of two.
func Uint16(c Command, value uint16) Frame {
	return Frame{c, binary.BigEndian.AppendUint16(nil, value)}
}

// Uint32 is a frame with a parameter of four.
func Uint32(c Command, value uint32) Frame {
	return Frame{c, binary.BigEndian.AppendUint32(nil, value)}
}

// Append appends the frame, delimited and escaped, to dst.
func (f Frame) Append(dst []byte) []byte { return kiss.AppendFrame(dst, byte(f.Command), f.Body...) }

// Value reads the parameter of all commands but CommandData and
// CommandChannel as a number.
func (f Frame) Value() (v uint32) {
	for _, b := range f.Body[:min(len(f.Body), 4)] {
		v = v<<8 | uint32(b)
	}
	return v
}

// RSSIdBm reads the parameter of CommandRSSI.
func (f Frame) RSSIdBm() float64 { return float64(f.Body[0]) - rssiOffset }

// SNRdB reads the parameter of CommandSNR.
func (f Frame) SNRdB() float64 { return float64(int8(f.Body[0])) / 4 }

// Channel is how busy a board finds the air.
type Channel struct {
	// Shares of the time that the board transmitted, in the present and the
	// last window of 7.5 s, and in an hour; and that it transmitted or heard
	// others. In 0.01 %.
	Airtime, AirtimeHour uint16
	Load, LoadHour       uint16
	RSSIdBm, NoisedBm    int // now, and without a signal
}

// Channel reads the parameter of CommandChannel.
func (f Frame) Channel() Channel {
	be := binary.BigEndian
	return Channel{
		Airtime: be.Uint16(f.Body), AirtimeHour: be.Uint16(f.Body[2:]),
		Load: be.Uint16(f.Body[4:]), LoadHour: be.Uint16(f.Body[6:]),
		RSSIdBm: int(f.Body[8]) - rssiOffset, NoisedBm: int(f.Body[9]) - rssiOffset,
	}
}

// length is how long a parameter is at least.
func length(c Command) int {
	switch c {
	case CommandFrequency, CommandBandwidth:
		return 4
	case CommandShortLock, CommandLongLock, CommandBattery, CommandVersion:
		return 2
	case CommandChannel:
		return 10
	case CommandData, CommandTxPower, CommandSF, CommandCR, CommandRadioState, CommandDetect, CommandPromisc,
		CommandReady, CommandRSSI, CommandSNR, CommandReset, CommandError:
		return 1
	default:
		return 0
	}
}

// Parse reads a frame as kiss.Decoder returns it and copies it. A parameter
// that is too short is an error; commands without a name here are not.
func Parse(frame []byte) (Frame, error) {
	if len(frame) == 0 {
		return Frame{}, fmt.Errorf("parse rnode frame: empty")
	}
	c, body := Command(frame[0]), frame[1:]
	if want := length(c); len(body) < want {
		return Frame{}, fmt.Errorf("parse rnode frame: command %02x with %d bytes, want %d", byte(c), len(body), want)
	}
	if c == CommandData && len(body) > maxData {
		return Frame{}, fmt.Errorf("parse rnode frame: packet of %d bytes, want %d at most", len(body), maxData)
	}
	return Frame{Command: c, Body: append([]byte(nil), body...)}, nil
}
