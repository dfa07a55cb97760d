// Package tftp gives firmware its first files.
//
// Sources: RFC 1350 (the protocol), 2347, 2348 and 2349 (options, blksize, tsize). The protocol's work is done by
// github.com/pin/tftp/v3, which also ignores options it does not know, as RFC 2347 asks; this package adds what a
// hostile and lossy school network needs.
//
//	client                                   server
//	  | RRQ "shimx64.efi" octet tsize=0          |   the firmware's probe for the size
//	  |----------------------------------------->|
//	  | OACK tsize=948768                        |
//	  |<-----------------------------------------|
//	  | ERROR 8 "User aborted"                   |   normal: neither an event nor a failure
//	  |----------------------------------------->|
//	  | RRQ "shimx64.efi" octet blksize=1468     |
//	  |----------------------------------------->|
//	  | OACK, DATA 1, ACK 1, DATA 2 ...          |
//	  |<---------------------------------------->|
//
// Loss: a block is sent again after 50 ms, four times at once, then with 350 ms more between tries, 160 tries in all:
// a minute. On a LAN a block is answered in under a millisecond, and every loss costs the whole wait: with 0.5 % loss a
// kernel of 12 MB in blocks of 1,024 loses about 120 packets. With the library's own 5 s and random back-off such a boot
// takes over 5 minutes instead of 22 s; DESIGN.md has the figures.
// GRUB pauses for about 10 s in the middle of an initrd, so patience is as needed as haste.
//
// Guaranteed: read only; only names that the Source knows, cleaned before it is asked; at most PerSource transfers that
// move for one address (the oldest gives way) and Total in all; a transfer whose client never answered ends after
// 5 tries in 4 s, so that a forged source address costs its owner a handful of small packets; no error text of the
// operating system reaches the network. Not guaranteed: secrecy or integrity, which TFTP does not have.
package tftp
