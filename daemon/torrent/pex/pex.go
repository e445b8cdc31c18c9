// Package pex is the message of peer exchange: the ut_pex extension, by which
// two peers tell each other whom else they are connected to.
//
// Rules: no more addresses are read from a message than its own limit, and one
// whose lists are not whole addresses is an error. When messages are sent,
// what is taken from them, and that none of it happens on private torrents,
// is the engine's business.
//
// Spec: BEP 11, carried by BEP 10; flags as in BEP 11 and 55.
package pex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/anacrolix/torrent/bencode"
)

const (
	// Name is the extension's key in the extension handshake's m.
	Name = "ut_pex"
	// MaxSent is how many peers a message of ours adds, and how many it drops.
	MaxSent = 50
	// MaxReceived is how many added, and how many dropped ones are read.
	MaxReceived = 100
)

// Flags of a peer.
const (
	PrefersEncryption = 0x01
	Seed              = 0x02 // or only uploads
	SpeaksUTP         = 0x04
	Holepunch         = 0x08
	Reachable         = 0x10 // the sender has dialled it
)

// Peer is one that the sender is connected to.
type Peer struct {
	Addr  netip.AddrPort
	Flags byte
}

// Message is what changed since the sender's last one.
type Message struct {
	Added   []Peer
	Dropped []netip.AddrPort
}

type wire struct {
	Added       []byte `bencode:"added"`
	AddedFlags  []byte `bencode:"added.f"`
	Added6      []byte `bencode:"added6"`
	Added6Flags []byte `bencode:"added6.f"`
	Dropped     []byte `bencode:"dropped"`
	Dropped6    []byte `bencode:"dropped6"`
}

const (
	compact4 = 4 + 2 // bytes of an address and its port
	compact6 = 16 + 2
)

// Decode reads a message.
func Decode(b []byte) (m Message, err error) {
	var w wire
	err = bencode.Unmarshal(b, &w)
	var trailing bencode.ErrUnusedTrailingBytes
	if err != nil && !errors.As(err, &trailing) {
		return m, fmt.Errorf("peer exchange: %w", err)
	}
	for _, list := range []struct {
		name         string
		bytes, flags []byte
		size         int
		dropped      bool
	}{
		{"added", w.Added, w.AddedFlags, compact4, false},
		{"added6", w.Added6, w.Added6Flags, compact6, false},
		{"dropped", w.Dropped, nil, compact4, true},
		{"dropped6", w.Dropped6, nil, compact6, true},
	} {
		if len(list.bytes)%list.size != 0 {
			return Message{}, fmt.Errorf("peer exchange: %s has %d bytes, which is no multiple of %d", list.name, len(list.bytes), list.size)
		}
		for i := 0; i < len(list.bytes)/list.size; i++ {
			addr := address(list.bytes[i*list.size : (i+1)*list.size])
			switch {
			case list.dropped && len(m.Dropped) < MaxReceived:
				m.Dropped = append(m.Dropped, addr)
			case !list.dropped && len(m.Added) < MaxReceived:
				p := Peer{Addr: addr}
				if i < len(list.flags) {
					p.Flags = list.flags[i]
				}
				m.Added = append(m.Added, p)
			}
		}
	}
	return m, nil
}

func address(b []byte) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(b[:len(b)-2])
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[len(b)-2:]))
}

// Append appends a message, which has at most MaxSent of each kind.
func Append(b []byte, m Message) []byte {
	var w wire
	for _, p := range m.Added {
		if p.Addr.Addr().Unmap().Is4() {
			w.Added = appendAddress(w.Added, p.Addr)
			w.AddedFlags = append(w.AddedFlags, p.Flags)
		} else {
			w.Added6 = appendAddress(w.Added6, p.Addr)
			w.Added6Flags = append(w.Added6Flags, p.Flags)
		}
	}
	for _, a := range m.Dropped {
		if a.Addr().Unmap().Is4() {
			w.Dropped = appendAddress(w.Dropped, a)
		} else {
			w.Dropped6 = appendAddress(w.Dropped6, a)
		}
	}
	return append(b, bencode.MustMarshal(w)...)
}

func appendAddress(b []byte, a netip.AddrPort) []byte {
	b = append(b, a.Addr().Unmap().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}
