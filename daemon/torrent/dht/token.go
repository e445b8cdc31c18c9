package dht

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"time"
)

const (
	tokenLen    = 8
	tokenPeriod = 5 * time.Minute // of one secret; the one before is good still
)

// tokens proves that who announces has asked us before, from its address.
type tokens struct {
	secrets [2][32]byte // now and before
	since   time.Time
}

func (t *tokens) turn(now time.Time) {
	periods := now.Sub(t.since) / tokenPeriod
	if periods < 1 {
		return
	}
	t.secrets[1] = t.secrets[0]
	rand.Read(t.secrets[0][:]) // never fails
	if periods > 1 {
		rand.Read(t.secrets[1][:])
	}
	t.since = now
}

func (t *tokens) issue(to netip.Addr, now time.Time) string {
	t.turn(now)
	return token(t.secrets[0], to)
}

func (t *tokens) valid(given string, from netip.Addr, now time.Time) bool {
	t.turn(now)
	return hmac.Equal([]byte(given), []byte(token(t.secrets[0], from))) ||
		hmac.Equal([]byte(given), []byte(token(t.secrets[1], from)))
}

func token(secret [32]byte, addr netip.Addr) string {
	m := hmac.New(sha256.New, secret[:])
	m.Write(addr.AsSlice())
	return string(m.Sum(nil)[:tokenLen])
}
