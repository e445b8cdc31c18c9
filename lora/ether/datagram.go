package ether

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"lorrent/lora/modem"
)

// A datagram of the UDP air is one transmission at its start, big-endian:
//
//	magic "LoEt" · version 1 · sender 8 · x 8 · y 8 (float64, metres) ·
//	frequency 4 · bandwidth 4 (Hz) · spreading factor 1 · coding rate 1 ·
//	sync word 1 · preamble 2 · power 1 (dBm, signed) · time on air 4 (µs) ·
//	packet 1 to 255
const (
	datagramMagic   = "LoEt"
	datagramVersion = 1
	datagramHeader  = 4 + 1 + 8 + 8 + 8 + 4 + 4 + 1 + 1 + 1 + 2 + 1 + 4
	maxDatagram     = datagramHeader + modem.MaxPacket

	// What a datagram may claim.
	maxAirtime = time.Minute
	maxMetres  = 1e7
)

var errDatagram = errors.New("not a datagram of the simulated air")

// encodeDatagram returns the bytes of a transmission by sender.
func encodeDatagram(sender uint64, t transmission) []byte {
	b := make([]byte, 0, datagramHeader+len(t.packet))
	b = append(b, datagramMagic...)
	b = append(b, datagramVersion)
	b = binary.BigEndian.AppendUint64(b, sender)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(t.from.X))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(t.from.Y))
	b = binary.BigEndian.AppendUint32(b, t.radio.FrequencyHz)
	b = binary.BigEndian.AppendUint32(b, t.radio.BandwidthHz)
	b = append(b, byte(t.radio.SpreadingFactor), byte(t.radio.CodingRate), t.radio.SyncWord)
	b = binary.BigEndian.AppendUint16(b, uint16(t.radio.PreambleSymbols))
	b = append(b, byte(int8(t.radio.TxPowerDBm)))
	b = binary.BigEndian.AppendUint32(b, uint32(t.micros))
	return append(b, t.packet...)
}

// decodeDatagram reads what another process sent. The packet is a copy.
func decodeDatagram(b []byte) (sender uint64, t transmission, err error) {
	if len(b) <= datagramHeader || len(b) > maxDatagram {
		return 0, t, fmt.Errorf("%w: %d bytes", errDatagram, len(b))
	}
	if string(b[:4]) != datagramMagic || b[4] != datagramVersion {
		return 0, t, fmt.Errorf("%w: begins with %x", errDatagram, b[:5])
	}
	sender = binary.BigEndian.Uint64(b[5:])
	t.from.X = math.Float64frombits(binary.BigEndian.Uint64(b[13:]))
	t.from.Y = math.Float64frombits(binary.BigEndian.Uint64(b[21:]))
	t.radio = modem.Radio{
		FrequencyHz:     binary.BigEndian.Uint32(b[29:]),
		BandwidthHz:     binary.BigEndian.Uint32(b[33:]),
		SpreadingFactor: int(b[37]),
		CodingRate:      int(b[38]),
		SyncWord:        b[39],
		PreambleSymbols: int(binary.BigEndian.Uint16(b[40:])),
		TxPowerDBm:      int(int8(b[42])),
	}
	t.micros = int64(binary.BigEndian.Uint32(b[43:]))
	t.packet = append([]byte(nil), b[datagramHeader:]...)
	// Written so that NaN fails too.
	if !(math.Abs(t.from.X) <= maxMetres && math.Abs(t.from.Y) <= maxMetres) {
		return 0, t, fmt.Errorf("%w: position %v", errDatagram, t.from)
	}
	if t.duration() > maxAirtime {
		return 0, t, fmt.Errorf("%w: %v on the air", errDatagram, t.duration())
	}
	return sender, t, nil
}
