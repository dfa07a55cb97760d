// Package job is the contract between daemon and agent: types only.
//
// All exchanges are JSON over HTTPS (TLS 1.3) except frames, manifests and names tables. The agent trusts the one server certificate that chains to
// the CA whose fingerprint stands on its kernel command line; dates are not looked at, since clocks of PCs are wrong.
// The server knows the agent by the public key of its self-signed client certificate: the handshake proves possession.
//
//	agent                                              server
//	  |-- GET  /agent/v1/trust ------------------------->|  Trust: signing keys, hash of stage two (anyone)
//	  |-- GET  /agent/v1/stage2 ------------------------>|  the cpio archive (anyone)
//	  |-- POST /agent/v1/hello    Hello ---------------->|  Welcome: pending with a code, enrolled, refused
//	  |-- GET  /agent/v1/task     (waits up to 25 s) --->|  Envelope of a Task; 204 when there is none
//	  |-- POST /agent/v1/wish     Wish ----------------->|  202: what was chosen in the start menu comes as a task
//	  |-- GET  /agent/v1/local ------------------------->|  LocalBoot: what belongs on ARDOISE; /local/{name}: its files
//	  |-- POST /agent/v1/local    LocalState ----------->|  204: what lies there now, for people
//	  |-- POST /agent/v1/report   Report --------------->|  ReportReply: go on, or cancel
//	  |-- GET  /agent/v1/manifest/{hash} --------------->|  encoded manifest; its signature in SignatureHeader
//	  |-- GET  /agent/v1/names/{hash} ------------------>|  encoded names table
//	  |-- POST /agent/v1/chunks   IDs ------------------>|  frames, one after the other, in the order asked
//	  |-- *    /agent/v1/session/{id}/... -------------->|  control channel of a multicast session (package session)
//	  |-- GET  /agent/v1/script ------------------------>|  text of the script that the running task names
//	  |-- GET  /agent/v1/heal -------------------------->|  IDs of the running deployment that the server has lost
//	  |-- POST /agent/v1/heal     frames --------------->|  204 once durable
//	  |-- POST /agent/v1/capture/{task}/missing  IDs --->|  bytes, one per id: 1 = send it
//	  |-- POST /agent/v1/capture/{task}/frames ---------->|  204 once durable
//	  |-- POST /agent/v1/capture/{task}/publish  parts ->|  Published: manifest, then names table, as multipart/form-data
//
//	running system                                     server
//	  |-- POST /agent/v1/running/reset ----------------->|  RunningReset: its next start resets it; GET: how that stands
//
//	helper in a room's network                         server
//	  |-- POST /agent/v1/helper/wake  HelperPoll ------->|  HelperWork: MAC addresses to wake (waits up to 25 s); 204: none
//
// IDs travel as their 32 bytes end to end. Errors are Problem with a status of 4xx or 5xx. All of /agent/v1 but trust,
// stage2, hello, running and helper is for enrolled computers only, and serves each one only what its running task names.
package job
