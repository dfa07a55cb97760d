// Package multicast decides what a session sends and what a computer keeps: sender and receiver of the carousel with
// demand, as two state machines without bytes, sockets, goroutines or a clock. The time is an argument of every call.
//
// Sources: DESIGN.md beside this file; section 8 of the project's design. That parity for the largest deficit serves
// every receiver at once is the repair of RFC 5740 (NORM) section 5.3; how rates are found is our own.
//
//	          reports: deficits, losses, disk                 orders: interval, stream, what to ask for by HTTPS
//	Receiver --------------------------------> Sender.Report ----------------------------------> Receiver.Obey
//	    ^                                        |
//	    | Receive(header): keep? complete?       v
//	    +<---------- packets -------------- Sender.Next: which symbol, when
//
// A Sender is for one session and knows all its members; a Receiver is one of them. Who drives them holds the bytes:
// it makes the symbol that Next names, and keeps those that Receive asks for. Both are for one goroutine at a time.
//
// Guaranteed: no member can make the sender wait; whatever reports and headers say, memory is bounded by the announced
// generations and the number of members, and no call takes longer than a pass over those. What goes over multicast for
// one block is bounded, so a member that lies costs the others a part of a pass at most.
// Not guaranteed: that a block that came is what the server sent: everybody in the session has its key. The driver
// proves what it assembles, and says so by Written or Polluted.
package multicast
