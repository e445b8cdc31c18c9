package portmap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// fakeMethod grants mappings and keeps a diary.
type fakeMethod struct {
	begin    time.Time
	lifetime time.Duration
	fail     error
	diary    []string
}

func (f *fakeMethod) name() string { return "UPnP" }

func (f *fakeMethod) note(format string, args ...any) {
	f.diary = append(f.diary, fmt.Sprintf("%d ", int(time.Since(f.begin).Minutes()))+fmt.Sprintf(format, args...))
}

func (f *fakeMethod) open(_ context.Context, want mapping) (mapping, error) {
	if f.fail != nil {
		f.note("refused")
		return mapping{}, f.fail
	}
	f.note("open %s %d", want.proto, want.external.Port())
	return mapping{proto: want.proto, external: netip.MustParseAddrPort("203.0.113.5:5000"), lifetime: f.lifetime}, nil
}

func (f *fakeMethod) close(ctx context.Context, m mapping) error {
	f.note("close %s", m.proto)
	return ctx.Err()
}

// guardedMethod has a firewall for IPv6, too.
type guardedMethod struct{ *fakeMethod }

func (g guardedMethod) openPinhole(context.Context, time.Duration) (netip.AddrPort, time.Duration, error) {
	g.note("pinhole")
	return netip.MustParseAddrPort("[2001:db8::2]:51767"), time.Hour, nil
}
func (g guardedMethod) closePinhole(context.Context) { g.note("close pinhole") }

// watch runs a mapper for some time and returns its last status and its diary.
func watch(t *testing.T, f *fakeMethod, way method, d time.Duration) (s Status) {
	synctest.Test(t, func(t *testing.T) {
		f.begin = time.Now()
		m := New(Config{Port: 51767})
		m.methods = func(context.Context) []candidate {
			return []candidate{
				{"PCP", func(context.Context) (method, error) { return nil, errSilent }},
				{"UPnP", func(context.Context) (method, error) { return way, nil }},
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		time.Sleep(d - time.Second)
		synctest.Wait()
		s = m.Status()
		<-ended
	})
	return s
}

func TestMappingIsRenewedAndTakenBack(t *testing.T) {
	f := &fakeMethod{lifetime: time.Hour}
	s := watch(t, f, f, 70*time.Minute)
	want := []string{"0 open tcp 51767", "0 open udp 5000", "30 open tcp 5000", "30 open udp 5000", "60 open tcp 5000", "60 open udp 5000", "70 close tcp", "70 close udp"}
	if !slices.Equal(f.diary, want) {
		t.Errorf("got  %q\nwant %q", f.diary, want)
	}
	if s.String() != "mapped by UPnP 203.0.113.5:5000" {
		t.Error(s)
	}
}

func TestPinholeIsHeld(t *testing.T) {
	f := &fakeMethod{lifetime: time.Hour}
	s := watch(t, f, guardedMethod{f}, 40*time.Minute)
	want := []string{"0 open tcp 51767", "0 open udp 5000", "0 pinhole", "30 open tcp 5000", "30 open udp 5000", "30 pinhole", "40 close tcp", "40 close udp", "40 close pinhole"}
	if !slices.Equal(f.diary, want) {
		t.Errorf("got  %q\nwant %q", f.diary, want)
	}
	if s.String() != "mapped by UPnP 203.0.113.5:5000, open for [2001:db8::2]:51767" {
		t.Error(s)
	}
}

func TestPermanentMappingIsLookedAfter(t *testing.T) {
	f := &fakeMethod{}
	s := watch(t, f, f, 40*time.Minute)
	if len(f.diary) != 6 || f.diary[2] != "30 open tcp 5000" || f.diary[5] != "40 close udp" || !s.Expires.IsZero() {
		t.Errorf("%q, %+v", f.diary, s)
	}
}

func TestShortLifetimesAreNotAFlood(t *testing.T) {
	f := &fakeMethod{lifetime: time.Millisecond}
	watch(t, f, f, time.Minute)
	if n := len(f.diary); n > 2*int(2*time.Minute/minLifetime)+4 {
		t.Errorf("%d requests in a minute", n)
	}
}

func TestFailureIsToldAndTriedAgain(t *testing.T) {
	f := &fakeMethod{fail: errors.New("not\nauthorised")}
	s := watch(t, f, f, 11*time.Minute)
	if s.String() != "not mapped: PCP: no answer; UPnP: not authorised" {
		t.Error(s)
	}
	if want := []string{"0 refused", "5 refused", "10 refused"}; !slices.Equal(f.diary, want) {
		t.Errorf("%q", f.diary)
	}
}

func TestStatusNamesASecondRouter(t *testing.T) {
	s := Status{Method: "PCP", External: netip.MustParseAddrPort("100.64.1.1:5")}
	if s.String() != "mapped by PCP 100.64.1.1:5 (a private address: there is another router behind it)" {
		t.Error(s)
	}
	if s := (Status{}); s.String() != "being mapped" {
		t.Error(s)
	}
}
