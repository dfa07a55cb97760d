// Package udp is everything between the carousel's state machines and the kernel: sockets that send and receive a
// session's datagrams, a thread that can keep a pace, and what a multicast session must know of its network. It knows
// datagrams of at most 1,448 bytes and nothing of what is in them.
//
// Sources: udp(7), ip(7), socket(7), packet(7), timerfd_create(2) and the kernel's uapi headers (UDP_SEGMENT, UDP_GRO,
// SO_MEMINFO, ethtool); RFC 1112 and RFC 2365 (groups), RFC 2236 and RFC 3376 (IGMP), RFC 2113 (Router Alert), RFC 4541
// (switches that snoop), RFC 2474 (DSCP), IEEE 802.3 annex 31B (pause frames).
//
//	session's sender                                                  session's receiver
//	  BindThread, Sender.Send                                           Receiver.Read -> Batch.Packet
//	     |   16 datagrams, one system call                                 ^   64 system buffers, one system call
//	     v   (UDP_SEGMENT, else sendmmsg, else sendto)                     |   (UDP_GRO: one buffer, many datagrams),
//	                                                                       |   then a rest of 4 ms
//	  card ------------------> switch ------------------> card -> socket's buffer
//	                             ^
//	                  Querier: keeps switches that snoop sending where somebody listens
//	                  SendProbe, ProbeListener: does the switch flood what nobody asked for?
//
// Guaranteed: datagrams are never fragmented, joined or cut; what the kernel says it refuses is retried, and counted or
// reported; a Receiver hands out only datagrams of its own group, port and interface, of at most 1,448 bytes; two
// sessions never have group and port in common. Nothing here allocates per datagram.
//
// Not guaranteed: delivery, order, and that a datagram comes from the server. Any host may send to a group: content is
// proven by those who read it. A card without a cable takes datagrams and loses them without a word.
package udp
