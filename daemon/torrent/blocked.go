package torrent

import (
	"fmt"
	"net/netip"

	"lorrent/daemon/torrent/blocklist"
)

// loadBlocklist reads the list of addresses that are neither called nor let in.
func (e *Engine) loadBlocklist() (err error) {
	if e.cfg.Blocklist == "" {
		return nil
	}
	e.blocklist, err = blocklist.NewKeeper(blocklist.Config{
		Source: e.cfg.Blocklist,
		Cache:  e.cfg.BlocklistCache,
		Dial:   e.out.Dial,
		Changed: func(l *blocklist.List, err error) {
			if err != nil {
				e.log.Warn().Err(err).Msg("the blocklist cannot be renewed, the one before stays in force")
				return
			}
			e.log.Info().Int("ranges", l.Len()).Int("skipped", l.Skipped()).Msg("blocklist")
		},
	})
	if err != nil {
		return fmt.Errorf("blocklist: %w", err)
	}
	return nil
}

// blocked reports whether an address is on the blocklist.
func (e *Engine) blocked(a netip.Addr) bool { return e.blocklist.Blocks(a) }
