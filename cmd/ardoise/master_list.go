package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
)

func masterList() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "list", Short: "list masters and their versions", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return k.at(c.Context(), needs{}, func(d *desk) error {
				all, err := d.Masters(c.Context())
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), all, func(w io.Writer) { listMasters(w, all) })
			})
		},
	})
}

func listMasters(w io.Writer, all []access.Master) {
	rows := [][]string{{"VERSION", "CHANNELS", "CREATED", "AUTHOR", "DISK", "USED", "STORED", "NEW", "NOTE"}}
	for _, m := range all {
		note := m.Note
		if m.Damaged != "" {
			note = "DAMAGED: " + m.Damaged
		}
		channels := dash(strings.Join(m.Channels, ","))
		if m.NoChannels != "" {
			channels = "DAMAGED"
		}
		rows = append(rows, []string{versionText(m), channels, m.Created.Local().Format(time.DateTime),
			dash(m.Author), bytesText(m.DiskBytes), bytesText(m.UsedBytes), known(m, m.StoredBytes), known(m, m.NewBytes), dash(note)})
	}
	table(w, rows)
}

func versionText(m access.Master) string { return fmt.Sprintf("%s@%d", m.Name, m.Version) }

// known is a size that was written down when a version was published, if it was.
func known(m access.Master, n int64) string {
	if m.StoredBytes == 0 {
		return "-"
	}
	return bytesText(n)
}

func masterShow() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "show NAME[@VERSION|@CHANNEL]", Short: "show what a version holds", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.at(c.Context(), needs{}, func(d *desk) error {
				m, err := d.Master(c.Context(), args[0])
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), m, func(w io.Writer) { showMaster(w, m) })
			})
		},
	})
}

// offlineText says whether a disk like the captured one has room for resets without the server; where not, the sentence names
// the size itself.
func offlineText(m access.Master) string {
	if m.OfflineReset == "yes" && m.OfflineFrom > 0 {
		return fmt.Sprintf("yes, on disks of %d MiB or more", m.OfflineFrom>>20)
	}
	return dash(m.OfflineReset)
}

func showMaster(w io.Writer, m access.Master) {
	parent := m.ParentOf
	if parent == "" && m.Parent != "" {
		parent = m.Parent + " (not here)"
	}
	rows := [][]string{{"version", versionText(m)}, {"channels", dash(strings.Join(m.Channels, ", ") + m.NoChannels)}, {"hash", m.Hash},
		{"parent", dash(parent)}, {"created", m.Created.Local().Format(time.DateTime)}, {"author", dash(m.Author)},
		{"disk", bytesText(m.DiskBytes)}, {"used", bytesText(m.UsedBytes)}, {"stored", bytesText(m.StoredBytes)},
		{"new", known(m, m.NewBytes)}, {"chunks", fmt.Sprint(m.Chunks)}, {"offline reset", offlineText(m)}}
	rows = append(rows, []string{"retention", dash(ruleText(m.Retention))})
	for _, v := range m.Volumes {
		text := fmt.Sprintf("%s, %s used of %s, cut by %s", strings.TrimSpace(v.Kind+" "+v.Label), bytesText(v.Used), bytesText(v.Length), v.Order)
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		rows = append(rows, []string{fmt.Sprintf("partition %d", v.Partition), text})
	}
	for _, n := range m.Notes {
		rows = append(rows, []string{"note", fmt.Sprintf("%s, %s: %s", n.At.Local().Format(time.DateTime), dash(n.By), n.Text)})
	}
	table(w, rows)
}
