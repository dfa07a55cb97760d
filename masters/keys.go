package masters

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/sign"
)

const (
	keyName       = "signing.key"
	nextKeyName   = "signing.key.new" // of a rotation that has begun
	rotationsName = "rotations"
	maxKeyFile    = 16 << 10 // bytes of a key file
	maxRotations  = 4 << 20  // bytes of keys/rotations

	contextRotation = "ardoise key 1"
)

// Rotation is the proof that one signing key follows another: each of the two has signed both.
type Rotation struct {
	Old, New string // public keys, base64
	At       time.Time
	ByOld    []byte // over contextRotation, 0x00, Old, 0x0a, New
	ByNew    []byte // over the same, so that nobody makes an old key of his own count
}

func (r Rotation) payload() []byte { return []byte(r.Old + "\n" + r.New) }

// sound tells whether both keys have signed.
func (r Rotation) sound() bool {
	return sign.Verify([]string{r.Old}, r.Old, contextRotation, r.payload(), r.ByOld) == nil &&
		sign.Verify([]string{r.New}, r.New, contextRotation, r.payload(), r.ByNew) == nil
}

// chain returns the keys that count beside key: those it follows, and one that is about to follow it.
func chain(key string, rotations []Rotation) []string {
	trusted := []string{key}
	for range rotations { // each round finds one more key or none
		for _, r := range rotations {
			if !r.sound() {
				continue
			}
			if slices.Contains(trusted, r.New) && !slices.Contains(trusted, r.Old) {
				trusted = append(trusted, r.Old)
			}
			if r.Old == key && !slices.Contains(trusted, r.New) {
				trusted = append(trusted, r.New)
			}
		}
	}
	return trusted
}

// keyring is the files of folder keys.
type keyring struct {
	fs   durable.FS
	dir  string
	host bool // the host's file system: modes are looked at
}

// load returns the signing key, made if need be, and the rotations before it. A rotation that a crash interrupted is
// finished if its proof was written, else undone.
func (k keyring) load() (sign.Key, []Rotation, error) {
	key, err := k.read(keyName)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = k.create(keyName)
	}
	if err != nil {
		return key, nil, err
	}
	rotations, err := k.rotations()
	if err != nil {
		return key, nil, err
	}
	next, err := k.read(nextKeyName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return key, rotations, k.fs.SyncDir(k.dir) // a name that a crash made visible may not be durable yet
	case err != nil:
		return key, nil, err
	}
	if !slices.ContainsFunc(rotations, func(r Rotation) bool { return r.Old == key.Public() && r.New == next.Public() }) {
		return key, rotations, k.fs.Remove(filepath.Join(k.dir, nextKeyName))
	}
	return next, rotations, k.replace()
}

func (k keyring) read(name string) (sign.Key, error) {
	path := filepath.Join(k.dir, name)
	if k.host {
		return sign.Load(path)
	}
	raw, err := durable.ReadFile(k.fs, path, maxKeyFile)
	if err != nil {
		return sign.Key{}, err
	}
	return sign.Parse(path, raw)
}

// create makes a new key and its file, durable before it returns.
func (k keyring) create(name string) (sign.Key, error) {
	key, err := sign.New()
	if err != nil {
		return key, err
	}
	raw, err := key.PEM()
	if err == nil {
		err = durable.WriteFile(k.fs, filepath.Join(k.dir, name), raw)
	}
	if err != nil {
		return key, fmt.Errorf("writing key file %s: %w", name, err)
	}
	return key, nil
}

func (k keyring) rotations() ([]Rotation, error) {
	path := filepath.Join(k.dir, rotationsName)
	raw, err := durable.ReadFile(k.fs, path, maxRotations)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys before this one: %w", err)
	}
	var rotations []Rotation
	if err := json.Unmarshal(raw, &rotations); err != nil {
		return nil, &sign.KeyFileError{Path: path, Reason: err.Error()}
	}
	return rotations, nil
}

// rotate makes the key that follows old: first its file, then the proof, then its name.
func (k keyring) rotate(old sign.Key, now time.Time) (sign.Key, []Rotation, error) {
	rotations, err := k.rotations()
	if err != nil {
		return old, nil, err
	}
	next, err := k.create(nextKeyName)
	if err != nil {
		return old, nil, err
	}
	r := Rotation{Old: old.Public(), New: next.Public(), At: now.UTC().Truncate(time.Second)}
	r.ByOld, r.ByNew = old.Sign(contextRotation, r.payload()), next.Sign(contextRotation, r.payload())
	rotations = append(rotations, r)
	raw, err := json.MarshalIndent(rotations, "", "  ")
	if err == nil {
		err = durable.WriteFile(k.fs, filepath.Join(k.dir, rotationsName), append(raw, '\n'))
	}
	if err != nil {
		return old, nil, fmt.Errorf("writing the proof of the new key: %w", err)
	}
	return next, rotations, k.replace()
}

// replace gives the new key its name, which ends the old one: from then on only its signatures are left of it.
func (k keyring) replace() error {
	if err := k.fs.Rename(filepath.Join(k.dir, nextKeyName), filepath.Join(k.dir, keyName)); err != nil {
		return err
	}
	return k.fs.SyncDir(k.dir)
}

// loadKeys loads or makes the signing key, and learns which others count.
func (l *Library) loadKeys(given *sign.Key) error {
	if given != nil {
		l.key, l.trusted = *given, []string{given.Public()}
		return nil
	}
	key, rotations, err := l.keys.load()
	if err != nil {
		return fmt.Errorf("reading the signing key: %w", err)
	}
	l.key, l.trusted = key, chain(key.Public(), rotations)
	return nil
}

// RotateKey makes a new signing key, signed by the present one, which it replaces. What was signed stays valid. The old
// private key is gone then; after an error either is in force, and both are trusted.
func (l *Library) RotateKey() (Rotation, error) {
	if l.keys.dir == "" {
		return Rotation{}, errors.New("rotating the signing key: it was given, and is not the library's own")
	}
	l.publishing.Lock() // nothing is signed meanwhile
	defer l.publishing.Unlock()
	key, rotations, err := l.keys.rotate(l.Key(), l.now())
	if err != nil {
		return Rotation{}, fmt.Errorf("rotating the signing key: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key, l.trusted = key, chain(key.Public(), rotations)
	return rotations[len(rotations)-1], nil
}

// Key returns the key that signs versions, tasks and grants.
func (l *Library) Key() sign.Key {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.key
}

// TrustedKeys returns the public keys that versions may be signed with, base64, the present one first.
func (l *Library) TrustedKeys() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.trusted)
}
