// Package door serves HTTP until it is told to end: what the agents', the orders' and the console's servers do alike.
//
// It also remembers by which names people come that the certificate does not have.
//
// Source: net/http, Server.Shutdown. Who is being answered when the end comes has a second; then connections are closed, and
// whoever was cut off asks again.
//
// Guaranteed: nothing is being answered any more when Serve returns because of its context. Not guaranteed: that long
// streams end well; their handlers see the end by their own context.
package door
