package kiss

import "fmt"

// Command is the low nibble of a frame's type byte. The high nibble is the
// port, always 0 here.
type Command byte

// The commands of KISS.
const (
	CommandData        Command = 0x00 // a packet, either way
	CommandTXDelay     Command = 0x01 // before keying up, in units of 10 ms
	CommandPersistence Command = 0x02 // p of p-persistent CSMA, as (p × 256) − 1
	CommandSlotTime    Command = 0x03 // between CSMA trials, in units of 10 ms
	CommandTXTail      Command = 0x04 // after a transmission, in units of 10 ms
	CommandFullDuplex  Command = 0x05 // 0 for half duplex; otherwise CSMA is off
	CommandSetHardware Command = 0x06 // the modem's own commands
)

// Sub is the first byte of a SetHardware frame's body. A reply's is that of
// its request with the high bit set, or OK or Error.
type Sub byte

// The sub-commands lorrent uses.
const (
	SubSetRadio        Sub = 0x09
	SubSetTxPower      Sub = 0x0A
	SubGetRadio        Sub = 0x0B
	SubGetTxPower      Sub = 0x0C
	SubGetRSSI         Sub = 0x0D
	SubIsChannelBusy   Sub = 0x0E
	SubGetAirtime      Sub = 0x0F
	SubGetNoiseFloor   Sub = 0x10
	SubGetVersion      Sub = 0x11
	SubGetStats        Sub = 0x12
	SubGetBattery      Sub = 0x13
	SubGetName         Sub = 0x16
	SubPing            Sub = 0x17
	SubReboot          Sub = 0x18
	SubSetSignalReport Sub = 0x19
	SubGetSignalReport Sub = 0x1A

	SubRadio        = SubGetRadio | reply
	SubTxPower      = SubGetTxPower | reply
	SubRSSI         = SubGetRSSI | reply
	SubChannelBusy  = SubIsChannelBusy | reply
	SubAirtime      = SubGetAirtime | reply
	SubNoiseFloor   = SubGetNoiseFloor | reply
	SubVersion      = SubGetVersion | reply
	SubStats        = SubGetStats | reply
	SubBattery      = SubGetBattery | reply
	SubName         = SubGetName | reply
	SubPong         = SubPing | reply
	SubSignalReport = SubGetSignalReport | reply // also answers SubSetSignalReport

	SubOK     Sub = 0xF0
	SubError  Sub = 0xF1
	SubTxDone Sub = 0xF8 // unasked, after each transmission
	SubRxMeta Sub = 0xF9 // unasked, after each packet heard

	reply Sub = 0x80
)

// ErrorCode is why a board refused a request.
type ErrorCode byte

// The reasons a board gives.
const (
	ErrorInvalidLength ErrorCode = 0x01
	ErrorInvalidParam  ErrorCode = 0x02
	ErrorNoCallback    ErrorCode = 0x03
	ErrorMACFailed     ErrorCode = 0x04
	ErrorUnknown       ErrorCode = 0x05
	ErrorEncryptFailed ErrorCode = 0x06
	// ErrorBusy says that a packet is waiting for the radio already, or that
	// the board had no room for something it wanted to tell the host.
	ErrorBusy        ErrorCode = 0x07
	ErrorUnsupported ErrorCode = 0x08
)

// Error makes the code an error that spells it out.
func (c ErrorCode) Error() string {
	switch c {
	case ErrorInvalidLength:
		return "board error 01: request too short"
	case ErrorInvalidParam:
		return "board error 02: invalid parameter"
	case ErrorNoCallback:
		return "board error 03: feature not available"
	case ErrorMACFailed:
		return "board error 04: authentication failed"
	case ErrorUnknown:
		return "board error 05: unknown command"
	case ErrorEncryptFailed:
		return "board error 06: encryption failed"
	case ErrorBusy:
		return "board error 07: transmitter busy"
	case ErrorUnsupported:
		return "board error 08: not supported by this board"
	default:
		return fmt.Sprintf("board error %02x", byte(c))
	}
}
