package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const mega = 1e6

// captures measures capture to the store against partclone and zstd, and leaves both results for what follows.
func (b *bench) captures(ctx context.Context, i *Image) error {
	i.data, i.archive = i.path+".data", i.path+".pc.zst"
	ours := &contender{name: "ardoise", argv: []string{b.ardoise, "master", "capture", "m", "--disk", i.path, "--data", i.data, "--json"},
		prepare: func() error {
			if err := os.RemoveAll(i.data); err != nil {
				return err
			}
			return warm(i.path)
		}}
	theirs := partclone(i.Kind, i.path, i.archive)
	theirs.prepare = func() error { return warm(i.path) }
	if err := race(ctx, ours, theirs); err != nil {
		return err
	}
	k, err := ours.kept()
	if err != nil {
		return err
	}
	info, err := os.Stat(i.archive)
	if err != nil {
		return err
	}
	i.Used, i.stored = k.ReadBytes, k.StoredBytes
	b.result.Images = append(b.result.Images, *i)
	mine, other := ours.speed(i.Used), theirs.speed(i.Used)
	b.add(Row{What: "capture " + i.Kind, Unit: "MB/s", Ours: mine, Peers: []Figure{other}}.
		atLeast(mine.Value/other.Value, 1, " x as fast"))
	stored := Figure{Name: "partclone", Value: float64(info.Size()) / mega}
	b.add(Row{What: "first version of " + i.Kind, Unit: "MB", Ours: Figure{Name: "ardoise", Value: float64(i.stored) / mega},
		Peers: []Figure{stored}}.atMost(float64(i.stored)/float64(info.Size()), 1.2, " x as large"))
	return nil
}

// partclone writes a volume of this kind into an archive.
func partclone(kind, path, archive string) *contender {
	tool := map[string]string{"ext4": "partclone.extfs", "ntfs": "partclone.ntfs"}[kind]
	return shell("partclone", fmt.Sprintf("%s -c -q -s %s -o - -L /dev/null | zstd -q -3 -T0 -f -o %s", tool, path, archive))
}

// add enters a row and says it at once: a run takes minutes.
func (b *bench) add(r Row) {
	b.result.Rows = append(b.result.Rows, r)
	_, _ = fmt.Fprintln(os.Stderr, strings.Join(r.cells(), "  "))
}

// restores measures bringing a master to an empty file: in memory, where the promise is, and on the disk, where both wait
// for it.
func (b *bench) restores(ctx context.Context, i *Image) error {
	ram := filepath.Join(b.dir, "ram")
	if err := os.MkdirAll(ram, 0o755); err != nil {
		return err
	}
	if err := tool(ctx, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", 2*i.Size+64<<20), "none", ram); err != nil {
		return err
	}
	inMemory, err := b.restoreTo(ctx, i, ram)
	if err == nil && i.Kind == "ext4" {
		err = tool(ctx, "e2fsck", "-fn", filepath.Join(ram, "ours"))
	}
	if end := tool(context.WithoutCancel(ctx), "umount", ram); err == nil {
		err = end
	}
	if err != nil {
		return err
	}
	row := func(what string, pair [2]*contender) (Row, float64) {
		mine, other := pair[0].speed(i.Used), pair[1].speed(i.Used)
		return Row{What: what, Unit: "MB/s", Ours: mine, Peers: []Figure{other}}, mine.Value / other.Value
	}
	r, ratio := row("restore "+i.Kind+" and read back, file in memory", inMemory)
	b.add(r.atLeast(ratio, 1.2, " x as fast"))
	if i.Kind != "ext4" {
		return nil // the drive is the same
	}
	onDisk, err := b.restoreTo(ctx, i, b.dir)
	if err != nil {
		return err
	}
	r, ratio = row("restore "+i.Kind+" and read back, file on disk", onDisk)
	b.add(r.noPromise(ratio))
	return nil
}

// restoreTo runs both restores to new files in dir.
func (b *bench) restoreTo(ctx context.Context, i *Image, dir string) (pair [2]*contender, err error) {
	target := func(name string) (string, func() error) {
		path := filepath.Join(dir, name)
		return path, func() error {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			if err := warmFolder(filepath.Join(i.data, "store")); err != nil {
				return err
			}
			if err := warm(i.archive); err != nil {
				return err
			}
			return sparse(path, i.Size)
		}
	}
	mine, prepareMine := target("ours")
	other, prepareOther := target("theirs")
	pair[0] = &contender{name: "ardoise", prepare: prepareMine,
		argv: []string{b.ardoise, "master", "restore", "m", "--disk", mine, "--data", i.data, "--json"}}
	pair[1] = shell("partclone", fmt.Sprintf("zstd -q -dc %s | partclone.restore -q -s - -O %s -L /dev/null", i.archive, other))
	pair[1].prepare = prepareOther
	return pair, race(ctx, pair[0], pair[1])
}

func warmFolder(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := warm(f); err != nil {
			return err
		}
	}
	return nil
}

// scans measures on one core, from the page cache: ours with everything that a deploy does to learn what a disk lacks.
func (b *bench) scans(ctx context.Context, i *Image) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	prepare := func() error { return warm(i.path) }
	one := func(name string, argv ...string) *contender {
		return &contender{name: name, prepare: prepare, argv: append([]string{"taskset", "-c", "0"}, argv...), env: []string{"GOMAXPROCS=1"}}
	}
	ours := one("ardoise", self, "-scan", i.data, i.path)
	peers := []*contender{one("sha256sum", "sha256sum", i.path)}
	if _, err := exec.LookPath("b3sum"); err == nil {
		peers = append(peers, one("b3sum", "b3sum", "--num-threads", "1", i.path))
	}
	if err := race(ctx, append([]*contender{ours}, peers...)...); err != nil {
		return err
	}
	var scanned scanned
	if err := json.Unmarshal(ours.output, &scanned); err != nil {
		return err
	}
	mine := ours.perCore(scanned.ReadBytes)
	r := Row{What: "scan of an unchanged " + i.Kind + ", one core", Unit: "MB/s", Ours: mine}
	for _, p := range peers {
		r.Peers = append(r.Peers, p.perCore(i.Size))
	}
	b.add(r.atLeast(mine.Value/1000, 1.2, " GB/s"))
	return nil
}

// recompression measures what idle time makes of the first version.
func (b *bench) recompression(ctx context.Context, i *Image) error {
	info, err := os.Stat(i.archive)
	if err != nil {
		return err
	}
	idle := &contender{name: "ardoise", argv: []string{b.ardoise, "store", "recompress", "--data", i.data}}
	if err := idle.run(ctx); err != nil {
		return err
	}
	size, err := folderBytes(filepath.Join(i.data, "store"))
	if err != nil {
		return err
	}
	r := Row{What: "first version of " + i.Kind + ", recompressed", Unit: "MB",
		Ours:  Figure{Name: "ardoise", Value: float64(size) / mega, Seconds: idle.walls, CPU: idle.cpus[0]},
		Peers: []Figure{{Name: "partclone", Value: float64(info.Size()) / mega}}}
	b.add(r.atMost(float64(size)/float64(info.Size()), 1.07, " x as large"))
	return nil
}

// discard removes what the measurements of one image made. The first image itself is needed for its versions.
func (b *bench) discard(i *Image) error {
	gone := []string{i.archive, i.data, filepath.Join(b.dir, "ours"), filepath.Join(b.dir, "theirs")}
	if i.Kind != "ext4" {
		gone = append(gone, i.path)
	}
	for _, path := range gone {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// storeBenchmarks runs what masters/store measures of itself: at full size, unless this is a trial with small disks.
func (b *bench) storeBenchmarks(ctx context.Context) {
	args := []string{"test", "-run", "^$", "-bench", ".", "-timeout", "30m"}
	if b.gib >= 1 {
		args = append(args, "-tags", "soak")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "./masters/store")...).Output()
	if err != nil {
		b.note("the benchmarks of masters/store ended with %v", err)
	}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("Benchmark")) {
			b.result.Store = append(b.result.Store, strings.TrimSpace(string(line)))
		}
	}
	if len(b.result.Store) == 0 {
		b.note("masters/store has printed no benchmarks")
	}
}
