package cache

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	maxManifest = 128 << 20 // encoded, bytes: of as many chunks as a cache can hold
	maxDecoded  = 256 << 20 // the same, decompressed
	maxNames    = 1 << 30   // encoded, bytes
	headFixed   = 64
)

// NoManifestError says that a manifest, or a part of it, is not in the cache.
type NoManifestError struct {
	Hash   manifest.Hash
	Reason string
}

// Error implements error.
func (e *NoManifestError) Error() string {
	return fmt.Sprintf("manifest %.16s is not in the cache: %s", e.Hash, e.Reason)
}

// head describes a manifest: which pieces it and its names table are cut into.
type head struct {
	hash            manifest.Hash
	signature       manifest.Signature
	encoded, names  int64 // bytes
	pieces, nameIDs []chunk.ID
}

func (h *head) encode() ([]byte, error) {
	sig, err := json.Marshal(h.signature)
	if err != nil {
		return nil, fmt.Errorf("encoding a signature: %w", err)
	}
	b, le := make([]byte, headFixed), binary.LittleEndian
	copy(b, h.hash[:])
	le.PutUint64(b[32:], uint64(h.encoded))
	le.PutUint64(b[40:], uint64(h.names))
	le.PutUint32(b[48:], uint32(len(h.pieces)))
	le.PutUint32(b[52:], uint32(len(h.nameIDs)))
	le.PutUint32(b[56:], uint32(len(sig)))
	for _, list := range [][]chunk.ID{h.pieces, h.nameIDs} {
		for _, id := range list {
			b = append(b, id[:]...)
		}
	}
	if b = append(b, sig...); len(b) > chunk.MaxSize {
		return nil, fmt.Errorf("manifest %.16s is too large for the cache: %d bytes of it, %d of names", h.hash, h.encoded, h.names)
	}
	return b, nil
}

// parseHead reads what encode made. Lengths are checked before anything is made of them.
func parseHead(b []byte) (*head, bool) {
	if len(b) < headFixed {
		return nil, false
	}
	le := binary.LittleEndian
	h := &head{hash: manifest.Hash(b[:32]), encoded: int64(le.Uint64(b[32:])), names: int64(le.Uint64(b[40:]))}
	pieces, names, sig := int64(le.Uint32(b[48:])), int64(le.Uint32(b[52:])), int64(le.Uint32(b[56:]))
	whole := func(size, n, most int64) bool {
		return size >= 0 && size <= most && n == (size+chunk.MaxSize-1)/chunk.MaxSize
	}
	if headFixed+32*(pieces+names)+sig != int64(len(b)) || !whole(h.encoded, pieces, maxManifest) || !whole(h.names, names, maxNames) {
		return nil, false
	}
	rest := b[headFixed:]
	take := func(n int64) []chunk.ID {
		out := make([]chunk.ID, n)
		for i := range out {
			out[i] = chunk.ID(rest[:32])
			rest = rest[32:]
		}
		return out
	}
	h.pieces, h.nameIDs = take(pieces), take(names)
	return h, json.Unmarshal(rest, &h.signature) == nil
}

// PutManifest stores a manifest, its signature and its encoded names table (nil: none), and returns when they are durable.
// The manifest must have the hash; what the names say is for their reader to check (manifest.CheckNames). A manifest that
// is there is replaced only where signature or names differ; names that are there stay when none come. It fails with
// *FullError when not all of it has room beside what is kept.
func (c *Cache) PutManifest(hash manifest.Hash, encoded []byte, sig manifest.Signature, names io.Reader) error {
	if manifest.HashOf(encoded) != hash {
		return fmt.Errorf("manifest %.16s has another hash", hash)
	}
	if len(encoded) > maxManifest {
		return fmt.Errorf("manifest %.16s of %d bytes is too large", hash, len(encoded))
	}
	h := &head{hash: hash, signature: sig}
	var err error
	if h.pieces, h.encoded, err = c.putPieces(bytes.NewReader(encoded), maxManifest); err != nil {
		return err
	}
	if names != nil {
		if h.nameIDs, h.names, err = c.putPieces(names, maxNames); err != nil {
			return fmt.Errorf("storing the names of manifest %.16s: %w", hash, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old, err := c.readHead(hash)
	if err == nil && names == nil {
		h.nameIDs, h.names = old.nameIDs, old.names
	}
	for _, id := range slices.Concat(h.pieces, h.nameIDs) {
		if _, ok := c.index.find(key(id[:16])); !ok {
			return &FullError{c.size} // what came first had to make room for what came last
		}
	}
	if err == nil && old.names == h.names && old.signature.Key == sig.Key && bytes.Equal(old.signature.Signature, sig.Signature) {
		c.pins = pins{} // pieces of it may have come back
		return c.seal()
	}
	content, err := h.encode()
	if err != nil {
		return err
	}
	if err := c.add(hash, kindHead, c.codec.Seal(chunk.Of(content), content).AppendTo(nil)); err != nil {
		return err
	}
	c.pins = pins{}
	return c.seal()
}

// putPieces stores a stream as chunks, cut every chunk.MaxSize bytes.
func (c *Cache) putPieces(r io.Reader, most int64) (ids []chunk.ID, size int64, err error) {
	buf := make([]byte, chunk.MaxSize)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			id := chunk.Of(buf[:n])
			ids = append(ids, id)
			if size += int64(n); size > most {
				return nil, 0, fmt.Errorf("more than %d bytes", most)
			}
			if !c.has(id) {
				if err := c.put(c.codec.Seal(id, buf[:n])); err != nil {
					return nil, 0, err
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return ids, size, nil
		case err != nil:
			return nil, 0, err
		}
	}
}

// headAt returns which manifest the head at p describes.
func (c *Cache) headAt(p place) (manifest.Hash, bool) {
	for h, at := range c.heads {
		if at == p {
			return h, true
		}
	}
	return manifest.Hash{}, false
}

// forgetHead forgets a manifest that the cache is not kept for, so that another one has room.
func (c *Cache) forgetHead() {
	for h, p := range c.heads {
		if !slices.Contains(c.super.kept, h) {
			c.forget(p)
			return
		}
	}
}

// readHead reads and proves what describes a manifest. The lock is held.
func (c *Cache) readHead(hash manifest.Hash) (*head, error) {
	p, ok := c.heads[hash]
	if !ok {
		return nil, &NoManifestError{hash, "it was never stored, or had to make room"}
	}
	content, err := c.content(p, nil)
	if err == nil {
		if h, ok := parseHead(content); ok && h.hash == hash {
			return h, nil
		}
	}
	c.forget(p)
	c.lost++
	return nil, &NoManifestError{hash, "what describes it is damaged"}
}

// content reads the frame at p, into room where there is enough, and proves it against the id that it says itself. The lock
// is held.
func (c *Cache) content(p place, room []byte) ([]byte, error) {
	e := c.segments[p.segment].entries[p.entry]
	stored := make([]byte, e.size())
	if p.segment == c.current {
		copy(stored, c.buffer[e.offset:])
	} else if err := readFull(c.dev, stored, c.offset(p.segment)+int64(e.offset)); err != nil {
		return nil, err
	}
	f, _, err := chunk.Parse(stored)
	if err != nil {
		return nil, err
	}
	return c.codec.Open(room[:0], f)
}

// piece reads the content of a chunk, into room where there is enough. The lock is held.
func (c *Cache) piece(id chunk.ID, room []byte) ([]byte, error) {
	p, ok := c.index.find(key(id[:16]))
	if !ok {
		return nil, &ChunkError{ID: id}
	}
	content, err := c.content(p, room)
	if err != nil || chunk.Of(content) != id {
		c.forget(p)
		c.lost++
		return nil, &ChunkError{ID: id, Damaged: true}
	}
	return content, nil
}

// Manifest returns a manifest in its encoded form, which has the hash, and its signature, which is for the caller to
// check. It fails with *NoManifestError.
func (c *Cache) Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readManifest(hash)
}

func (c *Cache) readManifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	h, err := c.readHead(hash)
	if err != nil {
		return nil, manifest.Signature{}, err
	}
	// A head may lie and name one piece many times: memory is taken only for what was proven to be of the manifest.
	proof, size := blake3.New(), 0
	if err := c.eachPiece(h, func(b []byte) {
		size += len(b)
		_, _ = proof.Write(b) // cannot fail
	}); err != nil {
		return nil, manifest.Signature{}, err
	}
	if manifest.Hash(proof.Sum(nil)) != hash {
		return nil, manifest.Signature{}, &NoManifestError{hash, "its pieces are not of it"}
	}
	out := make([]byte, 0, size)
	if err := c.eachPiece(h, func(b []byte) { out = append(out, b...) }); err != nil {
		return nil, manifest.Signature{}, err
	}
	return out, h.signature, nil
}

// eachPiece calls yield with each piece of a manifest, proven by its id; it is valid until yield returns.
func (c *Cache) eachPiece(h *head, yield func([]byte)) error {
	room := make([]byte, 0, chunk.MaxSize+chunk.Spare)
	for _, id := range h.pieces {
		b, err := c.piece(id, room)
		if err != nil {
			return &NoManifestError{h.hash, err.Error()}
		}
		yield(b)
	}
	return nil
}

// Names gives the encoded names table of a manifest, piece by piece. Whether it is the manifest's is for its reader to
// check (manifest.CheckNames). It fails with *NoManifestError where there is none.
func (c *Cache) Names(hash manifest.Hash) (io.Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, err := c.readHead(hash)
	if err != nil {
		return nil, err
	}
	if h.names == 0 {
		return nil, &NoManifestError{hash, "it has no names"}
	}
	return &pieces{c: c, ids: h.nameIDs}, nil
}

// pieces reads chunks one after the other.
type pieces struct {
	c    *Cache
	ids  []chunk.ID
	rest []byte
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if len(p.ids) == 0 {
			return 0, io.EOF
		}
		p.c.mu.Lock()
		content, err := p.c.piece(p.ids[0], nil)
		p.c.mu.Unlock()
		if err != nil {
			return 0, err
		}
		p.rest, p.ids = content, p.ids[1:]
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// KeepFor says which versions the cache is for: the one that runs first, then those that are staged, MaxKept at most. Their
// manifests must be there (else *NoManifestError). Nothing that they need makes room for anything else, and all else may.
// It is durable when it returns; a power cut leaves the former versions or these.
func (c *Cache) KeepFor(hashes ...manifest.Hash) error {
	if len(hashes) > MaxKept {
		return fmt.Errorf("a cache for %d versions, %d at most", len(hashes), MaxKept)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hashes {
		if _, err := c.readHead(h); err != nil {
			return err
		}
	}
	if err := c.seal(); err != nil || slices.Equal(hashes, c.super.kept) {
		return err
	}
	next := c.super
	next.kept = hashes
	next.sequence++
	slot := 1 - c.slot
	if err := c.writeFlushed(next.encode(), c.start+int64(slot)*superStep); err != nil {
		return fmt.Errorf("writing the cache's superblock: %w", err)
	}
	next.kept = append([]manifest.Hash(nil), hashes...)
	c.super, c.slot = next, slot
	c.pins = pins{}
	return nil
}

// Coverage says how much of a version the cache holds.
type Coverage struct {
	Chunks       int   // entries of the manifest that have a place on the disk
	Missing      int   // of these, those whose frame is not there
	Bytes        int64 // of content of all entries
	MissingBytes int64 // of content of those that are missing
}

// Complete tells whether nothing is missing.
func (c Coverage) Complete() bool { return c.Missing == 0 }

// Covers counts how much of a version is there.
func (c *Cache) Covers(m *manifest.Manifest) Coverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out Coverage
	for _, e := range m.Chunks.All() {
		if len(e.Pieces) == 0 {
			continue
		}
		out.Chunks++
		out.Bytes += int64(e.Length)
		if _, ok := c.index.find(key(e.ID[:16])); !ok {
			out.Missing++
			out.MissingBytes += int64(e.Length)
		}
	}
	return out
}
