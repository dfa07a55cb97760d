package quick_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
)

// extMaster is a captured ext file system of so many MiB with the fixture, and what more adds to it.
func extMaster(t testing.TB, size int64, more func(dir string), args ...string) *master {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, size*mib))
	tool(t, "mke2fs", append(append([]string{"-q", "-F"}, args...), path)...)
	mountedExt(t, path, func(dir string) {
		fixture(t, dir)
		if more != nil {
			more(dir)
		}
	})
	return captured(t, path)
}

func TestARawWriteIsFoundBySampleAndByFullAlone(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096")
	pc := m.pc(t)
	rewrite(70, 1_500_000)(t, pc) // usr/lib/h/a
	if v := m.look(t, pc); v.Doubt != "" || v.SampledBytes != 0 {
		t.Fatalf("without a sample: doubt %q", v.Doubt)
	}
	v := m.look(t, pc, func(o *quick.Options) { o.Draw = always })
	if !strings.Contains(v.Doubt, "sample") {
		t.Fatalf("doubt %q", v.Doubt)
	}
	if v.Entry(0) || v.VouchedBytes != 0 || len(v.Fill(0)) != 1 {
		t.Error("a verdict with a doubt vouches for something")
	}
	if r := m.reset(t, pc, v); r.WrittenBytes == 0 || r.VouchedBytes != 0 {
		t.Errorf("wrote %d bytes, believed %d", r.WrittenBytes, r.VouchedBytes)
	}
	whole := m.look(t, pc, func(o *quick.Options) { o.Draw = always })
	if whole.Doubt != "" || whole.SampledBytes+whole.FillBytes != whole.VouchedBytes {
		t.Errorf("a sample of everything: %d of %d bytes, doubt %q", whole.SampledBytes, whole.VouchedBytes, whole.Doubt)
	}
	drawn := m.look(t, pc, func(o *quick.Options) { o.Draw = nil })
	if drawn.Doubt != "" || drawn.SampledBytes == drawn.VouchedBytes {
		t.Errorf("the system's own sample: %d of %d bytes, doubt %q", drawn.SampledBytes, drawn.VouchedBytes, drawn.Doubt)
	}
}

func TestWhatCannotBeJudgedIsADoubt(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096")
	broken := errors.New("the network is down")
	changed := m.pc(t)
	mountedExt(t, changed, func(dir string) { must(t, os.Remove(filepath.Join(dir, "etc/passwd"))) })
	names := func(b []byte) func(*quick.Options) {
		return func(o *quick.Options) {
			o.Names = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
		}
	}
	other := extMaster(t, 64, func(dir string) { write(t, filepath.Join(dir, "zzz"), []byte("x")) }, "-t", "ext4", "-b", "4096")
	for name, tt := range map[string]struct {
		how  func(*quick.Options)
		want string
	}{
		"no names":               {func(o *quick.Options) { o.Names = nil }, "names"},
		"names that do not come": {func(o *quick.Options) { o.Names = func() (io.ReadCloser, error) { return nil, broken } }, "names"},
		"names cut short":        {names(m.names[:len(m.names)/2]), "names"},
		"a byte of the names":    {names(append(append(bytes.Clone(m.names[:40]), m.names[40]^1), m.names[41:]...)), "names"},
		"names of another":       {names(other.names), "names"},
		"no source":              {func(o *quick.Options) { o.Source = nil }, "no source"},
		"a source that fails":    {func(o *quick.Options) { o.Source = &frames{fails: broken} }, "network is down"},
		"a source of rubbish":    {func(o *quick.Options) { o.Source = rubbish{} }, "cannot be had"},
		"nothing random":         {func(o *quick.Options) { o.Draw = func(int) (int, error) { return 0, broken } }, "random"},
		"a disk that fails":      {func(o *quick.Options) { o.Disk = failing{o.Disk, 8 * mib} }, "cannot be read"},
		"a disk that is short":   {func(o *quick.Options) { o.Disk = failing{o.Disk, 3000} }, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if v := m.look(t, changed, tt.how); !strings.Contains(v.Doubt, tt.want) || v.VouchedBytes != 0 || v.Entry(0) {
				t.Errorf("doubt %q, want one about %q; %d bytes vouched for", v.Doubt, tt.want, v.VouchedBytes)
			}
		})
	}
}

// rubbish is a source whose frames are not what they say.
type rubbish struct{}

func (rubbish) Fetch(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return err
	}
	for _, id := range ids {
		f := codec.Seal(chunk.Of([]byte("no")), []byte("no"))
		f.ID = id
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// failing is a disk that cannot be read from some byte on.
type failing struct {
	quick.Disk
	from int64
}

func (d failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.from {
		return 0, errors.New("medium error")
	}
	return d.Disk.ReadAt(p, off)
}

func TestAnEndedContextIsAnErrorAndNotADoubt(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096")
	d := open(t, m.path, false)
	defer d.Close()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if v, err := quick.Look(ctx, m.lookOptions(d)); !errors.Is(err, context.Canceled) || v != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// TestInodesWithoutNanosecondsAreADoubt: of all the same, only what the master says of itself differs.
func TestInodesWithoutNanosecondsAreADoubt(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096", "-I", "128")
	if v := m.look(t, m.path); !strings.Contains(v.Doubt, "128 bytes") {
		t.Errorf("doubt %q", v.Doubt)
	}
}

func TestSwapFilesAreAlwaysRead(t *testing.T) {
	for _, format := range [][]string{{"-b", "4096"}, {"-b", "1024"}} {
		m := extMaster(t, 64, func(dir string) {
			write(t, filepath.Join(dir, "swap.img"), make([]byte, 2*mib))
			tool(t, "chmod", "600", filepath.Join(dir, "swap.img"))
			tool(t, "mkswap", "-q", filepath.Join(dir, "swap.img"))
			poke(t, filepath.Join(dir, "swap.img"), mib, noise(77, 200_000))
		}, append([]string{"-t", "ext4"}, format...)...)
		pc := m.pc(t)
		rewrite(77, 200_000)(t, pc) // as the kernel does, past the file system
		v := m.look(t, pc)
		if v.Doubt != "" {
			t.Fatal(v.Doubt)
		}
		if r := m.reset(t, pc, v); r.WrittenBytes == 0 || r.VouchedBytes == 0 {
			t.Errorf("wrote %d bytes, believed %d", r.WrittenBytes, r.VouchedBytes)
		}
	}
}

// TestAMovedExtentTreeIsSeen: the inode is the same, a leaf of its tree is not.
func TestAMovedExtentTreeIsSeen(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096", "-O", "^metadata_csum")
	pc := m.pc(t)
	out := tool(t, "debugfs", "-R", "ex -n usr/pieces", pc)
	before := m.look(t, pc)
	leaf := int64(0)
	for _, line := range strings.Split(tool(t, "debugfs", "-R", "stat usr/pieces", pc), "\n") {
		if i := strings.Index(line, "(ETB0):"); i >= 0 {
			for _, c := range line[i+7:] {
				if c < '0' || c > '9' {
					break
				}
				leaf = 10*leaf + int64(c-'0')
			}
			break
		}
	}
	if leaf == 0 {
		t.Fatalf("the file has no tree outside of its inode: %s", out)
	}
	poke(t, pc, leaf*4096+12+4, []byte{0x01, 0x80}) // the first extent becomes one that was never written
	v := m.look(t, pc)
	if v.Doubt != "" || v.VouchedFiles != before.VouchedFiles-1 {
		t.Errorf("%d files are vouched for, %d were before; doubt %q", v.VouchedFiles, before.VouchedFiles, v.Doubt)
	}
	m.reset(t, pc, v)
}

// TestUnusedEndsOfInodeTablesAreNotRead: unless the disk's own descriptor says that they were used.
func TestUnusedEndsOfInodeTablesAreNotRead(t *testing.T) {
	m := extMaster(t, 256, nil, "-t", "ext4", "-b", "4096", "-N", "65536", "-E", "lazy_itable_init=0")
	v := m.look(t, m.path)
	var fills, read int64
	for k, f := range m.m.Fills {
		fills += f.Length
		for _, e := range v.Fill(k) {
			read += e.Length
		}
	}
	if v.Doubt != "" || fills-read < 8*mib {
		t.Fatalf("of %d bytes of fills %d are to be read; doubt %q", fills, read, v.Doubt)
	}
	pc := m.pc(t)
	mountedExt(t, pc, func(dir string) {
		for i := range 3000 {
			write(t, filepath.Join(dir, "many", string(rune('a'+i%26)), string(rune('a'+i/26%26)), string(rune('a'+i/676))), []byte("x"))
		}
		must(t, os.RemoveAll(filepath.Join(dir, "many")))
	})
	used := m.look(t, pc)
	if used.Doubt != "" {
		t.Fatal(used.Doubt)
	}
	if r := m.reset(t, pc, used); r.WrittenBytes == 0 {
		t.Error("inodes that were used once are still on the disk")
	}
}

// exceptionAt makes an exception of some bytes.
func exceptionAt(off int64, content []byte) job.Exception {
	sum := blake3.Sum256(content)
	return job.Exception{Offset: off, Length: int64(len(content)), Hash: chunk.ID(sum).String(), Content: content, Why: "test"}
}

// TestExceptionsLieOverTheMastersBytes: in a file's data, and in its inode.
func TestExceptionsLieOverTheMastersBytes(t *testing.T) {
	m := extMaster(t, 64, nil, "-t", "ext4", "-b", "4096", "-O", "^metadata_csum")
	data := find(t, m.path, noise(101, 30_000)[:512])
	inode, size := inodeOf(t, m.path, "home/pupil/essay"), make([]byte, 4)
	binary.LittleEndian.PutUint32(size, 29_000)
	own := []job.Exception{exceptionAt(data+5000, []byte("poste-12")), exceptionAt(inode+4, size)}
	pc := m.pc(t)
	look := func() *quick.Verdict { return m.look(t, pc, func(o *quick.Options) { o.Exceptions = own }) }
	run := func(v *quick.Verdict) restore.Report {
		d := open(t, pc, true)
		defer d.Close()
		o := restore.Options{Manifest: m.m, Target: d, SectorSize: d.SectorSize(), Source: m.frames, Vouched: v, Exceptions: own}
		r, err := restore.Run(context.Background(), o)
		must(t, err)
		o.Vouched = nil
		if diff, _, err := restore.Verify(context.Background(), o); err != nil || !diff.None() {
			t.Fatalf("%s, %v", diff.Summary(), err)
		}
		return r
	}
	if r := run(look()); r.WrittenBytes == 0 || r.VouchedBytes == 0 {
		t.Errorf("a first reset wrote %d bytes and believed %d", r.WrittenBytes, r.VouchedBytes)
	}
	files := look().VouchedFiles
	if r := run(look()); r.WrittenBytes != 0 || r.Level != job.LevelQuick {
		t.Errorf("a second one wrote %d bytes", r.WrittenBytes)
	}
	poke(t, pc, inode+4, []byte{0}) // whoever changes what is replaced has changed it
	if v := look(); v.VouchedFiles != files-1 {
		t.Errorf("%d files are vouched for, %d were before", v.VouchedFiles, files)
	}
	if r := run(look()); r.WrittenBytes == 0 {
		t.Error("a changed exception was left")
	}
}

// inodeOf is where the inode of a file lies.
func inodeOf(t *testing.T, image, path string) int64 {
	t.Helper()
	var block, offset int64
	out := tool(t, "debugfs", "-R", "imap "+path, image)
	at := strings.Index(out, "located at block ")
	if at < 0 {
		t.Fatal(out)
	}
	if _, err := fmt.Sscanf(out[at:], "located at block %d, offset 0x%x", &block, &offset); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return block*4096 + offset
}

// TestEachKindOfExtIsResetQuickly: what their inodes cannot vouch for is read.
func TestEachKindOfExtIsResetQuickly(t *testing.T) {
	for name, tt := range map[string]struct {
		args  string
		files int // at least so many are vouched for
	}{
		"ext2":                        {"-t ext2 -b 1024 -I 256", 0},
		"ext3":                        {"-t ext3 -b 4096 -I 256", 0},
		"with 1 KiB blocks":           {"-t ext4 -b 1024", 39},
		"with content in inodes":      {"-t ext4 -b 4096 -I 512 -O inline_data", 26},
		"with clusters":               {"-t ext4 -b 4096 -O bigalloc -C 16384 -N 4096", 39},
		"with an orphan file":         {"-t ext4 -b 4096 -O orphan_file", 39},
		"without checksums":           {"-t ext4 -b 4096 -O ^metadata_csum,^64bit", 39},
		"with descriptors in between": {"-t ext4 -b 1024 -O meta_bg,^resize_inode", 39},
		"without uninitialised ends":  {"-t ext4 -b 4096 -O ^metadata_csum,^uninit_bg", 39},
		"without a journal":           {"-t ext4 -b 4096 -O ^has_journal", 39},
	} {
		t.Run(name, func(t *testing.T) {
			m := extMaster(t, 64, nil, strings.Fields(tt.args)...)
			pc := m.pc(t)
			mountedExt(t, pc, func(dir string) {
				path := filepath.Join(dir, "usr/lib/h/d")
				info, err := os.Stat(path)
				must(t, err)
				edit(t, path, 700_000, "cheat")
				must(t, os.Chtimes(path, time.Time{}, info.ModTime()), os.RemoveAll(filepath.Join(dir, "usr/lib/f")))
				edit(t, filepath.Join(dir, "usr/pieces"), 8192*300, "cheat")
			})
			v := m.look(t, pc)
			if v.Doubt != "" || v.VouchedFiles < tt.files {
				t.Errorf("%d files are vouched for, %d are not; doubt %q", v.VouchedFiles, v.CheckedFiles, v.Doubt)
			}
			m.reset(t, pc, v)
		})
	}
}

// TestADiskWithAMarkIsReadInFull: a restore was interrupted.
func TestADiskWithAMarkIsReadInFull(t *testing.T) {
	dir := t.TempDir()
	part, path := filepath.Join(dir, "part"), filepath.Join(dir, "master.img")
	for p, size := range map[string]int64{part: 40 * mib, path: 64 * mib} {
		must(t, os.WriteFile(p, nil, 0o600), os.Truncate(p, size))
	}
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", part)
	mountedExt(t, part, func(dir string) { fixture(t, dir) })
	tool(t, "sgdisk", "-n", "1:2048:+40M", path)
	b, err := os.ReadFile(part)
	must(t, err)
	poke(t, path, mib, b)
	m := captured(t, path)
	pc := filepath.Join(dir, "pc.img")
	must(t, os.WriteFile(pc, nil, 0o600), os.Truncate(pc, 500*mib))
	d := open(t, pc, true)
	defer d.Close()
	o := restore.Options{Manifest: m.m, Target: d, SectorSize: 512, Source: m.frames, MakeArdoise: true}
	r, err := restore.Run(context.Background(), o)
	must(t, err)
	look := func() string {
		v, err := quick.Look(context.Background(), m.lookOptions(d))
		must(t, err)
		return v.Doubt
	}
	if doubt := look(); doubt != "" {
		t.Fatal(doubt)
	}
	a, err := disk.OpenArdoise(d, *r.Ardoise)
	must(t, err)
	must(t, a.Mark().Set(context.Background(), job.Mark{Phase: restore.PhaseMetadata}))
	if doubt := look(); !strings.Contains(doubt, "not finished") {
		t.Errorf("doubt %q", doubt)
	}
	must(t, a.Mark().Clear(context.Background()))
	if doubt := look(); doubt != "" {
		t.Errorf("doubt %q", doubt)
	}
	must(t, d.Flush())
	poke(t, pc, 512, []byte("EFI PARZ"))
	poke(t, pc, 500*mib-512, []byte("EFI PARZ"))
	if doubt := look(); doubt != "" && !strings.Contains(doubt, "partition table") {
		t.Errorf("doubt %q", doubt)
	}
}

// TestGrownAndShrunkAgainIsTheMasterInEveryByte: the blocks kept for growing were used meanwhile.
func TestGrownAndShrunkAgainIsTheMasterInEveryByte(t *testing.T) {
	m := extMaster(t, 160, nil, "-t", "ext4", "-b", "1024")
	pc := m.pc(t)
	tool(t, "truncate", "-s", "2G", pc)
	tool(t, "e2fsck", "-fy", pc) // resize2fs wants it where the last mount was in another second than the last check
	tool(t, "resize2fs", pc)
	tool(t, "e2fsck", "-fy", pc)
	tool(t, "resize2fs", pc, "160M")
	tool(t, "truncate", "-s", "160M", pc)
	v := m.look(t, pc)
	t.Logf("doubt %q, vouched %d bytes", v.Doubt, v.VouchedBytes)
	m.reset(t, pc, v)
}
