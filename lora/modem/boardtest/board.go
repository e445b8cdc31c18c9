package boardtest

import (
	"io"
	"testing"

	"lorrent/lora/kiss"
)

// Behaviour is how a MeshCore board deviates from the protocol. The zero value does
// not.
type Behaviour struct {
	Silent    bool           // reads, but answers and transmits nothing
	Swallow   bool           // takes packets, but never reports TxDone
	Refuse    kiss.ErrorCode // answers packets with this error, if not 0
	BusyFirst bool           // says busy before each TxDone, as when it had no room for a packet heard
	TxFails   bool           // reports that the transmission failed
	RefuseSet kiss.ErrorCode // answers SetRadio with this error, if not 0
	OtherSet  bool           // says OK to SetRadio but keeps other settings
	Halves    bool           // writes everything in two pieces
}

// Board is a board with the MeshCore KISS modem firmware. Its methods may be
// called at any time.
type Board struct {
	wire
	onTransmit func(packet []byte)

	// guarded by mu
	behaviour  Behaviour
	radio      kiss.Radio
	powerDBm   int8
	settings   map[kiss.Command]byte
	asked      map[kiss.Sub]int
	silentMeta bool
	stats      kiss.Stats
}

func newBoard(onTransmit func([]byte)) *Board {
	return &Board{
		onTransmit: onTransmit,
		settings:   make(map[kiss.Command]byte),
		asked:      make(map[kiss.Sub]int),
	}
}

// Behave changes how the board deviates from the protocol.
func (b *Board) Behave(how Behaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behaviour, b.halves = how, how.Halves
}

// Deliver makes the board hear a packet: it passes it to the host with its
// signal strength, the SNR rounded to quarters of a dB. It is lost when
// nobody is connected.
func (b *Board) Deliver(packet []byte, rssidBm, snrdB float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Received++
	frames := kiss.Data(packet).Append(nil)
	if !b.silentMeta {
		meta := kiss.RxMeta{SNRQuarters: int8(snrdB * 4), RSSIdBm: int8(rssidBm)}
		frames = meta.Append(frames)
	}
	b.write(frames)
}

// Reboot makes the board forget its settings and print boot messages, as one
// behind a serial chip does; the link stays.
func (b *Board) Reboot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.radio, b.powerDBm, b.stats = kiss.Radio{}, 0, kiss.Stats{}
	clear(b.settings)
	b.write([]byte("ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n\xff\x00\xc0\xdb"))
}

// Radio tells frequency, modulation and power in effect, zero before they
// were set.
func (b *Board) Radio() (r kiss.Radio, powerDBm int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.radio, int(b.powerDBm)
}

// Setting tells a parameter of KISS, and whether it was set.
func (b *Board) Setting(c kiss.Command) (value byte, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	value, ok = b.settings[c]
	return value, ok
}

// Asked counts the requests of one kind so far, silent or not.
func (b *Board) Asked(sub kiss.Sub) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[sub]
}

// Serve runs the board on a stream until it ends: for tests that bring their
// own, like net.Pipe.
func (b *Board) Serve(stream io.ReadWriter) {
	defer b.connect(stream)()
	frames := kiss.NewDecoder(stream)
	for {
		frame, err := frames.Next()
		if err != nil {
			return
		}
		if message, err := kiss.Parse(frame); err == nil {
			b.handle(message)
		}
	}
}

// NewDetached makes a board without a link of its own, for Serve.
func NewDetached(_ testing.TB, onTransmit func([]byte)) *Board { return newBoard(onTransmit) }

func (b *Board) handle(message kiss.Message) {
	if packet, ok := message.(kiss.Data); ok {
		b.transmit(packet)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if answer := b.answer(message); answer != nil && !b.behaviour.Silent {
		b.write(answer.Append(nil))
	}
}

// transmit runs onTransmit without the lock: it may deliver to other boards
// and to this one.
func (b *Board) transmit(packet []byte) {
	b.mu.Lock()
	how := b.behaviour
	switch {
	case how.Silent || how.Swallow:
	case how.Refuse != 0:
		b.write(kiss.Failure(how.Refuse).Append(nil))
	case how.BusyFirst:
		b.write(kiss.Failure(kiss.ErrorBusy).Append(nil))
	}
	b.mu.Unlock()
	if how.Silent || how.Swallow || how.Refuse != 0 {
		return
	}
	if !how.TxFails && b.onTransmit != nil {
		b.onTransmit(packet)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Sent++
	b.write(kiss.TxDone(!how.TxFails).Append(nil))
}

// answer carries out a request and returns what to say, nil for nothing. It
// needs mu.
func (b *Board) answer(message kiss.Message) kiss.Message {
	switch m := message.(type) {
	case kiss.Setting:
		b.settings[m.Command] = m.Value
		return nil
	case kiss.SetRadio:
		b.asked[kiss.SubSetRadio]++
		if code := b.behaviour.RefuseSet; code != 0 {
			return kiss.Failure(code)
		}
		b.radio = kiss.Radio(m)
		if b.behaviour.OtherSet {
			b.radio.FrequencyHz++
		}
		return kiss.OK{}
	case kiss.SetTxPower:
		b.asked[kiss.SubSetTxPower]++
		b.powerDBm = int8(m)
		return kiss.OK{}
	case kiss.SetSignalReport:
		b.silentMeta = !bool(m)
		return kiss.SignalReport(m)
	case kiss.GetAirtime:
		return kiss.Airtime(100)
	case kiss.Query:
		b.asked[kiss.Sub(m)]++
		return b.answerQuery(kiss.Sub(m))
	default:
		return kiss.Failure(kiss.ErrorUnknown)
	}
}

func (b *Board) answerQuery(sub kiss.Sub) kiss.Message {
	switch sub {
	case kiss.SubPing:
		return kiss.Query(kiss.SubPong)
	case kiss.SubGetRadio:
		return kiss.RadioReply(b.radio)
	case kiss.SubGetTxPower:
		return kiss.TxPower(b.powerDBm)
	case kiss.SubGetSignalReport:
		return kiss.SignalReport(!b.silentMeta)
	case kiss.SubGetRSSI:
		return kiss.RSSI(-117)
	case kiss.SubGetNoiseFloor:
		return kiss.NoiseFloor(-117)
	case kiss.SubIsChannelBusy:
		return kiss.ChannelBusy(false)
	case kiss.SubGetStats:
		return b.stats
	case kiss.SubGetVersion:
		return kiss.Version(1)
	case kiss.SubGetBattery:
		return kiss.Battery(3700)
	case kiss.SubGetName:
		return kiss.Name("boardtest")
	case kiss.SubReboot:
		return kiss.OK{}
	default:
		return kiss.Failure(kiss.ErrorUnknown)
	}
}
