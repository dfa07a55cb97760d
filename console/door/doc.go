// Package door serves HTTP until it is told to end: what the agents', the orders' and the console's servers do alike.
//
// It also remembers by which names people come that the certificate does not have.
//
// Share gives each address its share of a listener's connections, and Patient each piece of an answer its time to be taken:
//
//	Accept --> a place of its address --+-- too many of it, or in all --> the oldest of the greediest is closed
//	Write  --> deadline, 32 KiB, no deadline --> deadline, 32 KiB ...   (the handler's own deadline, where it sets one)
//
// Source: net/http, Server.Shutdown. Who is being answered when the end comes has a second; then connections are closed, and
// whoever was cut off asks again.
//
// Guaranteed: nothing is being answered any more when Serve returns because of its context; nobody who only holds connections
// open, or takes no answer, keeps others out. Not guaranteed: that long streams end well; their handlers see the end by their
// own context; that who shares an address with a flood keeps a connection for long.
package door
