package job

import "time"

// Kind of a job and its tasks.
type Kind string

// The kinds of job.
const (
	KindDeploy    Kind = "deploy"    // put a master on the disk
	KindCapture   Kind = "capture"   // make a version of a master from the disk
	KindInventory Kind = "inventory" // look, report, end
)

// Ending says what a computer does when its task is over.
type Ending string

// The endings.
const (
	EndDisk     Ending = "disk"     // restart and start the system on the disk
	EndPowerOff Ending = "poweroff" // switch off
	EndStay     Ending = "stay"     // stay in the agent and ask for more work
)

// The contexts that signatures are bound to: the signed bytes are the context, a zero byte and the payload.
const (
	ContextTask  = "ardoise task 1"
	ContextGrant = "ardoise standing grant 1"
)

// Envelope is a signed document. A receiver checks the signature over the payload's bytes before it parses them.
type Envelope struct {
	Payload   []byte // JSON of a Task or StandingGrant
	Key       string // ed25519 public key, base64
	Signature []byte // ed25519 over context, 0x00, Payload
}

// Task is one computer's part of a job.
type Task struct {
	ID          string
	Job         string
	Kind        Kind
	Computer    string    // name, to be shown
	ComputerKey string    // SHA-256 of the public key (SubjectPublicKeyInfo) it is for, hexadecimal
	Nonce       string    // never used twice by one server
	Expires     time.Time // judged by the server when it hands the task out
	OrderedBy   string

	Master     string // name
	Version    int    // of Master; 0 for a capture
	Manifest   string // hash, hexadecimal; "" for a capture
	Session    string `json:",omitempty"` // deploy, stage: id of the multicast session it may join, see PathSession; "" for none
	Note       string // of the version to be captured
	AsIs       bool   // capture a volume that is not clean as raw bytes
	Disk       DiskRule
	Exceptions []Exception // extents that are replaced on this computer
	Level      Level       `json:",omitempty"` // reset: how much is read
	Wipe       WipeOrder   `json:",omitzero"`  // of a wipe
	Script     ScriptOrder `json:",omitzero"`  // of a script
	Countdown  int         // seconds shown before anything is destroyed
	Ending     Ending
}

// StandingGrant allows offline resets to one version on one computer and nothing else. It has no expiry; an agent
// refuses a counter lower than the highest it has seen.
type StandingGrant struct {
	Computer    string
	ComputerKey string // as in Task
	Master      string
	Version     int
	Manifest    string // hash, hexadecimal
	Exceptions  []Exception
	Policy      Policy // of the room
	Level       Level  // of a reset that is chosen in the menu
	Counter     uint64
}

// Exception is an extent whose bytes on this computer differ from the master's on purpose.
type Exception struct {
	Offset  int64  // bytes from the start of the disk
	Length  int64  // bytes
	Hash    string // BLAKE3-256 of the expected bytes, hexadecimal
	Content []byte // the expected bytes
	Why     string // "computer name"
}

// Mark lies on ARDOISE, or with the server, from before the first write of a deploy or reset until it is proven. While
// it stands the system on the disk is not started.
type Mark struct {
	Task     string
	Job      string
	Kind     Kind
	Master   string
	Version  int
	Manifest string // hash, hexadecimal
	Phase    string // break, data, metadata, heads, verify; unknown when what was written cannot be read
}
