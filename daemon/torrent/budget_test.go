package torrent

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 50)
		passed := func() bool {
			done := make(chan struct{})
			through := make(chan bool, 1)
			go func() { through <- g.Wait(done) }()
			synctest.Wait()
			ok := len(through) == 1
			close(done)
			if waited := <-through; waited == ok {
				t.Errorf("passed at once %t, waited %t", ok, waited)
			}
			return ok
		}
		steps := []struct {
			add  int64
			open bool
		}{
			{60, true}, {39, true}, {1, false}, {-40, false}, {-9, false}, {-1, true}, // 50
			{49, true}, {101, false}, {-100, false}, {-100, true}, // 0
			{1000, false}, {-1000, true},
		}
		for i, s := range steps {
			if s.add > 0 {
				g.add(s.add)
			} else {
				g.done(-s.add)
			}
			if got := passed(); got != s.open {
				t.Errorf("step %d: open %v with %d bytes", i, got, g.bytes())
			}
		}
		// All who wait go on at once.
		g.add(100)
		through := make(chan int, 3)
		for i := range 3 {
			go func() { g.Wait(nil); through <- i }()
		}
		synctest.Wait()
		if len(through) != 0 {
			t.Error("passed a closed gate")
		}
		g.done(100)
		synctest.Wait()
		if len(through) != 3 {
			t.Errorf("%d of 3 went on", len(through))
		}
	})
}

func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms()
		start := time.Now()
		at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
		one, two, three, four := &torrent{}, &torrent{}, &torrent{}, &torrent{}
		a.set(one, at(30))
		a.set(two, at(10))
		a.set(three, at(20))
		a.set(four, at(5))
		a.set(one, at(15)) // sooner
		a.set(two, at(40)) // later
		a.clear(four)
		a.clear(four)
		a.clear(&torrent{})
		type ring struct {
			t  *torrent
			at time.Duration
		}
		var rung []ring
		for len(rung) < 3 {
			<-a.C()
			for _, t := range a.due(time.Now()) {
				rung = append(rung, ring{t, time.Since(start)})
			}
		}
		want := []ring{{one, 15 * time.Second}, {three, 20 * time.Second}, {two, 40 * time.Second}}
		for i := range want {
			if rung[i] != want[i] {
				t.Errorf("alarm %d after %v", i, rung[i].at)
			}
		}
		a.set(one, at(1)) // in the past: at once
		<-a.C()
		if due := a.due(time.Now()); len(due) != 1 || time.Since(start) != 40*time.Second {
			t.Errorf("%d due after %v", len(due), time.Since(start))
		}
		if len(a.queue) != 0 {
			t.Errorf("%d left", len(a.queue))
		}
	})
}

// Torrents that are due together, as after a night's sleep of the machine, wake
// a few at a time, and in order.
func TestAlarmsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10 * wakeBurst
		a, start := newAlarms(), time.Now()
		var all []*torrent
		for i := range n {
			all = append(all, &torrent{})
			a.set(all[i], start.Add(time.Duration(i)*time.Microsecond))
		}
		time.Sleep(time.Hour)
		start = time.Now()
		for rung := 0; rung < n; {
			<-a.C()
			list := a.due(time.Now())
			if want := wakeSpacing * time.Duration(rung/wakeBurst); len(list) != wakeBurst || time.Since(start) != want {
				t.Fatalf("%d due after %v, want it after %v", len(list), time.Since(start), want)
			}
			for _, tt := range list {
				if tt != all[rung] {
					t.Fatalf("another one is number %d", rung)
				}
				rung++
			}
		}
	})
}

func TestWorkersEndTheirJobs(t *testing.T) {
	w := newWorkers(3)
	done := make(chan int, 100)
	for i := range 100 {
		w.submit(func() { done <- i })
	}
	stop := w.run()
	stop()
	if len(done) != 100 {
		t.Errorf("%d of 100 jobs done", len(done))
	}
}

func TestCounter(t *testing.T) {
	var c counter
	for i := range 5 {
		if got := c.add(3); got != (i < 3) {
			t.Errorf("add %d: %v", i, got)
		}
	}
	c.done()
	if c.value() != 2 || !c.add(3) || c.add(3) {
		t.Errorf("counts %d", c.value())
	}
}
