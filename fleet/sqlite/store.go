package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/ardoise/ardoise/fleet"
)

//go:embed migrations/*.sql
var migrations embed.FS

// keptJobs is how many of the newest jobs are loaded besides those that are not over; storedJobs and keptEvents are how
// many jobs and events are stored before the oldest go.
const (
	keptJobs   = 500
	storedJobs = 20_000
	keptEvents = 1_000_000
)

// Store implements fleet.Store.
type Store struct {
	write *sql.DB // one connection
	read  *sql.DB
}

var _ fleet.Store = (*Store)(nil)

// NewerError says that a file was written by a newer program.
type NewerError struct{ Found, Known int }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has schema %d, this program knows %d", e.Found, e.Known)
}

// Open opens or makes the file at path and brings its schema up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock": {"immediate"}}
	name, err := address(path, q)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	write, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	s := &Store{write: write}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), write.Close())
	}
	if s.read, err = sql.Open("sqlite", name); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), write.Close())
	}
	s.read.SetMaxOpenConns(4)
	return s, nil
}

// address is the URI of a file (sqlite.org/uri.html). The path in it is absolute: of a relative one the first folder would
// be taken for a host.
func address(path string, q url.Values) (string, error) {
	whole, err := filepath.Abs(path)
	return (&url.URL{Scheme: "file", Path: whole, RawQuery: q.Encode()}).String(), err
}

// Close closes the file.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// migrate runs what has not run yet.
func (s *Store) migrate(ctx context.Context) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var done int
	if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&done); err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if done > len(names) {
		return &NewerError{Found: done, Known: len(names)}
	}
	for i := done; i < len(names); i++ {
		text, err := migrations.ReadFile(names[i])
		if err != nil {
			return err
		}
		err = s.transaction(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(i+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("running %s: %w", names[i], err)
		}
	}
	return nil
}

func (s *Store) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Commit implements fleet.Store.
func (s *Store) Commit(ctx context.Context, c fleet.Change) error {
	return s.transaction(ctx, func(tx *sql.Tx) error {
		for _, id := range c.Forgotten {
			if _, err := tx.ExecContext(ctx, "DELETE FROM computers WHERE id = ?", id); err != nil {
				return fmt.Errorf("forgetting computer %s: %w", id, err)
			}
		}
		for _, name := range c.ForgottenRooms {
			if _, err := tx.ExecContext(ctx, "DELETE FROM rooms WHERE name = ?", name); err != nil {
				return fmt.Errorf("forgetting room %s: %w", name, err)
			}
		}
		for _, x := range c.Rooms {
			if err := putRoom(ctx, tx, x); err != nil {
				return fmt.Errorf("keeping room %s: %w", x.Name, err)
			}
		}
		if err := freeNames(ctx, tx, c.Computers); err != nil {
			return err
		}
		for _, x := range c.Computers {
			if err := putComputer(ctx, tx, x); err != nil {
				return fmt.Errorf("keeping computer %s: %w", x.ID, err)
			}
		}
		for _, x := range c.Jobs {
			if err := putJob(ctx, tx, x); err != nil {
				return fmt.Errorf("keeping job %s: %w", x.ID, err)
			}
		}
		for _, x := range c.Tasks {
			if err := putTask(ctx, tx, x); err != nil {
				return fmt.Errorf("keeping task %s: %w", x.ID, err)
			}
		}
		if err := putRecords(ctx, tx, c); err != nil {
			return err
		}
		for i := range c.Events {
			if err := putEvent(ctx, tx, &c.Events[i]); err != nil {
				return fmt.Errorf("keeping an event: %w", err)
			}
		}
		return nil
	})
}

// putRecords keeps and removes the small things.
func putRecords(ctx context.Context, tx *sql.Tx, c fleet.Change) error {
	for _, x := range c.Removed {
		if _, err := tx.ExecContext(ctx, "DELETE FROM records WHERE kind = ? AND id = ?", string(x.Kind), x.ID); err != nil {
			return fmt.Errorf("removing %s %s: %w", x.Kind, x.ID, err)
		}
	}
	put := func(kind fleet.RecordKind, id string, x any) error {
		doc, err := json.Marshal(x)
		if err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO records(kind, id, doc) VALUES(?, ?, ?)
				ON CONFLICT(kind, id) DO UPDATE SET id = excluded.id, doc = excluded.doc`, string(kind), id, string(doc))
		}
		if err != nil {
			return fmt.Errorf("keeping %s %s: %w", kind, id, err)
		}
		return nil
	}
	var errs []error
	for _, x := range c.Sites {
		errs = append(errs, put(fleet.RecordSite, x.Name, x))
	}
	for _, x := range c.Windows {
		errs = append(errs, put(fleet.RecordWindow, x.Room, x))
	}
	for _, x := range c.Schedules {
		errs = append(errs, put(fleet.RecordSchedule, x.ID, x))
	}
	for _, x := range c.Filters {
		errs = append(errs, put(fleet.RecordFilter, x.Name, x))
	}
	for _, x := range c.Scripts {
		errs = append(errs, put(fleet.RecordScript, x.Hash, x))
	}
	for _, x := range c.Helpers {
		errs = append(errs, put(fleet.RecordHelper, x.Name, x))
	}
	return errors.Join(errs...)
}

// freeNames lets several computers swap their names: none is held by one whose turn has not come.
func freeNames(ctx context.Context, tx *sql.Tx, computers []fleet.Computer) error {
	if len(computers) < 2 {
		return nil
	}
	var ids []string
	for _, c := range computers {
		ids = append(ids, c.ID)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE computers SET name = char(10) || id WHERE id IN (SELECT value FROM json_each(?))", array(ids)); err != nil {
		return fmt.Errorf("freeing names: %w", err)
	}
	return nil
}

func putComputer(ctx context.Context, tx *sql.Tx, c fleet.Computer) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO computers(id, name, key, doc) VALUES(?, ?, NULLIF(?, ''), ?)
		ON CONFLICT(id) DO UPDATE SET name = excluded.name, key = excluded.key, doc = excluded.doc`,
		c.ID, c.Name, c.Key, string(doc))
	return err
}

func putRoom(ctx context.Context, tx *sql.Tx, r fleet.Room) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rooms(name, doc) VALUES(?, ?)
		ON CONFLICT(name) DO UPDATE SET name = excluded.name, doc = excluded.doc`, r.Name, string(doc))
	return err
}

func putJob(ctx context.Context, tx *sql.Tx, j fleet.Job) error {
	number, err := strconv.Atoi(j.ID)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(j)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO jobs(id, number, doc) VALUES(?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET doc = excluded.doc`, j.ID, number, string(doc))
	if err != nil || number%100 != 0 {
		return err
	}
	// What was wiped must be certified for as long as there is somebody to ask for it.
	const old = "number <= ? AND id NOT IN (SELECT job FROM tasks WHERE active = 1) AND doc ->> '$.Kind' <> 'wipe'"
	_, err = tx.ExecContext(ctx, "DELETE FROM tasks WHERE job IN (SELECT id FROM jobs WHERE "+old+")", number-storedJobs)
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM jobs WHERE "+old, number-storedJobs)
	}
	return err
}

func putTask(ctx context.Context, tx *sql.Tx, t fleet.Task) error {
	active := 0
	if t.Active() {
		active = 1
		t.Progress, t.ProgressAt = nil, time.Time{} // each second brings another; the last one of a task is kept
	}
	doc, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO tasks(id, job, computer, active, doc) VALUES(?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET active = excluded.active, doc = excluded.doc`, t.ID, t.Job, t.Computer, active, string(doc))
	return err
}

// Load implements fleet.Store.
func (s *Store) Load(ctx context.Context) (fleet.Snapshot, error) {
	var out fleet.Snapshot
	err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM jobs").Scan(&out.LastJob)
	if err != nil {
		return out, fmt.Errorf("reading the last job's number: %w", err)
	}
	out.Whole = max(out.LastJob-keptJobs, 0)
	if out.Computers, err = load[fleet.Computer](ctx, s.read, "SELECT doc FROM computers"); err != nil {
		return out, fmt.Errorf("reading computers: %w", err)
	}
	if out.Rooms, err = load[fleet.Room](ctx, s.read, "SELECT doc FROM rooms"); err != nil {
		return out, fmt.Errorf("reading rooms: %w", err)
	}
	if err := s.loadRecords(ctx, &out); err != nil {
		return out, err
	}
	const chosen = `(SELECT id FROM jobs WHERE number > (SELECT COALESCE(MAX(number), 0) FROM jobs) - ?
		UNION SELECT job FROM tasks WHERE active = 1)`
	if out.Jobs, err = load[fleet.Job](ctx, s.read, "SELECT doc FROM jobs WHERE id IN "+chosen, keptJobs); err != nil {
		return out, fmt.Errorf("reading jobs: %w", err)
	}
	if out.Tasks, err = load[fleet.Task](ctx, s.read, "SELECT doc FROM tasks WHERE job IN "+chosen, keptJobs); err != nil {
		return out, fmt.Errorf("reading tasks: %w", err)
	}
	return out, nil
}

// load reads documents.
func load[T any](ctx context.Context, db *sql.DB, query string, args ...any) (out []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var doc string
		var x T
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(doc), &x); err != nil {
			return nil, fmt.Errorf("reading a record: %w", err)
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// loadRecords reads the small things.
func (s *Store) loadRecords(ctx context.Context, out *fleet.Snapshot) error {
	const of = "SELECT doc FROM records WHERE kind = ?"
	var errs [6]error
	out.Sites, errs[0] = load[fleet.Site](ctx, s.read, of, string(fleet.RecordSite))
	out.Windows, errs[1] = load[fleet.Window](ctx, s.read, of, string(fleet.RecordWindow))
	out.Schedules, errs[2] = load[fleet.Schedule](ctx, s.read, of, string(fleet.RecordSchedule))
	out.Filters, errs[3] = load[fleet.SavedFilter](ctx, s.read, of, string(fleet.RecordFilter))
	out.Scripts, errs[4] = load[fleet.Script](ctx, s.read, of, string(fleet.RecordScript))
	out.Helpers, errs[5] = load[fleet.Helper](ctx, s.read, of, string(fleet.RecordHelper))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("reading sites, windows, schedules, filters, scripts and helpers: %w", err)
	}
	return nil
}
