package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The disk of the resets: an 8 GiB volume with 2 GB in 40,000 files, of which 1 % are changed.
const (
	resetVolume  = 8 << 30
	resetFiles   = 40_000
	resetBytes   = 2_000_000_000
	resetChanged = 100 // one file in so many
)

// resetting is one volume and what was done to it.
type resetting struct {
	*Image
	master  string // path of the disk as it was captured
	dirty   string // path of the disk after a lesson
	changed int64  // bytes of the files that the lesson changed
}

// wiped is what ours says of a reset.
type wiped struct {
	Level    string `json:"level"`
	Doubt    string `json:"doubt"`
	Read     int64  `json:"read_bytes"`
	Written  int64  `json:"written_bytes"`
	Differed int64  `json:"differed_bytes"`
	Vouched  int64  `json:"vouched_bytes"`
	Sampled  int64  `json:"sampled_bytes"`
}

// resets measures a reset of ext4 and NTFS, quick and full, against writing the disk anew and against rsync.
func (b *bench) resets(ctx context.Context) error {
	tree := filepath.Join(b.dir, "pupils")
	files, err := schoolTree(tree)
	if err != nil {
		return err
	}
	for _, kind := range []string{"ext4", "ntfs"} {
		r, err := b.lesson(ctx, kind, tree, files)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := b.resetOne(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		for _, path := range []string{r.path, r.master, r.dirty, r.archive} {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(tree)
}

// schoolTree makes the files, the same at every run: sizes from 1 KiB up that add up to about what is wanted, content that
// halves when it is compressed. It returns their paths within the tree.
func schoolTree(tree string) ([]string, error) {
	draw := rand.New(rand.NewPCG(1, 2009))
	var files []string
	buf := make([]byte, 0, 4<<20)
	for i := range resetFiles {
		size := min(1024+int(draw.ExpFloat64()*(resetBytes/resetFiles-1024)), cap(buf))
		buf = buf[:size]
		for k := 0; k < size; k += 64 { // half of it random, half of it the same
			for j := k; j < min(k+32, size); j++ {
				buf[j] = byte(draw.Uint32())
			}
			for j := min(k+32, size); j < min(k+64, size); j++ {
				buf[j] = 'a' + byte(j%16)
			}
		}
		name := filepath.Join(fmt.Sprintf("d%03d", i/100), fmt.Sprintf("file-%05d.dat", i))
		if i%100 == 0 {
			if err := os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o755); err != nil {
				return nil, err
			}
		}
		if err := os.WriteFile(filepath.Join(tree, name), buf, 0o644); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	return files, nil
}

// lesson makes the volume, captures it, and lets a lesson change one file in a hundred: its start is overwritten, and
// something comes at its end.
func (b *bench) lesson(ctx context.Context, kind, tree string, files []string) (*resetting, error) {
	r := &resetting{Image: &Image{Kind: kind, Size: resetVolume, path: filepath.Join(b.dir, "pc.img")},
		master: filepath.Join(b.dir, "clean.img"), dirty: filepath.Join(b.dir, "dirty.img")}
	made := *r.Image
	made.path = r.master
	if err := b.makeVolume(ctx, &made, tree, files); err != nil {
		return nil, err
	}
	if err := r.keep(ctx, b.ardoise); err != nil {
		return nil, err
	}
	if err := tool(ctx, "cp", "--sparse=always", r.master, r.dirty); err != nil {
		return nil, err
	}
	return r, b.within(ctx, kind, r.dirty, func(at string) error {
		for i := 0; i < len(files); i += resetChanged {
			n, err := edit(filepath.Join(at, files[i]))
			if err != nil {
				return err
			}
			r.changed += n
		}
		return nil
	})
}

// keep captures the clean volume into our store and into the archive of the others.
func (r *resetting) keep(ctx context.Context, ardoise string) error {
	r.data, r.archive = r.path+".data", r.path+".pc.zst"
	if err := os.RemoveAll(r.data); err != nil {
		return err
	}
	ours := &contender{argv: []string{ardoise, "master", "capture", "m", "--disk", r.master, "--data", r.data, "--json"}}
	if err := errors.Join(ours.run(ctx), partclone(r.Kind, r.master, r.archive).run(ctx)); err != nil {
		return err
	}
	k, err := ours.kept()
	r.Used = k.ReadBytes
	return err
}

// makeVolume makes a volume of the image's kind that holds the tree.
func (b *bench) makeVolume(ctx context.Context, i *Image, tree string, files []string) error {
	if i.Kind == "ext4" {
		return makeExt(ctx, i.path, i.Size, "-d", tree)
	}
	return b.makeNTFS(ctx, i, files, tree)
}

// within mounts a volume for writing, lets work do something there, and returns when it is whole again.
func (b *bench) within(ctx context.Context, kind, path string, work func(at string) error) error {
	if kind == "ext4" {
		return b.inside(ctx, path, work)
	}
	return b.insideNTFS(ctx, path, work)
}

// edit is what a program does when a document is saved. It returns the size of the file.
func edit(path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteAt([]byte("a pupil was here"), 0)
	size, end := f.Seek(0, 2)
	if err = errors.Join(err, end); err == nil {
		_, err = f.Write(make([]byte, 1024))
	}
	return size + 1024, errors.Join(err, f.Close())
}

// resetOne measures one volume.
func (b *bench) resetOne(ctx context.Context, r *resetting) error {
	fresh := func(from string) func() error {
		return func() error {
			if err := tool(ctx, "cp", "--sparse=always", from, r.path); err != nil {
				return err
			}
			return errors.Join(warm(r.path), warmFolder(filepath.Join(r.data, "store")), warm(r.archive))
		}
	}
	ours := func(name, from, level string) *contender {
		return &contender{name: name, prepare: fresh(from),
			argv: []string{b.ardoise, "reset", "m", "--disk", r.path, "--data", r.data, level, "--json"}}
	}
	quick, full := ours("quick", r.dirty, "--quick"), ours("full", r.dirty, "--full")
	rewrite := shell("partclone", fmt.Sprintf("zstd -q -dc %s | partclone.restore -q -s - -O %s -L /dev/null", r.archive, r.path))
	rewrite.prepare = fresh(r.dirty)
	sync, done, err := b.rsync(ctx, r, fresh(r.dirty))
	if err != nil {
		return err
	}
	if err := errors.Join(race(ctx, quick, full, rewrite, sync), done()); err != nil {
		return err
	}
	clean, idle := ours("quick", r.master, "--quick"), ours("full", r.master, "--full")
	used := shell("sha256sum", fmt.Sprintf("head -c %d %s | sha256sum", r.Used, filepath.Join(b.dir, "used.bin")))
	if err := b.usedBytes(ctx, r); err != nil {
		return err
	}
	if err := race(ctx, clean, idle, used); err != nil {
		return err
	}
	return b.resetRows(r, []*contender{quick, full, rewrite, sync, clean, idle, used})
}

// rsync is a contender that mounts the volume and makes its files equal to those of the master, which is mounted already.
func (b *bench) rsync(ctx context.Context, r *resetting, fresh func() error) (c *contender, done func() error, err error) {
	from, to := filepath.Join(b.dir, "rsync-from"), filepath.Join(b.dir, "rsync-to")
	for _, dir := range []string{from, to} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, nil, err
		}
	}
	mount := "mount -o loop"
	if r.Kind == "ntfs" {
		mount = "ntfs-3g -o big_writes"
	}
	if err := tool(ctx, "bash", "-c", fmt.Sprintf("%s,ro %s %s", mount, r.master, from)); err != nil {
		return nil, nil, err
	}
	c = shell("rsync", fmt.Sprintf("%s %s %s; rsync -a --delete %s/ %s/; sync -f %s; umount %s", mount, r.path, to, from, to, to, to))
	c.prepare = func() error {
		// The driver of NTFS and the loop device let go of the volume a moment after it is unmounted.
		return errors.Join(waitFor(ctx, func() bool { return !mounted(to) && !inUse(ctx, r.path) }), fresh())
	}
	return c, func() error {
		return errors.Join(waitFor(ctx, func() bool { return !inUse(ctx, r.path) }), tool(context.WithoutCancel(ctx), "umount", from))
	}, nil
}

// inUse tells whether a loop device or a process has the file open.
func inUse(ctx context.Context, path string) bool {
	out, err := exec.CommandContext(ctx, "losetup", "-j", path).Output()
	if err != nil || len(out) > 0 {
		return true
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return true
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == path {
			return true
		}
	}
	return false
}

// usedBytes makes a file of as many bytes as the volume uses, for sha256sum.
func (b *bench) usedBytes(ctx context.Context, r *resetting) error {
	path := filepath.Join(b.dir, "used.bin")
	script := fmt.Sprintf("find %s -type f -print0 | xargs -0 cat > %s; truncate -s %d %s", filepath.Join(b.dir, "pupils"), path, r.Used, path)
	if err := tool(ctx, "bash", "-eu", "-c", script); err != nil {
		return err
	}
	return warm(path)
}

// resetRows judges what was measured: quick, full, rewrite and rsync of the changed disk; quick, full and sha256sum of the
// clean one.
func (b *bench) resetRows(r *resetting, c []*contender) error {
	var said [7]wiped
	for _, i := range []int{0, 1, 4, 5} {
		if err := json.Unmarshal(c[i].output, &said[i]); err != nil {
			return fmt.Errorf("what %s said: %w", strings.Join(c[i].argv, " "), err)
		}
	}
	quick, full, clean := said[0], said[1], said[4]
	if quick.Level != "quick" || clean.Level != "quick" {
		return fmt.Errorf("quick became %s: %s%s", quick.Level, quick.Doubt, clean.Doubt)
	}
	seconds := func(i int) Figure {
		return Figure{Name: c[i].name, Value: c[i].seconds(), Seconds: c[i].walls, CPU: median(c[i].cpus)}
	}
	megabytes := func(name string, n int64) Figure { return Figure{Name: name, Value: float64(n) / 1e6} }
	what := r.Kind + ", 1 % of files changed: "
	share := 100 * float64(quick.Read-r.changed) / float64(r.Used)
	b.add(Row{What: what + "quick reads, less the changed files", Unit: "% of the used bytes", Ours: Figure{Value: share},
		Peers: []Figure{megabytes("MB used", r.Used), megabytes("changed", r.changed)}}.atMost(share, 5, " %"))
	b.add(Row{What: what + "bytes that quick and full read", Unit: "MB", Ours: megabytes("quick", quick.Read),
		Peers: []Figure{megabytes("full", full.Read)}}.atLeast(float64(full.Read)/float64(quick.Read), 8, " x fewer"))
	for _, x := range []struct {
		name string
		i    int
		bar  float64
	}{{"quick against writing all anew", 2, 20}, {"quick against rsync", 3, 2}} {
		b.add(Row{What: what + x.name, Unit: "s", Ours: seconds(0), Peers: []Figure{seconds(x.i)}}.
			atLeast(c[x.i].seconds()/c[0].seconds(), x.bar, " x faster"))
	}
	b.add(Row{What: what + "full against writing all anew", Unit: "s", Ours: seconds(1), Peers: []Figure{seconds(2)}}.
		noPromise(c[2].seconds() / c[1].seconds()))
	b.add(Row{What: r.Kind + ", nothing changed: full against sha256sum of as many bytes", Unit: "s", Ours: seconds(5),
		Peers: []Figure{seconds(6)}}.atLeast(c[6].seconds()/c[5].seconds(), 1.5, " x faster"))
	b.add(Row{What: r.Kind + ", nothing changed: quick writes", Unit: "bytes", Ours: Figure{Value: float64(clean.Written)},
		Peers: []Figure{megabytes("MB read", clean.Read), megabytes("of them sample", clean.Sampled)}}.atMost(float64(clean.Written), 0, ""))
	return nil
}
