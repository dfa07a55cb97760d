// Package agentapi serves the agents of the computers: the HTTPS side of the contract in imaging/job.
//
// Trust goes both ways before anything of worth moves (RFC 8446, sections 4.4.2 and 4.4.3):
//
//	agent -> server   the certificate chains to the CA whose fingerprint stood on the kernel command line
//	server -> agent   the handshake proves the private key of a self-signed client certificate; the SHA-256 of its
//	                  SubjectPublicKeyInfo is the computer's identity, nothing else in it is looked at
//
//	route                      anyone  a key  enrolled  and also
//	trust, stage2                 x
//	hello                                x
//	task, report                               x        the report's task is this computer's
//	manifest, names, chunks                    x        named by the task that runs on this computer
//	serve                                      x        its disk is proven to hold what its last task put there
//	peers                                      x        those that give chunks of the running task's manifest
//	heal                                       x        chunks of the running task's manifest that the store has lost
//	session/{id}/...                           x        named by the task that runs on this computer; join comes first
//	capture/{task}/...                         x        the task is a capture and runs on this computer
//	local, local/{name}                        x        one that was thrown out gets a grant of nothing, if it had one
//	wish                                       x        the room's policy allows it, some six times an hour
//	running/reset                 x                     a token of one computer's running system; wrong ones bar an address, but not for the right one
//	helper/wake                   x                     a helper's secret; wrong ones bar an address, but not for the right one
//
// The frames of a capture go to one ingest per task. It outlives connections and silences, because what it has claimed
// to hold is pinned by it; it ends when the task is over or after an hour without a word. What ends a capture, manifest and
// names table, goes to files without names in the data folder while it comes, and is decoded one capture at a time.
//
// A whole school may come from one address, a router's. So an enrolled computer's requests and connections are counted by its
// key, those of others by their address; where strangers have too many connections the oldest of the greediest address gives
// way to who comes. Who asks too fast is told so (429), and agents come again after a moment.
//
// Guaranteed: a key that no person approved gets nothing but a code, whatever else it claims to be; bodies, request
// rates, connections and waiting times are bounded for each source, and in all; a panic costs one request. Not guaranteed: that a
// laptop on the school's network cannot make the server slow for others; it can only not make it wrong.
package agentapi
