package firmware

import (
	"bytes"
	"testing"

	"lorrent/lora/ether"
	"lorrent/lora/link"
)

// A packet goes from one host to another, and both are told all about it.
func TestPacketFromHostToHost(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	one := attach(t, startNative(t, join(t, a, ether.Position{}), "--node", "89abcdef"))
	two := attach(t, startNative(t, join(t, a, ether.Position{X: 100}), "--clock", "4294960000"))
	one.tune(fast)
	two.tune(fast)
	packet := bytes.Repeat([]byte{0xC0, 0x00, 0xFF}, 85)
	answer := want[link.TxAnswer](one, link.Tx{ID: 7, Packet: packet})
	if answer.ID != 7 || answer.Free == 0 {
		t.Errorf("answer %+v", answer)
	}
	rx := await[link.Rx](two, patience, nil)
	if !bytes.Equal(rx.Packet, packet) || rx.RSSITenths > -600 || rx.SNRTenths < 300 {
		t.Errorf("received %+v", rx)
	}
	done := await[link.TxDone](one, patience, nil)
	airtime := ether.TimeOnAir(radioOf(fast), len(packet)).Microseconds()
	if done.ID != 7 || int64(done.AirtimeMicros)-airtime > 1 || airtime-int64(done.AirtimeMicros) > 1 {
		t.Errorf("%+v, want airtime %d", done, airtime)
	}
	// The same id again is the same transmission, which is over.
	want[link.TxAnswer](one, link.Tx{ID: 7, Packet: packet})
	if again := await[link.TxDone](one, patience, nil); again != done {
		t.Errorf("told again %+v, first %+v", again, done)
	}
	state := want[link.StatusAnswer](one, link.AskStatus{}).State
	if state.Sent != 1 || state.Queued != 0 || state.UsedMillis != uint32(airtime/1000) || state.AllowedMillis != 3600000 {
		t.Errorf("state %+v", state)
	}
	if state.NoiseTenths > -1100 || state.NoiseTenths < -1200 {
		t.Errorf("noise floor %d, want about -1140", state.NoiseTenths)
	}
	if state := want[link.StatusAnswer](two, link.AskStatus{}).State; state.Heard != 1 || state.Load == 0 {
		t.Errorf("state of the receiver %+v", state)
	}
}

// What was said to be transmitted later is, and what is cancelled before is not.
func TestNotBeforeAndCancel(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	h := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(fast)
	now := want[link.PingAnswer](h, link.Ping{}).Time
	want[link.TxAnswer](h, link.Tx{ID: 1, NotBefore: now + 3000, Slots: 1, Packet: []byte("later")})
	want[link.TxAnswer](h, link.Tx{ID: 2, NotBefore: now + 60000, Packet: []byte("never")})
	want[link.TxAnswer](h, link.Tx{ID: 3, Slots: 1, Packet: []byte("now")})
	want[link.CancelAnswer](h, link.Cancel{ID: 2})
	if got := await[link.TxDropped](h, patience, nil); got != (link.TxDropped{ID: 2, Reason: link.Cancelled}) {
		t.Errorf("%+v", got)
	}
	if got := await[link.TxDone](h, patience, nil); got.ID != 3 {
		t.Errorf("first on the air: %+v", got)
	}
	if got := await[link.TxDone](h, patience, nil); got.ID != 1 || int32(got.Begin-now-3000) < 0 {
		t.Errorf("%+v, wanted not before %d", got, now+3000)
	}
	for _, id := range []uint16{1, 99} {
		if got := h.ask(link.Cancel{ID: id}); got != (link.Refused{Command: link.TypeCancel, Status: link.NoSuchID}) {
			t.Errorf("cancel %d: %+v", id, got)
		}
	}
	if got := h.ask(link.Tx{ID: 4, NotBefore: now + 4_000_000, Packet: []byte("x")}); got != (link.Refused{Command: link.TypeTx, Status: link.BadValue}) {
		t.Errorf("over an hour ahead: %+v", got)
	}
}

// A packet that is overheard need not be sent.
func TestOverheard(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	one := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(fast)
	two := attach(t, startNative(t, join(t, a, ether.Position{X: 100}))).tune(fast)
	flood := section(t, "vectors.txt", "flood-text")["packet"]
	key := link.Key(flood[3:12])
	now := want[link.PingAnswer](one, link.Ping{}).Time
	want[link.TxAnswer](one, link.Tx{ID: 1, NotBefore: now + 600_000, Copies: 2, Key: key, Packet: flood})
	want[link.TxAnswer](one, link.Tx{ID: 2, NotBefore: now + 600_000, Copies: 1, Key: link.Key{1}, Packet: flood})
	for id := range uint16(2) {
		want[link.TxAnswer](two, link.Tx{ID: id, Packet: flood})
		await[link.TxDone](two, patience, nil)
	}
	if got := await[link.TxDropped](one, patience, nil); got != (link.TxDropped{ID: 1, Reason: link.Overheard}) {
		t.Errorf("%+v", got)
	}
	if state := want[link.StatusAnswer](one, link.AskStatus{}).State; state.Queued != 1 {
		t.Errorf("%d are queued, want the one with another key", state.Queued)
	}
}

// Packets in a BUNDLE are overheard as well, but beacons are not: they count by themselves.
func TestOverheardInBundle(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	one := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(fast)
	two := attach(t, startNative(t, join(t, a, ether.Position{X: 100}))).tune(fast)
	flood := section(t, "vectors.txt", "flood-text")["packet"]
	beacon := section(t, "vectors.txt", "beacon-relayed")["packet"]
	bundle := section(t, "vectors.txt", "bundle-beacon-and-pull")["packet"]
	now := want[link.PingAnswer](one, link.Ping{}).Time
	want[link.TxAnswer](one, link.Tx{ID: 1, NotBefore: now + 600_000, Copies: 1, Key: link.Key(beacon[3:12]), Packet: flood})
	want[link.TxAnswer](one, link.Tx{ID: 2, NotBefore: now + 600_000, Copies: 1, Key: link.Key(bundle[7:16]), Packet: flood})
	for id, p := range [][]byte{beacon, bundle} {
		want[link.TxAnswer](two, link.Tx{ID: uint16(id), Packet: p})
		await[link.TxDone](two, patience, nil)
	}
	if got := await[link.TxDropped](one, patience, nil); got != (link.TxDropped{ID: 2, Reason: link.Overheard}) {
		t.Errorf("%+v", got)
	}
	if state := want[link.StatusAnswer](one, link.AskStatus{}).State; state.Queued != 1 {
		t.Errorf("%d are queued, want the one with the key of the beacon", state.Queued)
	}
}

// Settings are found again after a restart, and forgotten on command.
func TestSettingsInFlash(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	s := join(t, a, ether.Position{})
	flash := t.TempDir() + "/flash"
	p := startNative(t, s, "--flash", flash, "--node", "89abcdef")
	h := attach(t, p)
	if got := want[link.StoredAnswer](h, link.AskStored{}).Stored; got.Generation != 0 {
		t.Errorf("a new board has stored %+v", got)
	}
	if got := h.ask(link.Store{}); got != (link.Refused{Command: link.TypeStore, Status: link.NoRadio}) {
		t.Errorf("store without settings: %+v", got)
	}
	stored := want[link.StoreAnswer](h.tune(fast), link.Store{Flags: link.RelayAlone, Name: "hill"}).Stored
	if stored != (link.Stored{Generation: 1, Node: 0x89ABCDEF, Flags: link.RelayAlone, Radio: fast, Name: "hill"}) {
		t.Errorf("stored %+v", stored)
	}
	if again := want[link.StoreAnswer](h, link.Store{Flags: link.RelayAlone, Name: "hill"}).Stored; again != stored {
		t.Errorf("the same again was stored as %+v", again)
	}
	p.kill()
	p = startNative(t, s, "--flash", flash, "--node", "11111111")
	h = attach(t, p)
	if got := want[link.StoredAnswer](h, link.AskStored{}).Stored; got != stored {
		t.Errorf("after a power cut %+v, want %+v", got, stored)
	}
	if got := want[link.RadioAnswer](h, link.AskRadio{}); got.Radio != fast {
		t.Errorf("radio after a power cut %+v", got)
	}
	want[link.RebootAnswer](h, link.Reboot{Mode: link.RebootForget})
	await(h, patience, func(m link.Started) bool { return m.Board.StartReason == 1 })
	if got := h.ask(link.AskStored{}); got != (link.Refused{Command: link.TypeStored, Status: link.NoHello}) {
		t.Errorf("without hello: %+v", got)
	}
	h.hello()
	if got := want[link.StoredAnswer](h, link.AskStored{}).Stored; got.Generation != 0 {
		t.Errorf("after forgetting %+v", got)
	}
}

// Commands that cannot be carried out are refused, by name.
func TestRefusals(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	h := connect(t, startNative(t, join(t, a, ether.Position{})))
	bad := fast
	bad.SpreadingFactor = 13
	short := fast
	short.Dwell = 3
	for _, test := range []struct {
		name    string
		command link.Message
		status  link.Status
	}{
		{"before hello", link.Tx{Packet: []byte("x")}, link.NoHello},
		{"older host", link.Hello{Version: 0}, link.OtherVersion},
		{"hello", link.Hello{Version: 1, Session: 1}, link.OK},
		{"no radio settings", link.Tx{Packet: []byte("x")}, link.NoRadio},
		{"spreading factor 13", link.SetRadio{Radio: bad}, link.BadValue},
		{"dwell of 30 ms", link.SetRadio{Radio: short}, link.OK},
		{"longer than the dwell", link.Tx{Packet: make([]byte, 200)}, link.BadValue},
		{"display", link.Display{Kind: 9}, link.BadValue},
		{"loader that is not there", link.Reboot{Mode: link.RebootToLoader}, link.BadValue},
		{"reboot", link.Reboot{Mode: 3}, link.BadValue},
		{"flash that is not there", link.Store{}, link.FlashFailed},
	} {
		got := h.ask(test.command)
		refused, _ := got.(link.Refused)
		if refused.Status != test.status {
			t.Errorf("%s: answered %+v, want %v", test.name, got, test.status)
		}
	}
	for _, s := range sections(t, "link.txt") {
		if s.fields["kind"] != "malformed" {
			continue
		}
		h.write(s.hex(t, "wire"))
		m, _, err := h.next(patience)
		status := link.Malformed
		if s.name == "unknown-command" {
			status = link.Unknown
		}
		if refused, ok := m.(link.Refused); !ok || refused.Status != status {
			t.Errorf("%s: answered %+v, %v, want %v", s.name, m, err, status)
		}
	}
}

// The queue has an end, and a new session begins with an empty one.
func TestQueueIsBounded(t *testing.T) {
	a := ether.NewAir(ether.Config{})
	h := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(fast)
	now := want[link.PingAnswer](h, link.Ping{}).Time
	places := h.hello().Board.Places
	for id := range uint16(places) {
		free := want[link.TxAnswer](h, link.Tx{ID: id, NotBefore: now + 600_000, Packet: []byte("x")}).Free
		if free != places-1-uint8(id) {
			t.Errorf("%d places free after %d", free, id+1)
		}
	}
	if got := h.ask(link.Tx{ID: 1000, Packet: []byte("x")}); got != (link.Refused{Command: link.TypeTx, Status: link.Full}) {
		t.Errorf("one too many: %+v", got)
	}
	h.hello()
	for range places {
		if got := await[link.TxDropped](h, patience, nil); got.Reason != link.Superseded {
			t.Errorf("%+v", got)
		}
	}
	want[link.TxAnswer](h, link.Tx{ID: 1000, Slots: 1, Packet: []byte("x")})
	await(h, patience, func(d link.TxDone) bool { return d.ID == 1000 })
}

// Who wants to talk while another does waits: nothing is lost on a channel without loss.
func TestListenBeforeTalk(t *testing.T) {
	slow := fast
	slow.SpreadingFactor = 10 // 250 bytes take 1.2 s
	a := ether.NewAir(ether.Config{})
	one := attach(t, startNative(t, join(t, a, ether.Position{}))).tune(slow)
	two := attach(t, startNative(t, join(t, a, ether.Position{X: 100}))).tune(slow)
	want[link.TxAnswer](one, link.Tx{ID: 1, Slots: 1, Packet: make([]byte, 250)})
	for until := two.clock() + 300; int32(two.clock()-until) < 0; {
	}
	want[link.TxAnswer](two, link.Tx{ID: 2, Slots: 1, Packet: make([]byte, 50)})
	await[link.Rx](two, patience, nil)
	t.Logf("the second found the channel taken %d times", await[link.TxDone](two, patience, nil).Taken)
	await[link.Rx](one, patience, nil)
}

// clock is the board's.
func (h *host) clock() uint32 {
	h.t.Helper()
	return want[link.PingAnswer](h, link.Ping{}).Time
}
