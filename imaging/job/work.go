package job

import "time"

// The kinds of job that look at a computer, empty it or do on it what an administrator has written.
const (
	KindVerify   Kind = "verify"   // read every kept and fill byte and compare it with a version; nothing is written
	KindWipe     Kind = "wipe"     // destroy everything that a disk holds, ours too, and prove it
	KindScript   Kind = "script"   // run an approved script in the boot environment
	KindShutdown Kind = "shutdown" // report, then switch off
)

// The methods of a wipe, as ordered and as proven.
const (
	WipeAuto        = "auto"         // the first of the others that the drive can do
	WipeSanitize    = "sanitize"     // NVMe Sanitize, ATA SANITIZE DEVICE: the drive erases all that it has, spare blocks too
	WipeSecureErase = "secure-erase" // NVMe Format with secure erase, ATA SECURITY ERASE UNIT
	WipeOverwrite   = "overwrite"    // zeros over all that can be addressed, read back whole
)

// WipeOrder says how a disk is to be wiped. A method that the drive cannot do fails the task before the first write; only
// auto goes on with the next.
type WipeOrder struct {
	Method string `json:",omitempty"` // one of the methods; "": auto
}

// WipeProof is what can be certified of a wipe. It is sent with the last report, also with that of one that failed.
type WipeProof struct {
	Ordered  string // method of the order
	Method   string // sanitize, secure-erase or overwrite: what was done; "" when nothing was
	Reported string // what the drive reported complete, in its own terms: "NVMe Sanitize, block erase"; "" when it did not
	Path     string // of the disk, as the computer saw it
	Model    string
	Serial   string
	Size     int64     // bytes that can be addressed
	Hidden   int64     `json:",omitempty"` // bytes that the drive hides behind them (HPA, DCO)
	Verified int64     // bytes read back from the medium and found erased
	Notes    []string  `json:",omitempty"` // what a reader of the certificate must know: sentences in English
	Started  time.Time // clock of the server
	Ended    time.Time
	Refused  string `json:",omitempty"` // why no certificate may be printed, a sentence in English; "": it may
}

// ScriptOrder names an approved script. Its text is fetched from PathScript, and run only if it has this hash.
type ScriptOrder struct {
	Hash   string `json:",omitempty"` // BLAKE3-256 of the text, hexadecimal
	Size   int64  `json:",omitempty"` // bytes of the text
	Name   string `json:",omitempty"` // to be shown
	Limit  int    `json:",omitempty"` // seconds that it may run
	Writes bool   `json:",omitempty"` // it may change the disk: afterwards the disk is proven to be nothing
}

// PathScript is where a computer fetches the text of the script that its running task names: 200 with the bytes, 409
// no-task when none of its tasks that run is a script, 404 when the text is not there any more.
const PathScript = "/agent/v1/script"

// Bounds of scripts.
const (
	MaxScript      = 1 << 20  // bytes of a script's text
	MaxScriptLimit = 6 * 3600 // seconds that a script may run
	MaxOutput      = 64 << 10 // bytes of its output that are kept: the first and the last half
)

// Names of the variables that a script finds in its environment.
const (
	EnvDisk     = "ARDOISE_DISK"     // path of the disk that the task's rule chose: /dev/nvme0n1
	EnvComputer = "ARDOISE_COMPUTER" // name of the computer
)

// Verification says how the disk compares with a version. The outcome's code is "ok" when nothing differs, else
// CodeDiffers.
type Verification struct {
	Master   string
	Version  int
	Manifest string // hash, hexadecimal
	Read     int64  // bytes read
	Chunks   int    // chunks that differ
	Fills    int    // runs of fill bytes that differ
	Bytes    int64  // of those chunks and runs
	Unread   int    `json:",omitempty"` // files and volumes of which parts could not be read; counted above, too
	First    string `json:",omitempty"` // what differs first: "partition 2: /etc/passwd"
}

// CodeDiffers is the code of the Outcome of a verify that read everything and found something else than the version.
const CodeDiffers = "differs"

// The states of a drive's health.
const (
	HealthOK      = "ok"
	HealthFailing = "failing"
)

// DiskHealth is what a drive says of itself. Numbers are -1 where it does not say.
type DiskHealth struct {
	State        string // ok or failing: the drive's own word
	Says         string // the same in a sentence, English
	PowerOnHours int64
	Used         int64 // percent of its life, may be beyond 100
	Spare        int64 // percent of spare blocks left
	Reallocated  int64 // sectors
	Pending      int64 // sectors that could not be read and wait for being written
	MediaErrors  int64 // reads that the drive could not do
	Celsius      int64 // -274 where it does not say: -1 is a temperature
}
