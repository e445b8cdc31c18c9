package kiss

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

type golden struct {
	name    string
	message Message
	bytes   string
}

func everyMessage() []golden {
	radio := Radio{FrequencyHz: 869_618_000, BandwidthHz: 62_500, SpreadingFactor: 8, CodingRate: 5}
	return []golden{
		{"data", Data("hi"), "C0 00 68 69 C0"},
		{"data with escapes", Data{0xC0, 0x00, 0xDB}, "C0 00 DBDC 00 DBDD C0"},
		{"tx delay", Setting{CommandTXDelay, 1}, "C0 01 01 C0"},
		{"persistence", Setting{CommandPersistence, 63}, "C0 02 3F C0"},
		{"slot time", Setting{CommandSlotTime, 10}, "C0 03 0A C0"},
		{"tx tail", Setting{CommandTXTail, 0}, "C0 04 00 C0"},
		{"full duplex", Setting{CommandFullDuplex, 0xC0}, "C0 05 DBDC C0"},
		{"set radio", SetRadio(radio), "C0 06 09 5051D533 24F40000 08 05 C0"},
		{"set power", SetTxPower(22), "C0 06 0A 16 C0"},
		{"set power below 1 mW", SetTxPower(-9), "C0 06 0A F7 C0"},
		{"get radio", Query(SubGetRadio), "C0 06 0B C0"},
		{"get power", Query(SubGetTxPower), "C0 06 0C C0"},
		{"get rssi", Query(SubGetRSSI), "C0 06 0D C0"},
		{"is channel busy", Query(SubIsChannelBusy), "C0 06 0E C0"},
		{"get airtime", GetAirtime(255), "C0 06 0F FF C0"},
		{"get noise floor", Query(SubGetNoiseFloor), "C0 06 10 C0"},
		{"get version", Query(SubGetVersion), "C0 06 11 C0"},
		{"get stats", Query(SubGetStats), "C0 06 12 C0"},
		{"get battery", Query(SubGetBattery), "C0 06 13 C0"},
		{"get name", Query(SubGetName), "C0 06 16 C0"},
		{"ping", Query(SubPing), "C0 06 17 C0"},
		{"reboot", Query(SubReboot), "C0 06 18 C0"},
		{"set signal report", SetSignalReport(true), "C0 06 19 01 C0"},
		{"get signal report", Query(SubGetSignalReport), "C0 06 1A C0"},
		{"radio", RadioReply(radio), "C0 06 8B 5051D533 24F40000 08 05 C0"},
		{"power", TxPower(-1), "C0 06 8C FF C0"},
		{"rssi", RSSI(-100), "C0 06 8D 9C C0"},
		{"channel busy", ChannelBusy(true), "C0 06 8E 01 C0"},
		{"airtime", Airtime(509), "C0 06 8F FD010000 C0"},
		{"noise floor", NoiseFloor(-117), "C0 06 90 8BFF C0"},
		{"version", Version(2), "C0 06 91 02 00 C0"},
		{"stats", Stats{1, 0xC0, 3}, "C0 06 92 01000000 DBDC000000 03000000 C0"},
		{"battery", Battery(3700), "C0 06 93 740E C0"},
		{"name", Name("Heltec V3"), "C0 06 96 48656C746563205633 C0"},
		{"pong", Query(SubPong), "C0 06 97 C0"},
		{"signal report", SignalReport(false), "C0 06 9A 00 C0"},
		{"ok", OK{}, "C0 06 F0 C0"},
		{"error", Failure(ErrorBusy), "C0 06 F1 07 C0"},
		{"tx done", TxDone(true), "C0 06 F8 01 C0"},
		{"tx failed", TxDone(false), "C0 06 F8 00 C0"},
		{"rx meta", RxMeta{SNRQuarters: -30, RSSIdBm: -64}, "C0 06 F9 E2 DBDC C0"},
		{"other", Other{Sub: 0x94, Body: []byte{0xFD, 0}}, "C0 06 94 FD00 C0"},
	}
}

func checkRoundTrip(t testing.TB, m Message) {
	t.Helper()
	got, _ := frames(t, m.Append(nil))
	if len(got) != 1 {
		t.Fatalf("%#v encodes to %d frames", m, len(got))
	}
	again, err := Parse(got[0])
	if err != nil {
		t.Fatalf("Parse(%x) of %#v: %v", got[0], m, err)
	}
	if !reflect.DeepEqual(again, m) {
		t.Fatalf("%#v came back as %#v", m, again)
	}
}

func TestMessageBytes(t *testing.T) {
	for _, test := range everyMessage() {
		t.Run(test.name, func(t *testing.T) {
			if got, want := test.message.Append(nil), unhex(t, test.bytes); !bytes.Equal(got, want) {
				t.Errorf("Append() = %X, want %X", got, want)
			}
			checkRoundTrip(t, test.message)
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name  string
		frame string
		want  string
	}{
		{"empty", "", "empty"},
		{"empty packet", "00", "packet of 0 bytes"},
		{"long packet", "00" + strings.Repeat("11", 256), "packet of 256 bytes"},
		{"other port", "10 01", "unknown type 10"},
		{"boot text", "72 73 74", "unknown type 72"},
		{"setting without a value", "01", "command 01 without a value"},
		{"no sub-command", "06", "without a sub-command"},
		{"short radio", "06 8B 01 02 03 04 05 06 07 08 09", "sub-command 8b of 9 bytes, want 10"},
		{"short meta", "06 F9 01", "sub-command f9 of 1 bytes, want 2"},
		{"error without a code", "06 F1", "sub-command f1 of 0 bytes, want 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse(unhex(t, test.frame))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse() = %#v, %v, want an error with %q", m, err, test.want)
			}
		})
	}
}

// Bodies may grow with the firmware.
func TestParseLongerBody(t *testing.T) {
	m, err := Parse(unhex(t, "06 F9 08 90 55 66"))
	if want := (RxMeta{SNRQuarters: 8, RSSIdBm: -112}); err != nil || m != want {
		t.Errorf("Parse() = %#v, %v, want %#v", m, err, want)
	}
}

func TestErrorCodes(t *testing.T) {
	for code := range ErrorCode(10) {
		if text := code.Error(); !strings.HasPrefix(text, "board error ") || text == "board error " {
			t.Errorf("code %d reads %q", code, text)
		}
	}
	if got := ErrorBusy.Error(); got != "board error 07: transmitter busy" {
		t.Errorf("busy reads %q", got)
	}
}
