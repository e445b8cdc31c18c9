package peer

import (
	"errors"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

func asking(requests ...Request) *pipeline {
	p := &pipeline{}
	for _, r := range requests {
		p.asked.push(asked{Request: r, at: begin})
	}
	p.window.asked(begin)
	return p
}

func numbered(n int) (list []Request) {
	for i := range n {
		list = append(list, Request{Index: 1, Begin: uint32(i) * block, Length: block})
	}
	return list
}

func TestPipelineArrivals(t *testing.T) {
	one := Request{Index: 5, Begin: block, Length: 100}
	giveUp := func(p *pipeline) { p.giveUp(func(*asked) bool { return true }) }
	type arrival struct{ index, begin, length uint32 }
	cases := []struct {
		name      string
		p         *pipeline
		prepare   func(*pipeline)
		arrivals  []arrival
		late      bool
		violation bool // the last one
		left      int
	}{
		{"in order", asking(numbered(3)...), nil, []arrival{{1, 0, block}, {1, block, block}}, false, false, 1},
		{"backwards", asking(numbered(3)...), nil, []arrival{{1, 2 * block, block}, {1, block, block}, {1, 0, block}}, false, false, 0},
		{"never asked for", asking(one), nil, []arrival{{5, 0, 100}}, false, true, 1},
		{"twice", asking(one), nil, []arrival{{5, block, 100}, {5, block, 100}}, false, true, 0},
		{"asked for twice, comes twice", asking(one, one), nil, []arrival{{5, block, 100}, {5, block, 100}}, false, false, 0},
		{"wrong length", asking(one), nil, []arrival{{5, block, 99}}, false, true, 1},
		{"wrong begin", asking(one), nil, []arrival{{5, block + 1, 100}}, false, true, 1},
		{"wrong piece", asking(one), nil, []arrival{{6, block, 100}}, false, true, 1},
		{"given up, and late", asking(one), giveUp, []arrival{{5, block, 100}}, true, false, 0},
		{"given up, late, and again", asking(one), giveUp, []arrival{{5, block, 100}, {5, block, 100}}, true, true, 0},
		{"nothing was asked for", asking(), nil, []arrival{{0, 0, 1}}, false, true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare != nil {
				c.prepare(c.p)
			}
			for i, a := range c.arrivals {
				_, late, err := c.p.arrived(a.index, a.begin, a.length, begin.Add(time.Second))
				if last := i == len(c.arrivals)-1; c.violation && last {
					var v *peerwire.Error
					if !errors.As(err, &v) {
						t.Errorf("%v, not a violation", err)
					}
				} else if err != nil {
					t.Errorf("block %d: %v", i, err)
				} else if late != c.late {
					t.Errorf("block %d is late: %v", i, late)
				}
			}
			if c.p.asked.n != c.left || c.p.givenUp != 0 {
				t.Errorf("%d requests left, %d given up", c.p.asked.n, c.p.givenUp)
			}
		})
	}
}

func TestGivenUpRequestsAreBounded(t *testing.T) {
	p := &pipeline{}
	for round := range 10 {
		for i := range 500 {
			p.asked.push(asked{Request: Request{Index: uint32(round), Begin: uint32(i) * block, Length: block}, at: begin})
		}
		if n := len(p.giveUp(func(*asked) bool { return true })); n != 500 {
			t.Fatalf("round %d: gave up %d requests", round, n)
		}
		if p.givenUp > maxGivenUp || p.asked.n != p.givenUp {
			t.Fatalf("round %d: %d given up, %d in all", round, p.givenUp, p.asked.n)
		}
	}
	if _, late, err := p.arrived(9, 499*block, block, begin); err != nil || !late {
		t.Errorf("the newest was forgotten: %v", err)
	}
	if _, _, err := p.arrived(0, 0, block, begin); err == nil {
		t.Error("the oldest was kept")
	}
}

func TestBatch(t *testing.T) {
	for _, c := range []struct{ asked, want int }{{0, 1}, {1, 1}, {4, 1}, {8, 2}, {100, 25}, {5000, 128}} {
		if got := asking(numbered(c.asked)...).batch(); got != c.want {
			t.Errorf("%d outstanding: actor told every %d blocks, not %d", c.asked, got, c.want)
		}
	}
}

// TestRoom fills a window of which blocks are missing: a few are not worth a message.
func TestRoom(t *testing.T) {
	for _, c := range []struct{ window, outstanding, want int }{
		{8, 8, 0}, {8, 7, 1}, {8, 0, 8}, {80, 75, 0}, {80, 70, 10}, {80, 0, 80}, {80, 90, 0}, {8000, 7873, 0}, {8000, 7872, 128},
	} {
		conn := &Conn{}
		conn.pipe.window = window{size: c.window, limit: maxWindow}
		for _, r := range numbered(c.outstanding) {
			conn.pipe.asked.push(asked{Request: r, at: begin})
		}
		if got := conn.Room(); got != c.want {
			t.Errorf("%d of %d outstanding: room for %d, want %d", c.outstanding, c.window, got, c.want)
		}
	}
}
