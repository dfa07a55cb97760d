package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
)

// cached is what `cache show` and `cache fill` print. Its JSON keys are stable.
type cached struct {
	Disk     string          `json:"disk"`
	Bytes    int64           `json:"bytes"`      // of the partition
	Used     int64           `json:"used_bytes"` // of frames
	Chunks   int             `json:"chunks"`
	Segments int             `json:"segments"`
	Free     int             `json:"free_segments"`
	Damaged  int             `json:"damaged_segments"`
	Lost     int             `json:"lost_frames"` // that --check found damaged
	Checked  bool            `json:"checked"`
	Versions []cachedVersion `json:"versions"`

	FromDisk    int64   `json:"from_disk_bytes,omitempty"`    // of content, by fill
	FromLibrary int64   `json:"from_library_bytes,omitempty"` // the same
	Seconds     float64 `json:"seconds,omitempty"`
}

// cachedVersion is a version whose manifest lies in a cache.
type cachedVersion struct {
	Version string `json:"version"` // NAME@V; "" when its manifest cannot be read
	Hash    string `json:"hash"`
	Kept    bool   `json:"kept"` // it makes room for nothing
	Chunks  int    `json:"chunks"`
	Missing int    `json:"missing_chunks"`
	Lacks   int64  `json:"missing_bytes"` // of content
	Damage  string `json:"damage,omitempty"`
}

// noCachePartError says that a disk has no partition for a cache.
type noCachePartError struct{ disk, why string }

// Error implements error.
func (e *noCachePartError) Error() string {
	if e.why == "" {
		return "there is no cache partition on " + e.disk
	}
	return fmt.Sprintf("there is no cache partition on %s, and none can be made: %s", e.disk, e.why)
}

func cacheCommand() *cobra.Command {
	c := &cobra.Command{Use: "cache", Short: "show, fill and drop what a disk keeps for resets without the server", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: show, fill or drop") }}
	c.AddCommand(cacheShow(), cacheFill(), cacheDrop())
	return c
}

func cacheShow() *cobra.Command {
	var b bench
	var check bool
	c := b.flags(&cobra.Command{
		Use: "show", Short: "show the versions that a disk's cache holds, and how much they lack",
		RunE: func(c *cobra.Command, _ []string) error {
			return b.withCache(disk.Mode{Read: true}, func(d *disk.Disk, part manifest.Partition) error {
				k, err := cache.Open(d, part)
				if err != nil {
					return err
				}
				if check {
					if _, err := k.Check(c.Context()); err != nil {
						return err
					}
				}
				out := b.describeCache(k)
				out.Checked = check
				return (&client{json: b.json}).show(c.OutOrStdout(), out, func(w io.Writer) { showCache(w, out) })
			})
		},
	})
	c.Args = cobra.NoArgs
	c.Flags().BoolVar(&check, "check", false, "read everything and prove it")
	return c
}

func cacheFill() *cobra.Command {
	var b bench
	var make, only bool
	c := b.flags(&cobra.Command{
		Use:   "fill NAME[@VERSION|@CHANNEL]",
		Short: "store a version in a disk's cache: from the disk where it holds the chunks, else from the library",
		RunE:  func(c *cobra.Command, args []string) error { return b.fillCache(c, args[0], make, only) },
	})
	c.Flags().BoolVar(&make, "make", false, "make the partition if there is none, which writes the partition table")
	c.Flags().BoolVar(&only, "only", false, "keep no other version from now on")
	return c
}

func cacheDrop() *cobra.Command {
	var b bench
	var yes bool
	c := b.flags(&cobra.Command{
		Use: "drop", Short: "forget all that a disk's cache holds; the partition stays",
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return usagef("say with --yes that what the cache holds may go")
			}
			return b.withCache(disk.Mode{Read: true, Write: true}, func(d *disk.Disk, part manifest.Partition) error {
				if err := cache.Drop(d, part); err != nil {
					return err
				}
				out := cached{Disk: b.disk, Bytes: part.Length, Versions: []cachedVersion{}}
				return (&client{json: b.json}).show(c.OutOrStdout(), out, func(w io.Writer) {
					_, _ = fmt.Fprintf(w, "the cache of %s is empty\n", b.disk)
				})
			})
		},
	})
	c.Args = cobra.NoArgs
	c.Flags().BoolVar(&yes, "yes", false, "really do it")
	return c
}

// withCache does work with the cache partition of the disk.
func (b *bench) withCache(mode disk.Mode, work func(d *disk.Disk, part manifest.Partition) error) (err error) {
	d, err := disk.Open(b.disk, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	t, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		return err
	}
	if t.Cache == nil {
		return &noCachePartError{disk: b.disk}
	}
	return work(d, *t.Cache)
}

// describeCache says what a cache holds.
func (b *bench) describeCache(k *cache.Cache) cached {
	s := k.Stats()
	out := cached{Disk: b.disk, Bytes: s.Size, Used: s.Used, Chunks: s.Chunks, Segments: s.Segments, Free: s.Free,
		Damaged: s.Damaged, Lost: s.Lost, Versions: []cachedVersion{}}
	hashes := slices.Clone(s.Kept)
	for _, h := range s.Held {
		if !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	for _, h := range hashes {
		v := cachedVersion{Hash: h.String(), Kept: slices.Contains(s.Kept, h)}
		if m, err := cachedManifest(k, h); err != nil {
			v.Damage = err.Error()
		} else {
			covers := k.Covers(m)
			v.Version = fmt.Sprintf("%s@%d", m.Name, m.Version)
			v.Chunks, v.Missing, v.Lacks = covers.Chunks, covers.Missing, covers.MissingBytes
		}
		out.Versions = append(out.Versions, v)
	}
	out.Lost = k.Stats().Lost
	return out
}

func cachedManifest(k *cache.Cache, h manifest.Hash) (*manifest.Manifest, error) {
	encoded, _, err := k.Manifest(h)
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), job.MaxManifest)
	return m, err
}

func showCache(w io.Writer, c cached) {
	health := "not checked; no damage seen"
	if c.Checked {
		health = "sound"
	}
	if c.Damaged+c.Lost > 0 {
		health = fmt.Sprintf("%d segments and %d frames damaged", c.Damaged, c.Lost)
	}
	rows := [][]string{{"disk", c.Disk}, {"size", bytesText(c.Bytes)}, {"used", bytesText(c.Used)},
		{"segments", fmt.Sprintf("%d, %d free", c.Segments, c.Free)}, {"chunks", fmt.Sprint(c.Chunks)}, {"health", health}}
	for _, v := range c.Versions {
		text := "complete"
		switch {
		case v.Damage != "":
			text = v.Damage
		case v.Missing > 0:
			text = fmt.Sprintf("lacks %d of %d chunks, %s", v.Missing, v.Chunks, bytesText(v.Lacks))
		}
		if !v.Kept {
			text += "; not kept: it makes room when some is needed"
		}
		rows = append(rows, []string{"version", fmt.Sprintf("%s: %s", dash(oneLine(v.Version)), oneLine(text))})
	}
	if len(c.Versions) == 0 {
		rows = append(rows, []string{"version", "none"})
	}
	table(w, rows)
}

// fillCache stores one version in the cache of the disk.
func (b *bench) fillCache(c *cobra.Command, ref string, mayMake, only bool) error {
	began := time.Now()
	k := client{data: b.data, json: b.json}
	return k.at(c.Context(), needs{}, func(on *desk) (err error) {
		_, v, err := on.version(c.Context(), ref)
		if err != nil {
			return err
		}
		about, err := on.Master(c.Context(), ref)
		if err != nil {
			return err
		}
		d, err := disk.Open(b.disk, disk.Mode{Read: true, Write: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		part, err := b.cachePart(d, v.Manifest, about.StoredBytes, mayMake)
		if err != nil {
			return err
		}
		held, err := openCache(d, part)
		if err != nil {
			return err
		}
		fromDisk, fromLibrary, err := b.storeVersion(c, held, d, v, on.source(), only)
		if err != nil {
			return err
		}
		out := b.describeCache(held)
		out.FromDisk, out.FromLibrary, out.Seconds = fromDisk, fromLibrary, time.Since(began).Seconds()
		return k.show(c.OutOrStdout(), out, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s@%d is in the cache of %s: %s from the disk, %s from the library, in %s\n", v.Manifest.Name,
				v.Manifest.Version, b.disk, bytesText(out.FromDisk), bytesText(out.FromLibrary), seconds(out.Seconds))
		})
	})
}

// cachePart returns the partition of the cache, made if need be and allowed.
func (b *bench) cachePart(d *disk.Disk, m *manifest.Manifest, stored int64, mayMake bool) (manifest.Partition, error) {
	t, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		return manifest.Partition{}, err
	}
	if t.Cache != nil {
		return *t.Cache, nil
	}
	if !mayMake {
		return manifest.Partition{}, &noCachePartError{disk: b.disk}
	}
	// What is on the disk stays as it is: its own table is planned again, with one partition more.
	now := &manifest.Manifest{Disk: t.Disk, Partitions: t.Partitions, Chunks: m.Chunks}
	plan, err := disk.PlanOver(t, now, d.Size(), d.SectorSize(), disk.Ours{Cache: disk.CacheWanted(stored)})
	if err != nil {
		return manifest.Partition{}, err
	}
	if plan.Cache == nil {
		return manifest.Partition{}, &noCachePartError{b.disk, plan.WhyNoCache}
	}
	for _, w := range plan.Tables {
		if _, err := d.WriteAt(w.Bytes, w.Offset); err != nil {
			return manifest.Partition{}, fmt.Errorf("writing the partition table: %w", err)
		}
		if err := d.Flush(); err != nil {
			return manifest.Partition{}, err
		}
	}
	_ = d.Rescan() // the kernel's view is of no use to us
	return *plan.Cache, nil
}

// openCache opens the cache in a partition, or makes it where there is none yet.
func openCache(d *disk.Disk, part manifest.Partition) (*cache.Cache, error) {
	k, err := cache.Open(d, part)
	var none *cache.NoCacheError
	if !errors.As(err, &none) {
		return k, err
	}
	var identity [16]byte
	if _, err := rand.Read(identity[:]); err != nil {
		return nil, fmt.Errorf("drawing an identity: %w", err)
	}
	return cache.Make(d, part, identity)
}

// storeVersion brings a version and its chunks into a cache, and returns the bytes of content from disk and library.
func (b *bench) storeVersion(c *cobra.Command, k *cache.Cache, d *disk.Disk, v side, from export.Source, only bool) (int64, int64, error) {
	encoded, sig, err := from.Manifest(v.Hash)
	if err != nil {
		return 0, 0, err
	}
	put := func() error {
		return readAll(func() (io.ReadCloser, error) { return from.Names(v.Hash) }, func(names io.Reader) error {
			return k.PutManifest(v.Hash, encoded, sig, names)
		})
	}
	err = put()
	var full *cache.FullError
	if only && errors.As(err, &full) { // of what may go: not even its manifest has room beside that
		if err = k.KeepFor(); err == nil {
			err = put()
		}
	}
	if err != nil {
		return 0, 0, err
	}
	keep := []manifest.Hash{v.Hash}
	for _, h := range k.Stats().Kept {
		if h != v.Hash && !only && slices.Contains(k.Stats().Held, h) && len(keep) < cache.MaxKept {
			keep = append(keep, h)
		}
	}
	if err := k.KeepFor(keep...); err != nil {
		return 0, 0, err
	}
	bar := newBar(c.ErrOrStderr(), b.json)
	defer bar.end()
	r, err := k.Fill(c.Context(), v.Manifest, d, func(p cache.Progress) { bar.show("fill", p.Done, p.Total) })
	if err != nil {
		return 0, 0, err
	}
	rest, err := k.FillFrom(c.Context(), r.Left, from, func(done, total int) { bar.show("library", int64(done), int64(total)) })
	return r.Bytes, rest.Bytes, contextFirst(c.Context(), err)
}

// contextFirst prefers what ended the command to what that caused.
func contextFirst(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
