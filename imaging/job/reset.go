package job

import "time"

// The kinds of job that keep a computer as its master is.
const (
	KindReset Kind = "reset" // make the disk equal to the version that it holds, reading as little as Level says
	KindStage Kind = "stage" // bring the chunks of a version into the cache; nothing on the system's volumes is touched
)

// Level says how much a reset reads.
type Level string

// The levels of a reset.
const (
	LevelFull  Level = "full"  // every kept and fill byte
	LevelQuick Level = "quick" // what the file systems' own records say has changed, see imaging/quick; full on any doubt
)

// Policy says when the computers of a room are reset.
type Policy string

// The policies.
const (
	PolicyDemand Policy = "demand" // when somebody chooses it in the start menu
	PolicyStart  Policy = "start"  // at each start
	PolicyNight  Policy = "night"  // ordered by the server at night, and on demand
	PolicyNever  Policy = "never"
)

// What the start menu asks the agent for, as ParamWish says it.
const (
	WishReset     = "reset"     // Remettre à zéro
	WishReinstall = "reinstall" // Réinstaller: behind the technician's passphrase
	WishInventory = "inventory" // Inventaire: the same
	WishRescue    = "rescue"    // Dépannage: the same; a shell on the PC
	WishWork      = "work"      // woken by the network: ask the server for a task, else start the disk
)

// Kernel command line parameters of a start from the menu.
const (
	ParamWish   = "ardoise.wish"   // one of the wishes; absent: whatever the server wants
	ParamOrigin = "ardoise.origin" // disk or network: where the menu came from; absent: network
	// ParamStageTwo is the BLAKE3-256 of the stage two that the loader has loaded too, hexadecimal; absent: it has not.
	ParamStageTwo = "ardoise.stage2"
)

// PathLocal is where an enrolled agent asks for its LocalBoot; PathLocal + "/" + name gives one of its files.
const PathLocal = "/agent/v1/local"

// PathWish takes a Wish of an enrolled computer. 202: a task will come by PathTask. 409 with a Problem: the room's policy,
// or what the server knows of the disk, forbids it.
const PathWish = "/agent/v1/wish"

// Wish is what somebody at the computer chose in the menu and what cannot be done without the server.
type Wish struct {
	Wish string // one of the wishes
}

// LocalBoot is what belongs on ARDOISE of one computer.
type LocalBoot struct {
	Menu   bool       // menu room: this computer starts from ARDOISE first
	Config string     // GRUB's configuration for a start from ARDOISE, UTF-8
	Files  []BootFile // of the generation that is current
	Grant  Envelope   // StandingGrant; empty payload: none, forget what is there
	Stage  []string   // hashes of manifests, hexadecimal, that the cache is for, the one that runs first
}

// BootFile is a file of the boot environment. They are public: only their hash, which comes over the proven connection,
// makes them believed.
type BootFile struct {
	Name string // shimx64.efi, grubx64.efi, grub.cfg, vmlinuz, stage1.img, stage2.img, boot.img, core.img
	Size int64  // bytes
	Hash string // BLAKE3-256, hexadecimal
}

// Proof says what a reset or deployment read, found and wrote on a computer. It is kept on ARDOISE until the server has it.
type Proof struct {
	ID       string    // random, 32 hexadecimal digits: a proof that comes twice counts once
	Task     string    `json:",omitempty"` // of an ordered one; "" when chosen in the menu
	Master   string    // name
	Version  int       // of Master
	Manifest string    // hash, hexadecimal
	Level    Level     // as it was done
	Asked    Level     // as it was asked
	Doubt    string    `json:",omitempty"` // why a quick one became full, a sentence in English
	Origin   string    // menu, start, task: who asked
	Offline  bool      // the server was not asked
	At       time.Time // clock of the server where it was known, else of the PC: see Clock
	Clock    string    // server or pc

	Ok        bool   // every byte that the level reads was found right at the end
	Failure   string `json:",omitempty"` // when not Ok: a sentence in English
	Read      int64  // bytes read from the disk
	Differed  int64  // bytes of the chunks and fills that differed
	Written   int64  // bytes written
	FromCache int64  // bytes of frames from the cache partition
	FromNet   int64  // bytes of frames from the server, a session and peers
	Seconds   float64

	Exceptions string `json:",omitempty"` // hash of the exceptions that it was made with, hexadecimal; "" for none

	Skipped  bool          // the drive's write counters are those of the last proof: nothing was read
	Counters *WriteCounter `json:",omitempty"` // of the drive, after its last write; nil where it has none that can be believed
}

// WriteCounter is what a drive counts of its writes.
type WriteCounter struct {
	Source   string // nvme, ata-statistics
	Serial   string // of the drive
	Commands uint64 // NVMe: host write commands; ATA: 0
	Sectors  uint64 // ATA: logical sectors written; NVMe: data units written
	Unsafe   uint64 `json:",omitempty"` // NVMe: unsafe shutdowns: what was counted before one may be lost
}
