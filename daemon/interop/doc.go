// Package interop holds the tests that let the daemon trade with programs that
// others wrote: Transmission, qBittorrent (libtorrent), aria2, rTorrent,
// opentracker and mktorrent, as Debian packages them; and the benchmark that
// compares it with them. It has no code of its own.
//
// Each test makes two network namespaces joined by a virtual cable of MTU 1500,
// because Transmission ignores peers on loopback addresses and because
// loopback's MTU of 64 KiB is like no network that people have. It then runs the
// built daemon, driven over its RPC, and compares content by SHA-256. The
// clients run at their defaults but for what would find peers by other ways than
// the tracker (DHT, LSD, PEX, port mapping), and uTP where a case is not about it.
//
// Namespaces need root. Without it, or without one of the programs, the tests
// are skipped, unless LORRENT_CI=1 says that everything has to be there.
//
// # Benchmark
//
// The benchmark needs a quiet machine, time, and the package python3-libtorrent
// for its fixed seed; it prints Markdown:
//
//	go test -v -timeout 0 -run 'TestBench$' ./daemon/interop -args -bench
//	… -args -bench -scenarios download,kill -rounds 5 -size 2GiB -seed libtorrent
//	… -args -bench -scenarios download -seed minimal -peers lorrent,old=/tmp/lorrentd-old
//	… -args -bench -scenarios delay -rtt 50 -mbit 100 -loss 0 -piece 64KiB
//	… -args -bench -scenarios utp -size 2GiB
//	… -args -bench -scenarios idle -torrents 5000 -peers lorrent
//	… -args -bench -scenarios churn -churn 30m
//
// The contenders take turns, each a new process with new folders, against new
// seeds and a new tracker. Measured are:
//
//   - wall: from the start of the process to complete, all that a person waits
//     for; transfer: from the first payload to the last, as the seeds' network
//     interface counts it, every 20 ms;
//   - CPU of the whole life of the process and its children, as wait4 tells
//     (while seeding: of the transfer alone), and of the seeds meanwhile;
//   - memory at its peak: resident, which holds mapped files too, and private;
//   - busy: what others took of the machine just before. A table is as good as
//     this is low.
//
// Rows in italics are what the machine can do: plain TCP by sendfile, and TCP
// with SHA-1 and a write to the page cache on one thread; from a seed also what it
// gives to a program that only asks, hashes and writes, and to one that puts every
// 64 MiB on the disk, as it must to lose no more in a power cut. Content is compared
// after each run, outside the measured time. Long lines are TUN devices with
// delay, rate and loss between them (delaylink_test.go), since not every kernel
// has netem; loss makes a rate of one TCP connection so low that little is sent.
// Traffic has the congestion control of -congestion, whatever the machine's.
//
// Churn lets honest peers, liars and those who abuse the protocol come to our
// daemon and leave it again, and compares the memory and the goroutines that it
// needs at rest, as pprof on its socket tells, with those of its first minute.
//
// The single parts have benchmarks in their own packages, for benchstat:
//
//	go test -run '^$' -bench . -count 10 ./daemon/torrent/... ./storage/...
package interop
