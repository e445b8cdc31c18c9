package lsd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	maxPacket   = 1500
	maxSent     = 20 // torrents in one of our packets: it stays below 1400 bytes
	maxReceived = 100
	maxCookie   = 100
)

const requestLine = "BT-SEARCH * HTTP/1.1"

// Message says that somebody has torrents. It looks like HTTP.
type Message struct {
	Host       string // the group it is sent to, and its port
	Port       uint16 // that peers reach the sender at
	Cookie     string // tells the sender its own messages; may be ""
	InfoHashes [][20]byte
}

// Append appends a message.
func Append(b []byte, m Message) []byte {
	b = fmt.Appendf(b, "%s\r\nHost: %s\r\nPort: %d\r\n", requestLine, m.Host, m.Port)
	for _, h := range m.InfoHashes {
		b = fmt.Appendf(b, "Infohash: %x\r\n", h)
	}
	if m.Cookie != "" {
		b = fmt.Appendf(b, "cookie: %s\r\n", m.Cookie)
	}
	return append(b, "\r\n\r\n"...)
}

// Parse reads a message. Names of headers have any case, and unknown ones are
// passed over.
func Parse(b []byte) (m Message, err error) {
	lines := bytes.Split(b, []byte("\r\n"))
	if string(lines[0]) != requestLine {
		return m, errors.New("local discovery: no BT-SEARCH")
	}
	port := ""
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case len(line) == 0:
			continue
		case !found:
			return Message{}, fmt.Errorf("local discovery: %.40q is no header", line)
		}
		switch strings.ToLower(name) {
		case "host":
			m.Host = value
		case "port":
			port = value
		case "cookie":
			m.Cookie = value
		case "infohash":
			var h [20]byte
			if n, err := hex.Decode(h[:], []byte(value[:min(len(value), 40)])); err != nil || n != len(h) || len(value) != 40 {
				return Message{}, fmt.Errorf("local discovery: infohash %.50q", value)
			}
			if len(m.InfoHashes) < maxReceived {
				m.InfoHashes = append(m.InfoHashes, h)
			}
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || n == 0:
		return Message{}, fmt.Errorf("local discovery: port %.20q", port)
	case len(m.InfoHashes) == 0:
		return Message{}, errors.New("local discovery: no infohash")
	case len(m.Cookie) > maxCookie:
		return Message{}, fmt.Errorf("local discovery: cookie of %d bytes", len(m.Cookie))
	}
	m.Port = uint16(n)
	return m, nil
}
