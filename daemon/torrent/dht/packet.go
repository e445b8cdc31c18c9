package dht

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/anacrolix/torrent/bencode"
)

const (
	maxPacket = 2048 // bytes that are looked at; KRPC fits the smallest MTU
	maxName   = 32   // of a transaction or a method
	maxToken  = 128
	maxValues = 200 // peers of one answer
	maxNodes  = 32  // of each family in one answer
	maxText   = 200 // of an error
)

const (
	compact4 = 4 + 2 // bytes of an address and its port
	compact6 = 16 + 2
)

// Kinds of packets, and the queries that are answered.
const (
	query    = "q"
	response = "r"
	failure  = "e"

	ping         = "ping"
	findNode     = "find_node"
	getPeers     = "get_peers"
	announcePeer = "announce_peer"
	otherQuery   = "other" // whatever else is asked: the answer is that it is unknown
)

// packet is a KRPC message (BEP 5): one dictionary, by ascending keys.
type packet struct {
	Arguments   *arguments `bencode:"a,omitempty"`
	Error       []any      `bencode:"e,omitempty"`  // code and text
	IP          string     `bencode:"ip,omitempty"` // whom it is sent to, compact (BEP 42)
	Query       string     `bencode:"q,omitempty"`
	Return      *returned  `bencode:"r,omitempty"`
	ReadOnly    int        `bencode:"ro,omitempty"` // BEP 43
	Transaction string     `bencode:"t"`
	Version     string     `bencode:"v,omitempty"`
	Kind        string     `bencode:"y"`
}

type arguments struct {
	ID          string   `bencode:"id"`
	ImpliedPort int      `bencode:"implied_port,omitempty"`
	InfoHash    string   `bencode:"info_hash,omitempty"`
	NoSeed      int      `bencode:"noseed,omitempty"` // BEP 33
	Port        int      `bencode:"port,omitempty"`
	Scrape      int      `bencode:"scrape,omitempty"` // BEP 33
	Seed        int      `bencode:"seed,omitempty"`   // BEP 33
	Target      string   `bencode:"target,omitempty"`
	Token       string   `bencode:"token,omitempty"`
	Want        []string `bencode:"want,omitempty"` // BEP 32
}

type returned struct {
	Peers  string   `bencode:"BFpe,omitempty"` // BEP 33
	Seeds  string   `bencode:"BFsd,omitempty"`
	ID     string   `bencode:"id"`
	Nodes  string   `bencode:"nodes,omitempty"`
	Nodes6 string   `bencode:"nodes6,omitempty"`
	Token  string   `bencode:"token,omitempty"`
	Values []string `bencode:"values,omitempty"`
}

// received is a packet as it comes: what is optional may be of any type.
type received struct {
	Arguments *struct {
		ID          string        `bencode:"id"`
		ImpliedPort bencode.Bytes `bencode:"implied_port"`
		InfoHash    string        `bencode:"info_hash"`
		NoSeed      bencode.Bytes `bencode:"noseed"`
		Port        bencode.Bytes `bencode:"port"`
		Scrape      bencode.Bytes `bencode:"scrape"`
		Seed        bencode.Bytes `bencode:"seed"`
		Target      string        `bencode:"target"`
		Token       string        `bencode:"token"`
		Want        bencode.Bytes `bencode:"want"`
	} `bencode:"a"`
	Error  bencode.Bytes `bencode:"e"`
	IP     bencode.Bytes `bencode:"ip"`
	Query  string        `bencode:"q"`
	Return *struct {
		ID     string        `bencode:"id"`
		Nodes  bencode.Bytes `bencode:"nodes"`
		Nodes6 bencode.Bytes `bencode:"nodes6"`
		Token  bencode.Bytes `bencode:"token"`
		Values bencode.Bytes `bencode:"values"`
	} `bencode:"r"`
	ReadOnly    bencode.Bytes `bencode:"ro"`
	Transaction string        `bencode:"t"`
	Kind        string        `bencode:"y"`
}

// parse reads a packet and leaves out of it what makes no sense. from is its
// sender: one on the internet knows nobody on our own network.
func parse(b []byte, from netip.Addr) (*packet, error) {
	if len(b) > maxPacket {
		return nil, fmt.Errorf("packet of %d bytes", len(b))
	}
	var in received
	err := bencode.Unmarshal(b, &in)
	var trailing bencode.ErrUnusedTrailingBytes
	if err != nil && !errors.As(err, &trailing) {
		return nil, err
	}
	if in.Transaction == "" || len(in.Transaction) > maxName {
		return nil, fmt.Errorf("transaction name of %d bytes", len(in.Transaction))
	}
	p := &packet{Kind: in.Kind, Transaction: in.Transaction, IP: bytesOf(in.IP)}
	if len(p.IP) != compact4 && len(p.IP) != compact6 {
		p.IP = ""
	}
	if numberOf(in.ReadOnly) != 0 {
		p.ReadOnly = 1
	}
	switch in.Kind {
	case query:
		err = p.takeQuery(&in)
	case response:
		err = p.takeReturn(&in, from)
	case failure:
		p.takeError(&in)
	default:
		err = fmt.Errorf("message of kind %.10q", in.Kind)
	}
	return p, err
}

func (p *packet) takeQuery(in *received) error {
	a := in.Arguments
	if a == nil || len(a.ID) != idLen {
		return errors.New("query without an id")
	}
	p.Query = in.Query
	out := &arguments{ID: a.ID}
	p.Arguments = out
	switch in.Query {
	case ping:
	case findNode:
		out.Target = a.Target
	case getPeers, announcePeer:
		out.InfoHash = a.InfoHash
	default:
		p.Query = otherQuery
		return nil
	}
	if p.Query == findNode && len(out.Target) != idLen || p.Query != findNode && p.Query != ping && len(out.InfoHash) != idLen {
		return fmt.Errorf("%s without a target", p.Query)
	}
	if p.Query == getPeers {
		out.NoSeed, out.Scrape = flagOf(a.NoSeed), flagOf(a.Scrape)
	}
	if p.Query == announcePeer {
		out.ImpliedPort, out.Seed = flagOf(a.ImpliedPort), flagOf(a.Seed)
		out.Port, out.Token = int(numberOf(a.Port)), a.Token
		if out.Port < 0 || out.Port > 65535 || out.Port == 0 && out.ImpliedPort == 0 {
			return fmt.Errorf("announce of port %d", out.Port)
		}
		if len(out.Token) > maxToken {
			return fmt.Errorf("token of %d bytes", len(out.Token))
		}
		return nil
	}
	var want []string
	if bencode.Unmarshal(a.Want, &want) == nil && slices.Contains(want, "n6") {
		out.Want = append(out.Want, "n6")
	}
	if slices.Contains(want, "n4") {
		out.Want = append(out.Want, "n4")
	}
	return nil
}

func (p *packet) takeReturn(in *received, from netip.Addr) error {
	r := in.Return
	if r == nil || len(r.ID) != idLen {
		return errors.New("answer without an id")
	}
	out := &returned{ID: r.ID, Token: bytesOf(r.Token)}
	p.Return = out
	if len(out.Token) > maxToken {
		out.Token = ""
	}
	out.Nodes = filterNodes(bytesOf(r.Nodes), compact4, from)
	out.Nodes6 = filterNodes(bytesOf(r.Nodes6), compact6, from)
	var values []string
	if bencode.Unmarshal(r.Values, &values) == nil {
		for _, v := range values {
			if a, ok := address(v); ok && believable(a, from) && len(out.Values) < maxValues {
				out.Values = append(out.Values, v)
			}
		}
	}
	return nil
}

// filterNodes keeps of a list of compact nodes those that may be called.
func filterNodes(list string, addressLen int, from netip.Addr) string {
	size := idLen + addressLen
	var kept []byte
	for ; len(list) >= size && len(kept) < maxNodes*size; list = list[size:] {
		if a, ok := address(list[idLen:size]); ok && believable(a, from) {
			kept = append(kept, list[:size]...)
		}
	}
	return string(kept)
}

func (p *packet) takeError(in *received) {
	p.Error = []any{int64(201), "unknown error"}
	var value any
	if bencode.Unmarshal(in.Error, &value) != nil {
		return
	}
	given, ok := value.([]any)
	if !ok || len(given) < 2 {
		return
	}
	if code, ok := given[0].(int64); ok && code >= 0 && code < 1000 {
		p.Error[0] = code
	}
	if text, ok := given[1].(string); ok && len(text) <= maxText {
		p.Error[1] = text
	}
}

// encode writes the packet.
func (p *packet) encode() ([]byte, error) { return bencode.Marshal(p) }

// address reads a compact address that somebody can be at.
func address(compact string) (a netip.AddrPort, ok bool) {
	if len(compact) != compact4 && len(compact) != compact6 {
		return a, false
	}
	n := len(compact) - 2
	ip, _ := netip.AddrFromSlice([]byte(compact[:n]))
	a = netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16([]byte(compact[n:])))
	return a, a.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast()
}

// compact is the inverse of address.
func compact(a netip.AddrPort) string {
	return string(binary.BigEndian.AppendUint16(a.Addr().Unmap().AsSlice(), a.Port()))
}

// believable reports whether somebody at from may tell of an address.
func believable(a netip.AddrPort, from netip.Addr) bool {
	ip := a.Addr()
	switch {
	case from.IsLoopback():
		return true
	case ip.IsLoopback():
		return false
	}
	return !isLocal(ip) || isLocal(from)
}

func isLocal(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

func bytesOf(raw bencode.Bytes) (s string) {
	if len(raw) == 0 || bencode.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func numberOf(raw bencode.Bytes) (n int64) {
	if len(raw) == 0 || bencode.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

func flagOf(raw bencode.Bytes) int {
	if numberOf(raw) == 1 {
		return 1
	}
	return 0
}
