package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/backup"
	"github.com/ardoise/ardoise/masters/durable"
)

const databaseName = "ardoise.db"

// postName is the file, in the data folder, that says where reports go. The password and the secret in it are sealed with the rest.
const postName = "post.json"

// backedUp is the files and folders of a data folder that a backup holds: all but chunks, and what is made again.
func backedUp() []string { return []string{"ca", "keys", "masters", databaseName, postName, "format"} }

// backupResult is what `backup create` and `restore` print. Its JSON keys are stable.
type backupResult struct {
	File     string  `json:"file"`
	Bytes    int64   `json:"bytes"`
	Versions int     `json:"versions,omitempty"` // of masters, without their chunks
	CA       string  `json:"ca"`                 // fingerprint of the authority
	Seconds  float64 `json:"seconds"`
}

// backupWork is what the two commands share.
type backupWork struct {
	client
	passphraseFile string
	iterations     int
}

func backupCommand() *cobra.Command {
	c := &cobra.Command{Use: "backup", Short: "save what makes this box the one it is, and bring it back", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: create or restore") }}
	c.AddCommand(backupCreate(), backupRestore())
	return c
}

func (b *backupWork) add(c *cobra.Command) *cobra.Command {
	b.flags(c)
	c.Flags().StringVar(&b.passphraseFile, "passphrase-file", "", "file whose first line is the passphrase (default: asked for)")
	return c
}

func backupCreate() *cobra.Command {
	var b backupWork
	c := b.add(&cobra.Command{
		Use: "create FILE", Args: cobra.ExactArgs(1),
		Short: "save authority, signing key, computers, jobs and masters without their chunks, under a passphrase",
		RunE:  func(c *cobra.Command, args []string) error { return b.create(c, args[0]) },
	})
	c.Flags().IntVar(&b.iterations, "iterations", backup.Iterations, "how much work each guess of the passphrase is (PBKDF2)")
	return c
}

func backupRestore() *cobra.Command {
	var b backupWork
	return b.add(&cobra.Command{
		Use: "restore FILE", Args: cobra.ExactArgs(1),
		Short: "make an empty data folder what it was; chunks come back by a copy of `store` or by imports",
		RunE:  func(c *cobra.Command, args []string) error { return b.restore(c, args[0]) },
	})
}

// passphrase reads the passphrase from the file, or from the person: twice where a wrong one would be found too late.
func (b *backupWork) passphrase(c *cobra.Command, twice bool) (string, error) {
	if b.passphraseFile != "" {
		raw, err := durable.ReadFile(durable.OS(), b.passphraseFile, 64<<10)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("say with --passphrase-file where the passphrase is: there is no terminal to ask at")
	}
	ask := func(text string) (string, error) {
		_, _ = fmt.Fprint(c.ErrOrStderr(), text)
		raw, err := term.ReadPassword(int(in.Fd()))
		_, _ = fmt.Fprintln(c.ErrOrStderr())
		return string(raw), err
	}
	first, err := ask("passphrase: ")
	if err != nil || !twice {
		return first, err
	}
	again, err := ask("once more: ")
	if err == nil && again != first {
		err = usagef("the two passphrases differ")
	}
	return first, err
}

func (b *backupWork) create(c *cobra.Command, path string) (err error) {
	began := time.Now()
	if _, err := os.Stat(filepath.Join(b.data, "keys")); errors.Is(err, os.ErrNotExist) {
		return &noDataError{b.data}
	}
	if b.iterations < 1 || b.iterations > backup.MaxIterations {
		return usagef("--iterations is 1 to %d", backup.MaxIterations)
	}
	if _, err := os.Lstat(path); err == nil {
		return &noticeError{code: "file-exists", what: path}
	}
	passphrase, err := b.passphrase(c, true)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(path), ".ardoise-backup-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	// The copy of the database is not sealed: it never touches the stick or the share that the backup goes to.
	private, err := os.MkdirTemp("", "ardoise-database-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(private)) }()
	part := filepath.Join(temp, "backup")
	r := backupResult{File: path}
	if r.Versions, r.Bytes, err = b.seal(c.Context(), part, filepath.Join(private, "db"), passphrase); err != nil {
		return noRoom(err, path)
	}
	if r.CA, err = caOf(b.data); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	if err := durable.OS().SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if err := noteBackup(b.data, access.BackupSetup{At: began.UTC().Truncate(time.Second), File: path, Bytes: r.Bytes, Versions: r.Versions}); err != nil {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "the backup is made, but the console will not know of it: %v\n", err)
	}
	r.Seconds = time.Since(began).Seconds()
	return b.show(c.OutOrStdout(), r, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%s: %s, with %s of masters, without their chunks\n", r.File, bytesText(r.Bytes), several(r.Versions, "version"))
	})
}

// caOf is the fingerprint of a data folder's authority, "" before a daemon has made it.
func caOf(data string) (string, error) {
	dir := filepath.Join(data, "ca")
	if _, err := os.Stat(filepath.Join(dir, "ca.pem")); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	ca, err := agentapi.OpenCA(dir, time.Now())
	if err != nil {
		return "", err
	}
	return ca.Fingerprint(), nil
}

// seal writes the backup, durable, to the new file path. A daemon may be at work: what it has decided up to the copy of
// the database is in it, with every version that was published by then.
func (b *backupWork) seal(ctx context.Context, path, database, passphrase string) (versions int, size int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 1<<20)
	w, err := backup.NewWriter(out, backup.Options{Passphrase: passphrase, Iterations: b.iterations, Rand: rand.Reader})
	if err != nil {
		return 0, 0, err
	}
	if versions, err = gather(ctx, b.data, database, w); err != nil {
		return 0, 0, err
	}
	if err := errors.Join(w.Close(), out.Flush()); err != nil {
		return 0, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return versions, info.Size(), f.Sync()
}

// gather adds everything. The order matters while a daemon runs: the database first, so that each version it names is
// there; the key before the proofs of its rotations, so that no proof is missing.
func gather(ctx context.Context, data, database string, w *backup.Writer) (versions int, err error) {
	err = sqlite.Backup(ctx, filepath.Join(data, databaseName), database)
	if err == nil {
		_, err = addFiles(w, filepath.Dir(database), map[string]string{filepath.Base(database): databaseName})
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a bench without a daemon has none
		return 0, err
	}
	for _, name := range []string{"format", "ca/ca.pem", "keys/signing.key", "keys/rotations", secretName, postName} {
		if _, err := addFiles(w, data, map[string]string{name: name}); err != nil {
			return 0, err
		}
	}
	names, err := os.ReadDir(filepath.Join(data, "masters"))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if masters.CheckName(name.Name()) != nil || !name.IsDir() {
			continue
		}
		n, err := addMaster(ctx, w, data, name.Name())
		if err != nil {
			return 0, err
		}
		versions += n
	}
	return versions, nil
}

// addMaster adds the versions of a master, and what is kept beside them as it was when they were listed.
func addMaster(ctx context.Context, w *backup.Writer, data, name string) (versions int, err error) {
	dir := "masters/" + name
	var about []byte
	var entries []fs.DirEntry
	for {
		if about, err = readIfThere(filepath.Join(data, dir, "about")); err != nil {
			return 0, err
		}
		if entries, err = os.ReadDir(filepath.Join(data, dir)); err != nil {
			return 0, err
		}
		again, err := readIfThere(filepath.Join(data, dir, "about"))
		if err != nil {
			return 0, err
		}
		if bytes.Equal(about, again) {
			break
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	if about != nil {
		if err := w.Add(dir+"/about", int64(len(about)), bytes.NewReader(about)); err != nil {
			return 0, err
		}
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		files := map[string]string{}
		for _, file := range []string{"manifest", "names", "signature.json", "sizes.json", "origin.json"} {
			files[dir+"/"+e.Name()+"/"+file] = dir + "/" + e.Name() + "/" + file
		}
		n, err := addFiles(w, data, files)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			versions++
		}
	}
	return versions, ctx.Err()
}

func readIfThere(path string) ([]byte, error) {
	raw, err := durable.ReadFile(durable.OS(), path, 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

// addFiles adds those files of a folder that are there, under other names, and returns how many. All are opened first: a
// version that is forgotten meanwhile is whole or left out.
func addFiles(w *backup.Writer, dir string, files map[string]string) (n int, err error) {
	type opened struct {
		name string
		size int64
		file *os.File
	}
	var all []opened
	defer func() {
		for _, o := range all {
			err = errors.Join(err, o.file.Close())
		}
	}()
	for from, name := range files {
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(from)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		all = append(all, opened{name: name, file: f})
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		all[len(all)-1].size = info.Size()
	}
	for _, o := range all {
		if err := w.Add(o.name, o.size, o.file); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

func (b *backupWork) restore(c *cobra.Command, path string) (err error) {
	began := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	passphrase, err := b.passphrase(c, false)
	if err != nil {
		return err
	}
	bar := newBar(c.ErrOrStderr(), b.json)
	var held *durable.LockedError
	err = backup.Restore(durable.OS(), b.data, backedUp(), &metered{r: f, tell: func(done int64) { bar.show("restore", done, info.Size()) }},
		passphrase)
	bar.end()
	if errors.As(err, &held) {
		return &masters.InUseError{Dir: b.data}
	}
	if err != nil {
		return err
	}
	r := backupResult{File: path, Bytes: info.Size()}
	versions, err := filepath.Glob(filepath.Join(b.data, "masters", "*", "[0-9]*"))
	if err != nil {
		return err
	}
	r.Versions = len(versions)
	if r.CA, err = caOf(b.data); err != nil {
		return err
	}
	r.Seconds = time.Since(began).Seconds()
	return b.show(c.OutOrStdout(), r, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%s restored, with %s of masters\nTheir chunks come back by a copy of the old folder `store` "+
			"to %s, or by `ardoise master import`; `ardoise store check` tells what is missing.\n", b.data, several(r.Versions, "version"),
			filepath.Join(b.data, "store"))
	})
}
