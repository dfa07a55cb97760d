package job

import "time"

// The states of a task, as the agent reports them and the daemon keeps them.
const (
	TaskWaiting   = "waiting" // for its computer to ask
	TaskRunning   = "running"
	TaskDone      = "done"      // read back and proven
	TaskFailed    = "failed"    // Outcome says why; the disk may be unfinished, then its mark stands
	TaskCancelled = "cancelled" // before anything was written
)

// Report says how a task goes on. The agent sends one at each step and every second; a lost one does no harm.
type Report struct {
	Task    string
	State   string     // running, done, failed or cancelled
	Steps   []string   // names of all steps, in order
	Step    int        // index into Steps
	Phase   string     `json:",omitempty"` // of restore, in a step that makes a disk equal to a version; "": it has none
	Done    int64      // bytes of this phase, of a step without any of the step
	Total   int64      // the same; 0 when not known
	Written int64      // bytes written to the disk so far
	Fetched int64      // bytes of frames fetched or sent so far
	Timings []StepTime // steps that are over
	Session *Reception `json:",omitempty"` // of a deploy whose task names a session
	Mark    *Mark      // recorded by the server before the first write where the disk has no room for ARDOISE
	Outcome *Outcome   // with the last report
}

// States of a Reception.
const (
	ReceptionJoining = "joining" // asking to be let in, waiting for the countdown
	ReceptionOn      = "on"      // the session brings chunks
	ReceptionOver    = "over"    // it brought everything that it could
	ReceptionEnded   = "ended"   // it ended before everything was there, and HTTPS goes on: Reason says why
	ReceptionNone    = "none"    // this computer has no part in it: Reason says why
)

// Reception is how a deploy comes through a multicast session. Counts are of the whole task, and grow.
type Reception struct {
	ID        string // of the session
	State     string // joining, on, over, ended or none
	Reason    string `json:",omitempty"` // sentence for a person, in English
	Interface string `json:",omitempty"` // where multicast comes in; "" where none can
	WireRate  int64  // bytes a second of frames that came of late, by whatever way
	DiskRate  int64  // bytes a second written to the disk of late
	Multicast int64  // bytes of frames that the session brought by multicast
	HTTPS     int64  // bytes of frames that the server gave by HTTPS, repairs of the session included
	Peers     int64  // bytes of frames that other computers gave
	Packets   uint64 // of the session, authentic ones
	Lost      uint64 // packets that did not come
	Repaired  uint64 // symbols that parity replaced
	Forged    uint64 // packets that nobody of the session made
}

// StepTime is how long a finished step took.
type StepTime struct {
	Step    string
	Seconds float64
}

// Outcome ends a task.
type Outcome struct {
	Code         string // of imaging/agent/notices; "ok" when all is well
	Detail       string // sentence for a person, in English
	ReadBytes    int64
	WrittenBytes int64
	StoredBytes  int64 // frames fetched (deploy) or sent (capture)
	NewBytes     int64 // capture: stored bytes that were new to the store
	Seconds      float64
	ProvenAt     time.Time // when the read-back had found every byte; zero if it did not
	Proof        *Proof    `json:",omitempty"` // of a deployment or reset

	Wipe     *WipeProof    `json:",omitempty"` // of a wipe
	Verify   *Verification `json:",omitempty"` // of a verify that read the disk
	Output   string        `json:",omitempty"` // of a script, UTF-8 without control characters but tab and newline, at most MaxOutput bytes
	Exit     int           `json:",omitempty"` // status of a script; -1: it was ended by a signal
	Unproven bool          `json:",omitempty"` // the disk was, or may have been, changed: no earlier proof of it counts any more
}

// ReportReply answers a report.
type ReportReply struct {
	Cancel bool // stop if nothing has been written yet
}

// A capture ends with a body of two parts (multipart/form-data, RFC 7578), in this order: the manifest without name,
// version and signature, and its names table, both encoded. Neither end holds them in memory as they are.
const (
	PartManifest = "manifest"
	PartNames    = "names"
	MaxNames     = 2 << 30 // bytes: some 60 million files
)

// MaxManifest is how many bytes a manifest may have, encoded and decoded, wherever server or agent takes one of the other:
// it is decoded in memory, so this bounds what a stranger's costs. Both ends have the same limit: what one captures the
// other can deploy.
const MaxManifest = 512 << 20

// Published answers the end of a capture.
type Published struct {
	Master      string
	Version     int
	Hash        string // of the signed manifest, hexadecimal
	StoredBytes int64
	NewBytes    int64
}
