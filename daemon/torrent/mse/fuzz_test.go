package mse

import (
	"bytes"
	"testing"
	"testing/iotest"
)

// FuzzAccept lets an initiator say anything: raw bytes after its key, and what
// it encrypts after it has named the torrent.
func FuzzAccept(f *testing.F) {
	f.Add([]byte{}, fields(3, 3, 15), true)
	f.Add([]byte("padding"), append(fields(2, 0, 68), "what follows"...), true)
	f.Add(make([]byte, maxPadding+1), fields(3, 0, 0), true)
	f.Add([]byte{}, fields(3, 0xffff, 0), true)
	f.Add([]byte{}, fields(1, 512, MaxInitial+1), true)
	f.Add(unhex(f, wireRequest), []byte{}, false)
	f.Fuzz(func(t *testing.T, raw, inside []byte, named bool) {
		st := newStranger(t)
		st.meet(t, "keyA", "keyB")
		said := append(st.packet, raw...)
		if named {
			said = append(append(said, st.mark()...), st.sealed(inside)...)
		}
		r := bytes.NewReader(said)
		s := side{conn: &replay{said: iotest.HalfReader(r)}, random: script(101, "", 0)}
		a, err := s.accept(nil, Plaintext|RC4, only(someHash))
		if read, most := len(said)-r.Len(), keyLen+2*maxPadding+20+20+16+MaxInitial; read > most {
			t.Errorf("read %d bytes, at most %d may be the handshake's", read, most)
		}
		if err != nil || bytes.Index(said[keyLen:], st.mark()) < len(raw) { // the seed has a whole request in raw
			return
		}
		// All that was accepted was in the place where it belongs.
		padding := int(inside[12])<<8 | int(inside[13])
		if from := 16 + padding; a.InfoHash != someHash || !bytes.Equal(a.Initial, inside[from:from+len(a.Initial)]) {
			t.Errorf("%+v", a)
		}
		if rest := len(inside) - 16 - padding - len(a.Initial); r.Len() != rest {
			t.Errorf("%d bytes left for the stream, not %d", r.Len(), rest)
		}
	})
}

// FuzzInitiate lets an acceptor answer anything.
func FuzzInitiate(f *testing.F) {
	f.Add([]byte{}, fields(RC4, 0, 0)[:14], true)
	f.Add([]byte("padding"), append(fields(Plaintext, 7, 0)[:21], "what follows"...), true)
	f.Add(make([]byte, maxPadding+1), fields(RC4, 0, 0), true)
	f.Add([]byte{}, fields(3, 0xffff, 0), true)
	f.Add(unhex(f, wireRC4), []byte{}, false)
	f.Fuzz(func(t *testing.T, raw, inside []byte, sealed bool) {
		st := newStranger(t)
		st.meet(t, "keyB", "keyA")
		said := append(st.packet, raw...)
		if sealed {
			said = append(said, st.sealed(inside)...)
		}
		r := bytes.NewReader(said)
		s := side{conn: &replay{said: iotest.HalfReader(r)}, random: script(101, "", 0)}
		m, err := s.initiate(someHash, Plaintext|RC4, []byte("initial"))
		if read, most := len(said)-r.Len(), keyLen+2*maxPadding+14; read > most {
			t.Errorf("read %d bytes, at most %d may be the handshake's", read, most)
		}
		if err == nil && m != Plaintext && m != RC4 {
			t.Errorf("selected %d", m)
		}
	})
}
