package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// Backup writes a copy of the file at path into the new file into, as it is at one moment, whether a daemon has it open
// or not. A missing file is an error that is fs.ErrNotExist.
func Backup(ctx context.Context, path, into string) (err error) {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("looking for the database: %w", err)
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)"}}
	name, err := address(path, q)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", into); err != nil {
		return fmt.Errorf("copying %s: %w", path, err)
	}
	return nil
}
