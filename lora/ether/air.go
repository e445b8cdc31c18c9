// Package ether is a simulated air: the radio of a daemon that has none.
//
// A Port on it is a modem. Packets take their time on air (package airtime),
// are heard within range, and get lost: by chance, because two overlap, or
// because the receiver was talking itself. The model, per receiver:
//
//   - Path loss is 31.2 dB at one metre and 30 dB for every tenfold distance;
//     the noise floor is -174 dBm/Hz plus 6 dB. A packet below the SNR limit of
//     its spreading factor (SX1262 datasheet) is not received.
//   - Of two packets that overlap, one that is stronger by 6 dB survives
//     (capture), else both are lost. Only equal settings hear or disturb each
//     other.
//   - Radios are half duplex.
//   - A station listens before it talks: it waits a random number of slots of
//     four symbols, and when the channel is taken then, for its end and a longer
//     random time. A transmission of less than two symbols of age is not seen
//     yet, so stations do collide.
//
// An Air joins the ports of one process; OpenUDP joins processes of one machine.
// Time may be sped up. All of it runs on the time package alone, so tests run
// it in virtual time.
package ether

import (
	"math/rand/v2"
	"sync"

	"lorrent/lora/modem"
)

// Config sets an air up. The zero value loses nothing by chance and runs in
// real time.
type Config struct {
	Loss    float64 // share of packets lost by chance at each receiver, 0 to 1
	Speedup float64 // divides every duration on the air; 0 is 1
	Seed    uint64  // of losses and back-offs; 0 draws one
}

// random makes the generator of one port.
func (c Config) random(port uint64) *rand.Rand {
	seed := c.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, port))
}

// carrier brings a transmission to the other ports.
type carrier interface {
	cast(from *Port, t transmission) error
	leave(p *Port) error
}

// transmission is one packet on its way.
type transmission struct {
	packet []byte
	radio  modem.Radio
	from   Position
	micros int64 // time on air, sped up
}

// Air joins the ports of one process.
type Air struct {
	cfg Config // immutable after New

	mu     sync.Mutex
	ports  map[*Port]struct{}
	joined uint64
}

// NewAir returns an air with nobody on it.
func NewAir(cfg Config) *Air {
	return &Air{cfg: cfg, ports: make(map[*Port]struct{})}
}

// Join adds a station. It hears nothing before Configure.
func (a *Air) Join(name string, at Position) *Port {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joined++
	p := newPort(name, at, a.cfg, a.cfg.random(a.joined), a)
	a.ports[p] = struct{}{}
	return p
}

// Speedup is by how much time on this air is shorter than on a real one.
func (a *Air) Speedup() float64 { return a.cfg.speedup() }

func (c Config) speedup() float64 {
	if c.Speedup <= 0 {
		return 1
	}
	return c.Speedup
}

// cast lets every other port hear t.
func (a *Air) cast(from *Port, t transmission) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range a.ports {
		if p != from {
			p.hear(t)
		}
	}
	return nil
}

func (a *Air) leave(p *Port) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.ports, p)
	return nil
}
