package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

var _ people.Store = (*Store)(nil)

// LoadPeople implements people.Store.
func (s *Store) LoadPeople(ctx context.Context) (people.Snapshot, error) {
	var out people.Snapshot
	err := scan(ctx, s.read, "SELECT doc, hash, COALESCE(invitation, '') FROM people", func(doc []byte, more []string) error {
		var x people.Person
		err := json.Unmarshal(doc, &x)
		x.Hash, x.Invitation = more[0], more[1]
		out.People = append(out.People, x)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("reading people: %w", err)
	}
	err = scan(ctx, s.read, "SELECT doc, hash, '' FROM logins", func(doc []byte, more []string) error {
		var x people.Login
		err := json.Unmarshal(doc, &x)
		x.Hash = more[0]
		out.Logins = append(out.Logins, x)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("reading logins: %w", err)
	}
	err = scan(ctx, s.read, "SELECT doc, hash, '' FROM api_tokens", func(doc []byte, more []string) error {
		var x people.Token
		err := json.Unmarshal(doc, &x)
		x.Hash = more[0]
		out.Tokens = append(out.Tokens, x)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("reading tokens: %w", err)
	}
	newest, err := s.AuditEntries(ctx, people.AuditQuery{Limit: 1})
	if len(newest) == 1 {
		out.Last = newest[0]
	}
	return out, err
}

// scan reads documents with two secrets that lie beside them.
func scan(ctx context.Context, db *sql.DB, query string, add func(doc []byte, more []string) error) (err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var doc []byte
		more := make([]string, 2)
		if err := rows.Scan(&doc, &more[0], &more[1]); err != nil {
			return err
		}
		if err := add(doc, more); err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
	}
	return rows.Err()
}

// CommitPeople implements people.Store.
func (s *Store) CommitPeople(ctx context.Context, c people.Change) error {
	return s.transaction(ctx, func(tx *sql.Tx) error {
		for query, gone := range map[string][]string{"DELETE FROM people WHERE id = ?": c.Removed,
			"DELETE FROM logins WHERE hash = ?": c.Ended, "DELETE FROM api_tokens WHERE id = ?": c.Forgotten} {
			for _, x := range gone {
				if _, err := tx.ExecContext(ctx, query, x); err != nil {
					return fmt.Errorf("forgetting: %w", err)
				}
			}
		}
		for _, x := range c.People {
			if err := put(ctx, tx, x, `INSERT INTO people(doc, id, login, oidc, hash, invitation) VALUES(?, ?, ?, NULLIF(?, ''), ?, NULLIF(?, ''))
				ON CONFLICT(id) DO UPDATE SET login = excluded.login, oidc = excluded.oidc, hash = excluded.hash,
				invitation = excluded.invitation, doc = excluded.doc`, x.ID, x.Login, x.OIDC, x.Hash, x.Invitation); err != nil {
				return fmt.Errorf("keeping person %s: %w", x.ID, err)
			}
		}
		for _, x := range c.Logins {
			if err := put(ctx, tx, x, `INSERT INTO logins(doc, hash, person) VALUES(?, ?, ?)
				ON CONFLICT(hash) DO UPDATE SET doc = excluded.doc`, x.Hash, x.Person); err != nil {
				return fmt.Errorf("keeping a login: %w", err)
			}
		}
		for _, x := range c.Tokens {
			if err := put(ctx, tx, x, `INSERT INTO api_tokens(doc, id, hash, person) VALUES(?, ?, ?, ?)
				ON CONFLICT(id) DO UPDATE SET doc = excluded.doc`, x.ID, x.Hash, x.Person); err != nil {
				return fmt.Errorf("keeping token %s: %w", x.ID, err)
			}
		}
		for _, e := range c.Entries {
			if err := putEntry(ctx, tx, e); err != nil {
				return fmt.Errorf("keeping entry %d of the audit log: %w", e.Number, err)
			}
		}
		return nil
	})
}

// put runs a statement whose first argument is the document of x.
func put(ctx context.Context, tx *sql.Tx, x any, query string, args ...any) error {
	doc, err := json.Marshal(x)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, query, append([]any{string(doc)}, args...)...)
	return err
}

const auditColumns = "number, time, who, via, address, action, what, site, room, result, detail, hash"

func putEntry(ctx context.Context, tx *sql.Tx, e people.Entry) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO audit("+auditColumns+") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Number, e.Time.UnixNano(), e.Who, e.Via, e.Address, e.Action, e.What, e.Site, e.Room, e.Result, e.Detail, e.Hash)
	return err
}

// AuditEntries implements people.Store. Entries of several sites are asked for site by site: each question walks one index
// from its end, however long the log is.
func (s *Store) AuditEntries(ctx context.Context, q people.AuditQuery) ([]people.Entry, error) {
	if q.Limit <= 0 {
		q.Limit = 200
	}
	sites := []string{""}
	if len(q.Sites) > 0 {
		sites = q.Sites
	}
	var out []people.Entry
	for _, site := range sites {
		where, args := auditWhere(q)
		if len(q.Sites) > 0 {
			where, args = append(where, "site = ?"), append(args, site)
		}
		found, err := s.auditEntries(ctx, where, args, q)
		if err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b people.Entry) int {
		if q.Oldest {
			a, b = b, a
		}
		return int(b.Number - a.Number)
	})
	out = slices.CompactFunc(out, func(a, b people.Entry) bool { return a.Number == b.Number }) // a site may be named twice
	return out[:min(len(out), q.Limit)], nil
}

// auditWhere is what a question restricts, but for its sites.
func auditWhere(q people.AuditQuery) (where []string, args []any) {
	where = []string{"1"}
	add := func(when bool, clause string, arg any) {
		if when {
			where, args = append(where, clause), append(args, arg)
		}
	}
	add(q.Who != "", "who = ?", q.Who)
	add(q.Action != "", "action = ?", q.Action)
	add(q.What != "", "what = ?", q.What)
	add(q.Places, "site <> ?", people.Whole)
	add(q.Before > 0, "number < ?", q.Before)
	add(q.After > 0, "number > ?", q.After)
	return where, args
}

func (s *Store) auditEntries(ctx context.Context, where []string, args []any, q people.AuditQuery) (out []people.Entry, err error) {
	order := "DESC"
	if q.Oldest {
		order = "ASC"
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+auditColumns+" FROM audit WHERE "+strings.Join(where, " AND ")+
		" ORDER BY number "+order+" LIMIT ?", append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e people.Entry
		var nanos int64
		if err := rows.Scan(&e.Number, &nanos, &e.Who, &e.Via, &e.Address, &e.Action, &e.What, &e.Site, &e.Room, &e.Result, &e.Detail,
			&e.Hash); err != nil {
			return nil, err
		}
		e.Time = time.Unix(0, nanos).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}
