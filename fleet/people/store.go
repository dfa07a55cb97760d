package people

import (
	"context"
	"time"
)

// Store keeps people and the audit log.
type Store interface {
	// LoadPeople returns everything but the audit log's entries, of which it returns the newest.
	LoadPeople(ctx context.Context) (Snapshot, error)
	// CommitPeople keeps a change whole or not at all; it is durable when CommitPeople returns nil.
	CommitPeople(ctx context.Context, c Change) error
	// AuditEntries returns entries with their hashes.
	AuditEntries(ctx context.Context, q AuditQuery) ([]Entry, error)
}

// Snapshot is what a store holds.
type Snapshot struct {
	People []Person
	Logins []Login
	Tokens []Token
	Last   Entry // the newest of the audit log; zero where there is none
}

// Change is what one decision changes. Records replace those of the same id. A person who is removed takes his logins and
// tokens along.
type Change struct {
	People    []Person
	Removed   []string // ids of people
	Logins    []Login
	Ended     []string // hashes of logins
	Tokens    []Token
	Forgotten []string // ids of tokens
	Entries   []Entry
}

// Person is somebody with an account, or invited to have one.
type Person struct {
	ID    string
	Login string // unique, small letters
	Name  string // what others read; never empty
	Mail  string // "" unknown
	Role  Role
	Sites []string // of technicians and readers; empty: all. "" in it is the site without a name
	Rooms []string // of teachers, full names
	Hash  string   `json:"-"` // argon2id, "" = no password
	OIDC  string   // issuer + " " + subject, "" = none
	// Provided says that the provider of OIDC gives the role, at each login.
	Provided bool   `json:",omitempty"`
	Language string // "" as the browser says
	Theme    string // "" as the browser says
	Created  time.Time
	LastSeen time.Time // of a session or a token, to within a minute
	Disabled bool

	Invitation   string    `json:"-"`         // SHA-256 of a link's secret, hexadecimal; "" = none
	InvitedUntil time.Time `json:",omitzero"` // of the link
}

// CanEnter tells whether the person has a way to log in.
func (p Person) CanEnter() bool { return !p.Disabled && (p.Hash != "" || p.OIDC != "") }

// Invited tells whether the person has yet to log in for the first time.
func (p Person) Invited() bool { return p.Hash == "" && p.OIDC == "" }

// Login is a session of a person as it is kept.
type Login struct {
	ID      string // for lists; no secret
	Person  string // id
	Hash    string `json:"-"` // SHA-256 of the cookie, hexadecimal
	Address string // where it was seen last
	Created time.Time
	Seen    time.Time
}

// Token is an API token as it is kept.
type Token struct {
	ID      string
	Person  string // id
	Name    string
	Hash    string   `json:"-"` // SHA-256, hexadecimal
	Scopes  []string // never empty
	Created time.Time
	Expires time.Time // zero: never
	Used    time.Time // to within a minute; zero: never
	Address string    // from where it was used last
}
