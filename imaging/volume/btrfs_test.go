package volume_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/masters/manifest"
)

// mkbtrfs makes a btrfs of mib MiB over garbage. Each has a UUID of its own: the kernel takes two of one for one.
func mkbtrfs(t testing.TB, mib int64, args string) image {
	t.Helper()
	i := blank(t, mib)
	for at := int64(0); at < i.size; at += 1 << 20 {
		i.patch(t, at+4096, noise(uint64(at>>20), 4096))
	}
	tool(t, "mkfs.btrfs", append(strings.Fields("-q -f -K -L salle "+args), i.path)...)
	return i
}

// onBtrfs runs do on a mounted btrfs.
func onBtrfs(t testing.TB, i image, options string, do func(dir string)) {
	t.Helper()
	byKernel(t, i, "btrfs", options, do)
}

// byKernel runs do on a volume that the kernel mounts, in a mount namespace of its own: whatever happens nothing stays
// mounted. do must not start goroutines.
func byKernel(t testing.TB, i image, kind, options string, do func(dir string)) {
	t.Helper()
	args, flags := []string{"-f", "--show", i.path}, uintptr(0)
	if strings.HasPrefix(options, "ro,") {
		args, flags = append(args, "-r"), unix.MS_RDONLY
	}
	loop := strings.TrimSpace(tool(t, "losetup", args...))
	defer func() { tool(t, "losetup", "-d", loop) }()
	options = strings.TrimPrefix(strings.TrimPrefix(options, "ro,"), "rw,")
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, and with it the namespace, ends here
		var err error
		defer func() { done <- err }()
		if err = unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return
		}
		if err = unix.Mount(loop, dir, kind, flags, options); err != nil {
			return
		}
		defer func() { err = errors.Join(err, unmounted(dir)) }()
		do(dir)
	}()
	if err := <-done; err != nil {
		t.Fatalf("mounting with %q: %v", options, err)
	}
}

// unmounted unmounts a folder. A program of another test that is just being started has a copy of our files.
func unmounted(dir string) error {
	err := unix.Unmount(dir, 0)
	for k := 0; err == unix.EBUSY && k < 1000; k++ {
		time.Sleep(10 * time.Millisecond)
		err = unix.Unmount(dir, 0)
	}
	return err
}

// sh runs shell commands in a directory.
func sh(t testing.TB, dir, script string) {
	t.Helper()
	c := exec.Command("bash", "-euc", script)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// listed tells all that a person sees of a mounted tree: names, kinds, modes, owners, times, xattrs, content.
func listed(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if st.Ino == 2 { // where another snapshot has a subvolume: made up by the kernel, with the time of now
			st.Mtim = unix.Timespec{}
		}
		line := fmt.Sprintf("%q %o %d %d %d %x %d.%09d", strings.TrimPrefix(path, dir), st.Mode, st.Uid, st.Gid, st.Size, st.Rdev, st.Mtim.Sec, st.Mtim.Nsec)
		names := make([]byte, 4096)
		if n, err := unix.Llistxattr(path, names); err == nil {
			for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
				value := make([]byte, 64<<10)
				n, _ := unix.Lgetxattr(path, name, value)
				line += fmt.Sprintf(" %s=%x", name, value[:max(n, 0)])
			}
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			line += " -> " + to
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(b))
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Errorf("walking %s: %v", dir, err)
	}
	slices.Sort(out)
	return out
}

// soundBtrfs makes sure that a restored volume has no fault, and holds what the first one does.
func soundBtrfs(t *testing.T, want, got image) {
	t.Helper()
	tool(t, "btrfs", "check", "--readonly", "--check-data-csum", got.path)
	var lists [2][]string
	onBtrfs(t, want, "ro,subvolid=5", func(dir string) { lists[0] = listed(t, dir) })
	onBtrfs(t, got, "rw,subvolid=5", func(dir string) { lists[1] = listed(t, dir) })
	if !slices.Equal(lists[0], lists[1]) {
		t.Errorf("the restored tree differs: %d entries, want %d", len(lists[1]), len(lists[0]))
		for k := range min(len(lists[0]), len(lists[1])) {
			if lists[0][k] != lists[1][k] {
				t.Errorf("%.200s\nwant %.200s", lists[1][k], lists[0][k])
				break
			}
		}
	}
}

// btrfsUsed figures the used bytes from the extent tree as the real tool prints it: each extent as often as its chunk has
// stripes.
func btrfsUsed(t testing.TB, i image) int64 {
	t.Helper()
	type chunk struct{ from, to, copies int64 }
	var chunks []chunk
	var key [3]string
	read := func(tree string, item func(line string)) {
		for line := range strings.Lines(tool(t, "btrfs", "inspect-internal", "dump-tree", "-t", tree, i.path)) {
			if _, k, ok := strings.Cut(line, " key ("); ok {
				f := strings.Fields(strings.Trim(k, "()"))
				key = [3]string{f[0], f[1], strings.TrimRight(f[2], ")")}
			}
			item(strings.TrimSpace(line))
		}
	}
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
	read("chunk", func(line string) {
		f := strings.Fields(line)
		if len(f) > 1 && key[1] == "CHUNK_ITEM" && f[0] == "length" {
			chunks = append(chunks, chunk{number(key[2]), number(key[2]) + number(f[1]), 1})
		}
		if len(f) > 1 && f[0] == "num_stripes" {
			chunks[len(chunks)-1].copies = number(f[1])
		}
	})
	var used, node int64
	super := tool(t, "btrfs", "inspect-internal", "dump-super", i.path)
	for line := range strings.Lines(super) {
		if v, ok := strings.CutPrefix(line, "nodesize"); ok {
			node = number(strings.TrimSpace(v))
		}
	}
	read("extent", func(line string) {
		if !strings.HasPrefix(line, "item ") || key[1] != "EXTENT_ITEM" && key[1] != "METADATA_ITEM" {
			return
		}
		length := number(key[2])
		if key[1] == "METADATA_ITEM" {
			length = node
		}
		for _, c := range chunks {
			if at := number(key[0]); at >= c.from && at < c.to {
				used += length * c.copies
			}
		}
	})
	if len(chunks) < 1 || used == 0 {
		t.Fatal("the tool prints no extents")
	}
	used += 1 << 20 // reserved; the first superblock lies in it
	if i.size > 64<<20+4096 {
		used += 4096
	}
	return used
}

func TestBtrfsOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := unixTree(t)
	if err := os.Remove(filepath.Join(tree, "sparse")); err != nil { // mkfs.btrfs writes its holes
		t.Fatal(err)
	}
	for name, args := range map[string]string{
		"as mkfs.btrfs makes it":                    "",
		"nodes of 64 KiB, single metadata":          "-n 65536 -m single",
		"all twice":                                 "-m dup -d dup",
		"mixed groups":                              "--mixed",
		"nodes of 4 KiB, xxhash":                    "-n 4096 --csum xxhash -m single",
		"SHA-256, features of 2013":                 "--csum sha256 -O ^skinny-metadata,^no-holes,^extref -m single",
		"quotas, no free space tree, single by all": "-R quota,^free-space-tree -m single -d single",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mib := int64(128)
			if strings.Contains(args, "single") || strings.Contains(args, "mixed") {
				mib = 72
			} else if strings.Contains(args, "-d dup") {
				mib = 240
			}
			i := mkbtrfs(t, mib, "--rootdir "+tree+" "+args)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile || l.Kind != "btrfs" || l.Label != "salle" || l.UUID != strings.TrimSpace(tool(t, "blkid", "-p", "-o", "value", "-s", "UUID", i.path)) {
				t.Fatalf("%s by %s (%s), label %q, UUID %s", l.Kind, l.Order, l.Reason, l.Label, l.UUID)
			}
			if want := btrfsUsed(t, i); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			classes(t, l, i.size)
			byBtrfsStream(t, contents(t, i, l), tree, 8)
			soundBtrfs(t, i, restored(t, i, l))
		})
	}
}

// byBtrfsStream compares files as their streams alone give them.
func byBtrfsStream(t *testing.T, got map[string][]byte, tree string, least int) {
	t.Helper()
	for path, b := range got {
		want, err := os.ReadFile(filepath.Join(tree, path))
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("stream %.60s differs from its file (%v)", path, err)
		}
	}
	if len(got) < least {
		t.Errorf("%d streams, want %d or more", len(got), least)
	}
}
