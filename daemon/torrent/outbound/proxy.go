package outbound

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// SOCKS5 on the wire (RFC 1928).
const (
	socksVersion = 5
	cmdConnect   = 1
	cmdAssociate = 3
	typeIPv4     = 1
	typeName     = 3
	typeIPv6     = 4
	authNone     = 0
	authPassword = 2 // RFC 1929
)

var socksErrors = [...]string{
	"", "general failure", "not allowed", "network unreachable", "host unreachable", "connection refused",
	"expired", "command not supported", "address type not supported",
}

// socksConnect asks a SOCKS5 proxy to carry out a command, and returns the
// address it answers with.
func socksConnect(conn io.ReadWriter, user *url.Userinfo, command byte, address string) (netip.AddrPort, error) {
	var none netip.AddrPort
	hello := []byte{socksVersion, 1, authNone}
	if user != nil {
		hello = []byte{socksVersion, 2, authNone, authPassword}
	}
	if _, err := conn.Write(hello); err != nil {
		return none, err
	}
	var choice [2]byte
	if _, err := io.ReadFull(conn, choice[:]); err != nil {
		return none, err
	}
	switch {
	case choice[0] != socksVersion:
		return none, errors.New("it does not speak SOCKS5")
	case choice[1] == authNone:
	case choice[1] == authPassword && user != nil:
		if err := socksLogin(conn, user); err != nil {
			return none, err
		}
	default:
		return none, errors.New("it wants another way to log in")
	}
	request, err := appendAddress([]byte{socksVersion, command, 0}, address)
	if err != nil {
		return none, err
	}
	if _, err := conn.Write(request); err != nil {
		return none, err
	}
	var head [3]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return none, err
	}
	if head[0] != socksVersion {
		return none, errors.New("it does not speak SOCKS5")
	}
	if code := head[1]; int(code) < len(socksErrors) && code != 0 {
		return none, errors.New(socksErrors[code])
	} else if code != 0 {
		return none, fmt.Errorf("error %d", code)
	}
	return readAddress(conn)
}

func socksLogin(conn io.ReadWriter, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	b := append([]byte{1, byte(len(name))}, name...)
	b = append(append(b, byte(len(password))), password...)
	if _, err := conn.Write(b); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errors.New("it does not take the password")
	}
	return nil
}

// appendAddress appends HOST:PORT as SOCKS5 has it.
func appendAddress(b []byte, address string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q", portText)
	}
	a, err := netip.ParseAddr(host)
	a = a.Unmap()
	switch {
	case err == nil && a.Is4():
		b = append(append(b, typeIPv4), a.AsSlice()...)
	case err == nil:
		b = append(append(b, typeIPv6), a.WithZone("").AsSlice()...)
	case len(host) > 255:
		return nil, errors.New("host name is too long")
	default:
		b = append(append(b, typeName, byte(len(host))), host...)
	}
	return binary.BigEndian.AppendUint16(b, uint16(port)), nil
}

// readAddress reads what appendAddress appends. A name gives the zero Addr.
func readAddress(r io.Reader) (netip.AddrPort, error) {
	var buf [256 + 2]byte
	if _, err := io.ReadFull(r, buf[:1]); err != nil {
		return netip.AddrPort{}, err
	}
	n, kind := 0, buf[0]
	switch kind {
	case typeIPv4:
		n = 4
	case typeIPv6:
		n = 16
	case typeName:
		if _, err := io.ReadFull(r, buf[:1]); err != nil {
			return netip.AddrPort{}, err
		}
		n = int(buf[0])
	default:
		return netip.AddrPort{}, fmt.Errorf("address of type %d", kind)
	}
	if _, err := io.ReadFull(r, buf[:n+2]); err != nil {
		return netip.AddrPort{}, err
	}
	port := binary.BigEndian.Uint16(buf[n:])
	if kind == typeName {
		return netip.AddrPortFrom(netip.Addr{}, port), nil
	}
	a, _ := netip.AddrFromSlice(buf[:n])
	return netip.AddrPortFrom(a.Unmap(), port), nil
}

const maxHTTPHead = 8 << 10

// httpConnect asks an HTTP proxy for a tunnel. Nothing behind its answer is
// read.
func httpConnect(conn io.ReadWriter, user *url.Userinfo, address string) error {
	if strings.ContainsAny(address, " \r\n\t") {
		return errors.New("bad host name")
	}
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return err
	}
	var head []byte
	var one [1]byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) > maxHTTPHead {
			return errors.New("its answer is too long")
		}
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			return err
		}
		head = append(head, one[0])
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, "HTTP/1.") {
		return errors.New("it does not speak HTTP")
	}
	if code, _, _ := strings.Cut(status, " "); len(code) != 3 || code[0] != '2' {
		return fmt.Errorf("HTTP %.60q", status)
	}
	return nil
}
