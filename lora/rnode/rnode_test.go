package rnode

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"lorrent/lora/kiss"
)

// The bytes of RNS's handshake and of the firmware's answers.
func TestGolden(t *testing.T) {
	tests := []struct {
		name  string
		frame Frame
		want  string
	}{
		{"detect", Byte(CommandDetect, DetectRequest), "c00873c0"},
		{"detected", Byte(CommandDetect, DetectReply), "c00846c0"},
		{"frequency", Uint32(CommandFrequency, 869_525_000), "c00133d3e608c0"},
		{"frequency with C0 and DB", Uint32(CommandFrequency, 0x33C0DB08), "c00133dbdcdbdd08c0"},
		{"bandwidth", Uint32(CommandBandwidth, 250_000), "c0020003d090c0"},
		{"power", Byte(CommandTxPower, 14), "c0030ec0"},
		{"spreading factor", Byte(CommandSF, 9), "c00409c0"},
		{"coding rate", Byte(CommandCR, 5), "c00505c0"},
		{"radio on", Byte(CommandRadioState, 1), "c00601c0"},
		{"no lock", Uint16(CommandShortLock, 0), "c00b0000c0"},
		{"room?", Byte(CommandReady, 0), "c00f00c0"},
		{"restart", Byte(CommandReset, ResetByte), "c055f8c0"},
		{"packet", Packet([]byte{0xC0, 0xDB, 0x10}), "c000dbdcdbdd10c0"},
		{"channel", Frame{CommandChannel, []byte{0, 13, 0, 1, 2, 3, 0, 4, 0xC0, 40, 0xFF}}, "c025000d000102030004dbdc28ffc0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.frame.Append(nil)
			if hex.EncodeToString(got) != test.want {
				t.Fatalf("Append() = %x, want %s", got, test.want)
			}
			frame, err := kiss.NewDecoder(bytes.NewReader(got)).Next()
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Parse(frame); err != nil || back.Command != test.frame.Command || !bytes.Equal(back.Body, test.frame.Body) {
				t.Errorf("reads back as %+v, %v", back, err)
			}
		})
	}
}

func TestValues(t *testing.T) {
	if v := Uint32(CommandFrequency, 869_525_000).Value(); v != 869_525_000 {
		t.Errorf("frequency %d", v)
	}
	if v := Byte(CommandRSSI, 100).RSSIdBm(); v != -57 {
		t.Errorf("RSSI %v dBm, want -57", v)
	}
	if v := Byte(CommandSNR, 0xC0).SNRdB(); v != -16 {
		t.Errorf("SNR %v dB, want -16", v)
	}
	got := Frame{CommandChannel, []byte{0, 13, 0, 1, 2, 3, 0, 4, 57, 40, 0xFF}}.Channel()
	if want := (Channel{Airtime: 13, AirtimeHour: 1, Load: 0x203, LoadHour: 4, RSSIdBm: -100, NoisedBm: -117}); got != want {
		t.Errorf("Channel() = %+v, want %+v", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	tests := map[string]struct {
		frame []byte
		want  string
	}{
		"empty":           {nil, "empty"},
		"short frequency": {[]byte{1, 0, 0, 0}, "command 01 with 3 bytes, want 4"},
		"no packet":       {[]byte{0}, "command 00 with 0 bytes"},
		"long packet":     {make([]byte, 510), "packet of 509 bytes"},
		"short channel":   {[]byte{0x25, 0, 0}, "command 25 with 2 bytes, want 10"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if f, err := Parse(test.frame); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse() = %+v, %v, want %q", f, err, test.want)
			}
		})
	}
	if f, err := Parse([]byte{0x29}); err != nil || f.Command != 0x29 {
		t.Errorf("an unknown command: %+v, %v", f, err)
	}
}

// What parses is what it is again when written, and its values can be read.
func FuzzParse(f *testing.F) {
	f.Add([]byte{0, 1, 2})
	f.Add([]byte{0x25, 0, 13, 0, 1, 2, 3, 0, 4, 57, 40, 0xFF})
	f.Add([]byte{1, 0x33, 0xD3, 0xE6, 8})
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := Parse(frame)
		if err != nil {
			return
		}
		_ = got.Value()
		switch got.Command {
		case CommandRSSI:
			_ = got.RSSIdBm()
		case CommandSNR:
			_ = got.SNRdB()
		case CommandChannel:
			_ = got.Channel()
		}
		if len(frame) > kiss.MaxFrame {
			return
		}
		back, err := kiss.NewDecoder(bytes.NewReader(got.Append(nil))).Next()
		if err != nil || !bytes.Equal(back, frame) {
			t.Errorf("%x reads back as %x, %v", frame, back, err)
		}
	})
}
