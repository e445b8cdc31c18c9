// Package dht finds the peers of torrents in the distributed hash table, and
// lets itself be found there.
//
// A Node is one node for each family of addresses, with an id, a routing table
// and a store of its own (BEP 32), on packet connections that it is given and
// that may share the UDP socket of the peer port.
//
// Rules:
//
//   - What a packet says is checked as it is read (packet.go): lengths, nesting,
//     addresses that mean something where they come from. Answers count only
//     when they were asked for, from where they were.
//   - Strangers have quotas, and what they store is bounded and expires.
//   - Our id fits our address as others see it (BEP 42), as soon as enough of
//     them agree. Theirs need not: many do not bother.
//   - A read-only node asks, and answers nobody (BEP 43).
//   - Nothing is sent without a query of somebody's, a search of ours or the
//     upkeep of the table being the reason, and no more than a rate.
//
// Which torrents are looked up, and how often, is the caller's business; a
// private one never is.
//
// Specifications: BEP 5, 32, 33, 42, 43.
package dht
