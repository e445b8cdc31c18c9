package modem

import (
	"context"
	"errors"
	"fmt"

	"lorrent/lora/airtime"
	"lorrent/lora/kiss"
)

// What every board is told beside the radio settings. Boards key up after
// half a second by default, for voice radios that need it; LoRa does not. The
// rest are the firmware's defaults, said again because another program may
// have changed them.
func channelAccess() []kiss.Setting {
	return []kiss.Setting{
		{Command: kiss.CommandTXDelay, Value: 1},
		{Command: kiss.CommandPersistence, Value: 63},
		{Command: kiss.CommandSlotTime, Value: 10},
		{Command: kiss.CommandTXTail, Value: 0},
		{Command: kiss.CommandFullDuplex, Value: 0},
	}
}

const (
	boardSyncWord = 0x12 // the firmware has no command to change it
	boardPreamble = 32   // symbols at most; the firmware chooses by spreading factor
)

// Configure implements Modem. The board chooses the preamble, which receivers
// need not agree on, and its sync word is always 0x12, so any other but 0 is
// an error. Settings a board refused leave it unfit to send until the next
// Configure.
func (b *board) Configure(ctx context.Context, r Radio) error {
	return b.configure(ctx, r, Radio.validate, b.settle, b.apply)
}

// apply tells the board its settings and reads them back: OK does not say
// which request it answers. It needs the turn.
func (b *board) apply(ctx context.Context) error {
	if _, err := b.ask(ctx, kiss.SetRadio(b.radio.modulation()), accepted); err != nil {
		return fmt.Errorf("set frequency and modulation: %w", err)
	}
	if _, err := b.ask(ctx, kiss.SetTxPower(b.radio.TxPowerDBm), accepted); err != nil {
		return fmt.Errorf("set power to %d dBm: %w", b.radio.TxPowerDBm, err)
	}
	for _, setting := range channelAccess() {
		if err := b.write(setting.Append(nil)); err != nil {
			return err
		}
	}
	_, err := b.ask(ctx, kiss.SetSignalReport(true), func(m kiss.Message) bool {
		_, ok := m.(kiss.SignalReport)
		return ok
	})
	// On by default; firmware that cannot switch it is as good.
	if err != nil && !errors.Is(err, kiss.ErrorUnknown) {
		return fmt.Errorf("turn on signal reports: %w", err)
	}
	return b.verify(ctx)
}

// verify reads the settings back. It needs the turn.
func (b *board) verify(ctx context.Context) error {
	m, err := b.ask(ctx, kiss.Query(kiss.SubGetRadio), func(m kiss.Message) bool {
		_, ok := m.(kiss.RadioReply)
		return ok
	})
	if err != nil {
		return fmt.Errorf("read settings back: %w", err)
	}
	if got, want := kiss.Radio(m.(kiss.RadioReply)), b.radio.modulation(); got != want {
		return fmt.Errorf("board has other settings than it was given: %+v, want %+v", got, want)
	}
	m, err = b.ask(ctx, kiss.Query(kiss.SubGetTxPower), func(m kiss.Message) bool {
		_, ok := m.(kiss.TxPower)
		return ok
	})
	if err != nil {
		return fmt.Errorf("read power back: %w", err)
	}
	if got := int(m.(kiss.TxPower)); got != b.radio.TxPowerDBm {
		return fmt.Errorf("board has another power than it was given: %d dBm, want %d", got, b.radio.TxPowerDBm)
	}
	return nil
}

// validate checks what no LoRa radio could do and what would not fit the
// wire.
func (r Radio) validate() error {
	switch {
	case r.FrequencyHz < 100_000_000 || r.FrequencyHz > 2_500_000_000:
		return fmt.Errorf("frequency of %d Hz, want 100 MHz to 2.5 GHz", r.FrequencyHz)
	case r.BandwidthHz < 7_800 || r.BandwidthHz > 500_000:
		return fmt.Errorf("bandwidth of %d Hz, want 7800 to 500000", r.BandwidthHz)
	case r.SpreadingFactor < 5 || r.SpreadingFactor > 12:
		return fmt.Errorf("spreading factor %d, want 5 to 12", r.SpreadingFactor)
	case r.CodingRate < 5 || r.CodingRate > 8:
		return fmt.Errorf("coding rate 4/%d, want 4/5 to 4/8", r.CodingRate)
	case r.TxPowerDBm < -9 || r.TxPowerDBm > 30:
		return fmt.Errorf("power of %d dBm, want -9 to 30", r.TxPowerDBm)
	case r.SyncWord != 0 && r.SyncWord != boardSyncWord:
		return fmt.Errorf("sync word %02x, but the board only has %02x", r.SyncWord, boardSyncWord)
	}
	return nil
}

func (r Radio) modulation() kiss.Radio {
	return kiss.Radio{
		FrequencyHz:     r.FrequencyHz,
		BandwidthHz:     r.BandwidthHz,
		SpreadingFactor: uint8(r.SpreadingFactor),
		CodingRate:      uint8(r.CodingRate),
	}
}

// Airtime gives the settings in the words of package airtime.
func (r Radio) Airtime() airtime.Params {
	return airtime.Params{
		BandwidthHz:     r.BandwidthHz,
		SpreadingFactor: r.SpreadingFactor,
		CodingRate:      r.CodingRate,
		PreambleSymbols: r.PreambleSymbols,
	}
}
