package ether

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"lorrent/lora/link"
	"lorrent/lora/modem"
)

// A node that does not answer for so long is gone.
const doorPatience = 5 * time.Second

// Serve lets a node of ours, the native process or the QEMU image, use the port
// as its radio chip, over conn and in the words of "Simulated radio" in
// firmware/PROTOCOL.md: the node itself listens before it talks. It returns when
// conn or ctx ends, and closes conn, not the port.
func Serve(ctx context.Context, conn net.Conn, p *Port) error {
	frames, failed := make(chan link.Frame), make(chan error, 1)
	ended := make(chan struct{})
	go func() { failed <- readFrames(conn, frames, ended) }()
	d := &door{conn: conn, port: p, listened: stopped(), sent: stopped(), changed: stopped()}
	err := d.run(ctx, frames)
	close(ended)
	conn.Close()
	if readErr := <-failed; err == nil && readErr != nil {
		err = fmt.Errorf("serve a node on %s: %w", p.name, readErr)
	}
	return err
}

// readFrames passes on what conn brings, until it ends or nobody wants it.
func readFrames(conn net.Conn, frames chan<- link.Frame, ended <-chan struct{}) error {
	defer close(frames)
	d := link.NewDecoder(conn)
	for {
		f, err := d.Next()
		if err != nil {
			select {
			case <-ended:
				return nil
			default:
				return err
			}
		}
		f.Body = append([]byte(nil), f.Body...)
		select {
		case frames <- f:
		case <-ended:
			return nil
		}
	}
}

// door is one node's radio.
type door struct {
	conn     net.Conn
	port     *Port
	sequence uint8

	listened  *time.Timer // end of a look at the channel
	sent      *time.Timer // end of a transmission
	changed   *time.Timer // end of the next signal
	receiving bool
}

// stopped is a timer that does not run.
func stopped() *time.Timer {
	t := time.NewTimer(math.MaxInt64)
	t.Stop()
	return t
}

func (d *door) run(ctx context.Context, frames <-chan link.Frame) error {
	defer func() { d.listened.Stop(); d.sent.Stop(); d.changed.Stop() }()
	for {
		if err := d.tell(); err != nil {
			return err
		}
		var err error
		select {
		case f, ok := <-frames:
			if !ok {
				return nil
			}
			err = d.obey(f)
		case <-d.sent.C:
			err = d.write(link.AirSent{})
		case <-d.listened.C:
			taken, rssi := d.port.sense()
			err = d.write(link.AirListened{Taken: taken, RSSITenths: tenths(rssi)})
		case <-d.changed.C:
		case <-d.port.wake:
		case <-d.port.closed:
			return d.port.err()
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// tell passes on what was heard, and whether something is being heard.
func (d *door) tell() error {
	for {
		r, ok, wait := d.port.take()
		if !ok {
			if wait >= 0 {
				d.changed.Reset(wait)
			}
			if d.receiving == (wait >= 0) {
				return nil
			}
			d.receiving = wait >= 0
			return d.write(link.AirSignal{Receiving: d.receiving})
		}
		err := d.write(link.AirHeard{RSSITenths: tenths(r.RSSIdBm), SNRTenths: tenths(r.SNRdB), Packet: r.Packet})
		if err != nil {
			return err
		}
	}
}

// obey does what the node says. What makes no sense is for nobody.
func (d *door) obey(f link.Frame) error {
	m, err := link.Parse(f)
	if err != nil {
		return nil
	}
	switch m := m.(type) {
	case link.AirSet:
		d.sent.Stop()
		d.listened.Stop()
		return d.set(m.Radio)
	case link.AirListen:
		// Both chips look for two symbols.
		d.listened.Reset(d.port.symbols(2))
	case link.AirSend:
		duration, err := d.port.transmit(m.Packet)
		if err != nil {
			return err
		}
		d.sent.Reset(duration)
	}
	return nil
}

// set configures the port. Settings that no radio has change nothing.
func (d *door) set(r link.Radio) error {
	err := d.port.Configure(context.Background(), modem.Radio{
		FrequencyHz: r.FrequencyHz, BandwidthHz: r.BandwidthHz, SpreadingFactor: int(r.SpreadingFactor),
		CodingRate: int(r.CodingRate), PreambleSymbols: int(r.PreambleSymbols), SyncWord: r.SyncWord, TxPowerDBm: int(r.TxPowerDBm),
	})
	if errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

func (d *door) write(m link.Message) error {
	if err := d.conn.SetWriteDeadline(time.Now().Add(doorPatience)); err != nil {
		return err
	}
	_, err := d.conn.Write(link.Append(nil, m, d.sequence))
	d.sequence++
	return err
}

func tenths(dB float64) int16 { return int16(math.Round(10 * dB)) }

// transmit sends at once, whatever else is on the air, and returns for how long.
func (p *Port) transmit(packet []byte) (time.Duration, error) {
	p.mu.Lock()
	radio, configured := p.radio, p.configured
	duration := p.scale(TimeOnAir(radio, len(packet)))
	now := time.Now()
	if configured {
		p.receiver.transmit(now, now.Add(duration))
	}
	p.mu.Unlock()
	if !configured {
		return 0, nil
	}
	return duration, p.carrier.cast(p, transmission{packet: packet, radio: radio, from: p.at, micros: duration.Microseconds()})
}

// sense is whether the channel is seen taken, and how strong it all is, in dBm.
func (p *Port) sense() (taken bool, rssi float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	_, taken = p.receiver.busy(now, p.symbolsLocked(2))
	return taken, p.receiver.power(now, noisedBm(p.radio.BandwidthHz))
}

func (p *Port) symbols(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.symbolsLocked(n)
}

func (p *Port) symbolsLocked(n int) time.Duration {
	return p.scale(time.Duration(n) * p.radio.Airtime().SymbolTime())
}

// power adds to the noise what is on the air, in dBm.
func (r *receiver) power(now time.Time, noisedBm float64) float64 {
	milliwatts := math.Pow(10, noisedBm/10)
	for _, s := range r.signals {
		if s.end.After(now) {
			milliwatts += math.Pow(10, s.rssi/10)
		}
	}
	return 10 * math.Log10(milliwatts)
}
