package ccm

import (
	"bytes"
	"encoding/hex"
	"testing"
)

const (
	key1 = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	key2 = "d7828d13b2b0bdc325a76236df93cc6b"
	key3 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
)

// The packet vectors of RFC 3610, section 8, and some for AES-256 that OpenSSL
// made.
func TestVectors(t *testing.T) {
	tests := []struct {
		name                         string
		key, nonce, additional, text string
		tagSize                      int
		sealed                       string
	}{
		{"RFC 3610 #1", key1, "00000003020100a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e", 8, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"},
		{"RFC 3610 #2", key1, "00000004030201a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 8, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"},
		{"RFC 3610 #3", key1, "00000005040302a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", 8, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"},
		{"RFC 3610 #4", key1, "00000006050403a0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e", 8, "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1"},
		{"RFC 3610 #5", key1, "00000007060504a0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e1f", 8, "dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93"},
		{"RFC 3610 #6", key1, "00000008070605a0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e1f20", 8, "6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94"},
		{"RFC 3610 #7", key1, "00000009080706a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e", 10, "0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490"},
		{"RFC 3610 #8", key1, "0000000a090807a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 10, "7b75399ac0831dd2f0bbd75879a2fd8f6cae6b6cd9b7db24c17b4433f434963f34b4"},
		{"RFC 3610 #9", key1, "0000000b0a0908a0a1a2a3a4a5", "0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", 10, "82531a60cc24945a4b8279181ab5c84df21ce7f9b73f42e197ea9c07e56b5eb17e5f4e"},
		{"RFC 3610 #10", key1, "0000000c0b0a09a0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e", 10, "07342594157785152b074098330abb141b947b566aa9406b4d999988dd"},
		{"RFC 3610 #11", key1, "0000000d0c0b0aa0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e1f", 10, "676bb20380b0e301e8ab79590a396da78b834934f53aa2e9107a8b6c022c"},
		{"RFC 3610 #12", key1, "0000000e0d0c0ba0a1a2a3a4a5", "000102030405060708090a0b", "0c0d0e0f101112131415161718191a1b1c1d1e1f20", 10, "c0ffa0d6f05bdb67f24d43a4338d2aa4bed7b20e43cd1aa31662e7ad65d6db"},
		{"RFC 3610 #13", key2, "00412b4ea9cdbe3c9696766cfa", "0be1a88bace018b1", "08e8cf97d820ea258460e96ad9cf5289054d895ceac47c", 8, "4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8e78cf7cb0cddd7b3"},
		{"RFC 3610 #14", key2, "0033568ef7b2633c9696766cfa", "63018f76dc8a1bcb", "9020ea6f91bdd85afa0039ba4baff9bfb79c7028949cd0ec", 8, "4ccb1e7ca981befaa0726c55d378061298c85c92814abc33c52ee81d7d77c08a"},
		{"RFC 3610 #15", key2, "00103fe41336713c9696766cfa", "aa6cfa36cae86b40", "b916e0eacc1c00d7dcec68ec0b3bbb1a02de8a2d1aa346132e", 8, "b1d23a2220ddc0ac900d9aa03c61fcf4a559a4417767089708a776796edb723506"},
		{"RFC 3610 #16", key2, "00764c63b8058e3c9696766cfa", "d0d0735c531e1becf049c244", "12daac5630efa5396f770ce1a66b21f7b2101c", 8, "14d253c3967b70609b7cbb7c499160283245269a6f49975bcadeaf"},
		{"RFC 3610 #17", key2, "00f8b678094e3b3c9696766cfa", "77b60f011c03e1525899bcae", "e88b6a46c78d63e52eb8c546efb5de6f75e9cc0d", 8, "5545ff1a085ee2efbf52b2e04bee1e2336c73e3f762c0c7744fe7e3c"},
		{"RFC 3610 #18", key2, "00d560912d3f703c9696766cfa", "cd9044d2b71fdb8120ea60c0", "6435acbafb11a82e2f071d7ca4a5ebd93a803ba87f", 8, "009769ecabdf48625594c59251e6035722675e04c847099e5ae0704551"},
		{"RFC 3610 #19", key2, "0042fff8f1951c3c9696766cfa", "d85bc7e69f944fb8", "8a19b950bcf71a018e5e6701c91787659809d67dbedd18", 10, "bc218daa947427b6db386a99ac1aef23ade0b52939cb6a637cf9bec2408897c6ba"},
		{"RFC 3610 #20", key2, "00920f40e56cdc3c9696766cfa", "74a0ebc9069f5b37", "1761433c37c5a35fc1f39f406302eb907c6163be38c98437", 10, "5810e6fd25874022e80361a478e3e9cf484ab04f447efff6f0a477cc2fc9bf548944"},
		{"RFC 3610 #21", key2, "0027ca0c7120bc3c9696766cfa", "44a3aa3aae6475ca", "a434a8e58500c6e41530538862d686ea9e81301b5ae4226bfa", 10, "f2beed7bc5098e83feb5b31608f8e29c38819a89c8e776f1544d4151a4ed3a8b87b9ce"},
		{"RFC 3610 #22", key2, "005b8ccbcd9af83c9696766cfa", "ec46bb63b02520c33c49fd70", "b96b49e21d621741632875db7f6c9243d2d7c2", 10, "31d750a09da3ed7fddd49a2032aabf17ec8ebf7d22c8088c666be5c197"},
		{"RFC 3610 #23", key2, "003ebe94044b9a3c9696766cfa", "47a65ac78b3d594227e85e71", "e2fcfbb880442c731bf95167c8ffd7895e337076", 10, "e882f1dbd38ce3eda7c23f04dd65071eb41342acdf7e00dccec7ae52987d"},
		{"RFC 3610 #24", key2, "008d493b30ae8b3c9696766cfa", "6e37a6ef546d955d34ab6059", "abf21c0b02feb88f856df4a37381bce3cc128517d4", 10, "f32905b88a641b04b9c9ffb58cc390900f3da12ab16dce9e82efa16da62059"},
		{"AES-256, 8-byte tag", key3, "101112131415161718191a1b1c", "000102030405060708090a0b0c0d", "6f6e65207061636b6574206f6e2074686520616972", 8, "72dc29c8a7ce15130254b7f3c0160420273cd5455e395919aa6fe909b7"},
		{"AES-256, no plaintext", key3, "101112131415161718191a1b1c", "686561646572", "", 8, "9461945c7744a116"},
		{"AES-256, no additional data", key3, "101112131415161718191a1b1c", "", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 16, "1db34eebd3aa707f6f299d97a23b7e47520da63f38c4e0ffc7de4123cb12581e5ea819a42adf558d890d3e5a292d09dae1d607e06e8b01bbf440ea36abde8826"},
		{"AES-256, four-byte tag", key3, "101112131415161718191a1b1c", "0000000000000000000000000000", "00000000000000000000000000000000", 4, "1db24ce8d7af76786720979cae367048d1be378c"},
		{"AES-256, neither", key3, "101112131415161718191a1b1c", "", "", 8, "81442db84c7d503a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCipher(t, test.key, test.tagSize)
			nonce, additional, text := unhex(t, test.nonce), unhex(t, test.additional), unhex(t, test.text)
			sealed := c.Seal([]byte("before"), nonce, text, additional)
			if got := hex.EncodeToString(sealed[6:]); got != test.sealed {
				t.Fatalf("Seal() = %s, want %s", got, test.sealed)
			}
			if string(sealed[:6]) != "before" {
				t.Errorf("Seal overwrote what dst held: %q", sealed[:6])
			}
			opened, err := c.Open([]byte("before"), nonce, sealed[6:], additional)
			if err != nil || !bytes.Equal(opened[6:], text) || string(opened[:6]) != "before" {
				t.Fatalf("Open() = %x, %v, want %x", opened, err, text)
			}

			// In place, as packets are handled.
			buffer := append([]byte(nil), text...)
			buffer = c.Seal(buffer[:0], nonce, buffer, additional)
			if got := hex.EncodeToString(buffer); got != test.sealed {
				t.Errorf("Seal in place = %s, want %s", got, test.sealed)
			}
			if opened, err := c.Open(buffer[:0], nonce, buffer, additional); err != nil || !bytes.Equal(opened, text) {
				t.Errorf("Open in place = %x, %v, want %x", opened, err, text)
			}
		})
	}
}

// Any bit that differs, anywhere, is refused, and the plaintext is wiped.
func TestOpenRefuses(t *testing.T) {
	c := newCipher(t, key3, 8)
	nonce, additional, text := make([]byte, NonceSize), []byte("header"), []byte("twenty-one bytes long")
	sealed := c.Seal(nil, nonce, text, additional)
	flip := func(name string, b []byte) {
		for i := range 8 * len(b) {
			b[i/8] ^= 1 << (i % 8)
			buffer := make([]byte, 0, 64)
			if _, err := c.Open(buffer, nonce, sealed, additional); err != ErrOpen {
				t.Errorf("Open with bit %d of the %s flipped: %v, want ErrOpen", i, name, err)
			}
			if left := buffer[:len(text)]; !bytes.Equal(left, make([]byte, len(text))) {
				t.Errorf("bit %d of the %s: %q is left of the plaintext", i, name, left)
			}
			b[i/8] ^= 1 << (i % 8)
		}
	}
	flip("nonce", nonce)
	flip("ciphertext", sealed)
	flip("additional data", additional)
	for n := range len(sealed) {
		if _, err := c.Open(nil, nonce, sealed[:n], additional); err != ErrOpen {
			t.Errorf("Open of the first %d bytes: %v, want ErrOpen", n, err)
		}
	}
	if _, err := newCipher(t, key1, 8).Open(nil, nonce, sealed, additional); err != ErrOpen {
		t.Errorf("Open with another key: %v, want ErrOpen", err)
	}
}

func TestNew(t *testing.T) {
	for _, size := range []int{-2, 0, 2, 3, 5, 7, 17, 18} {
		if _, err := New(make([]byte, 32), size); err == nil {
			t.Errorf("New with a tag of %d bytes: no error", size)
		}
	}
	for _, size := range []int{0, 15, 33} {
		if _, err := New(make([]byte, size), 8); err == nil {
			t.Errorf("New with a key of %d bytes: no error", size)
		}
	}
	c := newCipher(t, key3, 10)
	if c.NonceSize() != 13 || c.Overhead() != 10 {
		t.Errorf("NonceSize, Overhead = %d, %d, want 13, 10", c.NonceSize(), c.Overhead())
	}
}

func TestMisuse(t *testing.T) {
	c := newCipher(t, key3, 8)
	tests := []struct {
		name                    string
		nonce, text, additional int
	}{
		{"short nonce", 12, 1, 1},
		{"long nonce", 14, 1, 1},
		{"long text", 13, MaxPlaintext + 1, 1},
		{"long additional data", 13, 1, MaxAdditional + 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.Seal(nil, make([]byte, test.nonce), make([]byte, test.text), make([]byte, test.additional))
		})
	}
}

func TestAllocations(t *testing.T) {
	c := newCipher(t, key3, 8)
	nonce, additional := make([]byte, NonceSize), make([]byte, 14)
	buffer := make([]byte, 100, 108)
	if n := testing.AllocsPerRun(100, func() {
		sealed := c.Seal(buffer[:0], nonce, buffer, additional)
		if _, err := c.Open(sealed[:0], nonce, sealed, additional); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for Seal and Open in place, want 0", n)
	}
}

func FuzzOpen(f *testing.F) {
	c, err := New(make([]byte, 32), 8)
	if err != nil {
		f.Fatal(err)
	}
	nonce := make([]byte, NonceSize)
	f.Add([]byte("text"), []byte("header"))
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, 33), make([]byte, 15))
	f.Fuzz(func(t *testing.T, text, additional []byte) {
		if len(additional) > MaxAdditional || len(text) > MaxPlaintext {
			return
		}
		if _, err := c.Open(nil, nonce, text, additional); err == nil {
			t.Error("opened what was never sealed")
		}
		opened, err := c.Open(nil, nonce, c.Seal(nil, nonce, text, additional), additional)
		if err != nil || !bytes.Equal(opened, text) {
			t.Errorf("Open(Seal(%x)) = %x, %v", text, opened, err)
		}
	})
}

func newCipher(t *testing.T, key string, tagSize int) *Cipher {
	t.Helper()
	c, err := New(unhex(t, key), tagSize)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
