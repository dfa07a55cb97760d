package masters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
)

const (
	formatLine    = "ardoise data 1\n"
	maxSignature  = 4 << 10 // bytes of signature.json
	manifestName  = "manifest"
	namesName     = "names"
	signatureName = "signature.json"
	originName    = "origin.json" // the signature that an imported version came with
	sizesName     = "sizes.json"
	maxSizes      = 4 << 10      // bytes of sizes.json
	restoring     = ".restoring" // stands while a backup is being restored (package backup)
	tempName      = ".new"       // a version that is being written, beside the finished ones
)

// Options says how a library works. The zero value is ready.
type Options struct {
	FS       durable.FS       // where all of it lies; zero: the host's file system
	PackSize int              // of the store; 0: store.PackSize
	Limit    int64            // of an encoded manifest, bytes; 0: manifest.DefaultLimit
	Now      func() time.Time // nil: time.Now
	Key      *sign.Key        // signs, instead of keys/signing.key; for tests
}

// Library is the masters of a site, in one folder. It is safe for concurrent use.
type Library struct {
	dir   string
	fs    durable.FS
	limit int64
	now   func() time.Time
	lock  io.Closer
	keys  keyring
	store *store.Store

	publishing sync.Mutex // one change of masters or keys at a time; taken before mu

	mu       sync.RWMutex
	key      sign.Key
	trusted  []string
	abouts   map[string]about
	versions map[string][]Version // by name, ascending
	byHash   map[manifest.Hash]Version
}

// Open opens the library in folder dir, which it makes if need be, with keys and store. It fails with *InUseError when
// another process uses dir, *FormatError when dir is of another format, and holds dir until Close.
func Open(dir string, o Options) (*Library, error) {
	host := o.FS.Files == nil
	if host {
		o.FS = durable.OS()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limit == 0 {
		o.Limit = manifest.DefaultLimit
	}
	lib := &Library{dir: dir, fs: o.FS, limit: o.Limit, now: o.Now}
	if o.Key == nil {
		lib.keys = keyring{fs: o.FS, dir: filepath.Join(dir, "keys"), host: host}
	}
	if err := durable.MakeFolder(lib.fs, dir); err != nil {
		return nil, fmt.Errorf("making folder %s: %w", dir, err)
	}
	lock, err := lib.fs.Lock(filepath.Join(dir, "lock"))
	var held *durable.LockedError
	if errors.As(err, &held) {
		return nil, &InUseError{Dir: dir}
	}
	if err != nil {
		return nil, fmt.Errorf("locking folder %s: %w", dir, err)
	}
	lib.lock = lock
	if err := lib.load(o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lib, nil
}

func (l *Library) load(o Options) error {
	if f, err := l.fs.Open(filepath.Join(l.dir, restoring)); err == nil {
		return errors.Join(&RestoringError{Dir: l.dir}, f.Close())
	}
	if err := l.checkFormat(); err != nil {
		return err
	}
	for _, name := range []string{"keys", "store", "masters"} {
		if err := durable.MakeFolder(l.fs, filepath.Join(l.dir, name)); err != nil {
			return fmt.Errorf("making folder %s: %w", name, err)
		}
	}
	if err := l.loadKeys(o.Key); err != nil {
		return err
	}
	var err error
	if l.store, err = store.Open(filepath.Join(l.dir, "store"), store.Options{FS: l.fs, PackSize: o.PackSize}); err != nil {
		return err
	}
	return l.loadVersions()
}

func (l *Library) checkFormat() error {
	path := filepath.Join(l.dir, "format")
	line, err := durable.ReadFile(l.fs, path, 256)
	if errors.Is(err, fs.ErrNotExist) {
		err = durable.WriteFile(l.fs, path, []byte(formatLine))
		line = []byte(formatLine)
	}
	if err != nil {
		return fmt.Errorf("looking at the format of %s: %w", l.dir, err)
	}
	if string(line) != formatLine {
		return &FormatError{Dir: l.dir, Line: strings.TrimSpace(string(line))}
	}
	return nil
}

// Close closes the store and gives the folder back. Ingests and readers must have ended.
func (l *Library) Close() error {
	return errors.Join(l.store.Close(), l.lock.Close())
}

// List returns all versions, by name and number; damaged ones too, with the reason.
func (l *Library) List() ([]Version, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var all []Version
	for _, versions := range l.versions {
		all = append(all, versions...)
	}
	slices.SortFunc(all, compareVersions)
	return all, nil
}

func compareVersions(a, b Version) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return a.Number - b.Number
}

// Resolve finds a version by NAME@V, the one that a channel points at by NAME@CHANNEL, or the newest by NAME. It fails
// with *NameError, *UnknownError, or with *UntrustedError when that version is known to be damaged: an older one is never
// taken in its place.
func (l *Library) Resolve(ref string) (Version, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Version{}, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r.Channel != "" {
		return l.pointed(r.Name, r.Channel)
	}
	versions := l.versions[r.Name]
	if r.Number == 0 && len(versions) > 0 {
		r.Number = versions[len(versions)-1].Number
	}
	for _, v := range versions {
		if v.Number != r.Number {
			continue
		}
		if v.Damaged != "" {
			return Version{}, &UntrustedError{Version: v.String(), Err: errors.New(v.Damaged)}
		}
		return v, nil
	}
	return Version{}, &UnknownError{What: ref}
}

// Fetch calls yield with one frame for each id, in order, as store.Store.Fetch does.
func (l *Library) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	return l.store.Fetch(ctx, ids, yield)
}

// StoredSize returns the bytes of a chunk's frame, header included; ok is false when the store has none.
func (l *Library) StoredSize(id chunk.ID) (size int64, ok bool) { return l.store.StoredSize(id) }

// StoredBytes returns the bytes that the frames of a manifest take in the store, each counted once.
func (l *Library) StoredBytes(m *manifest.Manifest) int64 {
	seen := make(map[chunk.ID]struct{}, m.Chunks.Len())
	var total int64
	for _, e := range m.Chunks.All() {
		if _, twice := seen[e.ID]; twice {
			continue
		}
		seen[e.ID] = struct{}{}
		size, _ := l.store.StoredSize(e.ID)
		total += size
	}
	return total
}

// Damaged returns what was found damaged in the store when it was opened.
func (l *Library) Damaged() []error { return l.store.Damaged() }
