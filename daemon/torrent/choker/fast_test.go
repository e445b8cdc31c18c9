package choker

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
)

func TestAllowedFast(t *testing.T) {
	hash := [20]byte(bytes.Repeat([]byte{0xaa}, 20))
	nine := []int32{1059, 431, 808, 1217, 287, 376, 1188, 353, 508}
	tests := []struct {
		name      string
		ip        string
		pieces, k int
		want      []int32
	}{
		{"BEP 6, seven", "80.4.4.200", 1313, 7, nine[:7]},
		{"BEP 6, nine", "80.4.4.200", 1313, 9, nine},
		{"same /24, same set", "80.4.4.1", 1313, 9, nine},
		{"IPv4 mapped into IPv6", "::ffff:80.4.4.200", 1313, 7, nine[:7]},
		{"no pieces", "80.4.4.200", 0, 7, nil},
		{"none asked for", "80.4.4.200", 1313, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := AllowedFast(netip.MustParseAddr(tt.ip), hash, tt.pieces, tt.k); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAllowedFastOfFewPiecesIsAll(t *testing.T) {
	got := AllowedFast(netip.MustParseAddr("10.1.2.3"), [20]byte{}, 5, 10)
	slices.Sort(got)
	if !slices.Equal(got, []int32{0, 1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
}

func TestAllowedFastIPv6CountsTheNetwork(t *testing.T) {
	set := func(ip string) []int32 { return AllowedFast(netip.MustParseAddr(ip), [20]byte{1}, 100_000, 10) }
	if !slices.Equal(set("2001:db8:1::1"), set("2001:db8:1:ffff::2")) {
		t.Error("two hosts of one /48 get different sets")
	}
	if slices.Equal(set("2001:db8:1::1"), set("2001:db8:2::1")) {
		t.Error("two networks get the same set")
	}
	if AllowedFast(netip.Addr{}, [20]byte{1}, 100, 10) != nil {
		t.Error("an invalid address gets a set")
	}
}
