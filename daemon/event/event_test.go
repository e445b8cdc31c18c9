package event

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func added(name string) Data { return TorrentAdded{Name: name} }

// names lists what Since returns at once.
func names(t *testing.T, r *Ring, cursor uint64) (list []string, dropped uint64) {
	t.Helper()
	events, dropped, err := r.Since(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if i > 0 && e.ID != events[i-1].ID+1 {
			t.Errorf("ID %d follows %d", e.ID, events[i-1].ID)
		}
		list = append(list, e.Data.(TorrentAdded).Name)
	}
	return list, dropped
}

func TestSince(t *testing.T) {
	r := New(3)
	start := r.Cursor()
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		r.Publish(added(n))
	}
	for _, c := range []struct {
		name    string
		cursor  uint64
		want    string
		dropped uint64
	}{
		{"all that is left", start, "cde", 2},
		{"part", start + 3, "de", 0},
		{"the newest", start + 4, "e", 0},
		{"exactly the oldest", start + 2, "cde", 0},
		{"one forgotten", start + 1, "cde", 1},
		{"zero", 0, "cde", 2},
		{"a former process", start - 1000, "cde", 2},
		{"the future", start + 99, "cde", 2},
	} {
		got, dropped := names(t, r, c.cursor)
		joined := ""
		for _, n := range got {
			joined += n
		}
		if joined != c.want || dropped != c.dropped {
			t.Errorf("%s: %q, %d dropped; want %q, %d", c.name, joined, dropped, c.want, c.dropped)
		}
	}
}

func TestSinceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(4)
		go func() {
			time.Sleep(time.Hour)
			r.Publish(added("late"))
		}()
		before := time.Now()
		if got, _ := names(t, r, r.Cursor()); len(got) != 1 || time.Since(before) != time.Hour {
			t.Errorf("%v after %s", got, time.Since(before))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := r.Since(ctx, r.Cursor()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing happened, error %v", err)
		}
	})
}

// TestPublishNeverBlocks writes without any reader, while others read.
func TestPublishNeverBlocks(t *testing.T) {
	r := New(8)
	cursor := r.Cursor()
	done := make(chan uint64)
	for range 4 {
		go func() {
			var seen, lost uint64
			for at := cursor; seen+lost < 1000; {
				events, dropped, err := r.Since(context.Background(), at)
				if err != nil {
					break
				}
				seen, lost, at = seen+uint64(len(events)), lost+dropped, events[len(events)-1].ID
			}
			done <- seen + lost
		}()
	}
	for range 1000 {
		r.Publish(added("x"))
	}
	for range 4 {
		if n := <-done; n != 1000 {
			t.Errorf("seen and dropped: %d of 1000", n)
		}
	}
}
