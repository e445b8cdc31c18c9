// Package interop holds the tests that let the daemon trade with programs that
// others wrote: Transmission, qBittorrent (libtorrent), aria2, rTorrent,
// opentracker and mktorrent, as Debian packages them. It has no code of its own.
//
// Each test makes two network namespaces joined by a virtual cable of MTU 1500,
// because Transmission ignores peers on loopback addresses and because
// loopback's MTU of 64 KiB is like no network that people have. It then runs the
// built daemon, driven over its RPC, and compares content by SHA-256. The
// clients run at their defaults but for what would find peers by other ways than
// the tracker (DHT, LSD, PEX, port mapping) and uTP.
//
// Namespaces need root. Without it, or without one of the programs, the tests
// are skipped, unless LORRENT_CI=1 says that everything has to be there.
package interop
