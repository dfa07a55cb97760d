// Package client speaks the agent's side of imaging/job to the server.
//
// The server is proven by one thing: its certificate is signed by the CA whose SHA-256 stands on the kernel command
// line. Neither dates nor names are looked at: clocks of PCs are wrong, and the address is whatever the boot said. The
// agent proves itself by the key of a self-signed certificate made at each start.
//
//	          answer        network trouble, 408, 429, 5xx
//	asking ----------> done     |        ^
//	   ^                        v        | 1 s, 2 s, 4 s ... 15 s
//	   +--------------------- waiting ---+      Lost is told once, Found once
//
// A question is repeated for ever while the server is away, because a PC in the middle of a deploy has nothing better to
// do; every question of imaging/job may be asked twice. It ends with *ProblemError when the server answers that it will
// not, and with *UnprovenError at once when somebody else answers.
//
// Frames come over several connections at a time: each carries a batch, batches are handed on in the order asked. At
// most one batch more than are in flight waits in memory: 20 MiB as a rule, 40 MiB for a master of incompressible bytes.
//
// Frames may come from other computers, too (Share): those are proven by the key that the server names, and what they
// give by its hash, before it is handed on.
package client
