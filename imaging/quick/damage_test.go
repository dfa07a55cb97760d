package quick_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/quick"
)

// way is one thing that somebody does to a computer.
type way struct {
	name   string
	within func(t *testing.T, dir string)   // in the mounted file system
	beyond func(t *testing.T, image string) // past it, after that
	doubt  string                           // what the doubt must speak of; "" = quick must do
	writes bool                             // the reset has to write
}

// fixture is the tree of a school's computer, in dir.
func fixture(t testing.TB, dir string) {
	for i, n := range []int{0, 1, 100, 4096, 5000, 70_000, 300_000, 1_500_000} {
		for k := range 6 {
			write(t, filepath.Join(dir, "usr/lib", string(rune('a'+i)), string(rune('a'+k))), noise(uint64(10*i+k), n))
		}
	}
	write(t, filepath.Join(dir, "boot/vmlinuz"), noise(100, 200_000))
	write(t, filepath.Join(dir, "boot/grub/grubenv"), bytes.Repeat([]byte("#"), 1024))
	write(t, filepath.Join(dir, "home/pupil/essay"), noise(101, 30_000))
	write(t, filepath.Join(dir, "home/pupil/notes"), noise(102, 2_000))
	write(t, filepath.Join(dir, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\n"))
	must(t, os.Symlink("passwd", filepath.Join(dir, "etc/link")), os.Symlink(strings.Repeat("long/", 40), filepath.Join(dir, "etc/long")))
	// A file in so many pieces that its extent tree leaves the inode, and one with holes.
	one, err := os.Create(filepath.Join(dir, "usr/pieces"))
	must(t, err)
	for i := range int64(400) {
		_, err := one.WriteAt(noise(uint64(200+i), 4096), i*8192)
		must(t, err)
	}
	must(t, one.Sync(), one.Close())
	must(t, os.WriteFile(filepath.Join(dir, "usr/zeros"), make([]byte, 600_000), 0o600))
}

// edit changes a few bytes of a file in place.
func edit(t *testing.T, path string, at int64, b string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(b), at)
	must(t, err, f.Close())
}

// ways are those that every file system has.
func ways(t *testing.T) []way {
	in := func(do func(t *testing.T, dir string)) func(*testing.T, string) { return do }
	return []way{
		{name: "nothing", within: in(func(*testing.T, string) {})},
		{name: "read", within: in(func(t *testing.T, dir string) {
			for _, f := range []string{"usr/lib/h/a", "usr/lib/e/b", "etc/passwd"} {
				_, err := os.ReadFile(filepath.Join(dir, f))
				must(t, err)
			}
		})},
		{name: "added", writes: true, within: in(func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "home/pupil/games/one"), noise(1000, 400_000))
			write(t, filepath.Join(dir, "usr/lib/a/new"), noise(1001, 40))
		})},
		{name: "deleted", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "usr/lib/g/a")), os.Remove(filepath.Join(dir, "etc/passwd")))
		})},
		{name: "deleted, and its place used by another", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "usr/lib/h/c")))
			unix.Sync()
			for i := range 40 {
				write(t, filepath.Join(dir, "home", string(rune('A'+i))), noise(uint64(2000+i), 700_000))
			}
		})},
		{name: "renamed", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "usr/lib/f/a"), filepath.Join(dir, "home/pupil/mine")))
		})},
		{name: "edited, with its time put back", writes: true, within: in(func(t *testing.T, dir string) {
			path := filepath.Join(dir, "usr/lib/h/d")
			info, err := os.Stat(path)
			must(t, err)
			edit(t, path, 700_000, "cheat")
			must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
		})},
		{name: "permissions", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "usr/lib/d/a"), 0o4777))
		})},
		{name: "cut and grown again", writes: true, within: in(func(t *testing.T, dir string) {
			path := filepath.Join(dir, "usr/lib/g/b")
			must(t, os.Truncate(path, 1000), os.Truncate(path, 300_000))
		})},
		{name: "linked", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.Link(filepath.Join(dir, "usr/lib/e/a"), filepath.Join(dir, "home/pupil/second")))
		})},
		{name: "a symbolic link turned", writes: true, within: in(func(t *testing.T, dir string) {
			path := filepath.Join(dir, "etc/long")
			must(t, os.Remove(path), os.Symlink(strings.Repeat("gone/", 40), path))
		})},
		{name: "a directory removed", writes: true, within: in(func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, "usr/lib/f")))
		})},
		{name: "replaced by renaming", writes: true, within: in(func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "etc/passwd.new"), []byte("pupil:x:0:0::/root:/bin/sh\n"))
			must(t, os.Rename(filepath.Join(dir, "etc/passwd.new"), filepath.Join(dir, "etc/passwd")))
		})},
		{name: "a file in pieces edited", writes: true, within: in(func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "usr/pieces"), 8192*200+5, "cheat")
		})},
		{name: "overwritten through a mapping", writes: true, within: in(func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, "usr/lib/h/e"), os.O_RDWR, 0)
			must(t, err)
			b, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			must(t, err)
			b[5000] ^= 0xff
			must(t, unix.Msync(b, unix.MS_SYNC), unix.Munmap(b), f.Close())
		})},
	}
}

var extWays = []way{
	{name: "an attribute", writes: true, within: func(t *testing.T, dir string) {
		must(t, unix.Setxattr(filepath.Join(dir, "usr/lib/e/c"), "user.mine", bytes.Repeat([]byte("x"), 300), 0))
	}},
	{name: "an access control list", writes: true, within: func(t *testing.T, dir string) {
		must(t, unix.Setxattr(filepath.Join(dir, "etc"), "user.mine", []byte("x"), 0))
	}},
	{name: "a hole punched", writes: true, within: func(t *testing.T, dir string) {
		f, err := os.OpenFile(filepath.Join(dir, "usr/lib/h/f"), os.O_RDWR, 0)
		must(t, err)
		must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 400_000, 200_000), f.Close())
	}},
	{name: "what GRUB writes by itself", writes: true, within: func(*testing.T, string) {}, beyond: func(t *testing.T, image string) {
		b, err := os.ReadFile(image)
		must(t, err)
		at := bytes.Index(b, bytes.Repeat([]byte("#"), 1024))
		if at < 0 {
			t.Fatal("there is no grubenv")
		}
		poke(t, image, int64(at), []byte("# GRUB Environment Block\nchosen=1\n"))
	}},
	{name: "formatted", doubt: "was made anew", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", image)
	}},
	{name: "another file system", doubt: "does not begin with a superblock", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "wipefs", "-q", "-a", image)
		tool(t, "mkswap", "-q", image)
	}},
	{name: "encrypted", doubt: "does not begin with a superblock", writes: true, beyond: func(t *testing.T, image string) {
		poke(t, image, 0, append([]byte("LUKS\xba\xbe"), noise(5, 1<<20)...))
	}},
	{name: "grown", doubt: "contradicts itself", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "e2fsck", "-fp", image) // resize2fs wants it where the last mount was in another second than the last check
		tool(t, "truncate", "-s", "80M", image)
		tool(t, "resize2fs", image)
	}},
	{name: "shrunk", doubt: "12800 blocks instead of 16384", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "e2fsck", "-fp", image)
		tool(t, "resize2fs", image, "50M")
		tool(t, "truncate", "-s", "64M", image)
	}},
	{name: "its superblock damaged", doubt: "checksum of its superblock", writes: true, beyond: func(t *testing.T, image string) {
		poke(t, image, 1024+0x78, []byte("CHEAT"))
	}},
	{name: "a descriptor damaged", doubt: "group descriptor", writes: true, beyond: func(t *testing.T, image string) {
		poke(t, image, 4096+3, []byte{1})
	}},
	{name: "errors noted", doubt: "having errors", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "debugfs", "-w", "-R", "ssv state 3", image)
	}},
	{name: "not unmounted", doubt: "not shut down cleanly", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "debugfs", "-w", "-R", "feature needs_recovery", image)
	}},
	{name: "other features", doubt: "other features", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "tune2fs", "-O", "project,quota", image)
	}},
}

func TestExtIsResetWhateverWasDoneToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 64*mib))
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", path)
	mountedExt(t, path, func(dir string) { fixture(t, dir) })
	m := captured(t, path)
	for _, w := range append(ways(t), extWays...) {
		t.Run(w.name, func(t *testing.T) {
			pc := m.pc(t)
			if w.within != nil {
				mountedExt(t, pc, func(dir string) { w.within(t, dir) })
			}
			if w.beyond != nil {
				w.beyond(t, pc)
			}
			m.judge(t, pc, w)
		})
	}
}

// judge looks, resets and proves.
func (m *master) judge(t *testing.T, pc string, w way) {
	v := m.look(t, pc)
	t.Logf("read %d, metadata %d, differing %d, vouched %d bytes, %d files, checked %d, doubt %q", v.ReadBytes, v.MetadataBytes,
		v.DifferingBytes, v.VouchedBytes, v.VouchedFiles, v.CheckedFiles, v.Doubt)
	if (w.doubt == "") != (v.Doubt == "") || !strings.Contains(v.Doubt, w.doubt) {
		t.Fatalf("doubt %q, want one about %q", v.Doubt, w.doubt)
	}
	if w.doubt == "" && v.VouchedFiles < 35 {
		t.Errorf("%d files are vouched for, %d are not", v.VouchedFiles, v.CheckedFiles)
	}
	full := pc + ".full"
	tool(t, "cp", "--sparse=always", pc, full)
	m.reset(t, full, m.look(t, full, func(o *quick.Options) { o.Names = nil })) // a doubt: everything is read
	r := m.reset(t, pc, v)
	if w.writes && r.WrittenBytes == 0 {
		t.Errorf("the reset wrote %d bytes", r.WrittenBytes)
	}
	if w.doubt == "" && r.VouchedBytes != v.VouchedBytes {
		t.Errorf("the reset passed over %d bytes, %d were vouched for", r.VouchedBytes, v.VouchedBytes)
	}
	if again := m.look(t, pc); again.Doubt != "" || again.DifferingBytes != 0 {
		t.Errorf("after the reset %d bytes of metadata differ, doubt %q", again.DifferingBytes, again.Doubt)
	}
}
