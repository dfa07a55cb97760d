package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
)

// bench is what the commands on a disk here share.
type bench struct {
	disk, data string
	json       bool
}

// result is what a capture, restore or verify prints. Its JSON keys are stable.
type result struct {
	Version      string   `json:"version"`
	Hash         string   `json:"hash"`
	ReadBytes    int64    `json:"read_bytes"`    // from the disk
	WrittenBytes int64    `json:"written_bytes"` // to the disk
	StoredBytes  int64    `json:"stored_bytes"`  // frames: of the whole version (capture), fetched (restore)
	NewBytes     int64    `json:"new_bytes"`     // frames that a capture has added to the store
	Seconds      float64  `json:"seconds"`
	Warnings     []string `json:"warnings,omitempty"`

	Equal       *bool        `json:"equal,omitempty"` // verify
	Differences []difference `json:"differences,omitempty"`
}

// noDataError says that a folder holds no masters: commands that only read do not make one.
type noDataError struct{ data string }

// Error implements error.
func (e *noDataError) Error() string { return "there are no masters in " + e.data }

func masterCommand() *cobra.Command {
	c := &cobra.Command{Use: "master", Short: "capture, restore, compare, promote, keep and move masters", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: capture, restore, verify, list, show, diff, note, promote, rollback, forget, retain, " +
				"export, import or key")
		}}
	c.AddCommand(masterCapture(), masterRestore(), masterVerify(), masterList(), masterShow(), masterDiff(), masterNote(),
		masterPromote(), masterRollback(), masterForget(), masterRetain(), masterExport(), masterImport(), masterKey())
	return c
}

func (b *bench) flags(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ExactArgs(1)
	c.Flags().StringVar(&b.disk, "disk", "", "block device or image file")
	dataFlag(c, &b.data)
	c.Flags().BoolVar(&b.json, "json", false, "print JSON")
	work := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if b.disk == "" {
			return usagef("say with --disk which block device or image file")
		}
		return work(c, args)
	}
	return c
}

func masterCapture() *cobra.Command {
	var b bench
	var meta masters.Meta
	var asIs bool
	c := b.flags(&cobra.Command{
		Use: "capture NAME", Short: "make the next version of a master from a disk, which is only read",
		RunE: func(c *cobra.Command, args []string) error {
			if err := masters.CheckName(args[0]); err != nil {
				return err
			}
			if meta.Author == "" {
				meta.Author = whoAmI()
			}
			if err := masters.CheckMeta(meta); err != nil { // before the disk is read for an hour
				return err
			}
			return b.capture(c, args[0], meta, asIs)
		},
	})
	c.Flags().StringVar(&meta.Note, "note", "", "what is new in this version")
	c.Flags().StringVar(&meta.Author, "author", "", "who made it (default: you)")
	c.Flags().BoolVar(&asIs, "as-is", false, "take volumes that are not clean as raw bytes instead of refusing them")
	return c
}

// whoAmI is the person at the keyboard, behind sudo too.
func whoAmI() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// captureGC is the garbage that a capture may leave lying before it is collected, in per cent of what it holds: tables and
// buffers, in which the collector has nothing to follow. With Go's 100 a million files took 130 MB more, and no less time.
const captureGC = 50

func (b *bench) capture(c *cobra.Command, name string, meta masters.Meta, asIs bool) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(captureGC))
	began := time.Now()
	d, err := disk.Open(b.disk, disk.Mode{Read: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	lib, err := masters.Open(b.data, masters.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	names, err := tempFile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, names.Close()) }()
	ingest, err := lib.Begin(c.Context())
	if err != nil {
		return err
	}
	defer ingest.Close()
	bar := newBar(c.ErrOrStderr(), b.json)
	m, report, err := capture.Run(c.Context(), capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(), Sink: ingest,
		Names: names, AsIs: asIs, Progress: func(p capture.Progress) { bar.show("capture", p.Done, p.Total) }})
	bar.end()
	if err != nil {
		return err
	}
	if _, err := names.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the names again: %w", err)
	}
	v, err := ingest.Publish(c.Context(), name, meta, m, names)
	if err != nil {
		return err
	}
	r := result{Version: v.String(), Hash: v.Hash.String(), ReadBytes: report.ReadBytes, StoredBytes: lib.StoredBytes(m),
		NewBytes: ingest.Stats().NewBytes, Seconds: time.Since(began).Seconds(), Warnings: report.Warnings}
	return b.tell(c, r, fmt.Sprintf("%s captured: %s read, %s stored, %s of it new, in %s", v, bytesText(r.ReadBytes),
		bytesText(r.StoredBytes), bytesText(r.NewBytes), seconds(r.Seconds)))
}

// tempFile is a file without a name.
func tempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "ardoise-names-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("hiding a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// tell prints the result: warnings first, then a line or JSON.
func (b *bench) tell(c *cobra.Command, r result, line string) error {
	for _, w := range r.Warnings {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "warning: %s\n", oneLine(w))
	}
	if !b.json {
		_, err := fmt.Fprintln(c.OutOrStdout(), line)
		return err
	}
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.1f s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

func masterRestore() *cobra.Command {
	var b bench
	return b.flags(&cobra.Command{
		Use: "restore NAME[@VERSION|@CHANNEL]", Short: "make a disk equal to a master, writing only what differs",
		RunE: func(c *cobra.Command, args []string) error {
			return b.withMaster(c.Context(), args[0], func(o opened) error { return b.restore(c, o) })
		},
	})
}

// opened is one version to be put on a disk or compared with one.
type opened struct {
	version  masters.Version // name, number and hash
	manifest *manifest.Manifest
	source   export.Source
}

// momentsGC is the garbage that is left lying while one disk is worked on, in per cent of what is held: it is over in moments,
// and what is large is used again.
const momentsGC = 400

// withMaster does work with one version, proven before any disk is opened.
func (b *bench) withMaster(ctx context.Context, ref string, work func(o opened) error) error {
	if _, err := masters.ParseRef(ref); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(momentsGC))
	k := client{data: b.data}
	return k.at(ctx, needs{}, func(d *desk) error {
		_, side, err := d.version(ctx, ref)
		if err != nil {
			return err
		}
		m := side.Manifest
		v := masters.Version{Name: m.Name, Number: m.Version, Hash: side.Hash}
		return work(opened{version: v, manifest: m, source: d.source()})
	})
}

// openLibrary opens the library of a data folder, but makes none.
func openLibrary(data string) (*masters.Library, error) {
	if _, err := os.Stat(filepath.Join(data, "masters")); errors.Is(err, os.ErrNotExist) {
		return nil, &noDataError{data}
	}
	return masters.Open(data, masters.Options{})
}

func (b *bench) restore(c *cobra.Command, o opened) (err error) {
	began := time.Now()
	v, m := o.version, o.manifest
	d, err := disk.Open(b.disk, disk.Mode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	bar := newBar(c.ErrOrStderr(), b.json)
	report, err := restore.Run(c.Context(), restore.Options{Manifest: m, Target: d, SectorSize: d.SectorSize(), Source: o.source,
		Mark:     job.Mark{Kind: job.KindDeploy, Master: v.Name, Version: v.Number, Manifest: v.Hash.String()},
		Progress: func(p restore.Progress) { bar.show(p.Phase, p.Done, p.Total) }})
	bar.end()
	if err != nil {
		return err
	}
	r := result{Version: v.String(), Hash: v.Hash.String(), ReadBytes: report.ReadBytes, WrittenBytes: report.WrittenBytes,
		StoredBytes: report.FetchedBytes, Seconds: time.Since(began).Seconds(), Warnings: report.Warnings}
	// The kernel shows the new partitions by itself at the latest when the disk is opened again.
	if err := d.Rescan(); err != nil && report.WrittenBytes > 0 {
		r.Warnings = append(r.Warnings, "the kernel still shows the partitions as they were: "+err.Error())
	}
	return b.tell(c, r, fmt.Sprintf("%s restored and read back: %s read, %s written, in %s", v, bytesText(r.ReadBytes),
		bytesText(r.WrittenBytes), seconds(r.Seconds)))
}

// ownExceptions are the bytes that our start menu replaces on a disk. One whose table cannot be read has none.
func ownExceptions(d *disk.Disk) ([]job.Exception, error) {
	table, err := tableOf(d)
	if err != nil || table == nil {
		return nil, err
	}
	return disk.OwnExceptions(d, table)
}

// tableOf reads the table of a disk; nil: it cannot be understood.
func tableOf(d *disk.Disk) (*disk.Table, error) {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	var bad *disk.TableError
	if errors.As(err, &bad) {
		return nil, nil
	}
	return table, err
}

// runVerify is restore.Verify for one disk, with a bar. The boot code of our start menu is no difference.
func (b *bench) runVerify(ctx context.Context, w io.Writer, m *manifest.Manifest, source restore.Source) (d restore.Differences, r restore.Report, err error) {
	on, err := disk.Open(b.disk, disk.Mode{Read: true})
	if err != nil {
		return d, r, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	own, err := ownExceptions(on)
	if err != nil {
		return d, r, err
	}
	bar := newBar(w, b.json)
	defer bar.end()
	return restore.Verify(ctx, restore.Options{Manifest: m, Target: on, SectorSize: on.SectorSize(), Source: source, Exceptions: own,
		Progress: func(p restore.Progress) { bar.show(p.Phase, p.Done, p.Total) }})
}
