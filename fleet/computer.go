package fleet

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/imaging/job"
)

// State of a computer.
type State string

// The states of a computer.
const (
	Unknown  State = "unknown"  // seen on the network, never introduced itself
	Pending  State = "pending"  // introduced itself; a person must compare its code
	Enrolled State = "enrolled" // proves itself with the key that a person approved
	Refused  State = "refused"  // a person said no to this key
	Alarm    State = "alarm"    // enrolled, and another key claimed to be it
	Expected State = "expected" // on a list that was imported, or its key was forgotten: a key must be approved
)

// Computer is a PC and what is known of it. Values are never changed once they are stored: they are replaced.
type Computer struct {
	ID         string
	Name       string
	State      State // Enrolled or Refused; Shown adds alarm and expected
	Key        string
	WeakKey    bool // the key lies in the key slot of ARDOISE, not under a TPM
	KeyStored  bool // the computer has come back with this key: it survives a restart
	MACs       []string
	Inventory  job.Inventory
	Created    time.Time
	ApprovedBy string
	LastSeen   time.Time
	Stage      string // how far it has come in its present boot
	Style      string // offer style that worked
	Chainload  bool   // start its disk from GRUB
	BootLoop   bool   // was sent to its disk because its agent did not report
	Runs       *Proven
	Mark       *job.Mark // the disk is unfinished
	MarkOnDisk bool      // Mark was found on the disk, not only recorded here
	Claim      *Claim    // of another key; nil when all is well
	Code       string    // while pending; never stored
	Twin       string    `json:"-"` // while pending: id of a record of another site that it looks like
	Address    string    // last network address, for a person

	Room      string     `json:",omitempty"` // name of the room it is in; "": none
	Grant     *Grant     `json:",omitempty"` // that it was given last
	Local     *Local     `json:",omitempty"` // what it last told of its place on the disk
	LastProof *ProofKept `json:",omitempty"` // the last time that its disk was found, or made, clean
	Resets    *Resets    `json:",omitempty"`
	ProofIDs  []string   `json:",omitempty"` // that are known already, newest last
	Token     *Token     `json:",omitempty"` // of its running system

	Site string   `json:",omitempty"` // that it was given to; what its room says comes first
	Tags []string `json:",omitempty"` // in order
	Note string   `json:",omitempty"` // of a person
}

// Proven says what a computer's disk held when it was last read back.
type Proven struct {
	Master   string
	Version  int
	Manifest string    // hash, hexadecimal
	At       time.Time // clock of the server
	Task     string
	Disk     job.DiskRule `json:",omitzero"` // finds the disk again
}

// Claim is another key's claim to be a known computer.
type Claim struct {
	Key     string
	Address string
	Since   time.Time
}

// Shown is the state a person is shown.
func (c Computer) Shown() State {
	switch {
	case c.State == Enrolled && c.Claim != nil:
		return Alarm
	case c.State == Enrolled && c.Key == "":
		return Expected
	}
	return c.State
}

// maxString is the longest string taken from a computer, in characters.
const maxString = 255

// Clean makes a string of foreign origin harmless to store and to print: characters that do not print, and those that
// turn the direction of text, become U+FFFD; at most limit characters are kept.
func Clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

const (
	maxDisks = 64
	maxNICs  = 32
)

// cleanInventory bounds everything a computer says of itself.
func cleanInventory(in job.Inventory) job.Inventory {
	for _, s := range []*string{&in.UUID, &in.Serial, &in.BoardSerial, &in.Manufacturer, &in.Model, &in.Firmware,
		&in.TPM, &in.CPU} {
		*s = Clean(*s, maxString)
	}
	in.UUID = strings.ToLower(in.UUID)
	in.Cores, in.MemoryBytes = max(in.Cores, 0), max(in.MemoryBytes, 0)
	in.Disks = slices.Clone(in.Disks[:min(len(in.Disks), maxDisks)])
	for i := range in.Disks {
		d := &in.Disks[i]
		for _, s := range []*string{&d.Path, &d.Model, &d.Serial, &d.Bus} {
			*s = Clean(*s, maxString)
		}
		d.Size, d.SectorSize = max(d.Size, 0), max(d.SectorSize, 0)
		if d.Health != nil {
			h := *d.Health
			h.State, h.Says = Clean(h.State, 32), Clean(h.Says, 300)
			d.Health = &h
		}
	}
	in.NICs = slices.Clone(in.NICs[:min(len(in.NICs), maxNICs)])
	for i := range in.NICs {
		n := &in.NICs[i]
		n.Name, n.Driver, n.MAC = Clean(n.Name, maxString), Clean(n.Driver, maxString), NormalMAC(n.MAC)
		n.SpeedMbit = max(n.SpeedMbit, 0)
	}
	return in
}

// NormalMAC returns a MAC address as aa:bb:cc:dd:ee:ff, or "" when s is none of a real interface: groups, zero.
func NormalMAC(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "-", ":"))
	if len(s) != 17 || s == "00:00:00:00:00:00" {
		return ""
	}
	for i, r := range s {
		if i%3 == 2 && r != ':' || i%3 != 2 && !strings.ContainsRune("0123456789abcdef", r) {
			return ""
		}
	}
	if strings.ContainsRune("13579bdf", rune(s[1])) {
		return ""
	}
	return s
}

// macsOf lists the addresses of a hello, the one it booted from first.
func macsOf(h job.Hello) []string {
	var macs []string
	add := func(s string) {
		if m := NormalMAC(s); m != "" && !slices.Contains(macs, m) {
			macs = append(macs, m)
		}
	}
	add(h.MAC)
	for _, n := range h.Inventory.NICs {
		add(n.MAC)
	}
	return macs
}

// validName tells whether a person may give this name: it must not be mistaken for a code or a list.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[0] == '.' {
		return false
	}
	digits := true
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '.' || r == '_'
		digit := r >= '0' && r <= '9'
		if !letter && !digit {
			return false
		}
		digits = digits && digit
	}
	return !digits
}
