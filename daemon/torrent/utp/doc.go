// Package utp is the uTorrent transport protocol: reliable, ordered byte
// streams over one UDP socket that yield to other traffic. A Socket shares its
// UDP socket with whoever else speaks on it (the DHT): what is not uTP goes to
// a callback. Its connections are net.Conns.
//
// The protocol lives in stream, a state machine without goroutine, clock or
// randomness: packets and the time go in, packets and the time of the next
// look come out. Socket gives it all three with two goroutines: a reader that
// feeds packets in and a writer that asks every connection with something to
// say, or whose time has come, for its packets. Only the writer sends, so
// packets of a connection never overtake each other on this side.
//
// Everything is bounded: connections, half-open connections, the accept queue,
// the bytes and packets kept for each direction, the resets sent a second.
// Every wait ends: handshakes, unanswered packets, silent peers, closing
// connections. Forged packets must name the connection's id and acknowledge
// something that is in flight.
//
// Specifications: BEP 29 (uTP), RFC 6817 (LEDBAT), RFC 8899 (path MTU probing),
// RFC 8985 (loss by order of transmission). Where deployed implementations
// agree on something else than BEP 29 says, the package does as they do: a
// state packet names the next sequence number without using it up, the
// congestion window grows by up to 3000 bytes a round trip, and a connection
// starts with slow start. It leaves BEP 29 in one point: a few lost packets while
// the path's queue is short are repaired without halving the window, because
// nobody's queue was full (see congestion).
package utp
