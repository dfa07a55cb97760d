package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/masters/durable"
)

// Restoring is the folder that stands in a data folder while it is being restored.
const Restoring = ".restoring"

// NotEmptyError says that a folder holds something already.
type NotEmptyError struct {
	Dir   string
	Found string
}

// Error implements error.
func (e *NotEmptyError) Error() string { return fmt.Sprintf("%s holds %s already", e.Dir, e.Found) }

// UnknownFileError says that a whole and untouched backup holds a file that this program does not know: another version of it
// made the backup, and without that file the box would not be what it was.
type UnknownFileError struct {
	Name string // with slashes, below the data folder
}

// Error implements error.
func (e *UnknownFileError) Error() string {
	return fmt.Sprintf("backup: %q is nothing that this program knows", e.Name)
}

// Restore makes folder dir what it was when the backup in was made, chunks apart: dir must be new, empty, or hold
// "store" alone, or be one that a restore was interrupted in. tops are the files and folders that a backup may hold.
// It fails with *NotEmptyError, *durable.LockedError, *PassphraseError, *FileError, *FormatError, *UnknownFileError; then dir is
// as it was found.
func Restore(d durable.FS, dir string, tops []string, in io.Reader, passphrase string) (err error) {
	if err := durable.MakeFolder(d, dir); err != nil {
		return fmt.Errorf("making folder %s: %w", dir, err)
	}
	lock, err := d.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	r := restoring{fs: d, dir: dir, temp: filepath.Join(dir, Restoring), tops: tops}
	if err := r.begin(); err != nil {
		return err
	}
	if err := Read(in, passphrase, r.take); err != nil {
		return errors.Join(err, r.clear())
	}
	if err := r.finish(); err != nil {
		return fmt.Errorf("restoring %s: %w", dir, err)
	}
	return nil
}

type restoring struct {
	fs   durable.FS
	dir  string
	temp string
	tops []string
	have []string // folders in temp, "" itself first
}

// begin sees to it that there is nothing but the store, and marks the folder.
func (r *restoring) begin() error {
	entries, err := r.fs.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("looking into %s: %w", r.dir, err)
	}
	// With the mark, what a backup may hold is of an interrupted restore; what else is there another version began to restore.
	interrupted := slices.Contains(entries, Restoring)
	if i := slices.IndexFunc(entries, func(e string) bool {
		return e != "store" && e != "lock" && (!interrupted || e != Restoring && !slices.Contains(r.tops, e))
	}); i >= 0 {
		return &NotEmptyError{Dir: r.dir, Found: entries[i]}
	}
	if interrupted {
		for _, top := range r.tops { // of the interrupted one
			if err := r.remove(filepath.Join(r.dir, top)); err != nil {
				return fmt.Errorf("clearing %s: %w", r.dir, err)
			}
		}
		if err := r.remove(r.temp); err != nil {
			return fmt.Errorf("clearing %s: %w", r.dir, err)
		}
	}
	if err := durable.MakeFolder(r.fs, r.temp); err != nil {
		return fmt.Errorf("making folder %s: %w", r.temp, err)
	}
	r.have = []string{""}
	return nil
}

// take writes one file beside its place.
func (r *restoring) take(name string, size int64, content io.Reader) error {
	top, _, _ := strings.Cut(name, "/")
	switch {
	case !fs.ValidPath(name) || name == ".":
		return &FileError{Reason: fmt.Sprintf("%q is nothing that a backup holds", name)}
	case !slices.Contains(r.tops, top):
		return &UnknownFileError{Name: name}
	}
	if err := r.folder(path.Dir(name)); err != nil {
		return err
	}
	f, err := r.fs.Create(filepath.Join(r.temp, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, content, size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// folder makes a folder and those above it.
func (r *restoring) folder(name string) error {
	if name == "." || slices.Contains(r.have, name) {
		return nil
	}
	if err := r.folder(path.Dir(name)); err != nil {
		return err
	}
	r.have = append(r.have, name)
	return r.fs.Mkdir(filepath.Join(r.temp, filepath.FromSlash(name)))
}

// finish makes what was written durable, moves it into place, and only then takes the mark away.
func (r *restoring) finish() error {
	for _, name := range slices.Backward(r.have) {
		if err := r.fs.SyncDir(filepath.Join(r.temp, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	entries, err := r.fs.ReadDir(r.temp)
	if err != nil {
		return err
	}
	for _, top := range entries {
		if err := r.fs.Rename(filepath.Join(r.temp, top), filepath.Join(r.dir, top)); err != nil {
			return err
		}
	}
	if err := r.fs.SyncDir(r.dir); err != nil {
		return err
	}
	return r.clear()
}

// clear takes the mark away, with what is under it.
func (r *restoring) clear() error {
	if err := r.remove(r.temp); err != nil {
		return err
	}
	return r.fs.SyncDir(r.dir)
}

// remove removes a file or folder with all that is in it; nothing is no error.
func (r *restoring) remove(name string) error {
	err := r.fs.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entries, listErr := r.fs.ReadDir(name)
	if listErr != nil {
		return err
	}
	for _, entry := range entries {
		if err := r.remove(filepath.Join(name, entry)); err != nil {
			return err
		}
	}
	return r.fs.Remove(name)
}
