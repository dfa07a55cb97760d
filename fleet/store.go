package fleet

import (
	"context"
	"time"
)

// Store keeps what the fleet decided.
type Store interface {
	// Load returns everything that the fleet decides with: all computers, and the jobs and tasks that are not over or
	// among the newest.
	Load(ctx context.Context) (Snapshot, error)
	// Commit keeps a change whole or not at all; it is durable when Commit returns nil.
	Commit(ctx context.Context, c Change) error
	// Events returns stored events, newest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}

// Snapshot is the state that a store holds.
type Snapshot struct {
	Computers []Computer
	Jobs      []Job
	Tasks     []Task
	Rooms     []Room
	LastJob   int // highest job number ever given
}

// Change is what one decision changes. Records replace those of the same id.
type Change struct {
	Computers []Computer
	Forgotten []string // ids of computers that are removed
	Jobs      []Job
	Tasks     []Task
	Events    []Event

	Rooms          []Room
	ForgottenRooms []string // names
}

// EventQuery chooses events; zero fields do not restrict.
type EventQuery struct {
	Computer string // id
	Job      string
	Limit    int // 0: 200
}

// Event is one thing that happened, for people.
type Event struct {
	Time     time.Time
	Kind     string // one of console/notices, or a boot stage
	Severity Severity
	Computer string // id; "" when it concerns none
	MAC      string
	Job      string
	Task     string
	Detail   string
}

// Severity of an event.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Grave   Severity = "alarm"
)
