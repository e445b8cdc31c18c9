// Package firmware has no Go code: it tests the firmware in this folder, which is
// C++17, against this project's Go packages.
//
// The tests build the core (core/) as a Linux process (native/) with the
// sanitizers on, and as a bare-metal image for QEMU (qemu/), put them on the
// simulated air of lora/ether, and talk to them over the link of lora/link.
// PROTOCOL.md owns the numbers; link.txt and vectors.txt are its golden bytes.
package firmware
