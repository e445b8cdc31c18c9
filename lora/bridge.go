// Package lora joins a LoRa modem to the daemon: what is heard becomes stored
// messages and events, what the user sends is stored, transmitted, repeated
// until it is acknowledged, and its every state kept.
//
// Its rules:
//
//   - Store, then publish, then acknowledge: an acknowledgement on the air means
//     that the message survives a crash of this process.
//   - Store, then answer, then send: a message that Send returned is on the air
//     sooner or later, whatever happens to the process or the radio.
//   - A radio that fails ends Run with an error and loses nothing; the caller
//     runs it again.
//   - No hour contains more of our transmissions than the law of the region and
//     the duty limit allow, restarts included.
//   - Nothing is shown, stored or acknowledged that no key of ours opened. A direct
//     message is written by the holder of the key it is shown under; a message to
//     a channel by one of its members, whoever it says.
package lora

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/lora/airtime"
	"lorrent/lora/ether"
	"lorrent/lora/fragment"
	"lorrent/lora/keyring"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
	"lorrent/lora/packet"
	"lorrent/storage"
)

// Config sets a Bridge up. Radio, Store and Events are required.
type Config struct {
	Radio  string // "off", "sim", "udp:GROUP:PORT", "serial:/dev/ttyUSB0", "rnode:/dev/ttyUSB0", "tcp:HOST:PORT"
	Store  *storage.DB
	Events *event.Ring
	Log    zerolog.Logger

	Region     string        // whose law applies, see airtime.Regions; default "EU868"
	Channel    string        // see RadioSettings
	Settings   modem.Radio   // in place of Channel
	DutyLimit  float64       // share of any hour that may be spent sending, 0: what the law allows
	Name       string        // what this node calls itself, at most packet.MaxName bytes
	MessageTTL time.Duration // how long a message is tried; default 24 h
	MaxQueued  int           // messages waiting or not acknowledged; default 1024

	// For the simulated airs, "sim" and "udp".
	Loss    float64    // share of packets lost at each receiver, 0 to 1
	Speedup float64    // divides the time on air; default 1
	Seed    uint64     // of the losses and back-offs; 0 draws one
	Air     *ether.Air // what "sim" joins; default: an air of its own with an echo node

	moment func() moment // tests: another clock than the machine's
}

// Bridge carries messages between the store and a radio.
type Bridge struct {
	// immutable after New
	cfg     Config
	radio   radio
	node    uint32
	clock   airClock
	maxText int
	room    room

	// open is radio.open, but for tests that pull the plug.
	open func(context.Context) (modem.Modem, func(context.Context), error)

	submitted chan struct{} // wakes run for pending; holds one

	onAir mesh.Transmit // owned by run: what was handed to the port

	mu       sync.Mutex // guards what follows
	mesh     *mesh.Mesh
	plan     *airtime.Plan
	ahead    time.Duration // airtime that the store counts as sent, and is not
	counter  *packet.Counter
	ring     *keyring.Ring
	peers    map[uint32]storage.Peer              // whose keys are kept
	cards    map[uint32]packet.Card               // what nodes have said of themselves
	channels map[string]storage.Channel           // joined, by id
	pings    map[packet.ID]chan mesh.StateChanged // under way
	outbound []mesh.Message                       // sealed and not stored, for run to hand to the mesh
	learned  chan struct{}                        // closed and replaced when a card has come
	windows  map[string]*packet.Replay

	inquiries map[uint32]*inquiry // nodes whose identity is asked for
	unopened  []mesh.Deliver      // messages of such nodes
	announced [2]time.Time        // when ours was, the last two times
	answer    time.Time           // when it has to be; zero when not
	answerTo  uint32              // who asks; Broadcast: several do
	assembler *fragment.Assembler

	pending  []storage.Message             // stored, for run to hand to the mesh
	reserved int                           // being stored by Send
	records  map[packet.ID]storage.Message // what the mesh holds
	overflow bool                          // the store has more than the mesh would take
	unasked  bool                          // the store has messages to more unknown nodes than are asked for
	up       bool
	failure  string
	counters counters
}

// counters of packets since New.
type counters struct{ sent, received, bad, forged uint64 }

// New reads the radio's name, the keys and the outbox, and draws an identity when
// the store has none. The error names what is wrong. Close ends what New began.
func New(cfg Config) (*Bridge, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	b := &Bridge{
		cfg: cfg, submitted: make(chan struct{}, 1), records: make(map[packet.ID]storage.Message),
		pings:    make(map[packet.ID]chan mesh.StateChanged),
		channels: make(map[string]storage.Channel), learned: make(chan struct{}),
		peers: make(map[uint32]storage.Peer), cards: make(map[uint32]packet.Card),
		windows: make(map[string]*packet.Replay), inquiries: make(map[uint32]*inquiry),
	}
	var err error
	if b.radio, err = parseRadio(cfg); err != nil {
		return nil, err
	}
	b.clock = airClock{base: time.Now(), speedup: b.radio.speedup}
	identity, err := loadIdentity(cfg.Store)
	if err != nil {
		return nil, err
	}
	b.node, b.ring = identity.NodeID(), keyring.New(identity)
	if err := b.loadKeys(); err != nil {
		return nil, err
	}
	if err := b.loadChannels(); err != nil {
		return nil, err
	}
	epoch := packet.RandomEpoch()
	if b.counter, err = packet.NewCounter(cfg.Store, b.node, epoch); err != nil {
		return nil, err
	}
	if err := b.newPlan(); err != nil {
		return nil, err
	}
	b.radio.settings = b.cfg.Settings
	b.open = b.radio.open
	b.room = roomOf(b.plan.MaxPacket())
	b.maxText = max(b.room.whole, fragment.Longest(b.room.share))
	b.assembler = fragment.NewAssembler(b.plan.TimeOnAir(b.room.share + fragmentOverhead))
	b.mesh = mesh.New(mesh.Config{
		NodeID: b.node, Epoch: epoch, Airtime: b.plan.TimeOnAir, Budget: b.budget, Opens: mesh.Opens,
		FloorSNRdB: floorSNR(cfg.Settings.SpreadingFactor), MaxMessages: cfg.MaxQueued, Known: b.loadKnown(), Recent: b.loadRecent(),
	})
	if b.radio.kind == radioOff {
		return b, nil
	}
	actions, err := b.loadOutbox()
	b.carryOut(actions, nil) // expiries
	return b, err
}

// floorSNR is the SNR in dB of the weakest signal that is received, as of the
// SX1262 datasheet.
func floorSNR(spreadingFactor int) float64 { return -2.5 - 2.5*float64(spreadingFactor-5) }

// Close gives back what was reserved and not used, and keeps what is known of
// the network, so that a restart loses nothing of either. Run has ended.
func (b *Bridge) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.counter.Close(), b.saveAirtime(0), b.saveKnown(), b.saveRecent())
}

// complete fills in the defaults and refuses what cannot work.
func (cfg *Config) complete() error {
	if cfg.Region == "" {
		cfg.Region = "EU868"
	}
	if cfg.Settings == (modem.Radio{}) {
		var err error
		if cfg.Settings, err = RadioSettings(cfg.Region, cfg.Channel); err != nil {
			return err
		}
	}
	if cfg.MessageTTL == 0 {
		cfg.MessageTTL = 24 * time.Hour
	}
	if cfg.MaxQueued == 0 {
		cfg.MaxQueued = 1024
	}
	if cfg.Speedup == 0 {
		cfg.Speedup = 1
	}
	if cfg.moment == nil {
		cfg.moment = func() moment { return moment{time.Now(), readUptime()} }
	}
	switch {
	case cfg.Loss < 0 || cfg.Loss > 1:
		return fmt.Errorf("radio loss %v: want 0 to 1", cfg.Loss)
	case cfg.Speedup < 0:
		return fmt.Errorf("radio speedup %v: want more than 0", cfg.Speedup)
	case cfg.DutyLimit < 0 || cfg.DutyLimit > 1:
		return fmt.Errorf("duty limit %v: want 0 to 1", cfg.DutyLimit)
	case ether.TimeOnAir(cfg.Settings, 1) == 0:
		return fmt.Errorf("radio settings %+v: no radio works so", cfg.Settings)
	}
	return packet.CheckName(cfg.Name)
}

// Run opens the radio and carries messages until ctx ends, whose error it then
// returns, or until the radio fails. With the radio "off" it waits for ctx.
func (b *Bridge) Run(ctx context.Context) error {
	if b.radio.kind == radioOff {
		<-ctx.Done()
		return ctx.Err()
	}
	// What was sent while there was no radio joins the rest, and what expired ends.
	b.carryOut(b.submit(), nil)
	b.carryOut(b.tick(), nil)
	err := b.run(ctx)
	b.setDown(err)
	return err
}

// run is one life of the radio.
func (b *Bridge) run(ctx context.Context) error {
	m, companion, err := b.open(ctx)
	if err != nil {
		return fmt.Errorf("open radio: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		if err := m.Close(); err != nil {
			b.cfg.Log.Warn().Err(err).Str("radio", b.cfg.Radio).Msg("close radio")
		}
		running.Wait()
	}()
	if err := m.Configure(ctx, b.cfg.Settings); err != nil {
		return fmt.Errorf("configure radio: %w", err)
	}
	port := newPort(m)
	running.Go(func() { port.read(ctx) })
	running.Go(func() { port.write(ctx) })
	if s, has := m.(modem.Screen); has {
		running.Go(func() { b.mirror(ctx, s) })
	}
	if companion != nil {
		running.Go(func() { companion(ctx) })
	}
	return b.carry(ctx, port)
}

// carry is the loop that owns the mesh while the radio is up.
func (b *Bridge) carry(ctx context.Context, port *port) error {
	b.setUp()
	b.carryOut(b.locked(b.mesh.Up), port)
	wake := time.NewTimer(0)
	defer wake.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-port.failed:
			return err
		case r := <-port.received:
			b.carryOut(b.receive(r), port)
		case err := <-port.sent:
			if failures = b.noteSent(err, failures); failures >= maxFailures {
				return fmt.Errorf("send packet: %d times in a row: %w", failures, err)
			}
			b.carryOut(b.afterSend(err), port)
		case <-b.submitted:
			b.carryOut(b.submit(), port)
		case <-wake.C:
			b.carryOut(b.tick(), port)
		}
		b.refill(port)
		b.setTimer(wake)
	}
}

// maxFailures is how many packets in a row a radio may refuse before it is
// opened anew.
const maxFailures = 5

// setTimer lets the timer fire when the mesh wants to wake.
func (b *Bridge) setTimer(t *time.Timer) {
	b.mu.Lock()
	at, ok := b.mesh.Wake()
	if other, due := b.nextAnnouncement(); due && (!ok || other.Before(at)) {
		at, ok = other, true
	}
	if other, due := b.assembler.Wake(); due && (!ok || other.Before(at)) {
		at, ok = other, true
	}
	b.mu.Unlock()
	if ok {
		t.Reset(b.clock.until(at))
	} else {
		t.Stop()
	}
}

// locked calls an input of the mesh with the time.
func (b *Bridge) locked(input func(time.Time) []mesh.Action) []mesh.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	return input(b.clock.now())
}

// carryOut does what the mesh asks for, and what it asks for in consequence. A
// mesh that is down, as before the port is open, transmits nothing.
func (b *Bridge) carryOut(actions []mesh.Action, port *port) {
	for len(actions) > 0 {
		action := actions[0]
		actions = actions[1:]
		switch a := action.(type) {
		case mesh.Transmit:
			packet, err := mesh.Encode(&a.Packet)
			if err != nil { // nothing was on the air
				b.fail(fmt.Errorf("encode packet: %w", err))
				actions = append(actions, b.locked(b.mesh.SendFailed)...)
				continue
			}
			b.onAir = a
			b.reserveAirtime(a.Airtime)
			port.put(packet, timing(a))
		case mesh.Cancel:
			port.cancel()
		case mesh.Deliver:
			actions = append(actions, b.deliver(a)...)
		case mesh.StateChanged:
			b.stateChanged(a)
		}
	}
}

func (b *Bridge) setUp() {
	b.mu.Lock()
	b.up, b.failure = true, ""
	b.mu.Unlock()
	b.cfg.Events.Publish(event.LoRaState{Up: true, Radio: b.cfg.Radio})
	b.cfg.Log.Info().Str("radio", b.cfg.Radio).Str("node", FormatNodeID(b.node)).Msg("radio up")
}

// setDown ends the life of a radio. A stop that was asked for is no failure.
func (b *Bridge) setDown(err error) {
	reason := ""
	if !errors.Is(err, context.Canceled) {
		reason = err.Error()
	}
	b.mu.Lock()
	b.mesh.Down()
	// A radio that stays away is one event, not one for each attempt to open it.
	changed := b.up || b.failure != reason
	b.up, b.failure = false, reason
	b.mu.Unlock()
	if changed {
		b.cfg.Events.Publish(event.LoRaState{Up: false, Radio: b.cfg.Radio, Error: reason})
	}
}
