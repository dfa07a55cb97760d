package sqlite

import "github.com/ardoise/ardoise/fleet"

// EventsQuery is the text that Events asks, and its arguments.
func EventsQuery(q fleet.EventQuery) (string, []any) { return eventsQuery(q) }
