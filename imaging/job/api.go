package job

import "time"

// Kernel command line parameters that the boot environment is started with.
const (
	ParamServer = "ardoise.server" // HOST:PORT of the agent API
	ParamCA     = "ardoise.ca"     // SHA-256 of the CA certificate's DER, 64 hexadecimal digits
	ParamMAC    = "ardoise.mac"    // MAC address of the interface the PC booted from, aa:bb:cc:dd:ee:ff
	ParamStay   = "ardoise.stay"   // "1": on a failure stay on the screen instead of restarting
)

// Paths of the agent API.
const (
	PathTrust    = "/agent/v1/trust"
	PathStageTwo = "/agent/v1/stage2"
	PathHello    = "/agent/v1/hello"
	PathTask     = "/agent/v1/task"
	PathReport   = "/agent/v1/report"
	PathManifest = "/agent/v1/manifest/" // + hash, hexadecimal
	PathNames    = "/agent/v1/names/"    // + hash, hexadecimal
	PathChunks   = "/agent/v1/chunks"
	PathCapture  = "/agent/v1/capture/" // + task id + /missing, /frames or /publish
)

// PathSession is where the control channel of a multicast session is: the id of the running task's session follows, then
// one of that channel's own routes: /join, /report, /symbols, /leave, /frames, /manifest/{hash} or /status. An id has at
// most 64 characters, letters, digits and hyphens. 404 and 410 say that nothing is sent now: join again later, or fetch
// everything from PathChunks. 409 no-task says that the task does not run any more.
const PathSession = "/agent/v1/session/"

// SignatureHeader carries the Signature of a manifest as JSON.
const SignatureHeader = "Ardoise-Signature"

// MaxIDs is the largest number of chunk ids in one request.
const MaxIDs = 1024

// Trust is what the agent takes from the server that the CA fingerprint has proven.
type Trust struct {
	SigningKeys []string  // ed25519 public keys that may sign manifests and tasks, base64
	StageTwo    StageTwo  // what to fetch next
	Time        time.Time // the server's clock
}

// StageTwo names the second stage of the boot environment.
type StageTwo struct {
	Hash string // BLAKE3-256 of the archive, hexadecimal
	Size int64  // bytes
}

// Hello introduces a computer.
type Hello struct {
	AgentVersion string
	MAC          string // of the interface it booted from
	WeakKey      bool   // the key lies in the key slot of ARDOISE, not under a TPM
	NewKey       bool   // the key was made at this boot: nothing on this computer held one
	Inventory    Inventory
	Timings      []Timing // phases since power-on, as the agent knows them
	Interrupted  *Mark    // the mark found on the disk, if one stands
	Proofs       []Proof  `json:",omitempty"` // of resets that the server was not told of yet, at most 16
}

// Timing is the end of one phase of starting.
type Timing struct {
	Phase   string  // firmware, kernel, agent, network, trust, stage2
	Seconds float64 // since the kernel started; firmware: before it
}

// The states of a computer that said hello.
const (
	StateEnrolled = "enrolled"
	StatePending  = "pending" // a person must compare Code and approve
	StateRefused  = "refused" // Reason says why
	StateAlarm    = "alarm"   // a known computer with another key
)

// Welcome answers Hello. While pending, the agent says hello again every few seconds.
type Welcome struct {
	State    string
	Computer string // name given to it, once enrolled
	ID       string // computer id, once enrolled
	Code     string // six digits, while pending
	Reason   string // for a person, when refused or alarmed
	Proofs   int    `json:",omitempty"` // how many of Hello's are kept now: the agent forgets them
}

// Problem is the body of an answer with status 4xx or 5xx.
type Problem struct {
	Code   string // stable word: unknown-computer, no-task, not-yours, no-space, damaged ...
	Detail string // sentence for a person
}
