package local

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The boot files of which a BIOS PC alone has a use.
const (
	bootImage = "boot.img"
	coreImage = "core.img"
)

// maxBootImage bounds boot.img, which is one sector, in bytes.
const maxBootImage = 4096

// Options says what belongs on which ARDOISE.
type Options struct {
	Device disk.Device        // the whole disk
	Part   manifest.Partition // ARDOISE on it
	Boot   job.LocalBoot
	BIOS   bool // this computer starts by a BIOS: in a menu room the disk's boot code becomes ours
	// Fetch returns the bytes of a boot file from the server.
	Fetch func(ctx context.Context, f job.BootFile) (io.ReadCloser, error)
}

// Result says what was done.
type Result struct {
	Changed    bool            // anything was written
	Fetched    int64           // bytes that came from the server
	Exceptions []job.Exception // that our boot code is one; for resets and verification of the master that is there
	// GrantRefused is why the server's grant was not kept: its counter is lower than that of the one that is there.
	GrantRefused error
}

// Install makes ARDOISE what the server says. It returns *disk.NoArdoiseError where there is none, or one of an older
// layout, which the next deployment makes anew.
func Install(ctx context.Context, o Options) (Result, error) {
	var r Result
	a, err := disk.OpenArdoise(o.Device, o.Part)
	if err != nil {
		return r, err
	}
	if a.Layout() != disk.Layout {
		return r, &disk.NoArdoiseError{Reason: fmt.Sprintf("its layout is %d, this program's is %d", a.Layout(), disk.Layout)}
	}
	if err := o.grant(a, &r); err != nil {
		return r, err
	}
	if !o.Boot.Menu {
		code, err := a.DropBootCode()
		if err != nil {
			return r, err
		}
		menu, err := a.DropMenu()
		r.Changed = r.Changed || code || menu
		return r, err
	}
	changed, err := a.Keep(ctx, o.contents(a, &r))
	r.Changed = r.Changed || changed
	if err != nil {
		return r, err
	}
	if o.BIOS {
		changed, err := o.bootCode(ctx, a, &r)
		r.Changed = r.Changed || changed
		if err != nil {
			return r, err
		}
	}
	r.Exceptions, err = a.Exceptions()
	return r, err
}

// Exceptions returns the extents that ARDOISE itself replaces on this computer. A reset to the master that is there
// passes them; a deployment must not: the new master's boot code has to come to the disk, where Install keeps it.
func Exceptions(d disk.Device, part manifest.Partition) ([]job.Exception, error) {
	a, err := disk.OpenArdoise(d, part)
	if err != nil {
		return nil, err
	}
	return a.Exceptions()
}

// grant keeps the standing grant unless it is there.
func (o Options) grant(a *disk.Ardoise, r *Result) error {
	have, err := a.Grant().Load()
	var damaged *disk.DamagedSlotError
	if err != nil && !errors.As(err, &damaged) {
		return err
	}
	next := o.Boot.Grant
	switch {
	case len(next.Payload) == 0 && have == nil && err == nil:
		return nil
	case len(next.Payload) == 0:
		r.Changed = true
		return a.Grant().Clear()
	case have != nil && have.Key == next.Key && bytes.Equal(have.Payload, next.Payload) && bytes.Equal(have.Signature, next.Signature):
		return nil
	}
	err = a.Grant().Store(next)
	var lower *disk.LowerCounterError
	if errors.As(err, &lower) {
		r.GrantRefused = err
		return nil
	}
	r.Changed = true
	return err
}

// contents lists what Keep shall keep.
func (o Options) contents(a *disk.Ardoise, r *Result) []disk.Content {
	var list []disk.Content
	for _, f := range o.Boot.Files {
		// A newer server may have files that this program has no place for. They come with the next one, which is among
		// those that have.
		if !disk.Knows(f.Name) || f.Name == coreImage && !o.BIOS {
			continue
		}
		list = append(list, disk.Content{BootFile: f, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return o.open(ctx, a, f, r)
		}})
	}
	menu := []byte(o.Boot.Config)
	sum := blake3.Sum256(menu)
	return append(list, disk.Content{
		BootFile: job.BootFile{Name: disk.MenuFile, Size: int64(len(menu)), Hash: hex.EncodeToString(sum[:])},
		Open:     func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(menu)), nil },
	})
}

// open takes a file from the generation that counts, where only the menu or another file is new, else from the server.
func (o Options) open(ctx context.Context, a *disk.Ardoise, f job.BootFile, r *Result) (io.ReadCloser, error) {
	have, err := a.BootFile(f.Name)
	if err != nil {
		return nil, err
	}
	if have != nil && have.Size() == f.Size {
		h := blake3.New()
		if _, err := io.Copy(h, have); err == nil && hex.EncodeToString(h.Sum(nil)) == f.Hash {
			return io.NopCloser(io.NewSectionReader(have, 0, f.Size)), nil
		}
	}
	src, err := o.Fetch(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("fetching it: %w", err)
	}
	r.Fetched += f.Size
	return src, nil
}

// bootCode makes a BIOS start from ARDOISE.
func (o Options) bootCode(ctx context.Context, a *disk.Ardoise, r *Result) (changed bool, err error) {
	i := slices.IndexFunc(o.Boot.Files, func(f job.BootFile) bool { return f.Name == bootImage })
	if i < 0 {
		return false, &disk.NoBootCodeError{Reason: "the server has no boot.img"}
	}
	f := o.Boot.Files[i]
	if f.Size > maxBootImage {
		return false, &disk.RoomError{Name: f.Name, Size: f.Size, Room: maxBootImage}
	}
	src, err := o.Fetch(ctx, f)
	if err != nil {
		return false, fmt.Errorf("fetching %s: %w", f.Name, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	image, err := io.ReadAll(io.LimitReader(src, maxBootImage))
	if err != nil {
		return false, fmt.Errorf("fetching %s: %w", f.Name, err)
	}
	if sum := blake3.Sum256(image); hex.EncodeToString(sum[:]) != f.Hash {
		return false, &disk.AlteredError{Name: f.Name}
	}
	r.Fetched += int64(len(image))
	return a.KeepBootCode(image)
}
