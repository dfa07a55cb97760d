// Package session is the runtime of a multicast session: the server's side, which reads frames, makes packets and sends
// them, and the computer's side, which puts frames together again and hands them to the disk.
//
// Sources: DESIGN.md of imaging/multicast (words, who says what); sections 8 and 10 of the project's design; RFC 8446
// (TLS 1.3) and RFC 5869 (HKDF) for sessions that stand alone.
//
//	Server                                                        Client
//	Frames --> blocks --> parity, sealing --> udp.Sender ==> udp.Receiver --> opening --> symbols of blocks
//	             |  ^                                                                        | complete
//	             |  +-- multicast.Sender: what, when         multicast.Receiver: what to keep v
//	             |            ^    |                               ^    |            parity, frames
//	             |            |    v                               |    v                    |
//	             |        reports, orders  <==== HTTPS ====>  reports, orders                v
//	             +------> symbols that were asked for ==> symbols of blocks            Holder.Take: the disk
//
// The control channel, below the prefix where the server is mounted; who asks is told by the Authoriser:
//
//	POST join               wire.Join   -> wire.Joined
//	POST report             wire.Report -> wire.Orders
//	POST symbols            wire.Ask    -> wire.Answer, one after the other
//	POST leave              nothing     -> nothing
//	POST frames             ids, 32 bytes each, at most MaxIDs -> frames (package chunk), one after the other
//	GET  manifest/HASH      the manifest; its signature in the header SignatureHeader
//	GET  status             Status: what is sent, and how it goes
//
// An answer that is no success has a sentence as its body. 404 and 410 say that there is no such session, or none with
// this member: a client joins again.
//
// Guaranteed: what a Client hands to its Holder are whole frames of chunks that the manifest names; the Holder proves
// their content. A server that goes away costs a client nothing that it has. Memory is bounded on both sides whatever
// comes. A frame that the store cannot give costs its own chunk alone.
// Not guaranteed: that Run brings everything. What it leaves, with a reason, is for other sources.
package session
