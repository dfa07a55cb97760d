package api

import (
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Room is a place whose computers are kept alike.
type Room struct {
	Name       string     `json:"name"`
	Policy     job.Policy `json:"reset"` // demand, start, night, never
	Level      job.Level  `json:"level"` // full, quick
	Menu       bool       `json:"menu"`
	Lang       string     `json:"lang"`
	Passphrase bool       `json:"passphrase"` // there are technician's entries in the menu
	Night      string     `json:"night"`      // HH:MM in the time of the server
	NightDone  string     `json:"last_night,omitempty"`
	Master     string     `json:"master,omitempty"` // NAME, NAME@V or NAME@CHANNEL
	Template   Template   `json:"template"`
	Computers  []string   `json:"computers"` // names
}

// Template says what is a computer's own on a disk that is else its master's.
type Template struct {
	Hostname string `json:"hostname,omitempty"`    // pattern of {room}, {name} and {number}
	Keys     bool   `json:"keys,omitempty"`        // machine-id and SSH host keys
	Answer   string `json:"answer,omitempty"`      // text of an answer file with {name} {room} {number} {serial} {mac}
	Path     string `json:"answer_path,omitempty"` // of the answer file; "": Windows' own
}

// RoomChange changes what is not nil. A room that is not there is made.
type RoomChange struct {
	Policy     *job.Policy `json:"reset,omitempty"`
	Level      *job.Level  `json:"level,omitempty"`
	Menu       *bool       `json:"menu,omitempty"`
	Lang       *string     `json:"lang,omitempty"`
	Passphrase *[]string   `json:"passphrase_hash,omitempty"` // as GRUB hashes it (PBKDF2, SHA-512); empty: no technician's entries
	Night      *string     `json:"night,omitempty"`
	Master     *string     `json:"master,omitempty"`
	Hostname   *string     `json:"hostname,omitempty"`
	Keys       *bool       `json:"keys,omitempty"`
	Answer     *string     `json:"answer,omitempty"`
	Path       *string     `json:"answer_path,omitempty"`
}

// Placement puts computers into a room; Room "" takes them out of theirs.
type Placement struct {
	Computers []string `json:"computers"`
	Room      string   `json:"room"`
}

// TokenOrder makes, or revokes, the token of a computer's running system.
type TokenOrder struct {
	Revoke bool `json:"revoke,omitempty"`
}

// Clean is the last time that a disk was found, or made, as its master is.
type Clean struct {
	At        time.Time `json:"at"`
	Version   string    `json:"version"` // NAME@V
	Level     job.Level `json:"level"`
	ReadBytes int64     `json:"read_bytes"`
	Written   int64     `json:"written_bytes"`
	FromCache int64     `json:"from_cache_bytes"`
	FromNet   int64     `json:"from_network_bytes"`
	Seconds   float64   `json:"seconds"`
	Offline   bool      `json:"offline"`
	Skipped   bool      `json:"skipped,omitempty"` // the drive counted no write since the proof before
	Origin    string    `json:"origin,omitempty"`
	Task      string    `json:"task,omitempty"`
}

// Resets counts a computer's resets, as it tells them.
type Resets struct {
	Done    int            `json:"done"`
	Failed  int            `json:"failed"`
	Offline int            `json:"offline"`
	Quick   int            `json:"quick"`
	Doubted int            `json:"quick_to_full"`
	Doubts  map[string]int `json:"doubts,omitempty"` // how often by reason
}
