package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
)

// putEvent keeps an event, and numbers it.
func putEvent(ctx context.Context, tx *sql.Tx, e *fleet.Event) error {
	r, err := tx.ExecContext(ctx, `INSERT INTO events(time, kind, severity, site, room, computer, mac, job, task, detail)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.Time.UnixNano(), e.Kind, string(e.Severity), e.Site, e.Room, e.Computer, e.MAC,
		e.Job, e.Task, e.Detail)
	if err != nil {
		return err
	}
	if e.Number, err = r.LastInsertId(); err != nil || e.Number%1000 != 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM events WHERE number <= ?", e.Number-keptEvents)
	return err
}

// eventColumns are what scanEvents reads.
const eventColumns = "number, time, kind, severity, site, room, computer, mac, job, task, detail"

// disorder is how far behind later events one may be stored: what the boot server saw waits in a queue.
const disorder = 1000

// maxUnion is of how many values each is looked up for itself: SQLite joins at most 500 queries.
const maxUnion = 400

// array is a list of names as SQLite's json_each reads it.
func array(names []string) string {
	doc, _ := json.Marshal(names) // strings always can be written
	return string(doc)
}

// Events implements fleet.Store. Each condition has an index that ends in the number, so that a page costs what it shows;
// of several values of one condition each is looked up for itself, and the newest of all are taken.
func (s *Store) Events(ctx context.Context, q fleet.EventQuery) ([]fleet.Event, error) {
	text, args := eventsQuery(q)
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return scanEvents(rows)
}

// eventsQuery is the text of a query, and its arguments.
func eventsQuery(q fleet.EventQuery) (string, []any) {
	limit := q.Limit
	if limit <= 0 {
		limit = 200
	}
	var where []string
	var args []any
	add := func(condition string, x any) {
		where, args = append(where, condition), append(args, x)
	}
	// One index is walked, the narrowest; the plus keeps SQLite from the others. Of a list of rooms or sites each is.
	walked, list := "", ""
	for _, x := range []struct {
		column, value string
		list          []string
	}{{"computer", q.Computer, nil}, {"job", q.Job, nil}, {"room", q.Room, nil}, {"room", "", q.Rooms},
		{"severity", string(q.Severity), nil}, {"site", "", q.Sites}, {"site", q.Site, nil}, {"kind", q.Kind, nil}} {
		switch n := len(x.list); {
		case n > 0 && n <= maxUnion && walked == "":
			walked, list = x.column, x.column
		case x.value == "":
		case walked == "" && x.value != string(fleet.Info), walked == "site" && x.column == "kind": // they have one together
			add(x.column+" = ?", x.value)
			walked = x.column
			if x.column == "severity" {
				where = append(where, "severity <> 'info'") // what its index is for
			}
		default:
			add("+"+x.column+" = ?", x.value)
		}
	}
	if q.Before > 0 {
		add("number < ?", q.Before)
	}
	if !q.Since.IsZero() {
		add("time >= ?", q.Since.UnixNano())
		add("number >= COALESCE((SELECT number FROM events WHERE time >= ? ORDER BY time LIMIT 1), 0) - ?", q.Since.UnixNano())
		args = append(args, disorder)
	}
	return union(where, args, q, limit, list)
}

// union is the query for events that meet all conditions, and are of one of the sites and of one of the rooms of q: walk is
// the column whose list's values are looked up each for itself, "" for none.
func union(where []string, args []any, q fleet.EventQuery, limit int, walk string) (string, []any) {
	column, values := "", []string{""}
	for _, x := range []struct {
		column string
		list   []string
	}{{"room", q.Rooms}, {"site", q.Sites}} {
		switch {
		case x.list == nil:
		case len(x.list) == 0:
			return "SELECT " + eventColumns + " FROM events WHERE 0", nil
		case x.column == walk:
			column, values = x.column, x.list
		default:
			where, args = append(where, "+"+x.column+" IN (SELECT value FROM json_each(?))"), append(args, array(x.list))
		}
	}
	var parts []string
	var all []any
	for _, v := range values {
		conditions := where
		if column != "" {
			conditions = append(conditions[:len(conditions):len(conditions)], column+" = ?")
		}
		part := "SELECT " + eventColumns + " FROM events"
		if len(conditions) > 0 {
			part += " WHERE " + strings.Join(conditions, " AND ")
		}
		parts = append(parts, "SELECT * FROM ("+part+" ORDER BY number DESC LIMIT ?)")
		all = append(all, args...)
		if column != "" {
			all = append(all, v)
		}
		all = append(all, limit)
	}
	return strings.Join(parts, " UNION ALL ") + " ORDER BY number DESC LIMIT ?", append(all, limit)
}

func scanEvents(rows *sql.Rows) (out []fleet.Event, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e fleet.Event
		var nanos int64
		if err := rows.Scan(&e.Number, &nanos, &e.Kind, &e.Severity, &e.Site, &e.Room, &e.Computer, &e.MAC, &e.Job, &e.Task, &e.Detail); err != nil {
			return nil, err
		}
		e.Time = time.Unix(0, nanos).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}
