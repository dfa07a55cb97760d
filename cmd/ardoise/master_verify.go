package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
)

// maxDifferences is how many differing places are told one by one; the others are counted.
const maxDifferences = 10_000

// difference is one thing that a disk holds differently from a master.
type difference struct {
	What      string `json:"what"`           // file, metadata, fill, table, exception or unproven
	Partition int    `json:"partition"`      // 0: before the first partition, or the disk without table
	Path      string `json:"path,omitempty"` // of a file, on its volume
	Offset    int64  `json:"offset"`         // bytes from the start of the disk, of the first difference
	Bytes     int64  `json:"bytes"`          // of the chunks or extents that differ
	Detail    string `json:"detail,omitempty"`
}

// String says the difference in one line.
func (d difference) String() string {
	where := fmt.Sprintf("partition %d", d.Partition)
	if d.Partition == 0 {
		where = "disk"
	}
	switch {
	case d.What == "table":
		return "partition table: " + oneLine(d.Detail)
	case d.Path != "":
		return fmt.Sprintf("%s: %s (%s from byte %d)", where, oneLine(d.Path), bytesText(d.Bytes), d.Offset)
	}
	return fmt.Sprintf("%s: %s (%s from byte %d)", where, d.What, bytesText(d.Bytes), d.Offset)
}

// differsError ends a verify that found differences. They are printed already.
type differsError struct {
	version masters.Version
	count   int
}

// Error implements error.
func (e *differsError) Error() string {
	if e.count == 1 {
		return fmt.Sprintf("the disk does not hold %s: 1 thing differs", e.version)
	}
	return fmt.Sprintf("the disk does not hold %s: %d things differ", e.version, e.count)
}

func masterVerify() *cobra.Command {
	var b bench
	return b.flags(&cobra.Command{
		Use: "verify NAME[@VERSION|@CHANNEL]", Short: "tell whether a disk holds a master, and which files differ",
		RunE: func(c *cobra.Command, args []string) error {
			return b.withMaster(c.Context(), args[0], func(o opened) error { return b.verify(c, o) })
		},
	})
}

func (b *bench) verify(c *cobra.Command, o opened) (err error) {
	began := time.Now()
	v := o.version
	found, report, err := b.runVerify(c.Context(), c.ErrOrStderr(), o.manifest, o.source)
	if err != nil {
		return err
	}
	equal := found.None()
	r := result{Version: v.String(), Hash: v.Hash.String(), ReadBytes: report.ReadBytes, Equal: &equal, Warnings: report.Warnings}
	if !equal {
		if r.Differences, err = describe(o, &found); err != nil {
			return err
		}
	}
	r.Seconds = time.Since(began).Seconds()
	if equal {
		return b.tell(c, r, fmt.Sprintf("the disk holds %s: %s read, in %s", v, bytesText(r.ReadBytes), seconds(r.Seconds)))
	}
	count := len(r.Differences)
	text := ""
	for i, d := range r.Differences {
		if i == maxDifferences {
			text += fmt.Sprintf("and %d more\n", count-maxDifferences)
			break
		}
		text += d.String() + "\n"
	}
	r.Differences = r.Differences[:min(count, maxDifferences)]
	if err := b.tell(c, r, text[:len(text)-1]); err != nil {
		return err
	}
	return &differsError{version: v, count: count}
}

// describe gives what differs its names.
func describe(o opened, found *restore.Differences) (list []difference, err error) {
	if found.Table != "" {
		list = append(list, difference{What: "table", Detail: found.Table})
	}
	if list, err = describeStreams(list, o, found); err != nil {
		return nil, err
	}
	extents := func(what string, all []manifest.Extent) {
		for _, e := range all {
			list = append(list, difference{What: what, Partition: partitionAt(o.manifest, e.Offset), Offset: e.Offset, Bytes: e.Length})
		}
	}
	extents("fill", found.Fills)
	extents("unproven", found.Unproven)
	return list, nil
}

// describeStreams walks the names table once. It is proven first: a name that nobody signed is not shown.
func describeStreams(list []difference, o opened, found *restore.Differences) (_ []difference, err error) {
	m := o.manifest
	names := func() (io.ReadCloser, error) { return o.source.Names(o.version.Hash) }
	if len(found.Streams) == 0 {
		return list, nil
	}
	if err := readAll(names, func(r io.Reader) error { return manifest.CheckNames(r, m) }); err != nil {
		return nil, &masters.UntrustedError{Version: o.version.String(), Err: err}
	}
	err = readAll(names, func(r io.Reader) error {
		return restore.NameStreams(found, manifest.ReadNames(r), func(n manifest.Name, s restore.StreamDifference) {
			d := difference{What: "file", Path: n.Path, Bytes: s.Bytes}
			if n.Path == "" {
				d.What = "metadata"
			}
			if s.Volume < len(m.Volumes) {
				d.Partition = m.Volumes[s.Volume].Partition
			}
			if len(s.Extents) > 0 {
				d.Offset = s.Extents[0].Offset
			}
			if s.Unreadable {
				d.Detail = "cannot be read"
			}
			list = append(list, d)
		})
	})
	return list, err
}

func partitionAt(m *manifest.Manifest, offset int64) int {
	for _, v := range m.Volumes {
		if v.Start <= offset && offset < v.Start+v.Length {
			return v.Partition
		}
	}
	return 0
}
