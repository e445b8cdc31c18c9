package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/pex"
	"lorrent/daemon/torrent/torrenttest"
)

type (
	seedConfig = torrenttest.SeedConfig
	message    = torrenttest.Message
	peer       = torrenttest.Peer
)

// Numbers of extension messages: those we give, and what the daemon is taken to
// have given.
const (
	ourMetadata                                       = 3
	theirMetadata, theirExchange, theirPunch, theirNo = 1, 2, 3, 4
)

// lies are the ways of a seed not to serve.
var lies = []func(*seedConfig){
	func(c *seedConfig) { c.Answer = c.Corrupt(func(peerwire.Message) bool { return true }) },
	func(c *seedConfig) { c.Answer = c.Corrupt(func(peerwire.Message) bool { return rand.IntN(20) == 0 }) },
	func(c *seedConfig) { c.Answer = torrenttest.RejectAll },
	func(c *seedConfig) { c.Answer = torrenttest.ChokeAfter(3) },
	func(c *seedConfig) { c.Answer = torrenttest.Stall(2) },
	func(c *seedConfig) { c.Answer = c.HangUp(5) },
	func(c *seedConfig) {
		c.Answer = func(p *peer, r peerwire.Message) bool { // another block than was asked for
			r.Begin ^= peerwire.BlockSize
			if int(r.Index) == c.Pieces-1 {
				return false
			}
			p.Say(c.Block(r))
			return true
		}
	},
	func(c *seedConfig) {
		c.Answer = func(p *peer, r peerwire.Message) bool { // each one twice
			p.Say(c.Block(r), c.Block(r))
			return true
		}
	},
	func(c *seedConfig) {
		c.Answer = func(p *peer, r peerwire.Message) bool { // a violation before the block
			p.Say(peerwire.AppendIndex(nil, peerwire.Have, uint32(c.Pieces)), c.Block(r))
			return true
		}
	},
}

// truth lets a seed give the info dictionary as it is.
func (c *crowd) truth(w crowdTorrent, cfg *seedConfig) {
	c.metadata(cfg, len(w.info.Bytes), func(p *peer, piece int) {
		p.Say(peerwire.AppendExtended(nil, theirMetadata, metadata.AppendData(nil, w.info.Bytes, piece)))
	})
}

// metadata has a seed claim so many bytes of info dictionary, and answer
// requests for its pieces.
func (c *crowd) metadata(cfg *seedConfig, size int, answer func(p *peer, piece int)) {
	cfg.Greeting = fmt.Appendf(nil, "d1:md11:ut_metadatai%dee13:metadata_sizei%dee", ourMetadata, size)
	cfg.Extended = func(p *peer, m message) {
		if m.Extension != ourMetadata {
			return
		}
		if ask, err := metadata.Decode(m.Bytes); err == nil && ask.Type == metadata.Request {
			answer(p, ask.Piece)
		}
	}
}

// gossip is one of the ways to lie about the info dictionary.
func (c *crowd) gossip(w crowdTorrent) func(*seedConfig) {
	say := func(payload []byte) func(*peer, int) {
		return func(p *peer, _ int) { p.Say(peerwire.AppendExtended(nil, theirMetadata, payload)) }
	}
	spoilt := bytes.Clone(w.info.Bytes)
	spoilt[len(spoilt)-10] ^= 1
	size := len(spoilt)
	return func(cfg *seedConfig) {
		switch rand.IntN(7) {
		case 0:
			c.metadata(cfg, size, func(p *peer, piece int) {
				p.Say(peerwire.AppendExtended(nil, theirMetadata, metadata.AppendData(nil, spoilt, piece)))
			})
		case 1:
			c.metadata(cfg, metadata.MaxSize, func(p *peer, piece int) {
				p.Say(peerwire.AppendExtended(nil, theirMetadata, metadata.AppendData(nil, make([]byte, metadata.MaxSize), piece)))
			})
		case 2:
			c.metadata(cfg, metadata.MaxSize+1, func(*peer, int) {})
		case 3:
			c.metadata(cfg, -5, func(*peer, int) {})
		case 4:
			c.metadata(cfg, size, say([]byte("d8:msg_typei1e5:piecei1000eex")))
		case 5:
			c.metadata(cfg, size, func(p *peer, piece int) {
				p.Say(peerwire.AppendExtended(nil, theirMetadata, metadata.AppendReject(nil, piece)))
			})
		case 6:
			c.metadata(cfg, size, func(*peer, int) {}) // silence
		}
	}
}

// knock connects and says less than a whole handshake, or nonsense.
func (c *crowd) knock() error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	good := peerwire.NewHandshake(c.seeded.info.Hash, torrenttest.NewID()).Bytes()
	other := bytes.Clone(good)
	other[30] ^= 1
	words := [][]byte{nil, good[:50], other, good, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 700), []byte(strings.Repeat("\xff", 2000))}
	conn.Write(words[rand.IntN(len(words))]) // it may have had enough of us
	if rand.IntN(2) == 0 {
		conn.SetReadDeadline(time.Now().Add(rand.N(time.Second)))
		_, _ = io.Copy(io.Discard, conn) // it hangs up, or we do
	}
	return nil
}

// abuses are what a peer may say that it should not, or not so often.
var abuses = func() (list [][]byte) {
	raw := func(length uint32, id peerwire.ID, payload ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, length), append([]byte{byte(id)}, payload...)...)
	}
	greeting := func(text string) []byte { return peerwire.AppendExtended(nil, 0, []byte(text)) }
	var names pex.Message
	for i := range 60 {
		names.Added = append(names.Added, pex.Peer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, 1, byte(i)}), 1)})
	}
	return [][]byte{
		raw(0xffffffff, peerwire.Extended), raw(1<<20, peerwire.Have), raw(2, peerwire.Choke, 1), raw(3, 99, 1, 2),
		peerwire.AppendIndex(nil, peerwire.Have, 1<<30),
		peerwire.AppendBitfield(nil, make([]byte, 1000)),
		peerwire.AppendBlock(nil, peerwire.Request, 1<<30, 1<<30, 1<<30),
		bytes.Repeat(peerwire.AppendBlock(nil, peerwire.Request, 0, 0, peerwire.BlockSize), 5000),
		append(peerwire.AppendPieceHeader(nil, 0, 0, peerwire.BlockSize), make([]byte, peerwire.BlockSize)...),
		bytes.Repeat(peerwire.AppendIndex(nil, peerwire.AllowedFast, 1), 5000),
		make([]byte, 4*1000), // keep-alives
		greeting(strings.Repeat("l", 50_000)), greeting("d4:reqqi1"), greeting("d1:v50000:" + strings.Repeat("ä", 25_000) + "e"),
		bytes.Repeat(greeting("d1:md6:ut_pexi7e11:ut_metadatai3eee"), 500),
		bytes.Repeat(peerwire.AppendExtended(nil, theirMetadata, metadata.AppendRequest(nil, 0)), 500),
		peerwire.AppendExtended(nil, theirMetadata, []byte("d8:msg_typei0e5:piecei-1ee")),
		peerwire.AppendExtended(nil, theirExchange, pex.Append(nil, names)),
		peerwire.AppendExtended(nil, theirExchange, []byte("d5:added5:abcdee")),
		bytes.Repeat(peerwire.AppendExtended(nil, theirPunch, []byte{0, 0, 127, 0, 0, 1, 0, 9}), 200),
		peerwire.AppendExtended(nil, theirNo, []byte{0xff, 0xff, 0xff, 0xff}),
		peerwire.AppendExtended(nil, 200, make([]byte, 10_000)),
	}
}()

// abuse is a peer that says one of the abuses, and reads what comes until one of
// the two hangs up.
func (c *crowd) abuse() error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	p, err := torrenttest.Introduce(conn, c.options(c.seeded))
	if err != nil {
		return nil // as a knock may have, it may have come at a bad time
	}
	p.Say(peerwire.AppendMessage(nil, peerwire.HaveNone), abuses[rand.IntN(len(abuses))])
	conn.SetReadDeadline(time.Now().Add(rand.N(time.Second)))
	for err == nil {
		_, err = p.Next()
	}
	return nil
}
