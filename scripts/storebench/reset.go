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

	"github.com/ardoise/ardoise/imaging/volume"
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
	device  string // path by which the loop device of Image.path is known
	loop    string // that device; "" while there is none
	changed int64  // bytes of the files that the lesson changed
	journal int64  // bytes of the journal
}

// wiped is what ours says of a reset.
type wiped struct {
	Level    string `json:"level"`
	Doubt    string `json:"doubt"`
	Read     int64  `json:"read_bytes"`
	ReadBack int64  `json:"read_back_bytes"`
	Fills    int64  `json:"fill_bytes"`
	Written  int64  `json:"written_bytes"`
	Differed int64  `json:"differed_bytes"`
	Vouched  int64  `json:"vouched_bytes"`
	Sampled  int64  `json:"sampled_bytes"`
}

// resets measures a reset of ext4 and NTFS, quick and full, against writing the disk anew and against rsync. All of them work
// on a loop device, as on a PC's disk: what is read past the page cache of the device still comes from that of the image
// where the comparison is a warm one, and from the drive where it is a cold one.
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
		device: filepath.Join(b.dir, "pc"), master: filepath.Join(b.dir, "clean.img"), dirty: filepath.Join(b.dir, "dirty.img")}
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
	if err != nil {
		return err
	}
	r.Used = k.ReadBytes
	r.journal, err = journal(r.master)
	return err
}

// journal returns the bytes of a volume's journal: all that its file system lets be filled, on a volume without page files.
func journal(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	l, err := volume.Read(f, resetVolume, volume.Options{})
	if err != nil {
		return 0, err
	}
	var n int64
	for _, e := range l.Fills {
		n += e.Length
	}
	return n, nil
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
func (b *bench) resetOne(ctx context.Context, r *resetting) (err error) {
	defer func() { err = errors.Join(err, r.detach(context.WithoutCancel(ctx))) }()
	if err := b.usedBytes(ctx, r); err != nil {
		return err
	}
	ours := func(name, level string, prepare func() error) *contender {
		return &contender{name: name, prepare: prepare,
			argv: []string{b.ardoise, "reset", "m", "--disk", r.device, "--data", r.data, level, "--json"}}
	}
	warmed := func() error { return errors.Join(r.fresh(ctx, r.dirty, "off"), b.warmAll(r)) }
	cooled := func() error { return errors.Join(r.fresh(ctx, r.dirty, "on"), b.cool(ctx)) }
	m := measured{quick: ours("quick", "--quick", warmed), full: ours("full", "--full", warmed),
		coldQuick: ours("quick", "--quick", cooled)}
	// It flushes at its end, as ours does.
	m.rewrite = shell("partclone", fmt.Sprintf("zstd -q -dc %s | partclone.restore -q -s - -O %s -L /dev/null", r.archive, r.device))
	m.rewrite.prepare = warmed
	sync, done, err := b.rsync(ctx, r)
	if err != nil {
		return err
	}
	m.rsync, m.coldRsync = shell("rsync", sync), shell("rsync", sync)
	m.rsync.prepare, m.coldRsync.prepare = warmed, cooled
	if err := errors.Join(race(ctx, m.quick, m.full, m.rewrite, m.rsync), race(ctx, m.coldQuick, m.coldRsync), done()); err != nil {
		return err
	}
	if err := r.fresh(ctx, r.master, "off"); err != nil {
		return err
	}
	// None of these writes: the disk stays what it is.
	same := func() error { return b.warmAll(r) }
	used := filepath.Join(b.dir, "used.bin")
	m.clean, m.idle = ours("quick", "--quick", same), ours("full", "--full", same)
	m.sum = shell("sha256sum", "sha256sum "+used)
	m.sum.prepare = func() error { return warm(used) }
	if err := race(ctx, m.clean, m.idle, m.sum); err != nil {
		return err
	}
	return b.resetRows(r, &m)
}

// measured is who has reset one volume: after a lesson, with warm and with cold caches, and after none.
type measured struct {
	quick, full, rewrite, rsync *contender
	coldQuick, coldRsync        *contender
	clean, idle, sum            *contender
}

// fresh makes the PC's disk a copy of an image. With direct "on" nothing below the device caches or reads ahead, and requests
// that come together are served together: a drive.
func (r *resetting) fresh(ctx context.Context, from, direct string) error {
	if err := r.detach(ctx); err != nil {
		return err
	}
	if err := tool(ctx, "cp", "--sparse=always", from, r.path); err != nil {
		return err
	}
	if err := tool(ctx, "sync", r.path); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", "--direct-io="+direct, r.path).Output()
	if err != nil {
		return fmt.Errorf("losetup %s: %w", r.path, err)
	}
	r.loop = strings.TrimSpace(string(out))
	return os.Symlink(r.loop, r.device)
}

// detach takes the PC's disk away. Drivers let go of it a moment after they are unmounted.
func (r *resetting) detach(ctx context.Context) error {
	if r.loop == "" {
		return nil
	}
	if err := tool(ctx, "losetup", "--detach", r.loop); err != nil {
		return err
	}
	r.loop = ""
	return errors.Join(os.Remove(r.device), waitFor(ctx, func() bool {
		out, err := exec.CommandContext(ctx, "losetup", "-j", r.path).Output()
		return err == nil && len(out) == 0
	}))
}

// warmAll reads into the page cache what anybody reads.
func (b *bench) warmAll(r *resetting) error {
	return errors.Join(warm(r.path), warm(r.master), warmFolder(filepath.Join(r.data, "store")), warm(r.archive))
}

// cool empties all caches: a PC that was switched on has nothing in memory but the programs, which came with its system.
func (b *bench) cool(ctx context.Context) error {
	if err := tool(ctx, "sync"); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return err
	}
	return tool(ctx, "bash", "-euc", b.ardoise+` help; rsync --version; mount --version; umount --version; sync --version;
		type -P ntfs-3g partclone.restore zstd | xargs cat | sha256sum`)
}

// rsync returns a script that mounts the PC's disk and makes its files equal to those of the master, which is mounted already.
func (b *bench) rsync(ctx context.Context, r *resetting) (script string, done func() error, err error) {
	from, to := filepath.Join(b.dir, "rsync-from"), filepath.Join(b.dir, "rsync-to")
	for _, dir := range []string{from, to} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", nil, err
		}
	}
	master, pc := "mount -o loop,ro", "mount"
	if r.Kind == "ntfs" {
		master, pc = "ntfs-3g -o big_writes,ro", "ntfs-3g -o big_writes"
	}
	if err := tool(ctx, "bash", "-c", fmt.Sprintf("%s %s %s", master, r.master, from)); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s %s %s; rsync -a --delete %s/ %s/; sync -f %s; umount %s", pc, r.device, to, from, to, to, to),
		func() error { return tool(context.WithoutCancel(ctx), "umount", from) }, nil
}

// usedBytes makes a file of as many bytes as the volume uses, for sha256sum.
func (b *bench) usedBytes(ctx context.Context, r *resetting) error {
	path := filepath.Join(b.dir, "used.bin")
	script := fmt.Sprintf("find %s -type f -print0 | xargs -0 cat > %s; truncate -s %d %s", filepath.Join(b.dir, "pupils"), path, r.Used, path)
	return tool(ctx, "bash", "-eu", "-c", script)
}

// slow is what a quick reset waits for where it takes longer than it should.
func (r *resetting) slow() string {
	if r.Kind == "ntfs" {
		return "nearly every chunk of $MFT has a record that differs, so that all of the master's is fetched and proven"
	}
	return "it waits for flushes and for reads of single blocks more than it works"
}

// resetRows judges what was measured.
func (b *bench) resetRows(r *resetting, m *measured) error {
	var quick, full, clean, cold wiped
	for c, into := range map[*contender]*wiped{m.quick: &quick, m.full: &full, m.clean: &clean, m.coldQuick: &cold} {
		if err := json.Unmarshal(c.output, into); err != nil {
			return fmt.Errorf("what %s said: %w", strings.Join(c.argv, " "), err)
		}
	}
	for _, q := range []wiped{quick, clean, cold} {
		if q.Level != "quick" {
			return fmt.Errorf("quick became %s: %s", q.Level, q.Doubt)
		}
	}
	seconds := func(c *contender) Figure {
		return Figure{Name: c.name, Value: c.seconds(), Seconds: c.walls, CPU: median(c.cpus), Again: c.again}
	}
	against := func(what, unit string, a, b *contender) Row {
		return Row{What: what, Unit: unit, Ours: seconds(a), Peers: []Figure{seconds(b)}, Ratio: b.seconds() / a.seconds()}
	}
	megabytes := func(name string, n int64) Figure { return Figure{Name: name, Value: float64(n) / 1e6} }
	what := r.Kind + ", 1 % of files changed: "
	journal := min(quick.Fills, r.journal)
	first := quick.Read - quick.ReadBack - journal
	share := 100 * float64(first-r.changed) / float64(r.Used)
	b.add(Row{What: what + "quick reads, less the changed files, journal apart, before it writes", Unit: "% of the used bytes",
		Ours: Figure{Value: share}, Peers: []Figure{megabytes("MB used", r.Used), megabytes("read", first), megabytes("changed", r.changed),
			megabytes("journal", journal), megabytes("read back", quick.ReadBack), megabytes("written", quick.Written)}}.
		atMost(share, 5, " %"))
	b.add(Row{What: what + "bytes that quick and full read", Unit: "MB", Ours: megabytes("quick", quick.Read),
		Peers: []Figure{megabytes("full", full.Read)}}.atLeast(float64(full.Read)/float64(quick.Read), 8, " x fewer"))
	for _, x := range []struct {
		what  string
		c, to *contender
		bar   float64
		why   string
	}{
		{what + "quick against writing all anew", m.quick, m.rewrite, 20, r.slow()},
		{what + "quick against rsync", m.quick, m.rsync, 2, r.slow()},
		{what + "quick against rsync, cold caches", m.coldQuick, m.coldRsync, 2,
			"rsync reads neither journal nor sample, and nothing back"},
	} {
		row := against(x.what, "s", x.c, x.to)
		b.add(row.atLeast(row.Ratio, x.bar, " x faster").because(x.why))
	}
	row := against(what+"full against writing all anew", "s", m.full, m.rewrite)
	b.add(row.noPromise(row.Ratio))
	row = against(r.Kind+", nothing changed: full against sha256sum of as many bytes", "s", m.idle, m.sum)
	b.add(row.atLeast(row.Ratio, 1.5, " x faster"))
	b.add(Row{What: r.Kind + ", nothing changed: quick writes", Unit: "bytes", Ours: Figure{Value: float64(clean.Written)},
		Peers: []Figure{megabytes("MB read", clean.Read), megabytes("of them journal", min(clean.Fills, r.journal)),
			megabytes("sample", clean.Sampled)}}.atMost(float64(clean.Written), 0, ""))
	return nil
}
