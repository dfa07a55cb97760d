package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

// exported is what `master export` prints. Its JSON keys are stable.
type exported struct {
	Version      string  `json:"version"`
	Hash         string  `json:"hash"`
	File         string  `json:"file"`
	Bytes        int64   `json:"bytes"`
	Frames       int     `json:"frames"`
	ResumedBytes int64   `json:"resumed_bytes"` // that an interrupted export had left
	Fingerprint  string  `json:"fingerprint"`   // of the key that signed it: what another site trusts
	Seconds      float64 `json:"seconds"`
}

func masterExport() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "export NAME[@VERSION|@CHANNEL] FILE", Args: cobra.ExactArgs(2),
		Short: "write a version into one file that proves itself; run again, it goes on where it was interrupted",
		RunE: func(c *cobra.Command, args []string) error {
			return k.at(c.Context(), needs{}, func(d *desk) error { return k.export(c, d, args[0], args[1]) })
		},
	})
}

func (k *client) export(c *cobra.Command, d *desk, ref, path string) error {
	began := time.Now()
	m, err := d.Resolve(c.Context(), ref)
	if err != nil {
		return err
	}
	hash, err := manifest.ParseHash(m.Hash)
	if err != nil {
		return err
	}
	bar := newBar(c.ErrOrStderr(), k.json)
	r, err := export.Write(c.Context(), d.source(), hash, path, export.Options{
		Progress: func(done, total int64) { bar.show("export", done, total) }})
	bar.end()
	if err != nil {
		return noRoom(err, path)
	}
	out := exported{Version: r.Version, Hash: m.Hash, File: path, Bytes: r.Bytes, Frames: r.Frames, ResumedBytes: r.Resumed,
		Seconds: time.Since(began).Seconds()}
	if out.Fingerprint, err = sign.Fingerprint(r.Key); err != nil {
		return err
	}
	return k.show(c.OutOrStdout(), out, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%s exported to %s: %s, in %s\nanother site imports it with --trust %s\n", out.Version, path,
			bytesText(out.Bytes), seconds(out.Seconds), out.Fingerprint)
	})
}

// noRoom tells a full disk that a file is to lie on from the one of the data folder.
func noRoom(err error, path string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &noticeError{code: "no-space-there", what: path}
	}
	return err
}

func masterImport() *cobra.Command {
	var k client
	var as string
	var trust []string
	c := k.flags(&cobra.Command{
		Use: "import FILE", Args: cobra.ExactArgs(1),
		Short: "take a version from an export file, all of it proven before it appears; run again, it goes on where it was",
		RunE: func(c *cobra.Command, args []string) error {
			for _, t := range trust {
				if _, err := manifest.ParseHash(t); err != nil {
					return usagef("a fingerprint has 64 hexadecimal digits, as `ardoise master key` shows them")
				}
			}
			return k.at(c.Context(), needs{make: true}, func(d *desk) error { return k.take(c, d, args[0], as, trust) })
		},
	})
	c.Flags().StringVar(&as, "as", "", "take it as the next version of this master")
	c.Flags().StringSliceVar(&trust, "trust", nil, "fingerprint of the other site's key, for this one file")
	return c
}

func (k *client) take(c *cobra.Command, d *desk, path, as string, trust []string) (err error) {
	began := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	bar := newBar(c.ErrOrStderr(), k.json)
	in, err := d.Import(c.Context(), &metered{r: f, tell: func(done int64) { bar.show("import", done, info.Size()) }}, info.Size(), as, trust)
	bar.end()
	if err != nil {
		return err
	}
	return k.show(c.OutOrStdout(), in, func(w io.Writer) { showImported(w, in, time.Since(began)) })
}

func showImported(w io.Writer, in access.Imported, took time.Duration) {
	if in.Known {
		_, _ = fmt.Fprintf(w, "%s is here already\n", versionText(in.Master))
		return
	}
	_, _ = fmt.Fprintf(w, "%s imported: %s read, %s of it new, in %s\n", versionText(in.Master), bytesText(in.ReadBytes),
		bytesText(in.NewBytes), seconds(took.Seconds()))
}

// metered tells how much of a stream was read.
type metered struct {
	r    io.Reader
	tell func(done int64)
	done int64
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.done += int64(n)
	m.tell(m.done)
	return n, err
}
