// Package wake wakes a computer in another network than the server's: the built daemon, a router that lets no broadcast
// through, and behind it a helper, the same binary, and a card that waits for magic packets.
//
//	server --- switch --- router --- switch --- helper
//	10.77.0.2         10.77.0.254  10.78.0.1  |  10.78.0.5
//	                                          +- pc, 10.78.0.7: listens for frames of type 0x0842, and on UDP port 9
//
// Guaranteed: the packets are real, and so are cut, restart and loss of power. Not guaranteed: that a network card wakes by
// them; a namespace never sleeps.
package wake
