package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
)

// resetting are the flags of reset.
type resetting struct {
	bench
	order             orderFlags
	full, quick, trim bool
}

// resetResult is what a reset prints. Its JSON keys are stable.
type resetResult struct {
	Version       string    `json:"version"`
	Level         job.Level `json:"level"`           // as it was done
	Asked         job.Level `json:"asked"`           // as it was asked
	Doubt         string    `json:"doubt,omitempty"` // why a quick one became full
	ReadBytes     int64     `json:"read_bytes"`      // from the disk
	ReadBackBytes int64     `json:"read_back_bytes"` // of these, after the last write, to prove it
	FillBytes     int64     `json:"fill_bytes"`      // of these, of journals and other fills, before that
	DifferedBytes int64     `json:"differed_bytes"`  // of chunks and fills that differed
	WrittenBytes  int64     `json:"written_bytes"`
	StoredBytes   int64     `json:"stored_bytes"`  // frames, fetched
	NewBytes      int64     `json:"new_bytes"`     // always 0: a reset stores nothing
	VouchedBytes  int64     `json:"vouched_bytes"` // not read: the file systems' records show that they did not change
	SampledBytes  int64     `json:"sampled_bytes"` // of what is vouched for, read all the same
	Discarded     int64     `json:"discarded_bytes"`
	Seconds       float64   `json:"seconds"`
	Warnings      []string  `json:"warnings,omitempty"`
}

func resetCommand() *cobra.Command {
	var r resetting
	c := &cobra.Command{
		Use: "reset [NAME[@VERSION|@CHANNEL] --disk PATH]", Short: "make a disk equal to the master that it should hold, or order it for computers",
		Long: "With --disk: on a block device or an image file here. It is read, and what differs is written and read back. With " +
			"--quick, files whose own records (inode, $MFT) did not change are not read, but for a random 2 %; any doubt makes it a " +
			"full one, and says why. The start menu of Ardoise stays; " +
			"names and keys of a computer's own become the master's.\n\nWith --room, --computer, --site or --filter: ordered from the daemon, for the version that each computer holds, as a deployment is.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, args) },
	}
	dataFlag(c, &r.data)
	f := c.Flags()
	f.StringVar(&r.disk, "disk", "", "block device or image file")
	f.BoolVar(&r.full, "full", false, "read every byte that the master uses (the default)")
	f.BoolVar(&r.quick, "quick", false, "read what has changed by the file systems' own records, and a sample of the rest")
	f.BoolVar(&r.trim, "discard", false, "tell the disk at the end that it need not keep what lies in free space")
	f.BoolVar(&r.json, "json", false, "print JSON")
	r.order.when(c)
	r.order.end(c, job.EndDisk)
	r.order.several(c)
	return c
}

func (r *resetting) run(c *cobra.Command, args []string) error {
	if r.full && r.quick {
		return usagef("say --full or --quick, not both")
	}
	if r.order.aims() {
		if r.disk != "" || r.trim {
			return usagef("a disk here is reset with NAME and --disk, computers with --room, --computer, --site or --filter")
		}
		master, level := "", job.Level("")
		if len(args) > 0 {
			master = args[0]
		}
		switch {
		case r.full:
			level = job.LevelFull
		case r.quick:
			level = job.LevelQuick
		}
		r.order.client = client{data: r.data, json: r.json}
		return resetThroughDaemon(c, &r.order, master, level)
	}
	if flag := misplaced(c.Flags()); flag != "" {
		return usagef("--%s is for computers, and none is named: name them with --room, --computer, --site or --filter", flag)
	}
	switch {
	case len(args) == 0:
		return usagef("say which master a disk should hold (NAME --disk PATH), or with --room, --computer, --site or --filter what to reset")
	case r.disk == "":
		return usagef("say with --disk which block device or image file")
	}
	return r.withMaster(c.Context(), args[0], func(o opened) error { return r.reset(c, o) })
}

// reset makes a disk equal to one version.
func (r *resetting) reset(c *cobra.Command, o opened) (err error) {
	began := time.Now()
	d, err := disk.Open(r.disk, disk.Mode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	own, personal, err := diskOwn(d)
	if err != nil {
		return err
	}
	bar := newBar(c.ErrOrStderr(), r.json)
	defer bar.end()
	out := resetResult{Version: o.version.String(), Asked: job.LevelFull}
	options := restore.Options{Manifest: o.manifest, Target: d, SectorSize: d.SectorSize(), Source: o.source, Discard: r.trim, Exceptions: own,
		Mark:     job.Mark{Kind: job.KindReset, Master: o.version.Name, Version: o.version.Number, Manifest: o.version.Hash.String()},
		Progress: func(p restore.Progress) { bar.show(p.Phase, p.Done, p.Total) }}
	if r.quick {
		out.Asked = job.LevelQuick
	}
	switch {
	case r.quick && personal:
		out.Doubt = "names or keys of a computer's own were written to it past its file systems, which do not tell of them"
	case r.quick:
		defer sweep.Attend()()
		verdict, err := quick.Look(c.Context(), quick.Options{Disk: d, Manifest: o.manifest, Source: o.source, Exceptions: own,
			Names: func() (io.ReadCloser, error) { return o.source.Names(o.version.Hash) }, Progress: bar.show})
		if err != nil {
			return err
		}
		out.ReadBytes, out.SampledBytes, out.Doubt = verdict.ReadBytes, verdict.SampledBytes, verdict.Doubt
		out.FillBytes = verdict.FillBytes
		if verdict.Doubt == "" {
			options.Vouched = verdict
		}
	}
	report, err := restore.Run(c.Context(), options)
	bar.end()
	if err != nil {
		return err
	}
	out.Level, out.VouchedBytes, out.Discarded = report.Level, report.VouchedBytes, report.DiscardedBytes
	out.ReadBytes, out.DifferedBytes = out.ReadBytes+report.ReadBytes, report.DifferedBytes
	out.WrittenBytes, out.StoredBytes, out.ReadBackBytes = report.WrittenBytes, report.FetchedBytes, report.ReadBackBytes
	out.FillBytes += report.FillBytes
	out.Seconds, out.Warnings = time.Since(began).Seconds(), report.Warnings
	if err := d.Rescan(); err != nil && report.WrittenBytes > 0 {
		out.Warnings = append(out.Warnings, "the kernel still shows the partitions as they were: "+err.Error())
	}
	return r.show(c, out)
}

// diskOwn returns the bytes that our start menu replaces on a disk, which stay, and tells whether the last work on it that
// it keeps a proof of has laid bytes of a computer's own over the master's, which go.
func diskOwn(d *disk.Disk) (own []job.Exception, personal bool, err error) {
	table, err := tableOf(d)
	if err != nil || table == nil {
		return nil, false, err
	}
	if own, err = disk.OwnExceptions(d, table); err != nil || table.Ardoise == nil {
		return own, false, err
	}
	a, err := disk.OpenArdoise(d, *table.Ardoise)
	var none *disk.NoArdoiseError
	if errors.As(err, &none) {
		return own, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	proofs, err := a.Proofs().Load()
	return own, err != nil || len(proofs) > 0 && proofs[len(proofs)-1].Exceptions != "", nil
}

// show prints what a reset did: warnings first, then lines or JSON.
func (r *resetting) show(c *cobra.Command, out resetResult) error {
	if out.Doubt != "" {
		out.Warnings = append(out.Warnings, "everything was read: "+out.Doubt)
	}
	for _, w := range out.Warnings {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "warning: %s\n", oneLine(w))
	}
	client := client{json: r.json}
	return client.show(c.OutOrStdout(), out, func(w io.Writer) {
		if out.WrittenBytes == 0 {
			_, _ = fmt.Fprintf(w, "the disk holds %s: nothing differed, nothing was written\n", out.Version)
		} else {
			_, _ = fmt.Fprintf(w, "the disk holds %s again: %s differed, %s written and read back\n", out.Version,
				bytesText(out.DifferedBytes), bytesText(out.WrittenBytes))
		}
		line := fmt.Sprintf("%s, %s read", out.Level, bytesText(out.ReadBytes))
		if out.Level == job.LevelQuick {
			line += fmt.Sprintf(" (%s of it a sample), %s unchanged by the file systems' own records", bytesText(out.SampledBytes),
				bytesText(out.VouchedBytes))
		}
		if out.Discarded > 0 {
			line += fmt.Sprintf(", %s of free space given back", bytesText(out.Discarded))
		}
		_, _ = fmt.Fprintf(w, "%s, in %s\n", line, seconds(out.Seconds))
	})
}
