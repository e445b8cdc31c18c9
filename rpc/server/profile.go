package server

import (
	"net/http"
	"net/http/pprof"
	"time"
)

const profilePath = "/debug/pprof/"

// profileLimit bounds what a client may ask to be watched: a minute, and the
// time to send what was seen.
const profileLimit = 2 * time.Minute

// profile answers those who connect to the socket with what net/http/pprof has:
// goroutines, memory, and where the time goes. Over TCP there is no such thing.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	if !clientOf(r).socket {
		http.NotFound(w, r)
		return
	}
	select {
	case s.profiles <- struct{}{}:
		defer func() { <-s.profiles }()
	default:
		http.Error(w, "another profile is being made", http.StatusServiceUnavailable)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(profileLimit))
	switch r.URL.Path {
	case profilePath + "cmdline":
		pprof.Cmdline(w, r)
	case profilePath + "profile":
		pprof.Profile(w, r)
	case profilePath + "symbol":
		pprof.Symbol(w, r)
	case profilePath + "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}
