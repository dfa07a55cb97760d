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

// list is a list of names as SQLite's json_each reads it.
func list(names []string) string {
	doc, _ := json.Marshal(names) // strings always can be written
	return string(doc)
}

// Events implements fleet.Store. Each condition has an index that ends in the number, so that a page costs what it shows;
// of several values of one condition each is looked up for itself, and the newest of all are taken.
func (s *Store) Events(ctx context.Context, q fleet.EventQuery) ([]fleet.Event, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 200
	}
	var where []string
	var args []any
	add := func(condition string, x any) {
		where, args = append(where, condition), append(args, x)
	}
	for column, x := range map[string]string{"computer": q.Computer, "job": q.Job, "site": q.Site, "room": q.Room, "kind": q.Kind,
		"severity": string(q.Severity)} {
		if x != "" {
			add(column+" = ?", x)
		}
	}
	if q.Severity != "" && q.Severity != fleet.Info {
		where = append(where, "severity <> 'info'") // for the partial index
	}
	if q.Before > 0 {
		add("number < ?", q.Before)
	}
	if !q.Since.IsZero() {
		add("time >= ?", q.Since.UnixNano())
		add("number >= COALESCE((SELECT number FROM events WHERE time >= ? ORDER BY time LIMIT 1), 0) - ?", q.Since.UnixNano())
		args = append(args, disorder)
	}
	text, args := union(where, args, q, limit)
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return scanEvents(rows)
}

// union is the query for events that meet all conditions, and are of one of the sites and of one of the rooms of q.
func union(where []string, args []any, q fleet.EventQuery, limit int) (string, []any) {
	column, values := "", []string{""}
	switch {
	case q.Rooms != nil:
		column, values = "room", q.Rooms
		if q.Sites != nil {
			where = append(where, "site IN (SELECT value FROM json_each(?))")
			args = append(args, list(q.Sites))
		}
	case q.Sites != nil:
		column, values = "site", q.Sites
	}
	if len(values) > maxUnion {
		where, args = append(where, column+" IN (SELECT value FROM json_each(?))"), append(args, list(values))
		column, values = "", []string{""}
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
	if len(parts) == 0 { // of none
		return "SELECT " + eventColumns + " FROM events WHERE 0", nil
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
