package job

import "time"

// PathRunningReset is for the running system of an enrolled computer: TLS without client certificate, its RunningToken's
// token as "Authorization: Bearer TOKEN", no body. POST makes a reset of this computer wait for its next start: 202 with
// a RunningReset, also where one waits already. DELETE takes back one that waits and was ordered like this: 200 with a
// RunningReset, 409 no-task. GET answers 200 with a RunningReset. Nothing else is done for a token. 401: it is unknown or
// revoked. 409 with a Problem: the room's policy, or what is known of the disk, forbids it. 429: more
// than some six an hour were asked for, or this address has shown too many wrong tokens.
const PathRunningReset = "/agent/v1/running/reset"

// RunningToken is the file that lets the running system of one computer order its reset. It is printed once; the server
// keeps the token's hash.
type RunningToken struct {
	Server   string `json:"server"`   // HOST:PORT of the agent API
	CA       string `json:"ca"`       // SHA-256 of the CA certificate's DER, 64 hexadecimal digits: what proves the server
	Computer string `json:"computer"` // name when it was made, to be shown
	Token    string `json:"token"`    // printable ASCII without spaces, at most 128 characters
}

// The states of a RunningReset.
const (
	RunningNone    = "none"    // nothing is ordered
	RunningWaiting = "waiting" // the computer is reset when it starts its agent next
	RunningNow     = "running" // the agent has taken the task
)

// RunningReset says how the reset of a computer stands.
type RunningReset struct {
	State    string    // none, waiting or running
	Computer string    // name
	Master   string    `json:",omitempty"` // that the disk becomes equal to
	Version  int       `json:",omitempty"` // of Master
	Level    Level     `json:",omitempty"` // of the reset that waits
	Since    time.Time `json:",omitzero"`  // when it was ordered, clock of the server
	Until    time.Time `json:",omitzero"`  // forgotten when it has not begun by then
	Clean    time.Time `json:",omitzero"`  // when the disk was last proven, clock of the server
}
