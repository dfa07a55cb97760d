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
	// Commit keeps a change whole or not at all; it is durable when Commit returns nil. It numbers the events of c in place.
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
	Sites     []Site
	Windows   []Window
	Schedules []Schedule
	Filters   []SavedFilter
	Scripts   []Script
	Helpers   []Helper
	LastJob   int // highest job number ever given
	Whole     int // all jobs with higher numbers are in Jobs
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

	Sites     []Site
	Windows   []Window
	Schedules []Schedule
	Filters   []SavedFilter
	Scripts   []Script
	Helpers   []Helper
	Removed   []Record // of the kinds above
}

// add joins another change to this one. A record must not be in both.
func (c *Change) add(x Change) {
	c.Computers, c.Forgotten = append(c.Computers, x.Computers...), append(c.Forgotten, x.Forgotten...)
	c.Jobs, c.Tasks, c.Events = append(c.Jobs, x.Jobs...), append(c.Tasks, x.Tasks...), append(c.Events, x.Events...)
	c.Rooms, c.ForgottenRooms = append(c.Rooms, x.Rooms...), append(c.ForgottenRooms, x.ForgottenRooms...)
	c.Sites, c.Windows, c.Schedules = append(c.Sites, x.Sites...), append(c.Windows, x.Windows...), append(c.Schedules, x.Schedules...)
	c.Filters, c.Scripts, c.Removed = append(c.Filters, x.Filters...), append(c.Scripts, x.Scripts...), append(c.Removed, x.Removed...)
	c.Helpers = append(c.Helpers, x.Helpers...)
}

// Record names one of the small things that are kept beside computers, rooms, jobs and tasks.
type Record struct {
	Kind RecordKind
	ID   string // in capitals or not
}

// RecordKind is what a Record is.
type RecordKind string

// The kinds of Record.
const (
	RecordSite     RecordKind = "site"     // by its name
	RecordWindow   RecordKind = "window"   // by its room
	RecordSchedule RecordKind = "schedule" // by its id
	RecordFilter   RecordKind = "filter"   // by its name
	RecordScript   RecordKind = "script"   // by its hash
	RecordHelper   RecordKind = "helper"   // by its name
)

// EventQuery chooses events; zero fields do not restrict.
type EventQuery struct {
	Computer string // id
	Job      string
	Site     string   // name
	Room     string   // name, as it was at the time
	Sites    []string // any of these; "" is the site without a name. nil: all
	Rooms    []string // any of these; nil: all
	Kind     string
	Severity Severity
	Since    time.Time
	Before   int64 // events with lower numbers than this: the next page
	Limit    int   // 0: 200
}

// Event is one thing that happened, for people.
type Event struct {
	Number   int64 // given by the store, growing; 0: it was not stored
	Time     time.Time
	Kind     string // one of console/notices, or a boot stage
	Severity Severity
	Computer string // id; "" when it concerns none
	Site     string // where that was at the time; "": the site without a name, or wherever its job is; NoSite: nobody knows
	Room     string // where that was at the time; "": in none
	MAC      string
	Job      string
	Task     string
	Detail   string
}

// NoSite is the site of events that are of the house as a whole, and of what nobody knows.
const NoSite = "*"

// Severity of an event.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Grave   Severity = "alarm"
)
