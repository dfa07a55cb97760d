package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/fleet/requests"
)

var _ requests.Store = (*Store)(nil)

// LoadRequests implements requests.Store.
func (s *Store) LoadRequests(ctx context.Context) (labels map[string]string, last int64, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM requests").Scan(&last); err != nil {
		return nil, 0, fmt.Errorf("reading the last request's number: %w", err)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT computer, token FROM labels")
	if err != nil {
		return nil, 0, fmt.Errorf("reading labels: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	labels = map[string]string{}
	for rows.Next() {
		var computer, token string
		if err := rows.Scan(&computer, &token); err != nil {
			return nil, 0, fmt.Errorf("reading labels: %w", err)
		}
		labels[computer] = token
	}
	return labels, last, rows.Err()
}

// CommitRequest implements requests.Store.
func (s *Store) CommitRequest(ctx context.Context, r *requests.Request, labels map[string]string) error {
	return s.transaction(ctx, func(tx *sql.Tx) error {
		for computer, token := range labels {
			_, err := tx.ExecContext(ctx, `INSERT INTO labels(computer, token) VALUES(?, ?)
				ON CONFLICT(computer) DO UPDATE SET token = excluded.token`, computer, token)
			if err != nil {
				return fmt.Errorf("keeping the label of computer %s: %w", computer, err)
			}
		}
		if r == nil {
			return nil
		}
		number, err := strconv.ParseInt(r.ID, 10, 64)
		if err != nil {
			return fmt.Errorf("keeping request %q: %w", r.ID, err)
		}
		changed := ""
		if len(r.Notes) > 0 {
			changed = " ON CONFLICT(number) DO UPDATE SET state = excluded.state, doc = excluded.doc"
		}
		err = put(ctx, tx, r, "INSERT INTO requests(doc, number, computer, room, site, state) VALUES(?, ?, ?, ?, ?, ?)"+changed, number, r.Computer, r.Room, r.Site, string(r.State))
		if err != nil {
			return fmt.Errorf("keeping request %s: %w", r.ID, err)
		}
		return nil
	})
}

// FindRequests implements requests.Store.
func (s *Store) FindRequests(ctx context.Context, q requests.Query) ([]requests.Request, error) {
	where, args := []string{"1"}, []any{}
	only := func(column string, values ...string) {
		for _, v := range values {
			args = append(args, v)
		}
		where = append(where, column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")")
	}
	for column, value := range map[string]string{"computer": q.Computer, "room": q.Room} {
		if value != "" {
			only(column, value)
		}
	}
	if len(q.Sites) > 0 {
		only("site", q.Sites...)
	}
	if len(q.Rooms) > 0 {
		only("room", q.Rooms...)
	}
	if len(q.States) > 0 {
		states := make([]string, len(q.States))
		for i, x := range q.States {
			states[i] = string(x)
		}
		only("state", states...)
	}
	for clause, id := range map[string]string{"number = ?": q.ID, "number < ?": q.Before} {
		if id == "" {
			continue
		}
		number, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, nil // nobody has a number that is none
		}
		where, args = append(where, clause), append(args, number)
	}
	if q.Limit <= 0 {
		q.Limit = 200
	}
	return load[requests.Request](ctx, s.read, "SELECT doc FROM requests WHERE "+strings.Join(where, " AND ")+
		" ORDER BY number DESC LIMIT ?", append(args, q.Limit)...)
}
