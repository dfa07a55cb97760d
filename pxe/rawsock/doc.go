// Package rawsock hears and says DHCP on one network interface without binding UDP port 67.
//
// Port 67 may belong to another DHCP server on the same host: with Kea started after us it would get no socket and the
// school no addresses, with dnsmasq we would swallow renewals. So packets are read by a packet socket (AF_PACKET,
// packet(7)) with a filter in the kernel, and answers are written as whole Ethernet frames (RFC 894, RFC 791, RFC 768).
//
//	Ethernet   dst ff:ff:ff:ff:ff:ff | src ours | 08 00
//	IPv4       45 00 | length | id 0, DF | ttl 64 | 11 | sum | ours | 255.255.255.255
//	UDP        67 | 68 | length | sum | DHCP ...
//
// The filter passes IPv4, UDP, unfragmented, untagged frames to port 67 that came in, and those to port 68 whether they
// came in or are sent by another server on this host.
//
// Guaranteed: Decode never reads outside its bytes, checks the IPv4 header's checksum and every length, and returns the
// payload without the padding of short frames. Not guaranteed: that the sender's addresses are true.
package rawsock
