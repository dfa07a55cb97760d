package access

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
	Wanted     string     `json:"wanted,omitempty"` // NAME@V that its master stands for now; "": none, or it is not there
	Template   Template   `json:"template"`
	Computers  []string   `json:"computers"` // names

	Site    string    `json:"site,omitempty"`
	Title   string    `json:"title,omitempty"`
	Note    string    `json:"note,omitempty"`
	Plan    []Place   `json:"plan,omitempty"`    // where its computers stand
	Teacher string    `json:"teacher,omitempty"` // name of the teacher's computer
	Spares  []string  `json:"spares,omitempty"`  // names of computers that stand in for others
	Hours   [2]string `json:"hours,omitzero"`    // HH:MM: lessons begin and end
}

// Place is where a computer stands in the drawing of its room, in squares from the upper left, 0 to 99.
type Place struct {
	Computer string `json:"computer"` // name; in a change also id or MAC address
	X        int    `json:"x"`
	Y        int    `json:"y"`
}

// Summary counts the computers of a room, or those of a site that are in none.
type Summary struct {
	Room       string         `json:"room,omitempty"`
	Site       string         `json:"site,omitempty"`
	Total      int            `json:"total"`
	States     map[string]int `json:"states"`     // unknown, pending, enrolled, refused, alarm
	Running    int            `json:"running"`    // tasks
	Waiting    int            `json:"waiting"`    // tasks whose time has come
	Scheduled  int            `json:"scheduled"`  // tasks whose time comes
	Failed     int            `json:"failed"`     // computers whose newest task failed
	Unfinished int            `json:"unfinished"` // disks left in the middle of a write
	Done       int64          `json:"done_bytes"` // of the present steps of the tasks that run
	ToDo       int64          `json:"todo_bytes"` // of those, in all
	Rate       int64          `json:"rate"`       // bytes a second from the net
}

// Site is a school.
type Site struct {
	Name     string   `json:"name"` // "": the site without a name
	Title    string   `json:"title,omitempty"`
	Networks []string `json:"networks,omitempty"` // computers with such an address belong to it
	Mail     []string `json:"mail,omitempty"`     // who gets its reports
	Rooms    []string `json:"rooms,omitempty"`    // SITE/ROOM
}

// SiteChange changes what is not nil. A site that is not there is made.
type SiteChange struct {
	Title    *string   `json:"title,omitempty"`
	Networks *[]string `json:"networks,omitempty"`
	Mail     *[]string `json:"mail,omitempty"`
}

// Filter is a question about computers that people ask again and again.
type Filter struct {
	Name  string `json:"name"`
	Query string `json:"query"`
	By    string `json:"by,omitempty"`
}

// Schedule is an order that is given again and again.
type Schedule struct {
	ID     string         `json:"id,omitempty"` // "": a new one
	Name   string         `json:"name"`
	Order  ScheduledOrder `json:"order"`
	Days   []string       `json:"days"`  // mon, tue, wed, thu, fri, sat, sun: on which its window begins
	At     string         `json:"at"`    // HH:MM in the time of the server: its window begins
	Until  string         `json:"until"` // HH:MM: and ends
	By     string         `json:"by,omitempty"`
	Paused bool           `json:"paused,omitempty"`
	Done   string         `json:"done,omitempty"` // the last day whose window was used, or let pass
	Next   *time.Time     `json:"next,omitempty"`
	// Waiting are computers that another order kept busy when its window began: they get their task until that ends.
	Waiting []string `json:"waiting,omitempty"`
}

// ScheduledOrder is what a schedule orders. What it means is looked up each time.
type ScheduledOrder struct {
	Kind      job.Kind   `json:"kind"`
	Computers []string   `json:"computers,omitempty"`
	Rooms     []string   `json:"rooms,omitempty"`
	Sites     []string   `json:"sites,omitempty"`
	Filter    string     `json:"filter,omitempty"`
	Master    string     `json:"master,omitempty"` // NAME, NAME@VERSION or NAME@CHANNEL
	Level     job.Level  `json:"level,omitempty"`
	Ending    job.Ending `json:"ending,omitempty"`
	Retries   int        `json:"retries,omitempty"`
	Wake      bool       `json:"wake,omitempty"`
	Script    string     `json:"script,omitempty"` // hash
	Countdown int        `json:"countdown,omitempty"`

	Disk job.DiskRule `json:"disk,omitzero"` // which disk, as in an order
}

// Script is a text that computers may run in the boot environment once it is approved.
type Script struct {
	Hash       string    `json:"hash,omitempty"` // BLAKE3-256 of the text, hexadecimal
	Name       string    `json:"name"`
	Text       string    `json:"text,omitempty"`
	By         string    `json:"by,omitempty"`
	ApprovedBy string    `json:"approved_by,omitempty"`
	Limit      int       `json:"limit_seconds"`
	Writes     bool      `json:"writes,omitempty"` // it may change the disk
	Created    time.Time `json:"created,omitzero"`
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

	Title   *string    `json:"title,omitempty"`
	Note    *string    `json:"note,omitempty"`
	Plan    *[]Place   `json:"plan,omitempty"`
	Moved   *[]string  `json:"moved,omitempty"` // computers of the plan that were moved: the others stay where they stand by now; absent: the plan replaces what is there
	Teacher *string    `json:"teacher,omitempty"`
	Spares  *[]string  `json:"spares,omitempty"`
	Hours   *[2]string `json:"hours,omitempty"`
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
	Differed  int64     `json:"differed_bytes"` // of chunks and fills that were not as the master has them
	Written   int64     `json:"written_bytes"`
	FromCache int64     `json:"from_cache_bytes"`   // of frames that the disk's own cache had
	FromNet   int64     `json:"from_network_bytes"` // of frames from the server, a session and peers
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
