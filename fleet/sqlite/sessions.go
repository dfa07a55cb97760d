package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// keptSessions is how many reports of sessions are stored before the oldest go: each has at most some 500 kB.
const keptSessions = 300

// KeepSession implements sessions.Store and, for jobs without a session, rates.Store. An id is the number of a job.
func (s *Store) KeepSession(ctx context.Context, id string, doc []byte) error {
	number, err := strconv.Atoi(id)
	if err != nil {
		return fmt.Errorf("keeping session %q: %w", id, err)
	}
	return s.transaction(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions(id, number, doc) VALUES(?, ?, ?)
			ON CONFLICT(id) DO UPDATE SET doc = excluded.doc`, id, number, string(doc))
		if err != nil {
			return fmt.Errorf("keeping session %s: %w", id, err)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE number <=
			(SELECT number FROM sessions ORDER BY number DESC LIMIT 1 OFFSET ?)`, keptSessions)
		if err != nil {
			return fmt.Errorf("forgetting old sessions: %w", err)
		}
		return nil
	})
}

// SessionDoc implements sessions.Store.
func (s *Store) SessionDoc(ctx context.Context, id string) ([]byte, error) {
	var doc string
	err := s.read.QueryRowContext(ctx, "SELECT doc FROM sessions WHERE id = ?", id).Scan(&doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading session %s: %w", id, err)
	}
	return []byte(doc), nil
}
