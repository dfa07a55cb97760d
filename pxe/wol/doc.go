// Package wol wakes computers that sleep.
//
// Source: AMD, "Magic Packet Technology" (1995), publication 20213. The magic packet is six bytes of FF, the MAC sixteen
// times, and where the card asks for it a SecureOn password of 4 or 6 bytes, in clear:
//
//	ff ff ff ff ff ff | mac mac ... mac (16) | password
//
// It is sent as UDP to port 9 of the interface's broadcast address, and as a bare Ethernet frame of type 0x0842, which
// also reaches cards whose firmware looks at no IP at all; who may open no packet socket sends UDP alone. Three times, a
// moment apart: there is no answer to wait for.
//
// Guaranteed: nothing but the packets. Waking is neither authenticated nor safe against replay, so nothing destructive
// may ever follow from it alone.
package wol
