package masters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
)

// UncountableError says that a version is so damaged that nobody knows which chunks it needs: nothing may be collected
// until it is restored from a backup or forgotten.
type UncountableError struct {
	Version string // NAME@V
	Err     error  // what is wrong with it
}

// Error implements error.
func (e *UncountableError) Error() string {
	return fmt.Sprintf("what %s needs cannot be read: %v", e.Version, e.Err)
}

// Unwrap returns what is wrong.
func (e *UncountableError) Unwrap() error { return e.Err }

// Live calls yield with the id of every chunk that a version needs, some of them several times. What sessions hold the
// store knows itself; what a job moves is of a version that cannot be forgotten while the job runs. It fails with
// *UncountableError when one cannot be read: leaving it out would remove what a backup of its manifest could bring back.
func (l *Library) Live(ctx context.Context, yield func(chunk.ID) error) error {
	return l.eachLive(ctx, yield, false)
}

func (l *Library) eachLive(ctx context.Context, yield func(chunk.ID) error, lenient bool) error {
	return l.eachManifest(ctx, func(m *manifest.Manifest, err error) error {
		if err != nil {
			if lenient {
				return nil
			}
			return err
		}
		for _, e := range m.Chunks.All() {
			if err := yield(e.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachManifest calls visit with every version there is and its manifest, or *UncountableError.
func (l *Library) eachManifest(ctx context.Context, visit func(m *manifest.Manifest, err error) error) error {
	versions, err := l.List()
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := l.needed(v)
		if err != nil && l.forgottenMeanwhile(v) {
			continue
		}
		if err != nil {
			err = &UncountableError{Version: v.String(), Err: err}
		}
		if err := visit(m, err); err != nil {
			return err
		}
	}
	return nil
}

// needed returns the manifest of a version, whoever signed it: a key that is not trusted any more makes its chunks no
// less needed. Its bytes must be those that were signed.
func (l *Library) needed(v Version) (*manifest.Manifest, error) {
	dir := l.folder(v.Name, v.Number)
	raw, err := durable.ReadFile(l.fs, filepath.Join(dir, signatureName), maxSignature)
	if err != nil {
		return nil, err
	}
	var sig manifest.Signature
	if err := json.Unmarshal(raw, &sig); err != nil {
		return nil, err
	}
	encoded, err := durable.ReadFile(l.fs, filepath.Join(dir, manifestName), l.limit)
	if err != nil {
		return nil, err
	}
	if got := manifest.HashOf(encoded); got != sig.Hash {
		return nil, fmt.Errorf("its manifest has the hash %s, signed was %s", got, sig.Hash)
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), l.limit)
	return m, err
}

// forgottenMeanwhile tells whether a version has gone since it was listed.
func (l *Library) forgottenMeanwhile(v Version) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, other := range l.versions[v.Name] {
		if other.Number == v.Number {
			return false
		}
	}
	return true
}

// Found is what a check found. It is sound when only orphans are left over.
type Found struct {
	Versions  int            `json:"versions"`
	Damaged   []DamagedEntry `json:"damaged_versions,omitempty"`
	Lacking   []Lacking      `json:"lacking_versions,omitempty"`
	Packs     []string       `json:"damaged_packs,omitempty"`
	Chunks    int            `json:"live_chunks"`
	Orphans   int            `json:"orphan_chunks"`
	OrphanLen int64          `json:"orphan_bytes"`
	Bad       int            `json:"quarantined"` // frames; those not needed do no harm
}

// DamagedEntry is a version that cannot be used, and why.
type DamagedEntry struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// Lacking is a version that lacks chunks.
type Lacking struct {
	Version string   `json:"version"`
	Chunks  int      `json:"chunks"`
	First   chunk.ID `json:"first"`
}

// Sound tells whether every version can be restored, as far as can be told without reading every frame.
func (f Found) Sound() bool { return len(f.Damaged)+len(f.Lacking)+len(f.Packs) == 0 }

// complain adds a damaged version.
func (f *Found) complain(v Version, err error) {
	f.Damaged = append(f.Damaged, DamagedEntry{Version: v.String(), Reason: err.Error()})
}

// checkVersion looks at one version: signature, manifest, names, and that every chunk is here with its length.
func (l *Library) checkVersion(f *Found, v Version) error {
	f.Versions++
	m, err := l.Open(v)
	if err != nil {
		if l.forgottenMeanwhile(v) {
			f.Versions--
			return nil
		}
		if v.Damaged != "" {
			err = errors.New(v.Damaged)
		}
		f.complain(v, err)
		return nil
	}
	names, err := l.Names(v.Hash)
	if err == nil {
		err = errors.Join(manifest.CheckNames(names, m), names.Close())
	}
	if err != nil && !l.forgottenMeanwhile(v) {
		f.complain(v, fmt.Errorf("its names: %w", err))
	}
	lacks := Lacking{Version: v.String()}
	for _, e := range m.Chunks.All() {
		if length, ok := l.store.Has(e.ID); ok && length == e.Length {
			continue
		}
		if lacks.Chunks == 0 {
			lacks.First = e.ID
		}
		lacks.Chunks++
	}
	if lacks.Chunks > 0 && !l.forgottenMeanwhile(v) {
		f.Lacking = append(f.Lacking, lacks)
	}
	return nil
}
