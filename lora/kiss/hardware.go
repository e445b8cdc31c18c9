package kiss

import (
	"encoding/binary"
	"fmt"
)

// hardwareLength is how long the body of a sub-command must be at least.
func hardwareLength(sub Sub) int {
	switch sub {
	case SubSetRadio, SubRadio:
		return 10
	case SubStats:
		return 12
	case SubAirtime:
		return 4
	case SubNoiseFloor, SubBattery, SubRxMeta:
		return 2
	case SubSetTxPower, SubGetAirtime, SubSetSignalReport, SubTxPower, SubRSSI, SubChannelBusy,
		SubVersion, SubSignalReport, SubError, SubTxDone:
		return 1
	default:
		return 0
	}
}

func parseHardware(sub Sub, body []byte) (Message, error) {
	if want := hardwareLength(sub); len(body) < want {
		return nil, fmt.Errorf("parse kiss frame: sub-command %02x of %d bytes, want %d", byte(sub), len(body), want)
	}
	switch sub {
	case SubGetRadio, SubGetTxPower, SubGetRSSI, SubIsChannelBusy, SubGetNoiseFloor, SubGetVersion, SubGetStats,
		SubGetBattery, SubGetName, SubPing, SubReboot, SubGetSignalReport, SubPong:
		return Query(sub), nil
	case SubSetRadio:
		return SetRadio(parseRadio(body)), nil
	case SubSetTxPower:
		return SetTxPower(body[0]), nil
	case SubGetAirtime:
		return GetAirtime(body[0]), nil
	case SubSetSignalReport:
		return SetSignalReport(body[0] != 0), nil
	case SubRadio:
		return RadioReply(parseRadio(body)), nil
	case SubTxPower:
		return TxPower(body[0]), nil
	case SubRSSI:
		return RSSI(body[0]), nil
	case SubChannelBusy:
		return ChannelBusy(body[0] != 0), nil
	case SubAirtime:
		return Airtime(binary.LittleEndian.Uint32(body)), nil
	case SubNoiseFloor:
		return NoiseFloor(binary.LittleEndian.Uint16(body)), nil
	case SubVersion:
		return Version(body[0]), nil
	case SubStats:
		return Stats{
			Received:      binary.LittleEndian.Uint32(body),
			Sent:          binary.LittleEndian.Uint32(body[4:]),
			ReceiveErrors: binary.LittleEndian.Uint32(body[8:]),
		}, nil
	case SubBattery:
		return Battery(binary.LittleEndian.Uint16(body)), nil
	case SubName:
		return Name(body), nil
	case SubSignalReport:
		return SignalReport(body[0] != 0), nil
	case SubOK:
		return OK{}, nil
	case SubError:
		return Failure(body[0]), nil
	case SubTxDone:
		return TxDone(body[0] == 1), nil
	case SubRxMeta:
		return RxMeta{SNRQuarters: int8(body[0]), RSSIdBm: int8(body[1])}, nil
	default:
		return Other{Sub: sub, Body: append([]byte(nil), body...)}, nil
	}
}
