package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters"
)

// scanned is what one scan says of itself.
type scanned struct {
	ReadBytes int64 `json:"read_bytes"`
}

// cached is a disk whose page cache is left alone: the promise is about the work of the scan, not about the drive.
// A deploy of ours drops the cache first.
type cached struct{ *disk.Disk }

// Drop implements restore.Target, against its word.
func (cached) Drop() error { return nil }

// scanOnce compares an image with the master in a folder, as a deploy does before it writes, and prints what it read.
func scanOnce(ctx context.Context, data, image string) (err error) {
	lib, err := masters.Open(data, masters.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	v, err := lib.Resolve("m")
	if err != nil {
		return err
	}
	m, err := lib.Open(v)
	if err != nil {
		return err
	}
	d, err := disk.Open(image, disk.Mode{Read: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	found, report, err := restore.Verify(ctx, restore.Options{Manifest: m, Target: cached{d}, SectorSize: d.SectorSize()})
	if err != nil {
		return err
	}
	// Fills of an image that was never reset may differ: a journal that was used is not zeros.
	if len(found.Streams) > 0 {
		return errors.New("the image differs from its own master: " + found.Summary())
	}
	return json.NewEncoder(os.Stdout).Encode(scanned{ReadBytes: report.ReadBytes})
}
