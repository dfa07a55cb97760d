package access

import "time"

// Note is what somebody wrote of a version.
type Note struct {
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	Text string    `json:"text"`
}

// MasterChange is the body of the verbs on a master.
type MasterChange struct {
	Channel  string `json:"channel,omitempty"`   // promote, withdraw, rollback
	Text     string `json:"text,omitempty"`      // note
	KeepLast int    `json:"keep_last,omitempty"` // retain: make this the rule; 0: the rule that there is
	Off      bool   `json:"off,omitempty"`       // retain: take the rule away
	Now      bool   `json:"now,omitempty"`       // retain: forget at once, not tonight
	DryRun   bool   `json:"dry_run,omitempty"`   // retain: only say what would be; the rule stays what it was
}

// Rule is the retention rule of a master.
type Rule struct {
	KeepLast int       `json:"keep_last"` // of its newest versions; others stay only if something needs them
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"`
}

// Retention is what a retention rule says of the versions of a master.
type Retention struct {
	Name     string     `json:"name"`
	Rule     *Rule      `json:"rule,omitempty"` // that is in force now; nil: all versions stay
	Done     bool       `json:"done"`           // what is not kept was forgotten now, else it will be, the next night
	Versions []Retained `json:"versions"`
}

// Move is one change of a channel.
type Move struct {
	Name    string    `json:"name"`
	Channel string    `json:"channel"`
	From    int       `json:"from,omitempty"` // version; 0: the channel was new
	To      int       `json:"to,omitempty"`   // version; 0: the channel was taken away
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
}

// Retained is what a retention rule says of one version.
type Retained struct {
	Version  string   `json:"version"`
	Kept     bool     `json:"kept"`
	Why      []string `json:"why,omitempty"` // it is kept
	NewBytes int64    `json:"new_bytes"`     // that its capture added to the store
}

// Imported is a version that came from a file.
type Imported struct {
	Master
	Frames    int   `json:"frames"`
	ReadBytes int64 `json:"read_bytes"` // of the file
	NewBytes  int64 `json:"new_bytes"`  // stored
	Known     bool  `json:"known"`      // it was here already
}

// Key is a public key that versions and tasks may be signed with.
type Key struct {
	Key         string `json:"key"`         // base64
	Fingerprint string `json:"fingerprint"` // SHA-256 of its 32 bytes, hexadecimal
	Signs       bool   `json:"signs"`       // it is the present one
}
