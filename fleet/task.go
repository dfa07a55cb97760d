package fleet

import (
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Job is what somebody ordered.
type Job struct {
	ID        string // "12"
	Kind      job.Kind
	OrderedBy string
	Created   time.Time
	Expires   time.Time // tasks that have not begun by then are cancelled
	Master    string
	Version   int    // 0 for a capture
	Manifest  string // hash, hexadecimal; "" for a capture
	Note      string
	AsIs      bool
	Disk      job.DiskRule
	Countdown int // seconds
	Ending    job.Ending
	Session   string `json:",omitempty"` // multicast session of its tasks, the id of the first job that has it; "": none

	NotBefore time.Time `json:",omitzero"`  // its tasks wait until then
	Level     job.Level `json:",omitempty"` // of a reset
	Wake      bool      `json:",omitempty"` // its computers are woken when its time has come

	Retries  int             `json:",omitempty"` // how often a task that failed is tried again before Expires
	Wipe     job.WipeOrder   `json:",omitzero"`
	Script   job.ScriptOrder `json:",omitzero"`
	Schedule string          `json:",omitempty"` // id of the schedule that gave it
	LeftOut  []LeftOut       `json:",omitempty"` // whom it was meant for, too, and who could not take it
}

// LeftOut is a computer that an order named and that could not take it.
type LeftOut struct {
	Computer string // id
	Name     string
	Code     Code
	Detail   string
}

// Task is one computer's part of a job.
type Task struct {
	ID          string // "12-1"
	Job         string
	Computer    string // id
	State       string // job.TaskWaiting ...
	Created     time.Time
	Started     time.Time // first handed out
	Ended       time.Time
	Nonce       string // of the envelope handed out last
	Handouts    int    // since the last report of progress
	CancelAsked bool
	Wrote       bool      // the agent reported a write
	Before      *Proven   // what the computer ran before this task
	Target      *Target   `json:",omitempty"` // reset: what it makes the disk equal to, fixed when it is first handed out
	Woken       int       `json:",omitempty"` // how many times its computer was woken for it
	WokenAt     time.Time `json:",omitzero"`  // the last time
	Untouched   bool      `json:",omitempty"` // wipe, script: its agent said at the end that nothing was written
	Tries       int       `json:",omitempty"` // how often it has failed and waited again; Outcome is then that of the last time
	Outcome     *job.Outcome
	Publishing  *Publishing
	Published   *job.Published
	Wiped       *Wiped `json:",omitempty"` // wipe: whose disk it was

	Progress   *job.Report // latest; in memory only
	ProgressAt time.Time   // in memory only
}

// Wiped is what a certificate says of the computer whose disk was wiped, as it was then: it may be renamed, sold or forgotten
// before anybody asks.
type Wiped struct {
	Name         string
	Manufacturer string `json:",omitempty"`
	Model        string `json:",omitempty"`
	Serial       string `json:",omitempty"`
	UUID         string `json:",omitempty"`
	Site         string `json:",omitempty"`
	Room         string `json:",omitempty"`
}

// Publishing is what a capture is about to publish, kept before it does, so that a second try after a crash finds the
// first one's version instead of making another.
type Publishing struct {
	After   int       // version of the master before
	Created time.Time // of the version, UTC, seconds
	Author  string
}

// Active tells whether the task is not over.
func (t Task) Active() bool { return t.State == job.TaskWaiting || t.State == job.TaskRunning }

// Destroys tells whether jobs of this kind overwrite a disk.
func Destroys(k job.Kind) bool { return k == job.KindDeploy || k == job.KindReset || k == job.KindWipe }

// changes tells whether a job may change a disk: afterwards it is not what it was proven to be.
func (j Job) changes() bool { return Destroys(j.Kind) || j.Kind == job.KindScript && j.Script.Writes }

// document is the task as its computer gets it.
func document(j Job, t Task, c Computer) job.Task {
	return job.Task{
		ID: t.ID, Job: j.ID, Kind: j.Kind, Computer: c.Name, ComputerKey: c.Key, Nonce: t.Nonce, Expires: j.Expires,
		OrderedBy: j.OrderedBy, Master: j.Master, Version: j.Version, Manifest: j.Manifest, Note: j.Note, AsIs: j.AsIs,
		Disk: j.Disk, Countdown: j.Countdown, Ending: j.Ending, Session: j.Session, Level: j.Level,
		Wipe: j.Wipe, Script: j.Script,
	}
}
