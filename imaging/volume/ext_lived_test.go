package volume_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// acl is the value of a POSIX access control list that lets users of these numbers read and write: version 2, then tag,
// permissions and number of each entry.
func acl(users ...uint32) string {
	slices.Sort(users)
	b := binary.LittleEndian.AppendUint32(nil, 2)
	entry := func(tag, permissions uint16, id uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, permissions)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	const owner, user, group, mask, others, none = 0x01, 0x02, 0x04, 0x10, 0x20, ^uint32(0)
	entry(owner, 6, none)
	for _, id := range users {
		entry(user, 6, id)
	}
	entry(group, 4, none)
	entry(mask, 6, none)
	entry(others, 4, none)
	return string(b)
}

// extLife is what a system of some years does to an ext file system. It runs in the mounted volume.
const extLife = `
cp -a "$TREE/." .
mkfifo pipe; mknod device c 1 3; mknod block b 7 200
chown 1000:1001 sizes/0000001; chmod 4755 sizes/0004096; chmod 1777 many; touch -d "2019-03-04 05:06:07.123456789" sizes/0004097
touch -d "1935-01-02 03:04:05" sizes/0000511 2> /dev/null || true
mkdir gone grown
long=$(printf %0100d 0)
for n in $(seq 600); do echo $n > gone/$n; echo $n > grown/$n-$long; done
rm gone/*[05]
# a file in pieces, one that was never written in places, one with blocks behind its end, one with holes punched
for n in $(seq 60); do head -c 9000 /dev/urandom >> one; head -c 9000 /dev/urandom >> other; done
fallocate -l 900000 prepared 2> /dev/null && dd if=/dev/urandom of=prepared bs=4096 seek=33 count=5 conv=notrunc status=none
fallocate -n -l 300000 sizes/0001025 2> /dev/null || true
fallocate -p -o 100000 -l 200000 one 2> /dev/null || true
truncate -s 30M another-sparse; echo end >> another-sparse; truncate -s 12345 zeros
chattr +A one; chattr +d other; chattr +i sizes/0000059
ln -s "$(printf %0200d 1)" long-link; ln one another-name
`

var extLives = map[string]string{
	"ext2":                          "-t ext2 -b 1024",
	"ext3":                          "-t ext3 -b 4096",
	"ext4 as mke2fs makes it":       "-t ext4",
	"ext4 with 1 KiB blocks":        "-t ext4 -b 1024",
	"ext4 with attributes in files": "-t ext4 -b 1024 -O ea_inode",
	"ext4 with content in inodes":   "-t ext4 -b 4096 -I 512 -O inline_data",
	"ext4 with clusters":            "-t ext4 -b 4096 -O bigalloc -C 16384 -N 4096",
	"ext4 with an orphan file":      "-t ext4 -O orphan_file",
	"ext4 without checksums":        "-t ext4 -b 1024 -O ^metadata_csum,^64bit",
	"ext4 with 128 byte inodes":     "-t ext4 -I 128",
}

// TestExtThatWasLivedInIsKeptWhole compares what the kernel shows of a volume before and after: names, kinds, owners,
// modes, times, attributes, access control lists, content.
func TestExtThatWasLivedInIsKeptWhole(t *testing.T) {
	tree := unixTree(t)
	for name, args := range extLives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkext(t, "", 64, strings.Fields(args)...)
			byKernel(t, i, "ext4", "nodelalloc", func(dir string) {
				sh(t, dir, "TREE="+tree+extLife)
				extAttributes(t, dir, strings.Contains(args, "ea_inode"))
			})
			if t.Failed() {
				t.FailNow()
			}
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatalf("by %s: %s", l.Order, l.Reason)
			}
			dump := tool(t, "dumpe2fs", "-h", i.path)
			if want := i.size - printed(t, dump, "Free blocks")*printed(t, dump, "Block size"); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			class := classes(t, l, i.size)
			if !strings.Contains(args, "bigalloc") {
				asPartclone(t, "extfs", i, class, int64(l.Unit), true)
			}
			out := restored(t, i, l)
			tool(t, "e2fsck", "-fn", out.path)
			var lists [2][]string
			byKernel(t, i, "ext4", "ro,", func(dir string) { lists[0] = listed(t, dir) })
			byKernel(t, out, "ext4", "ro,", func(dir string) { lists[1] = listed(t, dir) })
			if !slices.Equal(lists[0], lists[1]) || len(lists[0]) < 1500 {
				t.Errorf("the restored tree differs: %d entries, want %d", len(lists[1]), len(lists[0]))
			}
		})
	}
}

// extAttributes gives files attributes of every size, and access control lists.
func extAttributes(t *testing.T, dir string, huge bool) {
	t.Helper()
	set := func(file, name, value string) {
		if err := unix.Setxattr(filepath.Join(dir, file), name, []byte(value), 0); err != nil {
			t.Errorf("%s of %s: %v", name, file, err)
		}
	}
	set("one", "user.short", "été")
	set("other", "user.long", strings.Repeat("x", 700))
	set("sizes/0000001", "user.long", strings.Repeat("x", 700)) // the same block for both, perhaps
	set("many", "user.of a directory", "y")
	set("one", "system.posix_acl_access", acl(1000))
	set("many", "system.posix_acl_access", acl(1000, 1001, 1002, 1003))
	set("many", "system.posix_acl_default", acl(1000))
	if huge {
		set("other", "user.huge", string(noise(5, 40000)))
	}
}

func TestExtBadBlocksAreDontCare(t *testing.T) {
	list := filepath.Join(t.TempDir(), "bad")
	write(t, list, []byte("5000\n5001\n5002\n9000\n"))
	tree := plainTree(t)
	for _, kind := range []string{"ext2", "ext4"} {
		i := mkext(t, tree, 16, "-t", kind, "-b", "1024", "-l", list)
		l := i.mustRead(t)
		if want := []volume.Extent{{Offset: 5000 << 10, Length: 3 << 10}, {Offset: 9000 << 10, Length: 1 << 10}}; l.Order != manifest.ByFile || !slices.Equal(l.DontCare, want) {
			t.Errorf("%s: by %s (%s), don't-care %v", kind, l.Order, l.Reason, l.DontCare)
		}
		classes(t, l, i.size)
		sound(t, restored(t, i, l), tree)
	}
}

// TestExtWithARealJournalElsewhereIsRefused makes both volumes with mke2fs: the journal, and what it is the journal of.
func TestExtWithARealJournalElsewhereIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root: run the tests through sudo")
	}
	journal := blank(t, 8)
	tool(t, "mke2fs", "-q", "-F", "-O", "journal_dev", "-b", "1024", journal.path)
	loop := strings.TrimSpace(tool(t, "losetup", "-f", "--show", journal.path))
	defer func() { tool(t, "losetup", "-d", loop) }()
	i := mkext(t, "", 16, "-t", "ext4", "-b", "1024", "-J", "device="+loop)
	for name, i := range map[string]image{"journal": journal, "volume": i} {
		if _, err := i.read(t, volume.Options{}); err == nil || !strings.Contains(err.Error(), "journal") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
