package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
)

func masterList() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "list", Short: "list masters and their versions", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := k.masters(c.Context())
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), all, func(w io.Writer) { listMasters(w, all) })
		},
	})
}

// masters asks the daemon, which holds the folder while it runs, else looks itself.
func (k *client) masters(ctx context.Context) (all []api.Master, err error) {
	d, err := k.dial(ctx)
	if err == nil {
		return d.Masters(ctx)
	}
	var silent *api.NotRunningError
	if !errors.As(err, &silent) {
		return nil, err
	}
	lib, err := openLibrary(k.data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	versions, err := lib.List()
	all = make([]api.Master, 0, len(versions))
	for _, v := range versions {
		all = append(all, describeVersion(v))
	}
	return all, err
}

func describeVersion(v masters.Version) api.Master {
	out := api.Master{Name: v.Name, Version: v.Number, Hash: v.Hash.String(), Created: v.Created, Author: v.Author, Note: v.Note,
		DiskBytes: v.DiskSize, UsedBytes: v.UsedBytes, Chunks: v.Chunks, Damaged: v.Damaged}
	if v.Parent != (manifest.Hash{}) {
		out.Parent = v.Parent.String()
	}
	return out
}

func listMasters(w io.Writer, all []api.Master) {
	rows := [][]string{{"VERSION", "CREATED", "AUTHOR", "USED", "DISK", "NOTE"}}
	for _, m := range all {
		note := m.Note
		if m.Damaged != "" {
			note = "DAMAGED: " + m.Damaged
		}
		rows = append(rows, []string{fmt.Sprintf("%s@%d", m.Name, m.Version), m.Created.Local().Format(time.DateTime), dash(m.Author),
			bytesText(m.UsedBytes), bytesText(m.DiskBytes), dash(note)})
	}
	table(w, rows)
}

func masterShow() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "show NAME[@VERSION]", Short: "show what a version holds", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := k.master(c.Context(), args[0])
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), m, func(w io.Writer) { showMaster(w, m) })
		},
	})
}

// master is masters for one version.
func (k *client) master(ctx context.Context, ref string) (out api.Master, err error) {
	d, err := k.dial(ctx)
	if err == nil {
		return d.Master(ctx, ref)
	}
	var silent *api.NotRunningError
	if !errors.As(err, &silent) {
		return out, err
	}
	lib, v, m, err := openMaster(k.data, ref)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	out = describeVersion(v)
	out.StoredBytes = lib.StoredBytes(m)
	for _, x := range m.Volumes {
		out.Volumes = append(out.Volumes, api.Volume{Partition: x.Partition, Kind: x.Kind, Order: string(x.Order), Reason: x.Reason,
			Label: x.Label, Length: x.Length, Used: x.Used})
	}
	out.OfflineReset = offlineReset(m)
	return out, nil
}

// offlineReset says whether a disk of the master's own size has room for our partition.
func offlineReset(m *manifest.Manifest) string {
	p, err := disk.Plan(m, m.Disk.Size, m.Disk.SectorSize, true)
	switch {
	case err != nil:
		return fmt.Sprintf("no, because %v", err)
	case p.Ardoise == nil:
		return "no, because " + p.WhyNot
	}
	return "yes"
}

func showMaster(w io.Writer, m api.Master) {
	rows := [][]string{{"version", fmt.Sprintf("%s@%d", m.Name, m.Version)}, {"hash", m.Hash}, {"parent", dash(m.Parent)},
		{"created", m.Created.Local().Format(time.DateTime)}, {"author", dash(m.Author)}, {"note", dash(m.Note)},
		{"disk", bytesText(m.DiskBytes)}, {"used", bytesText(m.UsedBytes)}, {"stored", bytesText(m.StoredBytes)},
		{"chunks", fmt.Sprint(m.Chunks)}, {"offline reset", dash(m.OfflineReset)}}
	for _, v := range m.Volumes {
		text := fmt.Sprintf("%s %s, %s used of %s, cut by %s", v.Kind, v.Label, bytesText(v.Used), bytesText(v.Length), v.Order)
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		rows = append(rows, []string{fmt.Sprintf("partition %d", v.Partition), text})
	}
	table(w, rows)
}
