package lora

import (
	"context"
	"unicode/utf8"

	"lorrent/daemon/event"
	"lorrent/lora/link"
	"lorrent/lora/modem"
)

// mirror shows messages on the board's screen as they come. Boards that cannot
// say so, and are none the worse for it.
func (b *Bridge) mirror(ctx context.Context, s modem.Screen) {
	cursor := b.cfg.Events.Cursor()
	for {
		events, _, err := b.cfg.Events.Since(ctx, cursor)
		if err != nil {
			return
		}
		for _, e := range events {
			cursor = e.ID
			m, is := e.Data.(event.MessageReceived)
			if !is {
				continue
			}
			from := m.From
			if m.Channel != "" {
				from = m.Channel + " " + from
			}
			text := cut(from, link.MaxName) + "\x00" + m.Text
			if err := s.Show(ctx, link.Display{Kind: link.DisplayMessage, Text: []byte(cut(text, link.MaxText))}); err != nil {
				b.cfg.Log.Debug().Err(err).Msg("message not shown on the board")
			}
		}
	}
}

// cut is the beginning of a text, whole characters of at most so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
