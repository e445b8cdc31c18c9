package ether

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

var sampleTransmission = transmission{packet: []byte("hi"), radio: fast, from: Position{X: 1, Y: -2}, micros: 33_000}

const sampleDatagram = "4c6f4574" + "01" + "0102030405060708" + "3ff0000000000000" + "c000000000000000" +
	"33d3e608" + "0003d090" + "07" + "05" + "12" + "0010" + "0e" + "000080e8" + "6869"

func TestDatagramGolden(t *testing.T) {
	const sender = 0x0102030405060708
	b := encodeDatagram(sender, sampleTransmission)
	if got := hex.EncodeToString(b); got != sampleDatagram {
		t.Fatalf("encodeDatagram = %s, want %s", got, sampleDatagram)
	}
	from, back, err := decodeDatagram(b)
	if err != nil || from != sender || back.radio != fast || back.from != sampleTransmission.from ||
		back.micros != 33_000 || string(back.packet) != "hi" {
		t.Errorf("decodeDatagram = %x, %+v, %v", from, back, err)
	}
}

func TestDatagramRefuses(t *testing.T) {
	good := encodeDatagram(1, sampleTransmission)
	with := func(change func(*transmission)) []byte {
		t := sampleTransmission
		change(&t)
		return encodeDatagram(1, t)
	}
	foreign, later := bytes.Clone(good), bytes.Clone(good)
	foreign[0], later[4] = 'X', 2
	tests := []struct {
		name string
		b    []byte
	}{
		{"empty", nil},
		{"no packet", good[:datagramHeader]},
		{"oversized", append(bytes.Clone(good), make([]byte, 254)...)},
		{"foreign", foreign},
		{"later version", later},
		{"position not a number", with(func(t *transmission) { t.from.X = math.NaN() })},
		{"position infinite", with(func(t *transmission) { t.from.Y = math.Inf(-1) })},
		{"an hour on the air", with(func(t *transmission) { t.micros = 3_600_000_000 })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, got, err := decodeDatagram(test.b); !errors.Is(err, errDatagram) {
				t.Errorf("decodeDatagram = %+v, %v; want an error", got, err)
			}
		})
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(encodeDatagram(1, sampleTransmission))
	f.Add([]byte(datagramMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		sender, tr, err := decodeDatagram(b)
		if err != nil {
			return
		}
		if again := encodeDatagram(sender, tr); !bytes.Equal(again, b) {
			t.Fatalf("%x encodes as %x", b, again)
		}
		p := newPort("fuzz", Position{}, Config{}, Config{}.random(1), nil)
		if err := p.Configure(t.Context(), fast); err != nil {
			t.Fatal(err)
		}
		p.hear(tr) // whatever it claims
		p.take()
	})
}
