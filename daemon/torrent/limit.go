package torrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lorrent/daemon/torrent/limit"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peer"
)

// settingSpeed is where limits that were changed by a command are stored.
const settingSpeed = "speed"

// Limits are rates of payload, in bytes per second; 0 is none.
type Limits struct {
	Download int64 `json:"download"`
	Upload   int64 `json:"upload"`
}

// AltMode says when the alternative limits hold.
type AltMode string

// The modes of the alternative limits.
const (
	AltOff      AltMode = "off"
	AltOn       AltMode = "on"
	AltSchedule AltMode = "schedule"
)

// Speed is what all torrents together may take.
type Speed struct {
	Limits
	Alternative Limits  `json:"alternative"`
	Mode        AltMode `json:"mode"`
	Schedule    string  `json:"schedule"` // see limit.ParseSchedule
}

// SpeedStatus is a Speed and what has become of it.
type SpeedStatus struct {
	Speed
	AltActive bool // the alternative limits hold now
	Changed   bool // by SetSpeed, which the configuration no longer says
}

// ErrLimits says that limits make no sense.
var ErrLimits = errors.New("invalid limits")

// check finds what makes no sense.
func (s Speed) check() (limit.Schedule, error) {
	for _, l := range []Limits{s.Limits, s.Alternative} {
		if err := l.check(); err != nil {
			return limit.Schedule{}, err
		}
	}
	schedule, err := limit.ParseSchedule(s.Schedule)
	switch {
	case err != nil:
		return schedule, fmt.Errorf("%w: %w", ErrLimits, err)
	case s.Mode != AltOff && s.Mode != AltOn && s.Mode != AltSchedule:
		return schedule, fmt.Errorf("%w: mode %q: use off, on or schedule", ErrLimits, s.Mode)
	case s.Mode == AltSchedule && schedule == limit.Schedule{}:
		return schedule, fmt.Errorf("%w: mode schedule without a schedule", ErrLimits)
	}
	return schedule, nil
}

func (l Limits) check() error {
	if l.Download < 0 || l.Upload < 0 {
		return fmt.Errorf("%w: %d down, %d up: must not be negative", ErrLimits, l.Download, l.Upload)
	}
	return nil
}

// throttle holds all torrents to the Speed that the user wants.
type throttle struct {
	configured Speed
	down, up   *limit.Limiter

	// owned by the engine's loop after New
	speed    Speed
	schedule limit.Schedule
	changed  bool
	alt      bool
}

// newThrottle takes what is configured, or what was stored since.
func newThrottle(configured Speed, stored []byte) (*throttle, error) {
	t := &throttle{configured: configured, down: limit.New(0), up: limit.New(0)}
	speed := configured
	if stored != nil {
		if err := json.Unmarshal(stored, &speed); err != nil {
			return nil, fmt.Errorf("read stored limits: %w", err)
		}
	}
	return t, t.set(speed, stored != nil)
}

func (t *throttle) set(speed Speed, changed bool) error {
	schedule, err := speed.check()
	if err != nil {
		return err
	}
	t.speed, t.schedule, t.changed = speed, schedule, changed
	t.apply(time.Now())
	return nil
}

// apply sets the limits that hold now.
func (t *throttle) apply(now time.Time) {
	t.alt = t.speed.Mode == AltOn || t.speed.Mode == AltSchedule && t.schedule.Active(now)
	l := t.speed.Limits
	if t.alt {
		l = t.speed.Alternative
	}
	t.down.Set(l.Download)
	t.up.Set(l.Upload)
}

func (t *throttle) status() SpeedStatus {
	return SpeedStatus{Speed: t.speed, AltActive: t.alt, Changed: t.changed}
}

// untilNextMinute is when a schedule may switch next.
func untilNextMinute(now time.Time) time.Duration {
	return now.Truncate(time.Minute).Add(time.Minute).Sub(now)
}

// Speed returns the limits of all torrents together.
func (e *Engine) Speed(ctx context.Context) (s SpeedStatus, err error) {
	err = e.do(ctx, func() { s = e.throttle.status() })
	return s, err
}

// SetSpeed changes the limits by fn, which gets those in force. They hold, also
// after a restart, until they are changed again or ResetSpeed.
func (e *Engine) SetSpeed(ctx context.Context, fn func(*Speed)) (SpeedStatus, error) {
	return e.storeSpeed(ctx, func() (Speed, bool) {
		speed := e.throttle.speed
		fn(&speed)
		return speed, true
	})
}

// ResetSpeed returns to the limits of the configuration.
func (e *Engine) ResetSpeed(ctx context.Context) (SpeedStatus, error) {
	return e.storeSpeed(ctx, func() (Speed, bool) { return e.throttle.configured, false })
}

// storeSpeed makes new limits durable and then lets them hold.
func (e *Engine) storeSpeed(ctx context.Context, next func() (speed Speed, changed bool)) (s SpeedStatus, err error) {
	e.speeding.Lock()
	defer e.speeding.Unlock()
	var speed Speed
	var changed bool
	if err := e.do(ctx, func() { speed, changed = next() }); err != nil {
		return s, err
	}
	if _, err := speed.check(); err != nil {
		return s, err
	}
	var stored []byte
	if changed {
		if stored, err = json.Marshal(speed); err != nil {
			return s, err
		}
	}
	if err := e.cfg.Store.SetSetting(settingSpeed, stored); err != nil {
		return s, err
	}
	derr := e.do(ctx, func() {
		err = e.throttle.set(speed, changed)
		s = e.throttle.status()
	})
	return s, errors.Join(derr, err)
}

// SetLimits changes the limits of one torrent, which hold beside those of all.
// nil leaves one as it is. They are durable when SetLimits returns.
func (e *Engine) SetLimits(ctx context.Context, h metainfo.Hash, download, upload *int64) (st Status, err error) {
	err = e.command(ctx, h, func(s *session) error {
		l := s.limits()
		if download != nil {
			l.Download = *download
		}
		if upload != nil {
			l.Upload = *upload
		}
		if err := l.check(); err != nil {
			return err
		}
		s.record.DownloadLimit, s.record.UploadLimit = l.Download, l.Upload
		s.decide(s.record.Stopped, s.record.Error)
		s.throttle.set(l)
		st = s.status()
		return nil
	})
	return st, err
}

func (s *session) limits() Limits {
	return Limits{Download: s.record.DownloadLimit, Upload: s.record.UploadLimit}
}

// share is one torrent's limits, and its part of those of all torrents.
type share struct {
	down, up     *limit.Limiter
	ofDown, ofUp *limit.Flow
}

func newShare(all *throttle, own Limits) share {
	s := share{down: limit.New(0), up: limit.New(0), ofDown: all.down.Flow(), ofUp: all.up.Flow()}
	s.set(own)
	return s
}

func (s share) set(l Limits) {
	s.down.Set(l.Download)
	s.up.Set(l.Upload)
}

// connection is what holds one connection of the torrent.
func (s share) connection() (down, up []peer.Limiter) {
	return []peer.Limiter{s.down.Flow(), s.ofDown}, []peer.Limiter{s.up.Flow(), s.ofUp}
}
