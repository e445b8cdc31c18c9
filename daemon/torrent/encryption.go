package torrent

import (
	"errors"
	"fmt"
	"io"
	"net"

	"lorrent/daemon/torrent/mse"
	"lorrent/daemon/torrent/peerwire"
)

// Encryption is what a user thinks of Message Stream Encryption.
type Encryption int

const (
	// PreferEncryption accepts both, and calls in plaintext only where the
	// encrypted handshake fails. After that handshake plaintext will do: the
	// peer's choice between the two is respected.
	PreferEncryption Encryption = iota
	// RequireEncryption has no plaintext, neither before nor after a handshake.
	RequireEncryption
	// DisableEncryption has nothing else.
	DisableEncryption
)

// How a connection is encrypted, as PeerStatus has it.
const (
	unencrypted = "plaintext"
	obfuscated  = "handshake"
	encrypted   = "rc4"
)

// methods are those that may follow an encrypted handshake.
func (p Encryption) methods() mse.Method {
	if p == RequireEncryption {
		return mse.RC4
	}
	return mse.Plaintext | mse.RC4
}

// attempts are the ways to call a peer, true for encrypted, in their order.
// plain says that it spoke plaintext last time.
func (p Encryption) attempts(plain bool) []bool {
	switch p {
	case RequireEncryption:
		return []bool{true}
	case DisableEncryption:
		return []bool{false}
	}
	return []bool{!plain, plain}
}

func encryptionOf(m mse.Method) string {
	if m == mse.RC4 {
		return encrypted
	}
	return obfuscated
}

var errPlaintext = errors.New("plaintext is not allowed")

// unveil finds out whether a stranger speaks plaintext, and goes through its
// encrypted handshake if not. infoHash is the torrent it named there, zero
// after plaintext.
func (e *Engine) unveil(conn net.Conn) (in incoming, infoHash [20]byte, err error) {
	head := make([]byte, peerwire.ProtocolLen)
	if _, err := io.ReadFull(conn, head); err != nil {
		return in, infoHash, fmt.Errorf("read handshake: %w", err)
	}
	policy := e.cfg.Encryption
	if peerwire.IsProtocol(head) {
		if policy == RequireEncryption {
			return in, infoHash, errPlaintext
		}
		return incoming{conn: conn, rest: head, encryption: unencrypted}, infoHash, nil
	}
	if policy == DisableEncryption {
		return in, infoHash, peerwire.ErrProtocol
	}
	a, err := mse.Accept(conn, head, policy.methods(), e.named)
	return incoming{conn: a.Conn, rest: a.Initial, encryption: encryptionOf(a.Method)}, a.InfoHash, err
}

// named finds the torrent that an encrypted handshake is about.
func (e *Engine) named(name [20]byte) (infoHash [20]byte, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	h, ok := e.names[name]
	return h, ok
}

// present sends our handshake, in an encrypted one or as it is.
func (e *Engine) present(conn net.Conn, ours peerwire.Handshake, encrypt bool) (in incoming, err error) {
	if !encrypt {
		_, err := conn.Write(ours.Bytes())
		return incoming{conn: conn, encryption: unencrypted}, err
	}
	conn, method, err := mse.Initiate(conn, ours.InfoHash, e.cfg.Encryption.methods(), ours.Bytes())
	return incoming{conn: conn, encryption: encryptionOf(method)}, err
}
