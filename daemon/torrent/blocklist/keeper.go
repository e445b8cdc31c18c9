package blocklist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	fetchEvery   = 24 * time.Hour
	lookEvery    = time.Minute // at a file
	retryEvery   = 15 * time.Minute
	fetchTimeout = 10 * time.Minute
	maxPacked    = 128 << 20
)

// Config says where a list comes from.
type Config struct {
	Source  string // a path, or an http or https URL
	Cache   string // file that keeps what came from a URL, for the next start
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Look    time.Duration            // between two looks at a file, 0 is a minute
	Changed func(l *List, err error) // called from Run after each try that changed something, unless nil
}

// Keeper has the newest list there is. Its methods may be called concurrently.
type Keeper struct {
	cfg  Config
	list atomic.Pointer[List]

	// owned by Run
	stamp   time.Time // of the file that was read
	size    int64
	fetched time.Time
}

// NewKeeper reads the file, or what is kept of the URL, so that the list holds
// from the start. A file that cannot be read is an error: it was meant to
// protect somebody.
func NewKeeper(cfg Config) (*Keeper, error) {
	if cfg.Look <= 0 {
		cfg.Look = lookEvery
	}
	k := &Keeper{cfg: cfg}
	if !k.remote() {
		_, err := k.look(cfg.Source)
		return k, err
	}
	if _, err := k.look(cfg.Cache); err == nil {
		k.fetched = k.stamp
	}
	return k, nil
}

func (k *Keeper) remote() bool {
	return strings.HasPrefix(k.cfg.Source, "http://") || strings.HasPrefix(k.cfg.Source, "https://")
}

// Blocks reports whether an address is on the list.
func (k *Keeper) Blocks(a netip.Addr) bool { return k != nil && k.list.Load().Blocks(a) }

// Run keeps the list up to date until ctx ends: a URL is fetched once a day, a
// file read again when it changes. What cannot be read leaves the list as it is.
func (k *Keeper) Run(ctx context.Context) error {
	wait := time.Duration(0)
	if k.remote() {
		wait = min(max(0, fetchEvery-time.Since(k.fetched)), fetchEvery) // the clock may have been set back
	}
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		var changed bool
		var err error
		if k.remote() {
			wait = fetchEvery
			changed, err = true, k.fetch(ctx)
			if err != nil {
				wait = retryEvery
			}
		} else {
			wait = k.cfg.Look
			changed, err = k.look(k.cfg.Source)
		}
		if ctx.Err() == nil && (changed || err != nil) && k.cfg.Changed != nil {
			k.cfg.Changed(k.list.Load(), err)
		}
	}
}

// look reads a file if it is not the one that was read last.
func (k *Keeper) look(path string) (changed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.ModTime().Equal(k.stamp) && info.Size() == k.size {
		return false, err
	}
	l, err := Parse(f)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	k.stamp, k.size = info.ModTime(), info.Size()
	k.list.Store(l)
	return true, nil
}

// fetch gets the list by HTTP and keeps it.
func (k *Keeper) fetch(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: k.cfg.Dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ResponseHeaderTimeout: time.Minute, DisableCompression: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.cfg.Source, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch blocklist: HTTP %d", resp.StatusCode)
	}
	f, err := os.CreateTemp(filepath.Dir(k.cfg.Cache), ".blocklist-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all is well
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(resp.Body, maxPacked+1))
	switch {
	case err != nil:
		return fmt.Errorf("fetch blocklist: %w", err)
	case n > maxPacked:
		return fmt.Errorf("blocklist is larger than %d MiB", maxPacked>>20)
	case resp.ContentLength >= 0 && n != resp.ContentLength:
		return errors.New("fetch blocklist: it was cut off")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	l, err := Parse(f)
	if err != nil {
		return err
	}
	k.list.Store(l)
	return os.Rename(f.Name(), k.cfg.Cache)
}
