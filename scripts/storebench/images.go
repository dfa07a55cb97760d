package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Image is a disk without a partition table, as a file.
type Image struct {
	Kind string `json:"kind"`
	Size int64  `json:"size"` // bytes
	Used int64  `json:"used"` // bytes that ours reads of it

	path    string
	data    string // where ours keeps it
	stored  int64  // bytes of its first version in our store
	archive string // what partclone and zstd made of it
}

// makeImages makes the disks: ext4 first, then NTFS where that is wanted and the machine can mount it.
func (b *bench) makeImages(ctx context.Context, p *pool, withNTFS bool) ([]*Image, error) {
	tree := filepath.Join(b.dir, "tree")
	if err := copyAll(ctx, p.first, "/", tree); err != nil {
		return nil, err
	}
	size := int64(b.gib*1.4*1024)<<20 + 64<<20
	ext := &Image{Kind: "ext4", Size: size, path: filepath.Join(b.dir, "ext4.img")}
	if err := makeExt(ctx, ext.path, size, "-d", tree); err != nil {
		return nil, err
	}
	images := []*Image{ext}
	if !withNTFS {
		return images, os.RemoveAll(tree)
	}
	ntfs := &Image{Kind: "ntfs", Size: size, path: filepath.Join(b.dir, "ntfs.img")}
	if err := b.makeNTFS(ctx, ntfs, p.first, tree); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		b.note("NTFS left out: %v", err)
	} else {
		images = append(images, ntfs)
	}
	return images, os.RemoveAll(tree)
}

func (b *bench) note(format string, a ...any) {
	b.result.Notes = append(b.result.Notes, fmt.Sprintf(format, a...))
}

// makeExt makes an ext4 file system that has nothing left to do in the background: an installed system has finished that.
func makeExt(ctx context.Context, path string, size int64, more ...string) error {
	if err := sparse(path, size); err != nil {
		return err
	}
	args := append([]string{"-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"}, more...)
	return tool(ctx, "mke2fs", append(args, path)...)
}

// sparse makes an empty disk.
func sparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// makeNTFS makes a volume by the tools that Linux has for it. The driver is a process: the image is whole once it ended.
func (b *bench) makeNTFS(ctx context.Context, i *Image, files []string, tree string) (err error) {
	if err := sparse(i.path, i.Size); err != nil {
		return err
	}
	if err := tool(ctx, "mkntfs", "-q", "-F", "-Q", "-s", "512", "-p", "0", "-H", "16", "-S", "63", i.path); err != nil {
		return err
	}
	return b.insideNTFS(ctx, i.path, func(at string) error { return copyAll(ctx, files, tree, at) })
}

// insideNTFS mounts an NTFS image for writing and lets work do something there. The driver is a process: the image is
// whole once it ended.
func (b *bench) insideNTFS(ctx context.Context, path string, work func(at string) error) error {
	at := filepath.Join(b.dir, "mnt")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	driver := exec.CommandContext(ctx, "ntfs-3g", "-o", "no_detach,big_writes", path, at)
	if err := driver.Start(); err != nil {
		return err
	}
	if err := waitFor(ctx, func() bool { return mounted(at) }); err != nil {
		return errors.Join(fmt.Errorf("mounting NTFS: %w", err), driver.Process.Kill(), driver.Wait())
	}
	err := work(at)
	return errors.Join(err, tool(context.WithoutCancel(ctx), "umount", at), driver.Wait())
}

func mounted(at string) bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	return err == nil && strings.Contains(string(mounts), " "+at+" ")
}

// waitFor asks until ok, for ten seconds.
func waitFor(ctx context.Context, ok func() bool) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// inside mounts an ext4 image by the kernel, lets work do something there, and waits until the loop device is gone.
func (b *bench) inside(ctx context.Context, path string, work func(at string) error) error {
	at := filepath.Join(b.dir, "mnt-"+filepath.Base(path))
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := tool(ctx, "mount", "-o", "loop", path, at); err != nil {
		return err
	}
	err := errors.Join(work(at), tool(context.WithoutCancel(ctx), "umount", at))
	if err != nil {
		return err
	}
	return waitFor(ctx, func() bool {
		out, err := exec.CommandContext(ctx, "losetup", "-j", path).Output()
		return err == nil && len(out) == 0
	})
}

// upgrade makes version 2 in place: a tenth of new files, one folder in fifty brought up to date, one in two hundred
// gone.
func (b *bench) upgrade(ctx context.Context, from *Image, p *pool) (string, error) {
	path := filepath.Join(b.dir, "v2.img")
	if err := tool(ctx, "cp", "--sparse=always", from.path, path); err != nil {
		return "", err
	}
	return path, b.inside(ctx, path, func(at string) error {
		if err := copyAll(ctx, p.added, "/", at); err != nil {
			return err
		}
		for _, file := range p.first {
			var err error
			switch lot := rank("upgrade "+filepath.Dir(file)) % 200; {
			case lot == 0:
				err = os.Remove(filepath.Join(at, file))
			case lot <= 4:
				err = update(filepath.Join(at, file))
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// rebuild copies the files of an image to a newly made file system, in another order.
func (b *bench) rebuild(ctx context.Context, from string, size int64) (string, error) {
	path := filepath.Join(b.dir, "v3.img")
	if err := makeExt(ctx, path, size); err != nil {
		return "", err
	}
	return path, b.inside(ctx, from, func(old string) error {
		return b.inside(ctx, path, func(at string) error {
			var files []string
			err := filepath.WalkDir(old, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					files = append(files, strings.TrimPrefix(path, old))
				}
				return err
			})
			if err != nil {
				return err
			}
			slices.SortFunc(files, func(x, y string) int { return int(rank("again "+x)>>33) - int(rank("again "+y)>>33) })
			return copyAll(ctx, files, old, at)
		})
	})
}

// warm reads a file into the page cache, but for its holes: most of a disk of 8 GiB is one.
func warm(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for at := int64(0); ; {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing follows but a hole
			return f.Close()
		}
		if err == nil {
			at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		}
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(f, from, at-from), buf)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("reading %s: %w", path, err), f.Close())
		}
	}
}

// folderBytes adds up the sizes of the files below dir.
func folderBytes(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
