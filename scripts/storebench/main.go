// Command storebench measures what keeping and bringing back masters costs, side by side with what others use, in one
// run on one machine: the second half of `make bench`.
//
//	capture    a disk into the store                          partclone piped to zstd -3 -T0
//	restore    a master onto a file in memory and on disk     zstd -dc piped to partclone.restore
//	versions   what version 2 in place adds, and what the     desync make, restic backup
//	           same files on a newly made file system add
//	scan       "does this disk hold the master?" on one core  sha256sum, b3sum
//	reset      a volume after a lesson, quick and full       partclone anew, rsync -a --delete, sha256sum
//	store      the benchmarks of masters/store
//
// The disks are images that the real tools make (mke2fs, the kernel's ext4, mkntfs and ntfs-3g) of files of this
// machine: binaries, text, and what is compressed already; which, and how many bytes of each, is part of the result.
// Every measurement begins with a warm page cache. Ours and theirs take turns, three times each where once takes less
// than a minute, nine times where it takes less than a second, and the median counts. A run in which the host of a virtual
// machine took more than 3 % of the processors is made again, whoever's it was. Times are by the wall clock with everything that a person would wait for: a
// capture of ours ends when its packs are durable, a restore of ours when all was read back. Only the scan is measured in
// seconds of processor time: its promise is about one core.
//
// Everything happens in a mount namespace of its own and in one folder that is removed at the end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ardoise/ardoise/scripts/machine"
)

// Result is everything that was measured.
type Result struct {
	Machine Machine  `json:"machine"`
	GiB     float64  `json:"gib"` // of files, as asked for
	Mix     []Part   `json:"mix"`
	Images  []Image  `json:"images"`
	Rows    []Row    `json:"rows"`
	Store   []string `json:"store"` // lines of the benchmarks of masters/store
	Notes   []string `json:"notes"` // what was left out, and why
}

// bench is one run.
type bench struct {
	dir     string // where everything lies
	ardoise string // the binary
	gib     float64
	keep    bool
	result  Result
}

func main() {
	gib := flag.Float64("gib", 2, "GiB of files on the disks")
	only := flag.String("only", "capture,restore,scan,recompress,versions,reset,store", "which measurements")
	out := flag.String("o", filepath.Join("build", "storebench.json"), "file for the figures")
	dir := flag.String("dir", "/var/tmp", "where the images may lie: five times as much as -gib is needed")
	ardoise := flag.String("ardoise", filepath.Join("build", "ardoise"), "the binary that is measured")
	keep := flag.Bool("keep", false, "keep the images and stores, and say where they are")
	inside := flag.Bool("inside", false, "this is the run in the mount namespace: storebench starts itself so")
	scan := flag.String("scan", "", "compare the image with the master in this folder, and do nothing else: storebench starts itself so")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *scan != "":
		err = scanOnce(ctx, *scan, flag.Arg(0))
	case !*inside:
		err = enter(ctx)
	default:
		err = run(ctx, &bench{dir: *dir, ardoise: *ardoise, gib: *gib, keep: *keep}, strings.Split(*only, ","), *out)
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && !*inside && *scan == "":
		os.Exit(exit.ExitCode())
	case errors.Is(err, errMissed):
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "error: %v\nhint: run make bench as root or through sudo, with ten GiB free\n", err)
		os.Exit(5)
	}
}

// errMissed ends a run in which a promise was not kept.
var errMissed = errors.New("a promise was not kept")

// enter starts this program again in a mount namespace of its own: whatever happens, no mount stays behind.
func enter(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self, append([]string{"-inside"}, os.Args[1:]...)...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	return c.Run()
}

// run measures everything, prints the table and writes the figures.
func run(ctx context.Context, b *bench, only []string, out string) (err error) {
	b.result.GiB = b.gib
	if b.ardoise, err = filepath.Abs(b.ardoise); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "storebench-*"); err != nil {
		return err
	}
	defer func() {
		if b.keep {
			fmt.Fprintln(os.Stderr, "kept:", b.dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(b.dir))
	}()
	if b.result.Machine, err = describe(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx, only); err != nil {
		return err
	}
	b.result.Machine.LoadAfter, _ = machine.Load()
	b.result.print(os.Stdout)
	encoded, err := json.MarshalIndent(b.result, "", "  ")
	if err == nil {
		err = os.WriteFile(out, append(encoded, '\n'), 0o644)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(b.result.Rows, func(r Row) bool { return !r.Met }) {
		return errMissed
	}
	return nil
}

// measure makes the images and runs the measurements that are wanted.
func (b *bench) measure(ctx context.Context, only []string) error {
	want := func(name string) bool { return slices.Contains(only, name) }
	if want("reset") {
		if err := b.resets(ctx); err != nil {
			return fmt.Errorf("measuring resets: %w", err)
		}
		if len(only) == 1 {
			return nil
		}
	}
	pool, err := b.choose(ctx)
	if err != nil {
		return fmt.Errorf("choosing files: %w", err)
	}
	eachDisk := want("capture") || want("restore") || want("scan") || want("recompress")
	images, err := b.makeImages(ctx, pool, eachDisk)
	if err != nil {
		return fmt.Errorf("making the images: %w", err)
	}
	for _, image := range images {
		if !eachDisk {
			break
		}
		if err := b.captures(ctx, image); err != nil {
			return fmt.Errorf("measuring capture of %s: %w", image.Kind, err)
		}
		if want("restore") {
			if err := b.restores(ctx, image); err != nil {
				return fmt.Errorf("measuring restore of %s: %w", image.Kind, err)
			}
		}
		if want("scan") {
			if err := b.scans(ctx, image); err != nil {
				return fmt.Errorf("measuring the scan of %s: %w", image.Kind, err)
			}
		}
		if want("recompress") {
			if err := b.recompression(ctx, image); err != nil {
				return fmt.Errorf("measuring recompression of %s: %w", image.Kind, err)
			}
		}
		if err := b.discard(image); err != nil {
			return err
		}
	}
	if want("versions") {
		if err := b.versions(ctx, images[0], pool, want("recompress")); err != nil {
			return fmt.Errorf("measuring versions: %w", err)
		}
	}
	if want("store") {
		b.storeBenchmarks(ctx)
	}
	return nil
}
