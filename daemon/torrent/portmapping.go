package torrent

import (
	"net"
	"net/netip"

	"lorrent/daemon/torrent/portmap"
)

// mapPort makes what asks the router to let peers in, unless that is switched
// off or nobody outside could reach us anyway.
func (e *Engine) mapPort() {
	host, _, err := net.SplitHostPort(e.cfg.Listen)
	if a, literal := netip.ParseAddr(host); err != nil || !e.cfg.PortMapping || e.out.Proxied() || host == "localhost" || literal == nil && a.IsLoopback() {
		return
	}
	e.mapper = portmap.New(portmap.Config{
		Port: uint16(e.port), Name: "lorrent", Interface: e.out.Interface(),
		Changed: func(s portmap.Status) {
			if s.Error != "" {
				e.log.Warn().Str("reason", s.Error).Msg("the router does not map our port")
				return
			}
			e.log.Info().Stringer("port", s).Msg("port mapping")
		},
	})
}

// portMapping is what came of it, for people; "off" when it is.
func (e *Engine) portMapping() string {
	if e.mapper == nil {
		return "off"
	}
	return e.mapper.Status().String()
}

// publicPort is the port at which peers reach us: the router may have opened
// another one than ours.
func (e *Engine) publicPort() int {
	if e.mapper != nil {
		if s := e.mapper.Status(); s.Method != "" && s.External.Port() != 0 {
			return int(s.External.Port())
		}
	}
	return e.port
}
