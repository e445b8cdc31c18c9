package piecelayer

import (
	"testing"
	"time"

	"lorrent/daemon/torrent/hashtree"
)

// FuzzAnswers gives a fetch what a peer may say, one message after the other:
// whatever that is, the layers that come of it are the right ones or none.
func FuzzAnswers(f *testing.F) {
	whole := torrent(f, 5*16384+1, 5*16384+1, 700*16384, 3)
	layers := string(whole.Layers())
	message := func(r hashtree.Request, hashes []hashtree.Hash) []byte { return hashtree.Append(r.Bytes(), hashes) }
	fetch := NewFetch(bare(f, whole))
	fetch.Add(1)
	for {
		r, ok := fetch.Next(1, start)
		if !ok {
			break
		}
		right := answer(f, whole, r)
		f.Add(message(r, right), uint8(0))
		f.Add(message(r, right[1:]), uint8(1))
		f.Add(message(r, append(right, right[0])), uint8(2))
		f.Add(message(r, nil), uint8(3))
		r.Proof--
		f.Add(message(r, right[:len(right)-1]), uint8(4))
	}
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		r, hashes, err := hashtree.ParseRequest(b)
		if err != nil {
			return
		}
		fetch, now := NewFetch(bare(t, whole)), start
		fetch.Add(1)
		fetch.Add(2)
		bad := fetch.Hashes(1, r, hashes) // nobody asked
		if bad != nil || fetch.Held() != 0 {
			t.Fatalf("unasked: %v, %d bytes held", bad, fetch.Held())
		}
		asked := make(map[hashtree.Request]bool)
		for {
			q, ok := fetch.Next(1, now)
			if !ok {
				break
			}
			asked[q] = true
		}
		if how%4 == 3 {
			err = fetch.Reject(1, r, now)
		} else {
			err = fetch.Hashes(1, r, hashes)
		}
		if err != nil && !asked[r] {
			t.Fatalf("blamed for what was not asked for: %v", err)
		}
		now = now.Add(time.Hour)
		fetch.Expire(now)
		for !fetch.Done() { // an honest peer ends it
			q, ok := fetch.Next(2, now)
			if !ok {
				t.Fatal("parts are lost")
			}
			if err := fetch.Hashes(2, q, answer(t, whole, q)); err != nil {
				t.Fatal(err)
			}
		}
		if string(fetch.Layers()) != layers {
			t.Fatal("wrong layers")
		}
	})
}
