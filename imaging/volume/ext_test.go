package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// mkext makes an ext file system of mib MiB from a directory.
func mkext(t testing.TB, dir string, mib int, args ...string) image {
	t.Helper()
	i := image{filepath.Join(t.TempDir(), "ext"), int64(mib) << 20}
	all := append([]string{"-q", "-F", "-L", "salle", "-U", "6f1e1e0c-7a1e-4a53-9a3c-2f6d0a1b2c3d"}, args...)
	if dir != "" {
		all = append(all, "-d", dir)
	}
	tool(t, "mke2fs", append(all, i.path, fmt.Sprintf("%dM", mib))...)
	return i
}

// dumped returns a number that dumpe2fs prints.
func dumped(t testing.TB, i image, field string) int64 {
	t.Helper()
	return printed(t, tool(t, "dumpe2fs", "-h", i.path), field)
}

func printed(t testing.TB, dump, field string) int64 {
	t.Helper()
	for line := range strings.Lines(dump) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("dumpe2fs prints no %q", field)
	return 0
}

func debugfs(t testing.TB, i image, commands ...string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "commands")
	write(t, script, []byte(strings.Join(commands, "\n")+"\n"))
	tool(t, "debugfs", "-w", "-f", script, i.path)
}

// sound makes sure that a restored ext volume has no fault and holds the files of dir.
func sound(t *testing.T, i image, dir string) {
	t.Helper()
	tool(t, "e2fsck", "-fn", i.path)
	out := t.TempDir()
	tool(t, "debugfs", "-R", "rdump / "+out, i.path)
	sameTree(t, dir, out)
}

func TestExtOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := unixTree(t)
	for name, args := range map[string]string{
		"ext2 with 1 KiB blocks":                     "-t ext2 -b 1024",
		"ext2 with 4 KiB blocks":                     "-t ext2 -b 4096",
		"ext2 of revision 0":                         "-t ext2 -r 0 -b 1024",
		"ext3 with 1 KiB blocks":                     "-t ext3 -b 1024",
		"ext3 with 2 KiB blocks":                     "-t ext3 -b 2048",
		"ext4 with 1 KiB blocks":                     "-t ext4 -b 1024",
		"ext4 with 2 KiB blocks":                     "-t ext4 -b 2048",
		"ext4 with 4 KiB blocks":                     "-t ext4 -b 4096",
		"ext4 with 8 KiB blocks":                     "-t ext4 -b 8192",
		"ext4 with 16 KiB blocks":                    "-t ext4 -b 16384",
		"ext4 with 32 KiB blocks":                    "-t ext4 -b 32768 -O ^has_journal -N 2048",
		"ext4 with 64 KiB blocks":                    "-t ext4 -b 65536 -O ^has_journal -N 2048",
		"ext4 without journal":                       "-t ext4 -b 4096 -O ^has_journal",
		"ext4 with 32-bit descriptors":               "-t ext4 -b 1024 -O ^64bit",
		"ext4 with half bitmap checksums":            "-t ext4 -b 1024 -O ^64bit,metadata_csum",
		"ext4 with uninit groups, no other checksum": "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg",
		"ext4 without any checksum":                  "-t ext4 -b 1024 -O ^metadata_csum,^uninit_bg",
		"ext4 with a checksum seed":                  "-t ext4 -b 1024 -O metadata_csum_seed",
		"ext4 with meta_bg":                          "-t ext4 -b 1024 -O meta_bg,^resize_inode",
		"ext4 with meta_bg, 64 byte descriptors":     "-t ext4 -b 1024 -O meta_bg,^resize_inode,64bit,^flex_bg",
		"ext4 without flex_bg":                       "-t ext4 -b 1024 -O ^flex_bg",
		"ext4 with small groups":                     "-t ext4 -b 1024 -g 1024 -O ^resize_inode",
		"ext4 with sparse_super2":                    "-t ext4 -b 1024 -O sparse_super2,^resize_inode",
		"ext4 without sparse_super":                  "-t ext4 -b 1024 -O ^sparse_super,^resize_inode,^metadata_csum,^uninit_bg",
		"ext4 with inline data":                      "-t ext4 -b 4096 -I 512 -O inline_data",
		"ext4 with inline data, 1 KiB blocks":        "-t ext4 -b 1024 -I 256 -O inline_data",
		"ext4 with 128 byte inodes":                  "-t ext4 -b 4096 -I 128",
		"ext4 with 1 KiB inodes":                     "-t ext4 -b 4096 -I 1024",
		"ext4 with clusters of 16 KiB":               "-t ext4 -b 4096 -O bigalloc -C 16384 -N 2048",
		"ext4 with clusters of 8 KiB, 1 KiB blocks":  "-t ext4 -b 1024 -O bigalloc -C 8192 -N 2048",
		"ext4 with quotas and encryption allowed":    "-t ext4 -b 4096 -O project,encrypt,verity",
		"ext4 with quotas in files of its own":       "-t ext4 -b 4096 -O quota,project -E quotatype=usrquota:grpquota:prjquota",
		"ext4 as mke2fs 1.47.2 makes it":             "-t ext4 -b 4096 -O orphan_file,metadata_csum_seed,project",
		"ext4 with fast commits":                     "-t ext4 -b 4096 -O fast_commit",
		"ext4 with indirect blocks":                  "-t ext4 -b 1024 -O ^extent,^64bit",
		"ext4 with sparse_super2 and one copy":       "-t ext4 -b 1024 -O sparse_super2,^resize_inode -E num_backup_sb=1",
		"ext4 with metadata at its start":            "-t ext4 -b 1024 -E packed_meta_blocks=1",
		"ext4 with multiple mount protection":        "-t ext4 -b 4096 -O mmp",
		"ext4 with large and folded directories":     "-t ext4 -b 4096 -O large_dir,casefold",
		"ext4 with a journal at its end":             "-t ext4 -b 1024 -J location=20M",
		"ext4 with groups in pairs":                  "-t ext4 -b 1024 -G 2 -g 2048 -O ^resize_inode",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mib := 24
			if strings.Contains(args, "-b 65536") || strings.Contains(args, "-b 32768") {
				mib = 64
			}
			i := mkext(t, tree, mib, strings.Fields(args)...)
			if strings.Contains(args, "quotatype") { // mke2fs 1.47 does not count what it copies; e2fsck does, and ends with 1
				_ = exec.Command("e2fsck", "-fy", i.path).Run()
			}
			l := i.mustRead(t)
			if l.Order != manifest.ByFile || l.Label != "salle" || l.UUID != "6f1e1e0c-7a1e-4a53-9a3c-2f6d0a1b2c3d" {
				t.Fatalf("order %s (%s), label %q, UUID %s", l.Order, l.Reason, l.Label, l.UUID)
			}
			if kind, _, _ := strings.Cut(name, " "); l.Kind != kind {
				t.Errorf("kind %s, want %s", l.Kind, kind)
			}
			dump := tool(t, "dumpe2fs", "-h", i.path)
			bs := printed(t, dump, "Block size")
			free, blocks := printed(t, dump, "Free blocks"), printed(t, dump, "Block count")
			if want := i.size - free*bs; l.Used != want {
				t.Errorf("%d bytes used, want %d of %d blocks", l.Used, want, blocks)
			}
			if class := classes(t, l, i.size); bs <= 4096 && !strings.Contains(args, "bigalloc") { // partclone knows neither
				asPartclone(t, "extfs", i, class, bs, true)
			}
			want := tree
			if strings.Contains(args, "inline_data") { // mke2fs 1.47 makes files of 1 to 59 bytes 60 bytes long
				want = t.TempDir()
				tool(t, "debugfs", "-R", "rdump / "+want, i.path)
			}
			sound(t, restored(t, i, l), want)
			byStream(t, contents(t, i, l), tree, strings.Contains(args, "inline_data"))
		})
	}
}

// byStream compares files as their streams alone give them. Only the first name of a file with several has a stream.
func byStream(t *testing.T, got map[string][]byte, tree string, inline bool) {
	t.Helper()
	if _, first := got["a hard link"]; !first {
		t.Error("the first of three names has no stream")
	}
	if got["z hard link"] != nil || got["sizes/0900001"] != nil {
		t.Error("a file with three names has more than one stream")
	}
	for path, b := range got {
		want, err := os.ReadFile(filepath.Join(tree, path))
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("stream %.60s differs from its file (%v)", path, err)
		}
	}
	if least := 430; !inline && len(got) < least {
		t.Errorf("%d streams, want %d or more", len(got), least)
	}
}

func TestExtDirectoriesWithAnIndexAreRead(t *testing.T) {
	tree := plainTree(t)
	for n := range 1500 {
		write(t, filepath.Join(tree, "htree", fmt.Sprintf("%d-%s", n, strings.Repeat("n", 80))), []byte{byte(n)})
	}
	for name, args := range map[string]string{
		"two levels, checksums":    "-b 1024",
		"one level, checksums":     "-b 4096",
		"two levels, no checksums": "-b 1024 -O ^metadata_csum",
	} {
		t.Run(name, func(t *testing.T) {
			i := mkext(t, tree, 24, append(strings.Fields(args), "-t", "ext4", "-N", "2048")...)
			// mke2fs makes no index, e2fsck -D does; it may end with 1 since it has changed something
			if out, err := exec.Command("e2fsck", "-fyD", i.path).CombinedOutput(); err != nil && err.Error() != "exit status 1" {
				t.Fatalf("e2fsck -D: %v\n%s", err, out)
			}
			levels := map[bool]string{true: "Indirect levels: 1", false: "Indirect levels: 0"}[strings.HasPrefix(name, "two")]
			if dump := tool(t, "debugfs", "-R", "htree htree", i.path); !strings.Contains(dump, levels) {
				t.Fatalf("the directory has no index with %q", levels)
			}
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatal(l.Reason)
			}
			if n := len(contents(t, i, l)); n < 1620 {
				t.Errorf("%d streams, want 1620 or more", n)
			}
			sound(t, restored(t, i, l), tree)
		})
	}
}

func TestExtNearlyFullAndFragmentedIsKeptWhole(t *testing.T) {
	tree := plainTree(t)
	i := mkext(t, tree, 24, "-t", "ext4", "-b", "1024")
	piece, big := filepath.Join(tree, "piece"), filepath.Join(tree, "big")
	write(t, piece, noise(7, 5000))
	var commands []string
	for n := range 1500 {
		commands = append(commands, fmt.Sprintf("write %s piece%d", piece, n))
	}
	for n := 0; n < 1500; n += 2 {
		commands = append(commands, fmt.Sprintf("rm piece%d", n))
	}
	free := 0
	debugfs(t, i, commands...)
	free = int(dumped(t, i, "Free blocks"))
	write(t, big, noise(8, (free-60)*1024-333))
	debugfs(t, i, "write "+big+" big")
	if err := os.Remove(piece); err != nil {
		t.Fatal(err)
	}
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatal(l.Reason)
	}
	pieces := 0
	if err := l.Streams(func(s volume.Stream) error {
		if s.Path == "big" {
			pieces = len(s.Pieces)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if pieces < 500 {
		t.Errorf("the big file has %d pieces: not fragmented", pieces)
	}
	classes(t, l, i.size)
	sound(t, restored(t, i, l), tree)
}

func TestExtPreallocatedBlocksAreDontCare(t *testing.T) {
	tree := plainTree(t)
	for name, args := range map[string][]string{
		"blocks":   {"-t", "ext4", "-b", "4096"},
		"clusters": {"-t", "ext4", "-b", "4096", "-O", "bigalloc", "-C", "16384"},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkext(t, tree, 32, args...)
			debugfs(t, i, "fallocate zeros 100 299", "fallocate sizes/0000001 3 9")
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatal(l.Reason)
			}
			var unread int64
			for _, e := range l.DontCare {
				unread += e.Length
			}
			if unread < 200*4096 {
				t.Errorf("%d bytes are don't-care, want %d or more", unread, 200*4096)
			}
			classes(t, l, i.size)
			tool(t, "e2fsck", "-fn", restored(t, i, l).path)
		})
	}
}

func TestExtJournalBodyIsFilledWithZeros(t *testing.T) {
	tree := plainTree(t)
	for _, kind := range []string{"ext3", "ext4"} {
		i := mkext(t, tree, 32, "-t", kind, "-b", "1024")
		l := i.mustRead(t)
		var body int64
		for _, f := range l.Fills {
			i.patch(t, f.Offset, noise(uint64(f.Offset), int(f.Length))) // transactions of long ago
			body += f.Length
		}
		if journal := int64(1024) * 4096; body != journal-1024 {
			t.Errorf("%s: %d bytes of journal are filled, want all but its superblock: %d", kind, body, journal-1024)
		}
		out := restored(t, i, i.mustRead(t))
		b := out.bytes(t)
		for _, f := range l.Fills {
			if n := bytes.Count(b[f.Offset:f.Offset+f.Length], []byte{0}); int64(n) != f.Length {
				t.Errorf("%s: %d of %d bytes at %d are zero", kind, n, f.Length, f.Offset)
			}
		}
		sound(t, out, tree)
	}
}

func TestExtBytesBehindTheFileSystemAreKept(t *testing.T) {
	i := mkext(t, "", 8, "-t", "ext4", "-b", "4096")
	i.size += 5000
	i.patch(t, i.size-5000, noise(3, 5000))
	l := i.mustRead(t)
	c := classes(t, l, i.size)
	if bytes.Count(c[i.size-5000:], []byte{1}) != 5000 {
		t.Error("the bytes behind the file system are not all kept")
	}
}

// mmpSeq stands for the place of the sequence number of multiple mount protection. debugfs would wait before it opens
// such a volume.
const mmpSeq = -1

func TestExtThatIsNotCleanIsRefused(t *testing.T) {
	for name, how := range map[string]struct {
		args     string
		commands []string
		patch    map[int64][]byte
	}{
		"journal needs recovery":   {args: "-t ext4", commands: []string{"feature needs_recovery"}},
		"mounted, never unmounted": {args: "-t ext2", commands: []string{"ssv state 0"}},
		"errors seen":              {args: "-t ext4", commands: []string{"ssv state 3"}},
		"orphan file in use":       {args: "-t ext4 -O ^metadata_csum", patch: map[int64][]byte{1024 + 0x66: {1}}},
		"external journal":         {args: "-t ext4", commands: []string{"ssv journal_inum 0"}},
		"journal device":           {args: "-O journal_dev -b 4096"},
		"used by another computer": {args: "-t ext4 -b 4096 -O mmp", patch: map[int64][]byte{mmpSeq: {5, 0, 0, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkext(t, "", 16, strings.Fields(how.args)...)
			if how.commands != nil {
				debugfs(t, i, how.commands...)
			}
			for off, b := range how.patch {
				if off == mmpSeq {
					off = int64(binary.LittleEndian.Uint64(i.bytes(t)[1024+0x168:]))*4096 + 4
				}
				i.patch(t, off, b)
			}
			_, err := i.read(t, volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			l, err := i.read(t, volume.Options{AsIs: true})
			if err != nil || l.Order != manifest.Raw || l.Used != i.size || l.Reason == "" {
				t.Fatalf("as it is: %+v, %v", l, err)
			}
			classes(t, l, i.size)
		})
	}
}

func TestExtThatContradictsItselfIsKeptMoreCoarsely(t *testing.T) {
	tree := plainTree(t)
	for name, how := range map[string]struct {
		args     string
		commands []string
		want     manifest.Order
	}{
		"a file's block is called free":    {"-t ext2", []string{"freeb 2000 50"}, manifest.Raw},
		"free count of superblock":         {"-t ext2", []string{"ssv free_blocks_count 77"}, manifest.Raw},
		"free count of a group":            {"-t ext2", []string{"set_bg 1 free_blocks_count 5", "set_bg 1 checksum calc"}, manifest.Raw},
		"free inodes of superblock":        {"-t ext2", []string{"ssv free_inodes_count 3"}, manifest.ByPosition},
		"unknown feature":                  {"-t ext2", []string{"feature FEATURE_I30"}, manifest.Raw},
		"a block outside the volume":       {"-t ext2", []string{"sif sizes/0001024 block[0] 99999999"}, manifest.ByPosition},
		"a directory with two names":       {"-t ext2", []string{"ln many sizes/again"}, manifest.ByPosition},
		"a broken extent tree":             {"-t ext4 -O ^metadata_csum", []string{"sif sizes/0900001 block[0] 17"}, manifest.ByPosition},
		"an inode whose checksum is wrong": {"-t ext4", []string{"sif sizes/0900001 checksum 0x1234"}, manifest.ByPosition},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkext(t, tree, 16, append(strings.Fields(how.args), "-b", "1024")...)
			debugfs(t, i, how.commands...)
			l := i.mustRead(t)
			if l.Order == manifest.ByFile || l.Reason == "" || l.Order != how.want {
				t.Fatalf("order %s, reason %q, want %s", l.Order, l.Reason, how.want)
			}
			t.Logf("%s: %s", l.Order, l.Reason)
			classes(t, l, i.size)
			again := restored(t, i, l)
			if c := classes(t, l, i.size); l.Order == manifest.Raw && bytes.Count(c, []byte{1}) != len(c) {
				t.Error("not all bytes are kept")
			}
			if again.mustRead(t).Order != l.Order {
				t.Error("the restored volume is read in another way")
			}
		})
	}
}

func TestExtBlocksOfTwoOwnersAreKeptByPosition(t *testing.T) {
	i := mkext(t, plainTree(t), 16, "-t", "ext2", "-b", "1024")
	block := strings.Fields(tool(t, "debugfs", "-R", "bmap sizes/0001024 0", i.path))
	debugfs(t, i, "sif sizes/0001023 block[0] "+block[len(block)-1])
	l := i.mustRead(t)
	if l.Order != manifest.ByPosition || !strings.Contains(l.Reason, "belong to something else") {
		t.Errorf("order %s, reason %q", l.Order, l.Reason)
	}
	classes(t, l, i.size)
}

func TestExtBlocksInUseThatTheBitmapCallsFreeMakeItRaw(t *testing.T) {
	i := mkext(t, plainTree(t), 8, "-t", "ext2", "-b", "1024", "-O", "^resize_inode")
	words := strings.Fields(tool(t, "debugfs", "-R", "bmap sizes/0001024 0", i.path))
	free := dumped(t, i, "Free blocks") + 1 // one group only
	debugfs(t, i, "freeb "+words[len(words)-1], fmt.Sprintf("ssv free_blocks_count %d", free),
		fmt.Sprintf("set_bg 0 free_blocks_count %d", free))
	l := i.mustRead(t)
	if l.Order != manifest.Raw || !strings.Contains(l.Reason, "calls free") {
		t.Errorf("order %s, reason %q", l.Order, l.Reason)
	}
}

func TestExtTailIsZeroedOnlyWhereItIsFree(t *testing.T) {
	i := mkext(t, plainTree(t), 16, "-t", "ext4", "-b", "4096", "-O", "verity,encrypt")
	debugfs(t, i, "sif sizes/0004097 flags 0x180000", "sif sizes/0001025 flags 0x80800")
	want := map[string]bool{"sizes/0004097": false, "sizes/0001025": false, "sizes/0000511": true}
	if err := i.mustRead(t).Streams(func(s volume.Stream) error {
		if w, ok := want[s.Path]; ok && w != s.ZeroTail {
			t.Errorf("%s: tail zeroed %v, want %v", s.Path, s.ZeroTail, w)
		}
		delete(want, s.Path)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) > 0 {
		t.Errorf("no stream for %v", want)
	}
}

func TestExtFilesWithoutANameHaveAStream(t *testing.T) {
	i := mkext(t, plainTree(t), 16, "-t", "ext4", "-b", "4096")
	debugfs(t, i, "unlink sizes/0262145")
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatal(l.Reason)
	}
	for path, b := range contents(t, i, l) {
		if strings.HasPrefix(path, "#") {
			if !bytes.Equal(b, noise(16, 262145)) {
				t.Errorf("the file without a name has other content")
			}
			return
		}
	}
	t.Error("the file without a name has no stream")
}

func TestExtWithoutItsHeadsDoesNotMount(t *testing.T) {
	i := mkext(t, "", 8, "-t", "ext4")
	for _, h := range i.mustRead(t).Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if l := i.mustRead(t); l.Kind != "raw" {
		t.Errorf("it is still recognised as %s", l.Kind)
	}
}
