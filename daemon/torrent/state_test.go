package torrent

import (
	"context"
	"slices"
	"testing"

	"lorrent/daemon/event"
)

// states are those a torrent has had so far, without the one it began with.
func (n *node) states() (states []string) {
	events, _, _ := n.events.Since(context.Background(), 0)
	for _, e := range events {
		if s, ok := e.Data.(event.TorrentState); ok {
			states = append(states, s.State)
		}
	}
	return states
}

// A torrent is checking when pieces are hashed, and not when its files are only
// looked at, as after a start.
func TestCheckingMeansHashing(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil) // which finds a part of the payload
	if got := s.states(); !slices.Contains(got, string(Checking)) {
		t.Errorf("with pieces to hash it was %q", got)
	}
	n := s.restart(t)
	n.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	if got := n.states(); slices.Contains(got, string(Checking)) {
		t.Errorf("with nothing to hash it was %q", got)
	}
	if err := n.Recheck(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	n.eventually(t, "the recheck is shown", func() bool { return slices.Contains(n.states(), string(Checking)) })
}

// What is shown while the files are opened, and how far a check is.
func TestStateWhileOpening(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.do(t, s.h, func(se *session) {
		was := se.phase
		defer func() { se.phase, se.hashAll, se.check = was, false, nil }()
		se.phase = opening
		if st := se.status(); st.State != Queued || st.CheckedBytes != -1 {
			t.Errorf("files are looked at: %s, %d", st.State, st.CheckedBytes)
		}
		se.hashAll = true
		if st := se.status(); st.State != Checking || st.CheckedBytes != 0 {
			t.Errorf("everything is to be hashed: %s, %d", st.State, st.CheckedBytes)
		}
		se.phase, se.check = checking, &recheck{bytes: 7}
		if st := se.status(); st.State != Checking || st.CheckedBytes != 7 {
			t.Errorf("it is hashed: %s, %d", st.State, st.CheckedBytes)
		}
		se.check = nil
		if st := se.status(); st.State == Checking || st.CheckedBytes != -1 {
			t.Errorf("it is hashed to the end: %s, %d", st.State, st.CheckedBytes)
		}
	})
}
