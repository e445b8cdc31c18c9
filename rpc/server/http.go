package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"lorrent/rpc"
)

// routes is everything that is served. /healthz says only that the server is
// up, and asks nobody who they are; see profile for the last one.
func (s *Server) routes(f *front) http.Handler {
	mux := http.NewServeMux()
	origins := http.NewCrossOriginProtection()
	mux.HandleFunc(rpc.Path, func(w http.ResponseWriter, r *http.Request) { s.serveRPC(w, r, f, origins) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, "ok\n")
	})
	mux.HandleFunc(profilePath, s.profile)
	return mux
}

// serveRPC takes a request through the doors, in the order of what they cost,
// and writes the answer.
func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request, f *front, origins *http.CrossOriginProtection) {
	if no := s.admit(r, origins); no != nil {
		s.refuse(w, r, no)
		return
	}
	if no := checkForm(r); no != nil {
		s.refuse(w, r, no)
		return
	}
	select {
	case s.calls <- struct{}{}:
		defer func() { <-s.calls }()
	default:
		s.refuse(w, r, &refusal{http.StatusServiceUnavailable, rpc.CodeBusy, fmt.Sprintf("%d requests are being answered already", s.limits.maxCalls)})
		return
	}
	body, release, no := s.readBody(w, r)
	defer release()
	if no != nil {
		s.refuse(w, r, no)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.callTimeout)
	defer cancel()
	var after afterwards
	reply := f.answer(r.WithContext(context.WithValue(ctx, afterKey{}, &after)), body)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.limits.writeTimeout))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if reply == nil {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.Header().Set("Content-Type", "application/json")
		w.Write(reply)
	}
	if after.run != nil {
		_ = control.Flush()
		after.run()
	}
}

// afterwards is what a handler wants done once its answer is on the way.
type afterwards struct{ run func() }

type afterKey struct{}

// checkForm looks at method and media type. Asking for application/json keeps
// plain HTML forms out, which can send three other types without a preflight.
func checkForm(r *http.Request) *refusal {
	if r.Method != http.MethodPost {
		return &refusal{http.StatusMethodNotAllowed, rpc.CodeInvalidRequest, "calls are sent by POST"}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, rpc.CodeInvalidRequest, "the Content-Type of a call is application/json"}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &refusal{http.StatusUnsupportedMediaType, rpc.CodeInvalidRequest, "no Content-Encoding is understood"}
	}
	return nil
}

// readBody reads a body of bounded size. Only a few large ones are read at
// once: they are the only memory that a client decides about. release gives
// the place back, once the body is no longer used.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), no *refusal) {
	release = func() {}
	if r.ContentLength > s.limits.maxBody {
		return nil, release, s.tooLarge()
	}
	limited := http.MaxBytesReader(w, r.Body, s.limits.maxBody)
	var buf bytes.Buffer
	_, err := buf.ReadFrom(io.LimitReader(limited, s.limits.smallBody+1))
	if err == nil && int64(buf.Len()) > s.limits.smallBody {
		select {
		case s.large <- struct{}{}:
			release = func() { <-s.large }
		default:
			return nil, release, &refusal{http.StatusServiceUnavailable, rpc.CodeBusy, fmt.Sprintf("%d large requests are being answered already", s.limits.maxLarge)}
		}
		buf.Grow(int(max(0, r.ContentLength-int64(buf.Len()))) + bytes.MinRead)
		_, err = buf.ReadFrom(limited)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, release, s.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, release, &refusal{http.StatusRequestTimeout, rpc.CodeTimeout, "the body took too long"}
	case err != nil:
		return nil, release, &refusal{http.StatusBadRequest, rpc.CodeInvalidRequest, "the body ends too early"}
	}
	return buf.Bytes(), release, nil
}

func (s *Server) tooLarge() *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, rpc.CodeInvalidRequest, fmt.Sprintf("a body has at most %d bytes", s.limits.maxBody)}
}

// refuse answers with an HTTP status and, for JSON-RPC clients, an error that
// belongs to no call.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	s.cfg.Log.Debug().Str("client", clientOf(r).name).Int("status", no.status).Msg("rpc request refused: " + no.message)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/json")
	switch no.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="lorrent"`)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	}
	// Whoever is refused shall not hold a connection.
	h.Set("Connection", "close")
	w.WriteHeader(no.status)
	w.Write(errorReply(nullID, failure(no.code, "%s", no.message)))
}
