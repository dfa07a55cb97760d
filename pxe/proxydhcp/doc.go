// Package proxydhcp turns a PXE client's DHCP packet into the answer of a boot server that gives no addresses.
//
// It is pure: bytes in, bytes out, no sockets, no clock. Sources: PXE 2.1 (Intel, 1999) sections 2.2 to 2.4; RFC 2131
// and 2132 for the packet; RFC 4578 (with its erratum: 7 and 9 both mean UEFI x86-64) for options 93, 94 and 97;
// RFC 5970 section 3 for HTTPClient; RFC 3046 for option 82. What firmware made of it was observed on OVMF 2022.11 and
// on QEMU's iPXE ROMs.
//
// The exchange, with the school's own DHCP server S beside us (P):
//
//	client                      S (addresses)                    P (us)
//	  | DISCOVER 68 -> 67, broadcast, option 60 "PXEClient..."      |
//	  |------------------------------|----------------------------->|
//	  | OFFER yiaddr 10.9.0.50       |                              |
//	  |<-----------------------------|                              |
//	  | OFFER yiaddr 0.0.0.0, siaddr P, file "shimx64.efi", 54 60 97 43
//	  |<------------------------------------------------------------|
//	  | REQUEST 10.9.0.50, ACK       |                              |
//	  |<---------------------------->|     (we only learn which address the MAC took)
//	  | style B only: REQUEST 10.9.0.50:4011 -> P:4011, ACK back to the port it came from
//	  |<----------------------------------------------------------->|
//	  | TFTP, or HTTP for "HTTPClient"                              |
//
// The three styles of offer:
//
//	G  43 = 06 01 08 | 0a 04 00 "PXE" | 09 0a 80 00 07 "Ardoise" | 08 07 80 00 01 P P P P | ff
//	   discovery control bit 3: "do not show the menu, load the file that is in the header"
//	B  no option 43: the client asks port 4011, whose ACK names the file
//	A  43 = 06 01 08 | ff
//
// Guaranteed: a packet that is no PXE or HTTP boot request is refused with a typed error; no reply ever carries an
// address for the client (yiaddr is always 0) and there is no way to build a NAK. Not guaranteed: that a request tells
// the truth about its sender.
package proxydhcp
