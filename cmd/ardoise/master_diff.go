package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/diff"
	"github.com/ardoise/ardoise/masters/manifest"
)

// differing is what `master diff` prints. Its JSON keys are stable.
type differing struct {
	A       string        `json:"a"` // NAME@V
	B       string        `json:"b"`
	Changes []diff.Change `json:"changes"`
	More    int           `json:"more"` // changes that are not listed: --limit
	diff.Summary
}

func masterDiff() *cobra.Command {
	var k client
	var limit int
	c := k.flags(&cobra.Command{
		Use: "diff A B", Short: "name the files that two versions hold differently", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit is a number of changes, not %d", limit)
			}
			return k.at(c.Context(), needs{}, func(d *desk) error {
				out, err := d.diff(c.Context(), args[0], args[1], limit)
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), out, func(w io.Writer) { showDiff(w, out) })
			})
		},
	})
	c.Flags().IntVar(&limit, "limit", maxDifferences, "list at most so many changes; 0: all")
	return c
}

// side is a version that was read.
type side struct {
	diff.Version
	Hash manifest.Hash
}

// version reads the manifest of a version.
func (d *desk) version(ctx context.Context, ref string) (name string, v side, err error) {
	of, err := d.resolve(ctx, ref)
	if err != nil {
		return "", v, err
	}
	encoded, _, err := d.source().Manifest(of.Hash)
	if err != nil {
		return "", v, err
	}
	v.Hash = of.Hash
	v.Manifest, _, err = manifest.Decode(bytes.NewReader(encoded), 0)
	if err == nil && (v.Manifest.Name != of.Name || v.Manifest.Version != of.Number) {
		err = &masters.UntrustedError{Version: of.String(), Err: fmt.Errorf("it says that it is %s@%d", v.Manifest.Name, v.Manifest.Version)}
	}
	v.Names = func() (io.ReadCloser, error) { return d.source().Names(of.Hash) }
	return of.String(), v, err
}

// resolve finds a version in the library, or asks the daemon that holds it.
func (d *desk) resolve(ctx context.Context, ref string) (masters.Version, error) {
	if d.library != nil {
		return d.library.Resolve(ref)
	}
	m, err := d.Resolve(ctx, ref)
	if err != nil {
		return masters.Version{}, err
	}
	hash, err := manifest.ParseHash(m.Hash)
	return masters.Version{Name: m.Name, Number: m.Version, Hash: hash}, err
}

func (d *desk) diff(ctx context.Context, a, b string, limit int) (out differing, err error) {
	var sides [2]side
	if out.A, sides[0], err = d.version(ctx, a); err != nil {
		return out, err
	}
	if out.B, sides[1], err = d.version(ctx, b); err != nil {
		return out, err
	}
	out.Changes = []diff.Change{}
	out.Summary, err = diff.Run(ctx, sides[0].Version, sides[1].Version, func(c diff.Change) error {
		if limit > 0 && len(out.Changes) == limit {
			out.More++
			return nil
		}
		out.Changes = append(out.Changes, c)
		return nil
	})
	return out, err
}

func showDiff(w io.Writer, d differing) {
	if d.Equal {
		_, _ = fmt.Fprintf(w, "%s and %s hold the same\n", d.A, d.B)
		return
	}
	for _, c := range d.Changes {
		_, _ = fmt.Fprintln(w, changeText(c))
	}
	if d.More > 0 {
		_, _ = fmt.Fprintf(w, "and %d more (--limit 0 lists all)\n", d.More)
	}
	for _, v := range d.Volumes {
		_, _ = fmt.Fprintf(w, "%s, %s: %s added, %s changed, %s removed, %s the same\n", where(v.Partition), oneLine(strings.TrimSpace(v.Kind+" "+v.Label)),
			countText(v.Added), countText(v.Changed), countText(v.Removed), countText(v.Same))
	}
}

func where(partition int) string {
	if partition == 0 {
		return "disk"
	}
	return fmt.Sprintf("partition %d", partition)
}

func countText(c diff.Count) string {
	if c.Files == 1 {
		return fmt.Sprintf("1 file (%s)", bytesText(c.Bytes))
	}
	return fmt.Sprintf("%d files (%s)", c.Files, bytesText(c.Bytes))
}

// changeText says a change in one line.
func changeText(c diff.Change) string {
	sign := map[diff.Kind]string{diff.Added: "+", diff.Removed: "-", diff.Changed: "~"}[c.Kind]
	what := c.What
	if c.What == diff.File {
		what = oneLine(c.Path)
	}
	size := ""
	switch {
	case c.Kind == diff.Added:
		size = bytesText(c.After)
	case c.Kind == diff.Removed:
		size = bytesText(c.Before)
	case c.Before == c.After:
		size = bytesText(c.After)
	default:
		size = bytesText(c.Before) + " -> " + bytesText(c.After)
	}
	text := fmt.Sprintf("%s %s: %s (%s)", sign, where(c.Partition), what, size)
	if c.What == diff.Table {
		text = fmt.Sprintf("%s partition table (disk of %s)", sign, size)
	}
	if c.Detail != "" {
		text += ": " + oneLine(c.Detail)
	}
	return text
}
