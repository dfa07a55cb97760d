package masters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

// Foreign is a version that comes from a file of another site, or of this one.
type Foreign struct {
	Manifest  []byte             // encoded, as it was signed
	Signature manifest.Signature // over its hash
	Trust     []string           // fingerprints of keys that are trusted for this one version, besides the site's own
}

// Vouch proves the signature of a foreign version, then decodes it: *ForeignKeyError when its key is neither the site's
// nor named in Trust, and the version not here already; *UntrustedError when it was altered.
func (l *Library) Vouch(f Foreign) (*manifest.Manifest, error) {
	hash := manifest.HashOf(f.Manifest)
	untrusted := func(err error) error { return &UntrustedError{Version: "with manifest " + hash.String(), Err: err} }
	if hash != f.Signature.Hash {
		return nil, untrusted(fmt.Errorf("its signature is over %s", f.Signature.Hash))
	}
	if err := CheckSignature([]string{f.Signature.Key}, hash, f.Signature); err != nil {
		return nil, untrusted(err)
	}
	fingerprint, err := sign.Fingerprint(f.Signature.Key)
	if err != nil {
		return nil, untrusted(err)
	}
	l.mu.RLock()
	_, ours := l.byHash[hash] // what is here under this hash, we have signed ourselves
	l.mu.RUnlock()
	ours = ours || slices.Contains(l.TrustedKeys(), f.Signature.Key)
	if !ours && !slices.Contains(f.Trust, fingerprint) {
		e := &ForeignKeyError{Version: "the master", Key: f.Signature.Key, Fingerprint: fingerprint}
		if m, _, err := manifest.DecodeHead(bytes.NewReader(f.Manifest)); err == nil && CheckName(m.Name) == nil {
			e.Version = fmt.Sprintf("%s@%d", m.Name, m.Version)
		}
		return nil, e
	}
	m, _, err := manifest.Decode(bytes.NewReader(f.Manifest), l.limit)
	if err != nil {
		return nil, untrusted(err)
	}
	if err := CheckName(m.Name); err != nil {
		return nil, err
	}
	if m.Version < 1 || m.Version > maxNumber {
		return nil, untrusted(fmt.Errorf("it says that it is version %d", m.Version))
	}
	return m, nil
}

// maxNumber is the largest number that a version's folder can say.
const maxNumber = 999_999

// Adopt publishes a foreign version under the name, number and hash it has, signed by this site's key; the signature it
// came with is kept beside. Trust in a foreign key ends with the call: agents are never told of it. It fails with what
// Vouch fails with, *IncompleteError, or *TakenError when that number belongs, or did, to another version here; a sound
// version that is the same one is returned as it is, a damaged one is replaced.
func (i *Ingest) Adopt(ctx context.Context, f Foreign, names io.Reader) (Version, error) {
	l := i.l
	m, err := l.Vouch(f)
	if err != nil {
		return Version{}, err
	}
	if err := i.session.Flush(ctx); err != nil {
		return Version{}, fmt.Errorf("publishing %s: %w", m.Name, err)
	}
	if err := l.complete(m); err != nil {
		return Version{}, err
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	there, err := l.placeFor(m, f.Signature.Hash)
	if err != nil || there.Number > 0 && there.Damaged == "" {
		return there, err
	}
	if there.Damaged != "" {
		if err := l.setAside(there); err != nil {
			return Version{}, err
		}
	}
	d := draft{m: m, names: names, added: i.Stats().NewBytes, encode: func(w io.Writer) (manifest.Hash, error) {
		_, err := w.Write(f.Manifest)
		return f.Signature.Hash, err
	}}
	if !slices.Contains(l.TrustedKeys(), f.Signature.Key) {
		d.origin = &f.Signature
	}
	return l.publish(ctx, d)
}

// placeFor returns the version that lies where a foreign one goes, if there is one, and makes the master's folder.
func (l *Library) placeFor(m *manifest.Manifest, hash manifest.Hash) (Version, error) {
	taken := &TakenError{Version: fmt.Sprintf("%s@%d", m.Name, m.Version)}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.abouts[m.Name].wasForgotten(m.Version, hash) {
		return Version{}, taken
	}
	for _, v := range l.versions[m.Name] {
		if v.Number != m.Version {
			continue
		}
		// Of a version whose signature is damaged nobody knows the hash: its name and number must do.
		if v.Hash != hash && (v.Damaged == "" || v.Hash != manifest.Hash{}) {
			return Version{}, taken
		}
		return v, nil
	}
	if err := durable.MakeFolder(l.fs, filepath.Join(l.dir, "masters", m.Name)); err != nil {
		return Version{}, fmt.Errorf("making the folder of %s: %w", m.Name, err)
	}
	return Version{}, nil
}

// setAside makes room for the sound copy of a damaged version.
func (l *Library) setAside(v Version) error {
	gone := filepath.Join(l.dir, "masters", v.Name, fmt.Sprintf("%s%06d", forgottenPrefix, v.Number))
	err := l.clean(gone)
	if err == nil {
		err = l.fs.Rename(l.folder(v.Name, v.Number), gone)
	}
	if err == nil {
		l.mu.Lock()
		l.versions[v.Name] = slices.DeleteFunc(slices.Clone(l.versions[v.Name]), func(x Version) bool { return x.Number == v.Number })
		l.mu.Unlock()
		err = errors.Join(l.fs.SyncDir(filepath.Dir(gone)), l.removeVersion(gone))
	}
	if err != nil {
		return fmt.Errorf("making room for a sound %s: %w", v, err)
	}
	return nil
}
