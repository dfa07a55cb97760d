// Package simnet is a room in memory: ports, switches, disks and a server in virtual time, to try the carousel of
// imaging/multicast on. Only tests and benches import it.
//
// Sources: the wire format is Ethernet's (IEEE 802.3: 14 bytes of header, 4 of check, 8 of preamble, 12 of gap); what
// a switch does with a full port is tail drop; the HTTPS that rescues is a window that grows by one a round trip and is
// halved by a drop, after RFC 5681 section 3.1. The figures of rooms come from the project's own bench.
//
//	Sender --> uplink --+--> port (rate, buffer) --> loss --> Receiver --> disk (rate)
//	   ^                +--> port ...                             |
//	   +------------- control channel (delay, loss) --------------+
//	   HTTPS: uplink and port are shared with the streams
//
// Guaranteed: a scenario with the same seed runs the same, packet by packet; the states machines are the product's own.
// Not guaranteed: anything about sockets, processors and real switches.
package simnet
