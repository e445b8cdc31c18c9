package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/outbound"
	"lorrent/rpc"
	"lorrent/storage/disk"
)

// settings is the configuration as a person writes it: the TOML file has these
// names, a flag has them with dashes, an environment variable in capitals after
// LORRENT_. A flag beats the environment, that beats the file, and that the
// defaults.
type settings struct {
	Config          string   `toml:"-"`
	StateDir        string   `toml:"state_dir"`
	DownloadDir     string   `toml:"download_dir"`
	DownloadRoots   []string `toml:"download_roots"`
	Listen          string   `toml:"listen"`
	RPC             []string `toml:"rpc"`
	RPCTokenFile    string   `toml:"rpc_token_file"`
	RPCSocketGroup  string   `toml:"rpc_socket_group"`
	RPCAllowedHosts []string `toml:"rpc_allowed_hosts"`
	LoRa            string   `toml:"lora"`
	LoRaName        string   `toml:"lora_name"`
	LoRaRegion      string   `toml:"lora_region"`
	LoRaChannel     string   `toml:"lora_channel"`
	LoRaCommands    string   `toml:"lora_commands"`
	LoRaNotify      string   `toml:"lora_notify"`
	LogLevel        string   `toml:"log_level"`
	Preallocate     string   `toml:"preallocate"`
	Encryption      string   `toml:"encryption"`
	UTP             string   `toml:"utp"`
	PortMapping     string   `toml:"port_mapping"`
	DHT             string   `toml:"dht"`
	DHTBootstrap    []string `toml:"dht_bootstrap"`
	LSD             string   `toml:"lsd"`
	Bind            string   `toml:"bind"`
	Proxy           string   `toml:"proxy"`
	DSCP            int      `toml:"dscp"`
	Blocklist       string   `toml:"blocklist"`
	MaxPeers        int      `toml:"max_peers"`
	PeersPerTorrent int      `toml:"max_peers_per_torrent"`
	UploadSlots     int      `toml:"upload_slots"`
	DownloadLimit   string   `toml:"download_limit"`
	UploadLimit     string   `toml:"upload_limit"`
	AltDownload     string   `toml:"alt_download_limit"`
	AltUpload       string   `toml:"alt_upload_limit"`
	AltSchedule     string   `toml:"alt_schedule"`
	Buffer          string   `toml:"buffer"`
}

// option ties a setting's flag to its field.
type option struct {
	flag, help string
	text       *string
	list       *[]string
	number     *int
}

func (s *settings) options() []option {
	return []option{
		{flag: "config", text: &s.Config, help: "configuration file (TOML)"},
		{flag: "state-dir", text: &s.StateDir, help: "folder of the database"},
		{flag: "download-dir", text: &s.DownloadDir, help: "folder for torrents that name no other"},
		{flag: "download-roots", list: &s.DownloadRoots, help: "folders below which clients may put torrents (default: anywhere)"},
		{flag: "listen", text: &s.Listen, help: "HOST:PORT for peers"},
		{flag: "rpc", list: &s.RPC, help: "where to answer RPC: unix:PATH or HOST:PORT; may be repeated"},
		{flag: "rpc-token-file", text: &s.RPCTokenFile, help: "file with the token for RPC over TCP; made when missing"},
		{flag: "rpc-socket-group", text: &s.RPCSocketGroup, help: "group that may use the unix socket"},
		{flag: "rpc-allowed-hosts", list: &s.RPCAllowedHosts, help: "host names under which RPC over TCP may be called"},
		{flag: "lora", text: &s.LoRa, help: "radio: off, sim, native, udp:GROUP:PORT, serial:DEVICE, board:DEVICE, meshcore:DEVICE, rnode:DEVICE or tcp:HOST:PORT"},
		{flag: "lora-name", text: &s.LoRaName, help: "what this node calls itself on the air, at most 20 bytes"},
		{flag: "lora-region", text: &s.LoRaRegion, help: "whose law applies to the radio, such as EU868 or US915"},
		{flag: "lora-channel", text: &s.LoRaChannel, help: "MHZ/KHZ/SF, such as 869.525/250/9; the same for all nodes (default: the region's)"},
		{flag: "lora-commands", text: &s.LoRaCommands, help: "on: obey commands by direct message from contacts that are allowed to; or off"},
		{flag: "lora-notify", text: &s.LoRaNotify, help: "contact or #channel to tell which torrents are complete"},
		{flag: "log-level", text: &s.LogLevel, help: "trace, debug, info, warn or error"},
		{flag: "preallocate", text: &s.Preallocate, help: "sparse or full"},
		{flag: "encryption", text: &s.Encryption, help: "of connections to peers: prefer, require or disable"},
		{flag: "utp", text: &s.UTP, help: "as transport to peers: prefer-tcp, only or off"},
		{flag: "port-mapping", text: &s.PortMapping, help: "ask the router to let peers in: on or off"},
		{flag: "dht", text: &s.DHT, help: "find peers in the distributed hash table: on, off or read-only"},
		{flag: "dht-bootstrap", list: &s.DHTBootstrap, help: "HOST:PORT of a node to begin with; may be repeated, \"\" is none"},
		{flag: "lsd", text: &s.LSD, help: "find peers on the local network: on or off"},
		{flag: "bind", text: &s.Bind, help: "interface or address that all traffic of torrents uses, and no other"},
		{flag: "proxy", text: &s.Proxy, help: "for torrents: socks5://[USER:PASSWORD@]HOST:PORT or http://…"},
		{flag: "dscp", number: &s.DSCP, help: "mark of packets to peers and trackers, 0 to 63"},
		{flag: "blocklist", text: &s.Blocklist, help: "file or URL of addresses to stay away from (P2P, DAT or CIDR, may be gzipped)"},
		{flag: "max-peers", number: &s.MaxPeers, help: "connections in all"},
		{flag: "max-peers-per-torrent", number: &s.PeersPerTorrent, help: "connections of one torrent"},
		{flag: "upload-slots", number: &s.UploadSlots, help: "peers of one torrent served at a time"},
		{flag: "download-limit", text: &s.DownloadLimit, help: "payload per second of all torrents, such as 5MB; 0 is no limit"},
		{flag: "upload-limit", text: &s.UploadLimit, help: "the same for what is sent"},
		{flag: "alt-download-limit", text: &s.AltDownload, help: "another download limit, for when alt-schedule or a command says so"},
		{flag: "alt-upload-limit", text: &s.AltUpload, help: "the same for what is sent"},
		{flag: "alt-schedule", text: &s.AltSchedule, help: "when the alternative limits hold, such as \"mon-fri 08:00-18:00\"; never when empty"},
		{flag: "buffer", text: &s.Buffer, help: "memory for pieces on their way to the disk"},
	}
}

func (s *settings) bind(flags *pflag.FlagSet) {
	for _, o := range s.options() {
		switch {
		case o.list != nil:
			flags.StringArrayVar(o.list, o.flag, nil, o.help)
		case o.number != nil:
			flags.IntVar(o.number, o.flag, 0, o.help)
		default:
			flags.StringVar(o.text, o.flag, "", o.help)
		}
	}
}

// take copies one setting from another place.
func (o option) take(from option) {
	switch {
	case o.list != nil:
		*o.list = *from.list
	case o.number != nil:
		*o.number = *from.number
	default:
		*o.text = *from.text
	}
}

// parse reads a setting from an environment variable; lists have commas.
func (o option) parse(value string) error {
	switch {
	case o.list != nil:
		*o.list = strings.Split(value, ",")
		for i, entry := range *o.list {
			(*o.list)[i] = strings.TrimSpace(entry)
		}
	case o.number != nil:
		number, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		*o.number = number
	default:
		*o.text = value
	}
	return nil
}

func (o option) variable() string {
	return "LORRENT_" + strings.ToUpper(strings.ReplaceAll(o.flag, "-", "_"))
}

// config is a checked configuration.
type config struct {
	settings
	level     zerolog.Level
	allocate  disk.Mode
	encrypt   torrent.Encryption
	transport torrent.Transport
	out       *outbound.Way
	buffer    int64
	speed     torrent.Speed
	dht       torrent.DHTMode
	lsd       bool
}

var encryptions = map[string]torrent.Encryption{
	"prefer":  torrent.PreferEncryption,
	"require": torrent.RequireEncryption,
	"disable": torrent.DisableEncryption,
}

var transports = map[string]torrent.Transport{
	"prefer-tcp": torrent.PreferTCP,
	"only":       torrent.OnlyUTP,
	"off":        torrent.OnlyTCP,
}

var dhtModes = map[string]torrent.DHTMode{"on": torrent.DHTOn, "off": torrent.DHTOff, "read-only": torrent.DHTReadOnly}

// loadConfig merges flags, environment, file and defaults, and checks the
// result.
func loadConfig(flags *settings, changed func(string) bool, env func(string) (string, bool)) (*config, error) {
	s := defaults(env)
	path, must := configFile(flags.Config, env)
	if err := s.readFile(path, must); err != nil {
		return nil, err
	}
	given := flags.options()
	for i, o := range s.options() {
		if value, ok := env(o.variable()); ok && value != "" {
			if err := o.parse(value); err != nil {
				return nil, fmt.Errorf("%s: %w", o.variable(), err)
			}
		}
		if changed(o.flag) {
			o.take(given[i])
		}
	}
	s.Config = path
	return s.check()
}

// readFile takes settings from the file. A misspelt key is an error, so that
// nobody believes in a setting that has no effect.
func (s *settings) readFile(path string, must bool) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(s)
	var strict *toml.StrictMissingError
	var syntax *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		line, column := strict.Errors[0].Position()
		return fmt.Errorf("%s:%d:%d: unknown setting %q", path, line, column, strings.Join(strict.Errors[0].Key(), "."))
	case errors.As(err, &syntax):
		line, column := syntax.Position()
		return fmt.Errorf("%s:%d:%d: %s", path, line, column, strings.TrimPrefix(syntax.Error(), "toml: "))
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func defaults(env func(string) (string, bool)) settings {
	return settings{
		StateDir:        stateDir(env),
		Listen:          ":51767",
		RPC:             []string{"unix:" + rpc.SocketPaths()[0]},
		LoRa:            "sim",
		LoRaRegion:      "EU868",
		LoRaCommands:    "off",
		LogLevel:        "info",
		Preallocate:     "sparse",
		Encryption:      "prefer",
		UTP:             "prefer-tcp",
		PortMapping:     "on",
		DHT:             "on",
		DHTBootstrap:    []string{"dht.libtorrent.org:25401", "dht.transmissionbt.com:6881", "router.bittorrent.com:6881"},
		LSD:             "on",
		MaxPeers:        500,
		PeersPerTorrent: 80,
		UploadSlots:     8,
		DownloadLimit:   "0",
		UploadLimit:     "0",
		AltDownload:     "0",
		AltUpload:       "0",
		Buffer:          "64MiB",
	}
}

// stateDir follows systemd ($STATE_DIRECTORY), then the XDG base directories.
func stateDir(env func(string) (string, bool)) string {
	if dir, _ := env("STATE_DIRECTORY"); dir != "" {
		dir, _, _ = strings.Cut(dir, ":")
		return dir
	}
	if dir, _ := env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "lorrent")
	}
	if home, _ := env("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "lorrent")
	}
	return "/var/lib/lorrent"
}

// configFile finds the file: named by the user, then systemd's, the user's,
// and the machine's. Only a named one must exist.
func configFile(flag string, env func(string) (string, bool)) (path string, must bool) {
	if flag != "" {
		return flag, true
	}
	if named, _ := env("LORRENT_CONFIG"); named != "" {
		return named, true
	}
	var candidates []string
	if dir, _ := env("CONFIGURATION_DIRECTORY"); dir != "" {
		dir, _, _ = strings.Cut(dir, ":")
		candidates = append(candidates, filepath.Join(dir, "config.toml"))
	}
	if dir, _ := env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		candidates = append(candidates, filepath.Join(dir, "lorrent", "config.toml"))
	} else if home, _ := env("HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, ".config", "lorrent", "config.toml"))
	}
	for _, c := range append(candidates, "/etc/lorrent/config.toml") {
		if _, err := os.Stat(c); err == nil {
			return c, false
		}
	}
	return "", false
}

// print writes the configuration as a file that would give it.
func (c *config) print(w io.Writer) error {
	source := c.Config
	if source == "" {
		source = "none"
	}
	fmt.Fprintf(w, "# file: %s\n", source)
	return toml.NewEncoder(w).Encode(c.settings)
}
