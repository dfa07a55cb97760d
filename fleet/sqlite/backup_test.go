package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
)

func TestABackupIsOfOneMomentWhileTheDaemonWrites(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ardoise.db")
	s := open(t, path)
	check(t, s.Commit(t.Context(), full()))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { // two computers in each commit: a copy must have both or neither
		for i := 0; ctx.Err() == nil; i++ {
			a, b := fleet.Computer{ID: fmt.Sprint("a", i), Name: fmt.Sprint("a", i)}, fleet.Computer{ID: fmt.Sprint("b", i), Name: fmt.Sprint("b", i)}
			if err := s.Commit(context.Background(), fleet.Change{Computers: []fleet.Computer{a, b}}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for n := range 5 {
		into := filepath.Join(dir, fmt.Sprintf("copy %d", n))
		check(t, sqlite.Backup(t.Context(), path, into))
		copied, err := open(t, into).Load(t.Context())
		check(t, err)
		if len(copied.Computers)%2 != 1 {
			t.Errorf("copy %d has %d computers: half a decision", n, len(copied.Computers))
		}
		if d := cmp.Diff(full().Tasks, copied.Tasks); d != "" {
			t.Error(d)
		}
	}
	stop()
	check(t, <-done)
}

func TestABackupReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path, into := filepath.Join(dir, "ardoise.db"), filepath.Join(dir, "there")
	if err := sqlite.Backup(t.Context(), path, into); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Backup of nothing = %v, want fs.ErrNotExist", err)
	}
	check(t, open(t, path).Commit(t.Context(), full()))
	check(t, os.WriteFile(into, []byte("precious"), 0o600))
	if err := sqlite.Backup(t.Context(), path, into); err == nil {
		t.Error("Backup writes over a file")
	}
	if got, err := os.ReadFile(into); err != nil || string(got) != "precious" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}
