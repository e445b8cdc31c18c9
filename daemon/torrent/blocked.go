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
		Look:   e.cfg.blocklistLook,
		Changed: func(l *blocklist.List, err error) {
			if err != nil {
				e.log.Warn().Err(err).Msg("the blocklist cannot be renewed, the one before stays in force")
				return
			}
			e.log.Info().Int("ranges", l.Len()).Int("skipped", l.Skipped()).Msg("blocklist")
			e.lists.Add(1)
		},
	})
	if err != nil {
		return fmt.Errorf("blocklist: %w", err)
	}
	return nil
}

// blocked reports whether an address is on the blocklist.
func (e *Engine) blocked(a netip.Addr) bool { return e.blocklist.Blocks(a) }

// blocklistTick drops the peers that a new list names.
func (s *session) blocklistTick() {
	lists := s.e.lists.Load()
	if lists == s.swarm.lists {
		return
	}
	s.swarm.lists = lists
	for _, r := range s.swarm.peers {
		if r.web == nil && s.e.blocked(r.addr.Addr()) {
			s.drop(r, "on the blocklist")
		}
	}
}
