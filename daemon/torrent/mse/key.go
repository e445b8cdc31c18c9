package mse

import (
	"errors"
	"fmt"
	"io"
	"math/big"
)

const (
	keyLen     = 96 // of public keys and of the secret
	privateLen = 20 // more adds nothing, the specification says
)

// prime is the modulus of the key exchange, whose generator is 2.
const prime = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563"

var errWeakKey = errors.New("public key of the encrypted handshake is degenerate")

func modulus() *big.Int {
	p, _ := new(big.Int).SetString(prime, 16)
	return p
}

// newKey makes a private key and its public one.
func (s *side) newKey() (private *big.Int, public []byte, err error) {
	var b [privateLen]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	private = new(big.Int).SetBytes(b[:])
	y := new(big.Int).Exp(big.NewInt(2), private, modulus())
	return private, y.FillBytes(make([]byte, keyLen)), nil
}

// agree computes the secret from the other end's public key. Keys for which it
// would be the same whatever ours is are refused.
func (s *side) agree(private *big.Int, theirs []byte) error {
	p, y := modulus(), new(big.Int).SetBytes(theirs)
	one := big.NewInt(1)
	if y.Cmp(one) <= 0 || y.Cmp(new(big.Int).Sub(p, one)) >= 0 {
		return errWeakKey
	}
	y.Exp(y, private, p).FillBytes(s.secret[:])
	return nil
}

// greeting is our public key with padding behind it.
func (s *side) greeting() (private *big.Int, packet []byte, err error) {
	private, packet, err = s.newKey()
	if err != nil {
		return nil, nil, err
	}
	pad, err := s.padding()
	return private, append(packet, pad...), err
}
