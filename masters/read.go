package masters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

func (l *Library) folder(name string, number int) string {
	return filepath.Join(l.dir, "masters", name, fmt.Sprintf("%06d", number))
}

// loadVersions looks at all versions: signature and head, not yet the whole manifest. It removes what was never
// published.
func (l *Library) loadVersions() error {
	l.versions, l.byHash, l.abouts = map[string][]Version{}, map[manifest.Hash]Version{}, map[string]about{}
	root := filepath.Join(l.dir, "masters")
	names, err := l.fs.ReadDir(root)
	if err != nil {
		return fmt.Errorf("listing the masters: %w", err)
	}
	for _, name := range names {
		if CheckName(name) != nil {
			continue
		}
		err := l.sweep(filepath.Join(root, name))
		if errors.Is(err, syscall.ENOTDIR) {
			continue // somebody's file among the masters is no reason to refuse them
		}
		if err != nil {
			return fmt.Errorf("removing an unfinished version of %s: %w", name, err)
		}
		// A version that a crash made visible may not be durable yet, and is built upon from now on.
		if err := l.fs.SyncDir(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("looking at the versions of %s: %w", name, err)
		}
		numbers, err := l.numbers(name)
		if err != nil {
			return err
		}
		l.abouts[name] = l.readAbout(name)
		for _, number := range numbers {
			v := l.loadVersion(name, number)
			l.versions[name] = append(l.versions[name], v)
			if v.Damaged == "" {
				l.byHash[v.Hash] = v
			}
		}
	}
	return nil
}

// sweep removes from a master's folder what was never published, and what was forgotten.
func (l *Library) sweep(dir string) error {
	names, err := l.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !leftover(name) {
			continue
		}
		if err := l.removeVersion(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Library) removeVersion(dir string) error {
	names, err := l.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.fs.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return l.fs.Remove(dir)
}

// numbers returns the version numbers that a master's folder holds, ascending.
func (l *Library) numbers(name string) ([]int, error) {
	entries, err := l.fs.ReadDir(filepath.Join(l.dir, "masters", name))
	if err != nil {
		return nil, fmt.Errorf("listing the versions of %s: %w", name, err)
	}
	var numbers []int
	for _, entry := range entries {
		n, err := strconv.Atoi(entry)
		if err == nil && n > 0 && entry == fmt.Sprintf("%06d", n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// loadVersion never fails: a damaged version must neither hide nor stop the others.
func (l *Library) loadVersion(name string, number int) Version {
	v := Version{Name: name, Number: number}
	dir := l.folder(name, number)
	sig, err := l.readSignature(dir)
	if err != nil {
		v.Damaged = err.Error()
		return v
	}
	v.Hash = sig.Hash
	f, err := l.fs.Open(filepath.Join(dir, manifestName))
	if err != nil {
		v.Damaged = err.Error()
		return v
	}
	defer func() { _ = f.Close() }()
	m, chunks, err := manifest.DecodeHead(f)
	if err == nil && (m.Name != name || m.Version != number) {
		err = fmt.Errorf("it says that it is %s@%d", m.Name, m.Version)
	}
	if err != nil {
		v.Damaged = err.Error()
		return v
	}
	v.fill(m, chunks)
	if v.ManifestBytes, err = f.Size(); err == nil {
		v.NamesBytes, err = l.size(filepath.Join(dir, namesName))
	}
	if err != nil {
		v.Damaged = err.Error()
	}
	l.readSizes(dir, &v)
	return v
}

// sizes is the file sizes.json: what a capture found, for people. It is neither signed nor needed.
type sizes struct {
	Stored, New int64
}

func (l *Library) readSizes(dir string, v *Version) {
	raw, err := durable.ReadFile(l.fs, filepath.Join(dir, sizesName), maxSizes)
	var s sizes
	if err == nil && json.Unmarshal(raw, &s) == nil {
		v.StoredBytes, v.NewBytes = max(0, s.Stored), max(0, s.New)
	}
}

// fill takes from a manifest what a listing shows.
func (v *Version) fill(m *manifest.Manifest, chunks int) {
	v.Parent, v.Created, v.Author, v.Note = m.Parent, m.Created, m.Author, m.Note
	v.DiskSize, v.Chunks = m.Disk.Size, chunks
	for _, volume := range m.Volumes {
		v.UsedBytes += volume.Used
	}
}

func (l *Library) size(path string) (int64, error) {
	f, err := l.fs.Open(path)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

// readSignature returns a version's signature if a trusted key has made it over the hash that stands in it.
func (l *Library) readSignature(dir string) (manifest.Signature, error) {
	var sig manifest.Signature
	raw, err := durable.ReadFile(l.fs, filepath.Join(dir, signatureName), maxSignature)
	if err != nil {
		return sig, err
	}
	if err := json.Unmarshal(raw, &sig); err != nil {
		return sig, &sign.UntrustedError{Reason: err.Error()}
	}
	return sig, CheckSignature(l.TrustedKeys(), sig.Hash, sig)
}

// CheckSignature tells, by nil, that one of the trusted keys has signed the manifest of this hash; else
// *sign.UntrustedError.
func CheckSignature(trusted []string, hash manifest.Hash, sig manifest.Signature) error {
	return sign.Verify(trusted, sig.Key, manifest.SignatureContext, hash[:], sig.Signature)
}

// Manifest returns the encoded manifest of this hash and its signature, both proven: *UnknownError when there is none,
// *UntrustedError when it was altered.
func (l *Library) Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	l.mu.RLock()
	v, ok := l.byHash[hash]
	l.mu.RUnlock()
	if !ok {
		return nil, manifest.Signature{}, &UnknownError{What: "with manifest " + hash.String()}
	}
	dir := l.folder(v.Name, v.Number)
	sig, err := l.readSignature(dir)
	if err == nil && sig.Hash != hash {
		err = errors.New("its signature was exchanged")
	}
	if err != nil {
		return nil, manifest.Signature{}, &UntrustedError{Version: v.String(), Err: err}
	}
	encoded, err := durable.ReadFile(l.fs, filepath.Join(dir, manifestName), l.limit)
	if err != nil {
		return nil, manifest.Signature{}, fmt.Errorf("reading the manifest of %s: %w", v, err)
	}
	if got := manifest.HashOf(encoded); got != hash {
		return nil, manifest.Signature{}, &UntrustedError{Version: v.String(), Err: fmt.Errorf("its manifest has the hash %s", got)}
	}
	return encoded, sig, nil
}

// Open returns the manifest of a version, its hash and signature proven before it is decoded; else *UntrustedError.
func (l *Library) Open(v Version) (*manifest.Manifest, error) {
	encoded, _, err := l.Manifest(v.Hash)
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), l.limit)
	if err == nil && (m.Name != v.Name || m.Version != v.Number) {
		err = fmt.Errorf("it says that it is %s@%d", m.Name, m.Version)
	}
	if err != nil {
		return nil, &UntrustedError{Version: v.String(), Err: err}
	}
	return m, nil
}

// Names opens the encoded names table of the version with this manifest. Its hash is in the manifest, and the reader
// must compare it (manifest.CheckNames); *UnknownError when there is no such version.
func (l *Library) Names(hash manifest.Hash) (io.ReadCloser, error) {
	l.mu.RLock()
	v, ok := l.byHash[hash]
	l.mu.RUnlock()
	if !ok {
		return nil, &UnknownError{What: "with manifest " + hash.String()}
	}
	f, err := l.fs.Open(filepath.Join(l.folder(v.Name, v.Number), namesName))
	if err != nil {
		return nil, fmt.Errorf("opening the names of %s: %w", v, err)
	}
	return f, nil
}
