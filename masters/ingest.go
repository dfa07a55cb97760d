package masters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/store"
)

// Ingest is one capture on its way in: first its chunks, then Publish. It is safe for concurrent use.
type Ingest struct {
	l       *Library
	session *store.Session
}

// Meta is what people say of a version.
type Meta struct {
	Author  string
	Note    string
	Created time.Time // zero: now
}

// Stats is what an ingest was given, and what of it was new.
type Stats struct {
	NewFrames   int   // frames that the store had not got
	NewBytes    int64 // their bytes in the store, headers included
	StoredBytes int64 // bytes of all frames that were put
}

// Begin begins an ingest. It must be closed.
func (l *Library) Begin(ctx context.Context) (*Ingest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Ingest{l: l, session: l.store.Begin()}, nil
}

// Missing tells for each id whether its frame is wanted, and pins the others until Close.
func (i *Ingest) Missing(ctx context.Context, ids []chunk.ID) ([]bool, error) {
	return i.session.Missing(ctx, ids)
}

// Put takes frames; it may return before they are durable. A frame whose content is not what its id says is a
// *chunk.DamagedError.
func (i *Ingest) Put(ctx context.Context, frames []chunk.Frame) error {
	return i.session.Put(ctx, frames)
}

// Flush returns once everything put so far is durable.
func (i *Ingest) Flush(ctx context.Context) error { return i.session.Flush(ctx) }

// Stats returns what was added so far.
func (i *Ingest) Stats() Stats {
	a := i.session.Added()
	return Stats{NewFrames: a.Frames, NewBytes: a.Bytes, StoredBytes: a.Put}
}

// Close gives up the pins. What was put stays in the store.
func (i *Ingest) Close() { i.session.Close() }

// Publish makes m, with its encoded names table, the next version of a master: it gives m name, number, date, author,
// note and parent, signs it, and commits it by one rename. It fails with *NameError, *NoteError, *IncompleteError when a chunk is
// not durably in the store, *manifest.InvalidError when m or the names are inconsistent; then nothing is published.
func (i *Ingest) Publish(ctx context.Context, name string, meta Meta, m *manifest.Manifest, names io.Reader) (Version, error) {
	if err := CheckName(name); err != nil {
		return Version{}, err
	}
	if err := CheckMeta(meta); err != nil {
		return Version{}, err
	}
	if err := i.session.Flush(ctx); err != nil {
		return Version{}, fmt.Errorf("publishing %s: %w", name, err)
	}
	if err := i.l.complete(m); err != nil {
		return Version{}, err
	}
	l := i.l
	l.publishing.Lock()
	defer l.publishing.Unlock()
	if err := l.number(name, m); err != nil {
		return Version{}, err
	}
	m.Name, m.Author, m.Note, m.Created = name, meta.Author, meta.Note, meta.Created
	if m.Created.IsZero() {
		m.Created = l.now()
	}
	return l.publish(ctx, draft{m: m, encode: m.Encode, names: names, added: i.Stats().NewBytes})
}

// draft is what becomes a version.
type draft struct {
	m      *manifest.Manifest
	encode func(io.Writer) (manifest.Hash, error)
	names  io.Reader
	added  int64               // bytes that its capture has added to the store
	origin *manifest.Signature // of the site that it was imported from
}

// publish writes a draft beside the versions and commits it. Call with publishing held.
func (l *Library) publish(ctx context.Context, d draft) (Version, error) {
	temp := filepath.Join(l.dir, "masters", d.m.Name, tempName)
	v, err := l.writeVersion(temp, d)
	if err == nil {
		err = ctx.Err() // the last moment at which giving up leaves nothing
	}
	if err != nil {
		return Version{}, errors.Join(fmt.Errorf("publishing %s: %w", d.m.Name, err), l.clean(temp))
	}
	if err := l.commit(temp, v); err != nil {
		return Version{}, fmt.Errorf("publishing %s: %w", v, err)
	}
	return v, nil
}

// complete makes sure that every chunk of m is durable, with the length that m says.
func (l *Library) complete(m *manifest.Manifest) error {
	var missing *IncompleteError
	for _, e := range m.Chunks.All() {
		length, ok := l.store.Has(e.ID)
		if ok && length == e.Length {
			continue
		}
		if missing == nil {
			missing = &IncompleteError{ID: e.ID, Reason: "is missing"}
			if ok {
				missing.Reason = fmt.Sprintf("has %d bytes, not %d", length, e.Length)
			}
		}
		missing.Count++
	}
	if missing != nil {
		return missing
	}
	return nil
}

// number gives m the next free number and the hash of the version before. Damaged versions keep their number.
func (l *Library) number(name string, m *manifest.Manifest) error {
	if err := durable.MakeFolder(l.fs, filepath.Join(l.dir, "masters", name)); err != nil {
		return fmt.Errorf("making the folder of %s: %w", name, err)
	}
	numbers, err := l.numbers(name)
	if err != nil {
		return err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	m.Version, m.Parent = max(1, l.abouts[name].Next), manifest.Hash{}
	if len(numbers) > 0 {
		m.Version = max(m.Version, numbers[len(numbers)-1]+1)
	}
	if versions := l.versions[name]; len(versions) > 0 {
		m.Parent = versions[len(versions)-1].Hash
	}
	return nil
}

// writeVersion writes manifest, signature and names into the new folder temp and makes them durable there.
func (l *Library) writeVersion(temp string, d draft) (Version, error) {
	m := d.m
	v := Version{Name: m.Name, Number: m.Version}
	if err := l.clean(temp); err != nil {
		return v, err
	}
	if err := l.fs.Mkdir(temp); err != nil {
		return v, err
	}
	var err error
	if v.ManifestBytes, err = l.stream(filepath.Join(temp, manifestName), func(f durable.File) error {
		v.Hash, err = d.encode(f)
		return err
	}); err != nil {
		return v, err
	}
	if v.ManifestBytes > l.limit {
		return v, &manifest.InvalidError{Structure: "manifest", Reason: fmt.Sprintf("%d bytes are more than %d", v.ManifestBytes, l.limit)}
	}
	if v.NamesBytes, err = l.stream(filepath.Join(temp, namesName), func(f durable.File) error {
		return manifest.CheckNames(io.TeeReader(d.names, f), m)
	}); err != nil {
		return v, err
	}
	v.StoredBytes, v.NewBytes = l.StoredBytes(m), d.added
	key := l.Key()
	for _, file := range []struct {
		name    string
		content any
	}{
		{signatureName, manifest.Signature{Key: key.Public(), Hash: v.Hash, Signature: key.Sign(manifest.SignatureContext, v.Hash[:])}},
		{sizesName, sizes{Stored: v.StoredBytes, New: v.NewBytes}},
		{originName, d.origin},
	} {
		if file.name == originName && d.origin == nil {
			continue
		}
		raw, err := json.Marshal(file.content)
		if err != nil {
			return v, err
		}
		if err := durable.WriteNew(l.fs, filepath.Join(temp, file.name), append(raw, '\n')); err != nil {
			return v, err
		}
	}
	v.fill(m, m.Chunks.Len())
	return v, l.fs.SyncDir(temp)
}

// stream makes a new file of what write writes, durable, and returns its size.
func (l *Library) stream(path string, write func(durable.File) error) (size int64, err error) {
	f, err := l.fs.Create(path)
	if err != nil {
		return 0, err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err == nil {
		size, err = f.Size()
	}
	return size, errors.Join(err, f.Close())
}

// commit renames the finished folder into place, which publishes it, and makes the name durable.
func (l *Library) commit(temp string, v Version) error {
	final := l.folder(v.Name, v.Number)
	if err := l.fs.Rename(temp, final); err != nil {
		return errors.Join(err, l.clean(temp))
	}
	if err := l.fs.SyncDir(filepath.Dir(final)); err != nil {
		return err // whether it is published shows at the next Open; its number is taken
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.versions[v.Name] = append(slices.Clip(l.versions[v.Name]), v)
	slices.SortFunc(l.versions[v.Name], compareVersions)
	l.byHash[v.Hash] = v
	if _, ok := l.abouts[v.Name]; !ok {
		l.abouts[v.Name] = about{record: record{Name: v.Name}}
	}
	return nil
}

// clean removes the folder of a version that was not published, if there is one.
func (l *Library) clean(temp string) error {
	names, err := l.fs.ReadDir(filepath.Dir(temp))
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == filepath.Base(temp) {
			return l.removeVersion(temp)
		}
	}
	return nil
}

// PublishEncoded is Publish for a manifest that comes encoded from elsewhere: it is decoded, and so validated, first.
func (i *Ingest) PublishEncoded(ctx context.Context, name string, meta Meta, encoded []byte, names io.Reader) (Version, error) {
	m, _, err := manifest.Decode(bytes.NewReader(encoded), i.l.limit)
	if err != nil {
		return Version{}, err
	}
	return i.Publish(ctx, name, meta, m, names)
}
