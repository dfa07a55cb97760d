package capture

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// gapWithoutPartitions is how much of a disk that has a table but no partition is kept: boot loaders lie there.
const gapWithoutPartitions = 1 << 20

// Run captures a disk: it reads its partition table and volumes, cuts them into chunks, gives Sink those that it lacks
// and returns the manifest, without name, version and author. It fails with *volume.RefusedError, wrapped with the
// partition's number, before anything is put, where a volume must not be captured as it is, with *disk.TableError on a
// partition table that cannot be believed, and with *disk.NoBootCodeError where the master's boot code is lost.
func Run(ctx context.Context, o Options) (*manifest.Manifest, Report, error) {
	table, err := disk.ReadTable(o.Disk, o.Size, o.SectorSize)
	if err != nil {
		return nil, Report{}, err
	}
	// The boot code of our start menu belongs to this computer, not to the master.
	if o.Disk, err = disk.MasterView(o.Disk, table); err != nil {
		return nil, Report{}, err
	}
	found, err := findVolumes(o, table)
	if err != nil {
		return nil, Report{}, err
	}
	codec, err := chunk.NewCodec(max(o.Level, 1))
	if err != nil {
		return nil, Report{}, err
	}
	c := &capture{o: o, codec: codec, m: &manifest.Manifest{Disk: table.Disk, Partitions: table.Partitions},
		names: manifest.NewNamesWriter(o.Names), volumes: found}
	c.report.Warnings = append(slices.Clone(table.Warnings), volumeWarnings(table, found)...)
	c.describe()
	if err := c.chunks(ctx); err != nil {
		return nil, c.report, err
	}
	if err := c.finish(); err != nil {
		return nil, c.report, err
	}
	if w := roomWarning(table, c.m); w != "" {
		c.report.Warnings = append(c.report.Warnings, w)
	}
	return c.m, c.report, nil
}

// found is a volume and where it lies.
type found struct {
	partition int // 0: the gap, or a disk without table
	start     int64
	length    int64
	layout    *volume.Layout
}

// capture is one run.
type capture struct {
	o       Options
	codec   *chunk.Codec
	m       *manifest.Manifest
	names   *manifest.NamesWriter
	volumes []found
	report  Report
	done    int64 // bytes of kept content looked at
	total   int64 // bytes of kept content
}

// findVolumes looks into every partition but ours, and at what lies before the first.
func findVolumes(o Options, t *disk.Table) ([]found, error) {
	if t.Disk.Table == manifest.NoTable {
		l, err := volume.Read(o.Disk, o.Size, volume.Options{AsIs: o.AsIs})
		if err != nil {
			return nil, fmt.Errorf("disk without partitions: %w", err)
		}
		return []found{{start: 0, length: o.Size, layout: l}}, nil
	}
	list := []found{gap(t)}
	for _, p := range t.Partitions {
		if p.Extended() {
			continue
		}
		l, err := volume.Read(io.NewSectionReader(o.Disk, p.Start, p.Length), p.Length, volume.Options{AsIs: o.AsIs})
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Number, err)
		}
		list = append(list, found{partition: p.Number, start: p.Start, length: p.Length, layout: l})
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.start, b.start) })
	return list, nil
}

// gap is what lies before the first partition, ours included: boot code and the boot loader behind it. What describes
// the table itself is left out.
func gap(t *disk.Table) found {
	end := int64(gapWithoutPartitions)
	if t.Disk.Table == manifest.GPT {
		end = int64(t.Disk.FirstLBA) * int64(t.Disk.SectorSize)
	}
	parts := slices.Clone(t.Partitions)
	for _, ours := range []*manifest.Partition{t.Ardoise, t.Cache} {
		if ours != nil {
			parts = append(parts, *ours)
		}
	}
	for i, p := range parts {
		if i == 0 || p.Start < end {
			end = p.Start
		}
	}
	end = min(end, t.Disk.Size)
	var own []volume.Extent
	for _, e := range t.Own {
		own = append(own, volume.Extent{Offset: e.Offset, Length: e.Length})
	}
	const bootCode = 440 // what BIOS firmware runs lies before the disk signature
	l := volume.Bytes("gap", end, own, []volume.Extent{{Length: min(bootCode, end)}})
	return found{length: end, layout: l}
}

// describe enters the volumes into the manifest and figures what there is to do.
func (c *capture) describe() {
	for _, f := range c.volumes {
		l := f.layout
		v := manifest.Volume{Partition: f.partition, Start: f.start, Length: f.length, Kind: l.Kind, Order: l.Order,
			Reason: l.Reason, Unit: l.Unit, Label: l.Label, UUID: l.UUID, Used: l.Used}
		for _, h := range l.Heads {
			v.Heads = append(v.Heads, f.onDisk(h))
		}
		c.m.Volumes = append(c.m.Volumes, v)
		c.total += l.Used
		for _, e := range l.Fills {
			c.total -= e.Length
		}
		for _, e := range l.DontCare {
			c.total -= e.Length
		}
	}
}

func (f found) onDisk(e volume.Extent) manifest.Extent {
	return manifest.Extent{Offset: f.start + e.Offset, Length: e.Length}
}

// streams walks all streams of all volumes, numbers and names them and gives them to cut.
func (c *capture) streams(ctx context.Context, cut func(stream uint32, f found, s volume.Stream) error) error {
	next := uint32(0)
	for i, f := range c.volumes {
		meta := next // the first stream of each volume
		c.m.Volumes[i].Meta = meta
		err := f.layout.Streams(func(s volume.Stream) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if next == ^uint32(0) {
				return fmt.Errorf("more than %d files", next)
			}
			name := manifest.Name{Stream: next, Volume: i, Number: s.Number, Size: s.Size, Path: s.Path}
			if err := c.names.Add(name); err != nil {
				return err
			}
			next++
			return cut(next-1, f, s)
		})
		if err != nil {
			return fmt.Errorf("reading the volume of partition %d: %w", f.partition, err)
		}
	}
	c.report.Streams = int(next)
	return nil
}

// forget lets go of what only walking the streams took: the volumes' pages and their bits for each block.
func (c *capture) forget() {
	for i := range c.volumes {
		l := c.volumes[i].layout
		c.volumes[i].layout = &volume.Layout{Fills: l.Fills, DontCare: l.DontCare}
	}
}

// finish completes the manifest once all chunks are in it.
func (c *capture) finish() error {
	for i, f := range c.volumes {
		for _, e := range f.layout.Fills {
			c.m.Fills = append(c.m.Fills, manifest.Fill{Extent: f.onDisk(e.Extent), Byte: e.Byte,
				Stream: c.m.Volumes[i].Meta})
		}
		for _, e := range f.layout.DontCare {
			c.m.DontCare = append(c.m.DontCare, f.onDisk(e))
		}
	}
	c.m.Fills = joinFills(c.m.Fills)
	slices.SortFunc(c.m.DontCare, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	c.m.Chunks.Sort()
	c.report.Chunks = c.m.Chunks.Len()
	var err error
	if c.m.Names, c.m.NameCount, err = c.names.Close(); err != nil {
		return err
	}
	return checkClasses(c.m)
}

// joinFills orders fills and joins neighbours of one stream and value.
func joinFills(list []manifest.Fill) []manifest.Fill {
	slices.SortFunc(list, func(a, b manifest.Fill) int { return cmp.Compare(a.Offset, b.Offset) })
	out := list[:0]
	for _, f := range list {
		if k := len(out) - 1; k >= 0 && out[k].End() == f.Offset && out[k].Byte == f.Byte && out[k].Stream == f.Stream {
			out[k].Length += f.Length
			continue
		}
		out = append(out, f)
	}
	return out
}
