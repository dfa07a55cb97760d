package access

import (
	"time"

	"github.com/ardoise/ardoise/fleet/rates"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/job"
)

// Status is what the daemon says of itself.
type Status struct {
	Version       string    `json:"version"`
	Started       time.Time `json:"started"`
	PID           int       `json:"pid"`
	Data          string    `json:"data"`
	CAFingerprint string    `json:"ca_fingerprint"`
	AgentPort     int       `json:"agent_port"`
	Addresses     []string  `json:"addresses"`
}

// Computer is a PC.
type Computer struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	State      string        `json:"state"` // unknown, pending, enrolled, refused, alarm, expected
	Code       string        `json:"code,omitempty"`
	MACs       []string      `json:"macs"`
	UUID       string        `json:"uuid,omitempty"`
	Serial     string        `json:"serial,omitempty"`
	Model      string        `json:"model,omitempty"`
	Address    string        `json:"address,omitempty"`
	Stage      string        `json:"stage,omitempty"`
	LastSeen   time.Time     `json:"last_seen"`
	Runs       *Proven       `json:"runs,omitempty"`
	Unfinished *job.Mark     `json:"unfinished,omitempty"`
	BootLoop   bool          `json:"boot_loop,omitempty"`
	Chainload  bool          `json:"chainload,omitempty"`
	WeakKey    bool          `json:"weak_key,omitempty"`
	Key        string        `json:"key,omitempty"`
	Claim      *Claim        `json:"claim,omitempty"`
	Task       *Task         `json:"task,omitempty"`
	Inventory  job.Inventory `json:"inventory"`
	Events     []Event       `json:"events,omitempty"` // newest first, when one computer is asked for

	Site         string     `json:"site,omitempty"`
	Room         string     `json:"room,omitempty"`
	Tags         []string   `json:"tags,omitempty"`
	Note         string     `json:"note,omitempty"`
	OfflineReset string     `json:"offline_reset"` // yes, or no and why
	Clean        *Clean     `json:"last_proven_clean,omitempty"`
	Resets       *Resets    `json:"resets,omitempty"`
	Token        *time.Time `json:"token,omitempty"` // when the token of its running system was made

	Twin   *Twin  `json:"twin,omitempty"`    // pending: the computer of another site that it looks like
	Woken  string `json:"woken,omitempty"`   // after it was woken: through which helpers, and what that lacks
	Asleep string `json:"asleep,omitempty"`  // after it was woken: why it may not wake
	SeenAt string `json:"seen_at,omitempty"` // site in whose network it was seen last, where that is not its own
}

// Twin is a computer of another site than the one where something like it waits.
type Twin struct {
	Name string `json:"name"`
	Site string `json:"site"`
	Room string `json:"room,omitempty"`
}

// Proven is what a disk held when it was last read back.
type Proven struct {
	Master   string    `json:"master"`
	Version  int       `json:"version"`
	Manifest string    `json:"manifest"`
	At       time.Time `json:"at"`
}

// Claim is another key's claim to be a computer.
type Claim struct {
	Key     string    `json:"key"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
}

// Event is one thing that happened.
type Event struct {
	Number   int64     `json:"number,omitempty"` // growing; 0: it was not stored
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Severity string    `json:"severity"`
	Computer string    `json:"computer,omitempty"` // name, else id
	Site     string    `json:"site,omitempty"`     // where that was at the time
	Room     string    `json:"room,omitempty"`     // where that was at the time
	MAC      string    `json:"mac,omitempty"`
	Job      string    `json:"job,omitempty"`
	Task     string    `json:"task,omitempty"`
	Detail   string    `json:"detail,omitempty"`
}

// Master is one version of a master.
type Master struct {
	Name         string    `json:"name"`
	Version      int       `json:"version"`
	Hash         string    `json:"hash"`
	Parent       string    `json:"parent,omitempty"`
	ParentOf     string    `json:"parent_version,omitempty"` // NAME@V of the parent, while it is there
	Created      time.Time `json:"created"`
	Author       string    `json:"author"`
	Note         string    `json:"note,omitempty"`
	DiskBytes    int64     `json:"disk_bytes"`
	UsedBytes    int64     `json:"used_bytes"`
	StoredBytes  int64     `json:"stored_bytes,omitempty"` // as published; as it is now when one version is asked for
	NewBytes     int64     `json:"new_bytes,omitempty"`    // of these, that its capture added to the store
	Chunks       int       `json:"chunks"`
	Channels     []string  `json:"channels,omitempty"`         // that point at it
	NoChannels   string    `json:"channels_damaged,omitempty"` // why nobody can tell which channels do
	Notes        []Note    `json:"notes,omitempty"`            // oldest first, when one version is asked for; Note is the newest
	Damaged      string    `json:"damaged,omitempty"`
	Volumes      []Volume  `json:"volumes,omitempty"` // when one version is asked for
	OfflineReset string    `json:"offline_reset,omitempty"`
	OfflineFrom  int64     `json:"offline_from_bytes,omitempty"` // smallest disk on which there is room for it; 0: on none
	Retention    *Rule     `json:"retention,omitempty"`          // of its master, when one version is asked for; nil: all versions stay
}

// Volume is what lies in a partition of a master.
type Volume struct {
	Partition int    `json:"partition"`
	Kind      string `json:"kind"`
	Order     string `json:"order"`
	Reason    string `json:"reason,omitempty"`
	Label     string `json:"label,omitempty"`
	Length    int64  `json:"length"`
	Used      int64  `json:"used"`
}

// Order is what a person asks for.
type Order struct {
	Kind      job.Kind     `json:"kind"`
	Computers []string     `json:"computers,omitempty"`
	Master    string       `json:"master,omitempty"` // NAME or NAME@V to deploy or stage, NAME to capture; reset: "" for what each holds
	Note      string       `json:"note,omitempty"`
	AsIs      bool         `json:"as_is,omitempty"`
	Disk      job.DiskRule `json:"disk,omitzero"`       // zero: the only disk, else the one that was proven to hold something; a wipe names one of several
	Countdown int          `json:"countdown,omitempty"` // seconds
	Ending    job.Ending   `json:"ending,omitempty"`
	Within    int          `json:"within,omitempty"`  // seconds after At, else now, in which it may begin; 0: a week, of a shutdown ten minutes
	Unicast   bool         `json:"unicast,omitempty"` // deploy: each computer fetches for itself
	Room      string       `json:"room,omitempty"`    // also all computers of this room
	At        time.Time    `json:"at,omitzero"`       // not before; zero: now
	Level     job.Level    `json:"level,omitempty"`   // reset: full or quick
	Wake      bool         `json:"wake,omitempty"`    // wake the computers when the time has come
	Skip      bool         `json:"skip,omitempty"`    // leave out the computers that cannot take it

	Rooms   []string `json:"rooms,omitempty"`   // also all computers of these rooms
	Sites   []string `json:"sites,omitempty"`   // also all enrolled computers of these sites
	Filter  string   `json:"filter,omitempty"`  // also all enrolled computers that this query matches
	Retries int      `json:"retries,omitempty"` // how often a task that failed is tried again, 0 to 5
	Instead bool     `json:"instead,omitempty"` // tasks of other orders that wait for these computers are cancelled
	Wipe    string   `json:"wipe,omitempty"`    // wipe: auto, sanitize, secure-erase or overwrite; "": auto
	Script  string   `json:"script,omitempty"`  // script: its hash
}

// Plan says what an order would do.
type Plan struct {
	Kind    job.Kind `json:"kind"`
	Master  string   `json:"master"` // NAME@V
	Bytes   int64    `json:"bytes"`  // that the master keeps
	Stored  int64    `json:"stored"` // that travel at most, to each computer
	Targets []Target `json:"targets"`

	AirBytes int64    `json:"air_bytes"`          // that are sent over the network to all who can take it together, an estimate
	Seconds  int      `json:"seconds"`            // until all have done it, once it begins, an estimate; 0: nobody can tell
	InAgent  int      `json:"in_agent"`           // of who can take it, those whose agent is there now and would begin at once
	Warnings []string `json:"warnings,omitempty"` // those of its targets, each once, with the names: "lessons until 18:00: pc1, pc2"
}

// Target is what an order would do to one computer.
type Target struct {
	Computer     string   `json:"computer"`
	Disk         job.Disk `json:"disk"`
	Runs         *Proven  `json:"runs,omitempty"`
	Target       string   `json:"target,omitempty"` // NAME@V that the disk becomes equal to; verify: that it is compared with
	Loses        string   `json:"loses,omitempty"`
	OfflineReset string   `json:"offline_reset,omitempty"`
	Refusal      *Error   `json:"refusal,omitempty"`

	Conflict *Conflict `json:"conflict,omitempty"` // another order stands in the way; with instead it gives way, unless there is a refusal
	Warning  string    `json:"warning,omitempty"`  // "lessons until 18:00"
}

// Conflict is an order that stands in the way of another.
type Conflict struct {
	Job   string   `json:"job"`
	Kind  job.Kind `json:"kind"`
	By    string   `json:"by"`
	State string   `json:"state"` // of its task
}

// Job is what somebody ordered, with its tasks.
type Job struct {
	ID        string     `json:"id"`
	Kind      job.Kind   `json:"kind"`
	State     string     `json:"state"` // waiting, running, done, failed, cancelled: of all tasks together
	Master    string     `json:"master,omitempty"`
	Version   int        `json:"version,omitempty"`
	OrderedBy string     `json:"ordered_by"`
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"`
	Note      string     `json:"note,omitempty"`
	Ending    job.Ending `json:"ending"`
	NotBefore *time.Time `json:"not_before,omitempty"` // its tasks wait until then
	Level     job.Level  `json:"level,omitempty"`      // of a reset
	SessionID string     `json:"session_id,omitempty"` // of the multicast session of its tasks
	Tasks     []Task     `json:"tasks"`

	Retries  int              `json:"retries,omitempty"`
	Wipe     string           `json:"wipe,omitempty"` // method that was ordered
	Script   *job.ScriptOrder `json:"script,omitempty"`
	Schedule string           `json:"schedule,omitempty"` // id of the schedule that gave it
	LeftOut  []LeftOut        `json:"left_out,omitempty"` // whom it was meant for, too, and who could not take it
	Disk     job.DiskRule     `json:"disk,omitzero"`      // that was ordered; zero: none was named
	Wake     bool             `json:"wake,omitempty"`     // its computers are woken
	AsIs     bool             `json:"as_is,omitempty"`    // capture: also what is not clean

	// Session is how that session stands, while it runs, in what a watch yields; all of it where one job is asked for.
	Session *sessions.Report `json:"session,omitempty"`

	Rates *rates.Curve `json:"rates,omitempty"` // how fast its computers went, where one job is asked for

	Rooms []string `json:"rooms,omitempty"` // of its computers, by name; of more than eight the first and "..."
	Going []string `json:"going,omitempty"` // in the answer to a cancel: computers that go on, because their disks are being written
}

// JobFilter chooses jobs; zero fields do not restrict.
type JobFilter struct {
	Before string   // jobs with lower numbers than this: the next page
	Room   string   // jobs with a computer of this room
	State  string   // of the job: waiting, running, done, failed or cancelled
	Kind   job.Kind // deploy, reset ...
	Limit  int      // at most so many; 0: 1000
}

// LeftOut is a computer that an order named and that could not take it.
type LeftOut struct {
	Computer string `json:"computer"` // name
	Refusal  Error  `json:"refusal"`
}

// Task is one computer's part of a job.
type Task struct {
	ID         string         `json:"id"`
	Job        string         `json:"job"`
	Computer   string         `json:"computer"` // name
	State      string         `json:"state"`
	Target     string         `json:"target,omitempty"` // reset: NAME@V that the disk becomes equal to
	Created    time.Time      `json:"created"`
	Started    *time.Time     `json:"started,omitempty"`
	Ended      *time.Time     `json:"ended,omitempty"`
	Cancelling bool           `json:"cancelling,omitempty"`
	Step       string         `json:"step,omitempty"`
	StepNumber int            `json:"step_number,omitempty"` // from 1
	Steps      int            `json:"steps,omitempty"`
	Phase      string         `json:"phase,omitempty"` // of the step, where it has several: done and total are of it
	Done       int64          `json:"done"`
	Total      int64          `json:"total"`
	Written    int64          `json:"written_bytes"`
	Fetched    int64          `json:"fetched_bytes"`
	Reported   *time.Time     `json:"reported,omitempty"`
	Timings    []job.StepTime `json:"timings,omitempty"`
	Reception  *Reception     `json:"reception,omitempty"` // how it comes through its session, as the computer says
	Outcome    *Outcome       `json:"outcome,omitempty"`
	Published  *Proven        `json:"published,omitempty"`
	Tries      int            `json:"tries,omitempty"` // how often it has failed and waited again

	Wiped *Wiped `json:"wiped,omitempty"` // wipe: which computer that was, as it was then
}

// Wiped is what a certificate says of the computer whose disk was wiped, whatever has become of it since.
type Wiped struct {
	Name         string `json:"name"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Serial       string `json:"serial,omitempty"`
	UUID         string `json:"uuid,omitempty"`
	Site         string `json:"site,omitempty"`
	Room         string `json:"room,omitempty"`
}

// Reception is how a computer comes through the multicast session of its task.
type Reception struct {
	State     string `json:"state"` // joining, on, over, ended or none
	Reason    string `json:"reason,omitempty"`
	Interface string `json:"interface,omitempty"`
	WireRate  int64  `json:"wire_rate"` // bytes of frames a second
	DiskRate  int64  `json:"disk_rate"` // bytes a second
	Multicast int64  `json:"multicast_bytes"`
	HTTPS     int64  `json:"https_bytes"`
	Peers     int64  `json:"peer_bytes"`
	Packets   uint64 `json:"packets"`
	Lost      uint64 `json:"lost"`
	Repaired  uint64 `json:"repaired"`
	Forged    uint64 `json:"forged"`
}

// Outcome is how a task ended.
type Outcome struct {
	Code         string     `json:"code"`
	Detail       string     `json:"detail,omitempty"`
	Version      string     `json:"version,omitempty"`
	ReadBytes    int64      `json:"read_bytes"`
	WrittenBytes int64      `json:"written_bytes"`
	StoredBytes  int64      `json:"stored_bytes"`
	NewBytes     int64      `json:"new_bytes"`
	Seconds      float64    `json:"seconds"`
	ProvenAt     *time.Time `json:"proven_at,omitempty"`
	Level        job.Level  `json:"level,omitempty"`            // reset: as it was done
	Doubt        string     `json:"doubt,omitempty"`            // reset: why a quick one became full
	FromCache    int64      `json:"from_cache_bytes,omitempty"` // reset: of frames that the disk's own cache had

	Wipe   *job.WipeProof    `json:"wipe,omitempty"`   // what can be certified of a wipe
	Verify *job.Verification `json:"verify,omitempty"` // how the disk compares with its version
	Output string            `json:"output,omitempty"` // of a script
	Exit   int               `json:"exit,omitempty"`   // of a script; -1: ended by a signal
}

// Approve enrols the computer that shows Code on its screen.
type Approve struct {
	Code string `json:"code"`
	Name string `json:"name,omitempty"`
	Room string `json:"room,omitempty"` // that it is put into
	// Moved says that it is the computer of another site that it looks like.
	Moved bool `json:"moved,omitempty"`
}

// Change is the body of the other verbs on a computer.
type Change struct {
	Name string `json:"name,omitempty"` // rename
	On   bool   `json:"on,omitempty"`   // chainload
	Note string `json:"note,omitempty"` // note; "" takes it away
}

// Tagging gives computers tags and takes others from them.
type Tagging struct {
	Computers []string `json:"computers"`
	Add       []string `json:"add,omitempty"`
	Remove    []string `json:"remove,omitempty"`
}

// Window is the time in which computers are enrolled in a room without a code to be compared.
type Window struct {
	Room  string    `json:"room"`
	Until time.Time `json:"until"`
	Count int       `json:"count"` // how many computers it is for
	Used  int       `json:"used"`  // how many have come
	By    string    `json:"by"`
}

// WindowOrder opens an enrolment window.
type WindowOrder struct {
	Room    string `json:"room"`
	Minutes int    `json:"minutes"` // from now; at most a day
	Count   int    `json:"count"`   // at most so many computers
}

// Cancel ends a job.
type Cancel struct {
	Force bool `json:"force,omitempty"` // also where a disk is being written: it stays unfinished
}

// Check is one line of the doctor's report.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, warn, bad
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// The states of a check.
const (
	CheckOK   = "ok"
	CheckWarn = "warn"
	CheckBad  = "bad"
)
