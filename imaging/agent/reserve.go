package agent

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

var (
	_ cache.Source = (*cache.Both)(nil)
	_ cache.Device = (*disk.Disk)(nil)
)

// openCache opens the cache of a disk; *cache.NoCacheError where there is none.
func openCache(d *disk.Disk) (*cache.Cache, error) {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	switch {
	case err != nil:
		return nil, err
	case table.Cache == nil:
		return nil, &cache.NoCacheError{Reason: "the disk has no partition for it"}
	}
	return cache.Open(d, *table.Cache)
}

// cacheOf opens the cache of a disk that is about to be made equal to a version, nil where it has none: the server gives
// everything then.
func (a *agent) cacheOf(d *disk.Disk) *cache.Cache {
	c, err := openCache(d)
	var none *cache.NoCacheError
	if err != nil {
		if !errors.As(err, &none) {
			a.Screen.Note("cache: %v", err)
		}
		return nil
	}
	return c
}

// makeCache opens the cache of a disk and makes one where the partition for it is empty.
func (a *agent) makeCache(d *disk.Disk) (*cache.Cache, error) {
	c, err := openCache(d)
	var none *cache.NoCacheError
	if !errors.As(err, &none) {
		return c, err
	}
	table, terr := disk.ReadTable(d, d.Size(), d.SectorSize())
	if terr != nil || table.Cache == nil {
		return nil, errors.Join(err, terr)
	}
	var identity [16]byte
	if _, err := io.ReadFull(a.PC.Random, identity[:]); err != nil {
		return nil, fmt.Errorf("drawing the identity of the cache: %w", err)
	}
	return cache.Make(d, *table.Cache, identity)
}

// cached returns a manifest of the cache, believed like one that the server gives.
func (a *agent) cached(c *cache.Cache, want manifest.Hash) (*manifest.Manifest, error) {
	encoded, sig, err := c.Manifest(want)
	if err != nil {
		return nil, err
	}
	return a.believe(want, encoded, sig)
}

// inStore returns the manifest of a version of which the disk's cache holds every chunk: that computer asks nobody for
// anything, and would only have a session send what it has. nil: the server gives manifest and chunks, as ever.
func (a *agent) inStore(target job.Disk, hash string) *manifest.Manifest {
	want, err := manifest.ParseHash(hash)
	if err != nil {
		return nil
	}
	d, err := disk.Open(target.Path, disk.Mode{Read: true})
	if err != nil {
		return nil // opening it for the work will say why
	}
	defer func() { _ = d.Close() }()
	c, err := openCache(d)
	if err != nil {
		return nil
	}
	m, err := a.cached(c, want)
	if err != nil || !c.Covers(m).Complete() || !stays(d, m) {
		return nil
	}
	a.Screen.Note("manifest %.16s and its chunks are in store: nobody is asked for them", want)
	return m
}

// stays tells whether the cache of a disk stays where it is when the disk is made equal to m, which may need that room.
func stays(d *disk.Disk, m *manifest.Manifest) bool {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Cache == nil {
		return false
	}
	plan, err := disk.PlanOver(table, m, d.Size(), d.SectorSize(), disk.Ours{Ardoise: true, Cache: wanted(m)})
	return err == nil && plan.Cache != nil && plan.Cache.Start == table.Cache.Start
}

// names returns where the names table of a version is read: in the cache, else from the server.
func (a *agent) names(ctx context.Context, e *errand) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		want, err := manifest.ParseHash(e.t.Manifest)
		if err != nil {
			return nil, err
		}
		if e.cache != nil {
			if r, err := e.cache.Names(want); err == nil {
				return io.NopCloser(r), nil
			}
		}
		if e.offline {
			return nil, errors.New("its names are not in the cache")
		}
		return a.client.Names(ctx, e.t.Manifest)
	}
}

// wanted is how much room for a cache a deployment of m asks for: as if nothing could be compressed.
func wanted(m *manifest.Manifest) int64 {
	var n int64
	for _, e := range m.Chunks.All() {
		n += int64(e.Length)
	}
	return disk.CacheWanted(n)
}
