package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	humanize "github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/limit"
	"lorrent/daemon/torrent/outbound"
	"lorrent/lora"
	"lorrent/lora/airtime"
	"lorrent/lora/packet"
	"lorrent/storage/disk"
)

// checkDiscovery looks at how peers are to be found.
func (c *config) checkDiscovery() error {
	var known bool
	if c.dht, known = dhtModes[c.DHT]; !known {
		return fmt.Errorf("dht %q: use on, off or read-only", c.DHT)
	}
	if c.lsd = c.LSD == "on"; !c.lsd && c.LSD != "off" {
		return fmt.Errorf("lsd %q: use on or off", c.LSD)
	}
	c.DHTBootstrap = slices.DeleteFunc(c.DHTBootstrap, func(name string) bool { return name == "" })
	for _, name := range c.DHTBootstrap {
		host, _, err := net.SplitHostPort(name)
		if err == nil && host == "" {
			err = errors.New("no host in it")
		}
		if err == nil {
			err = hostPort(name)
		}
		if err != nil {
			return fmt.Errorf("dht_bootstrap %q: use HOST:PORT: %w", name, err)
		}
	}
	return nil
}

// check turns words into values and paths into absolute ones.
func (s *settings) check() (*config, error) {
	c := &config{settings: *s}
	var err error
	if c.level, err = zerolog.ParseLevel(s.LogLevel); err != nil || s.LogLevel == "" {
		return nil, fmt.Errorf("log_level %q: use trace, debug, info, warn or error", s.LogLevel)
	}
	switch s.Preallocate {
	case "sparse":
		c.allocate = disk.Sparse
	case "full":
		c.allocate = disk.Full
	default:
		return nil, fmt.Errorf("preallocate %q: use sparse or full", s.Preallocate)
	}
	var known bool
	if c.encrypt, known = encryptions[s.Encryption]; !known {
		return nil, fmt.Errorf("encryption %q: use prefer, require or disable", s.Encryption)
	}
	if c.transport, known = transports[s.UTP]; !known {
		return nil, fmt.Errorf("utp %q: use prefer-tcp, only or off", s.UTP)
	}
	if c.out, err = outbound.New(outbound.Config{Bind: s.Bind, Proxy: s.Proxy, DSCP: s.DSCP}); err != nil {
		return nil, err
	}
	if s.PortMapping != "on" && s.PortMapping != "off" {
		return nil, fmt.Errorf("port_mapping %q: use on or off", s.PortMapping)
	}
	if err := c.checkDiscovery(); err != nil {
		return nil, err
	}
	bytes, err := humanize.ParseBytes(s.Buffer)
	if err != nil || bytes < 1<<20 || bytes > 1<<40 {
		return nil, fmt.Errorf("buffer %q: use a size of at least 1 MiB, such as 64MiB", s.Buffer)
	}
	c.buffer = int64(bytes)
	if err := c.checkSpeed(); err != nil {
		return nil, err
	}
	for _, count := range []struct {
		name  string
		value int
	}{{"max_peers", s.MaxPeers}, {"max_peers_per_torrent", s.PeersPerTorrent}, {"upload_slots", s.UploadSlots}} {
		if count.value < 1 {
			return nil, fmt.Errorf("%s %d: must be at least 1", count.name, count.value)
		}
	}
	if err := s.checkAddresses(); err != nil {
		return nil, err
	}
	if c.StateDir == "" {
		return nil, errors.New("state_dir is empty: name a folder")
	}
	if c.DownloadDir == "" {
		c.DownloadDir = filepath.Join(c.StateDir, "downloads")
	}
	if c.RPCTokenFile == "" {
		c.RPCTokenFile = filepath.Join(c.StateDir, "rpc.token")
	}
	paths := []*string{&c.StateDir, &c.DownloadDir, &c.RPCTokenFile}
	for i := range c.DownloadRoots {
		paths = append(paths, &c.DownloadRoots[i])
	}
	for _, p := range paths {
		if *p, err = filepath.Abs(*p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// checkSpeed reads the limits and when which of them hold.
func (c *config) checkSpeed() error {
	for _, l := range []struct {
		name, text string
		value      *int64
	}{
		{"download_limit", c.DownloadLimit, &c.speed.Download}, {"upload_limit", c.UploadLimit, &c.speed.Upload},
		{"alt_download_limit", c.AltDownload, &c.speed.Alternative.Download}, {"alt_upload_limit", c.AltUpload, &c.speed.Alternative.Upload},
	} {
		bytes, err := humanize.ParseBytes(strings.TrimSuffix(l.text, "/s"))
		if err != nil || bytes > 1<<40 {
			return fmt.Errorf("%s %q: use bytes per second, such as 5MB or 800KiB, or 0", l.name, l.text)
		}
		*l.value = int64(bytes)
	}
	if _, err := limit.ParseSchedule(c.AltSchedule); err != nil {
		return fmt.Errorf("alt_schedule: %w", err)
	}
	c.speed.Mode, c.speed.Schedule = torrent.AltOff, c.AltSchedule
	if c.AltSchedule != "" {
		c.speed.Mode = torrent.AltSchedule
	}
	return nil
}

// checkAddresses finds what cannot be an address, so that `config` does, and a
// daemon before it has touched anything. Those who use them know the rest.
func (s *settings) checkAddresses() error {
	if err := hostPort(s.Listen); err != nil {
		return fmt.Errorf("listen %q: use HOST:PORT, or :PORT for every address: %w", s.Listen, err)
	}
	if len(s.RPC) == 0 {
		return errors.New("rpc is empty: name at least one address")
	}
	for _, address := range s.RPC {
		if path, ok := strings.CutPrefix(address, "unix:"); ok && path != "" {
			continue
		}
		if err := hostPort(address); err != nil {
			return fmt.Errorf("rpc %q: use unix:PATH or HOST:PORT: %w", address, err)
		}
	}
	return s.checkLoRa()
}

// checkLoRa finds a radio, region or name that cannot be.
func (s *settings) checkLoRa() error {
	switch kind, rest, _ := strings.Cut(s.LoRa, ":"); {
	case s.LoRa == "off", s.LoRa == "sim", strings.HasPrefix(s.LoRa, "sim?"), s.LoRa == "native", strings.HasPrefix(s.LoRa, "native?"):
	case rest != "" && slices.Contains([]string{"udp", "serial", "board", "meshcore", "rnode", "tcp"}, kind):
	default:
		return fmt.Errorf("lora %q: use off, sim, native, udp:GROUP:PORT, serial:DEVICE, board:DEVICE, meshcore:DEVICE, rnode:DEVICE or tcp:HOST:PORT", s.LoRa)
	}
	if s.LoRaCommands != "on" && s.LoRaCommands != "off" {
		return fmt.Errorf("lora_commands %q: use on or off", s.LoRaCommands)
	}
	if _, err := airtime.RegionByName(s.LoRaRegion); err != nil {
		return fmt.Errorf("lora_%w", err)
	}
	if _, err := lora.RadioSettings(s.LoRaRegion, s.LoRaChannel); err != nil {
		return fmt.Errorf("lora_%w", err)
	}
	if err := packet.CheckName(s.LoRaName); err != nil {
		return fmt.Errorf("lora_name: %w", err)
	}
	return nil
}

func hostPort(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		var wrong *net.AddrError
		if errors.As(err, &wrong) {
			return errors.New(wrong.Err) // without the address, which is named already
		}
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number up to 65535", port)
	}
	return nil
}
