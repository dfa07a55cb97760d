package volume_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// mkxfs makes an XFS volume of mib MiB. mkfs.xfs makes volumes under 300 MiB for those who test, which it knows by their
// environment.
func mkxfs(t testing.TB, mib int64, args ...string) image {
	t.Helper()
	i := blank(t, mib)
	c := exec.Command("mkfs.xfs", append(append([]string{"-q", "-f", "-L", "salle"}, args...), i.path)...)
	c.Env = append(os.Environ(), "TEST_DIR=1", "TEST_DEV=1", "QA_CHECK_FS=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("mkfs.xfs %v: %v\n%s", args, err, out)
	}
	return i
}

// onXFS runs a shell script that finds the volume mounted at $M, in a mount namespace that ends with it.
func onXFS(t testing.TB, i image, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root: run the tests through sudo")
	}
	c := exec.Command("unshare", "--mount", "sh", "-euc", "mount -o loop \"$I\" \"$M\"\n"+script+"\ncd /\numount \"$M\"")
	c.Env = append(os.Environ(), "M="+t.TempDir(), "I="+i.path)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("with %s mounted: %v\n%s", i.path, err, out)
	}
	return strings.TrimSpace(string(out))
}

// hashTree is a hash over everything that tar sees of a mounted tree: names, content, times of writing and of change,
// owners, attributes.
const hashTree = `tar --pax-option=exthdr.name=%f,delete=atime --xattrs --xattrs-include='*' --acls --sort=name -C "$M" -cf - . | sha256sum`

// freeByDB is the number of free blocks, and of these the ones that lie in groups' free lists, by xfs_db.
func freeByDB(t testing.TB, i image) (free, atHand int64) {
	t.Helper()
	out := tool(t, "xfs_db", "-r", "-c", "freesp -s", "-c", "sb 0", "-c", "p agcount", i.path)
	groups := int64(0)
	for line := range strings.Lines(out) {
		_, _ = fmt.Sscanf(line, "total free blocks %d", &free)
		_, _ = fmt.Sscanf(line, "agcount = %d", &groups)
	}
	for g := range groups {
		n := int64(0)
		_, _ = fmt.Sscanf(tool(t, "xfs_db", "-r", "-c", fmt.Sprintf("agf %d", g), "-c", "p flcount", i.path), "flcount = %d", &n)
		atHand += n
	}
	return free, atHand
}

// attributed gives files of a tree attributes, some too long for an inode.
func attributed(t *testing.T, tree string) {
	t.Helper()
	for name, n := range map[string]int{"sizes/0000001": 10, "sizes/0004096": 300, "zeros": 2500, "many": 1200} {
		if err := syscall.Setxattr(filepath.Join(tree, name), "user.note", noise(uint64(n), n), 0); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setxattr(filepath.Join(tree, name), "system.posix_acl_access", []byte(acl(1000, uint32(n))), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// xfsLife fills a mounted volume as a system would: files of a tree, one of a thousand extents half of which were never
// written, blocks allocated ahead, holes, files that share blocks where the volume can, pipes and deleted files.
const xfsLife = `
cp -a "$TREE/." "$M/"
cd "$M"
set --
for n in $(seq 0 2 400); do set -- "$@" -c "pwrite -q $((n * 20000)) 5000"; done
xfs_io -f -c "falloc 0 8m" "$@" -c "fpunch 3m 100k" alternating
xfs_io -f -c "falloc -k 0 1m" -c "pwrite -q -S 0x41 0 10000" ahead
mkfifo pipe; mknod device c 1 3
cp --reflink=auto sizes/0900001 shared-1; cp --reflink=auto sizes/0900001 shared-2
xfs_io -c "pwrite -q -S 0x42 70000 100" -c "truncate 800000" shared-2
mkdir gone; for n in $(seq 200); do echo $n > gone/$n; done; sync -f .; rm gone/*[05]
sync -f .
`

var xfsMakes = map[string]string{
	"version 5":                              "-m reflink=1",
	"version 5, reverse mapping":             "-m reflink=1,rmapbt=1",
	"version 5, neither reflink nor counts":  "-m reflink=0,inobtcount=0,bigtime=0",
	"version 5, no free inode tree":          "-m finobt=0,reflink=0",
	"version 5, 1 KiB blocks":                "-b size=1024 -m rmapbt=1",
	"version 5, 64 KiB blocks":               "-b size=65536 -d agcount=2",
	"version 5, 16 KiB blocks":               "-b size=16384",
	"version 5, large directory blocks":      "-b size=1024 -n size=16384",
	"version 5, inodes of 2 KiB, not sparse": "-i size=2048,sparse=0",
	"version 5, wide extent counters":        "-i nrext64=1",
	"version 5, three groups":                "-d agcount=3",
	"version 5, sectors of 4 KiB":            "-s size=4096",
	"version 5, log with stripes":            "-l su=32k",
}

func TestXFSOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := unixTree(t)
	attributed(t, tree)
	for name, args := range xfsMakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mib := int64(64)
			if strings.Contains(args, "size=65536") {
				mib = 128
			}
			i := mkxfs(t, mib, strings.Fields(args)...)
			onXFS(t, i, "TREE="+tree+xfsLife)
			hash := onXFS(t, i, hashTree)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile || l.Label != "salle" || !strings.Contains(tool(t, "blkid", "-p", i.path), l.UUID) {
				t.Fatalf("%s by %s (%s), label %q, UUID %s", l.Kind, l.Order, l.Reason, l.Label, l.UUID)
			}
			free, atHand := freeByDB(t, i)
			if want := i.size - (free-atHand)*int64(l.Unit); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			c := classes(t, l, i.size)
			asPartclone(t, "xfs", i, c, int64(l.Unit), false)
			if n := bytes.Count(c, []byte{3}); n < 1<<20 {
				t.Errorf("%d bytes are don't-care, want the half of a file that was never written", n)
			}
			xfsStreams(t, contents(t, i, l), tree, !strings.Contains(args, "reflink=0"))
			out := restored(t, i, l)
			tool(t, "xfs_repair", "-n", out.path)
			if after := onXFS(t, out, hashTree); after != hash {
				t.Error("the restored tree differs")
			}
			if again := out.mustRead(t); again.Used == 0 || again.Order != manifest.ByFile {
				t.Errorf("the restored volume is read by %s: %s", again.Order, again.Reason)
			}
		})
	}
}

// xfsStreams compares files as their streams alone give them. Of three files that share blocks the first in path order
// has them all, the others only what was written later.
func xfsStreams(t *testing.T, got map[string][]byte, tree string, reflink bool) {
	t.Helper()
	if got["a hard link"] == nil || got["z hard link"] != nil || got["sizes/0900001"] != nil {
		t.Error("a file with three names must have one stream, under the first of them")
	}
	for path, b := range got {
		want, err := os.ReadFile(filepath.Join(tree, path))
		if strings.HasPrefix(path, "shared") {
			want, err = os.ReadFile(filepath.Join(tree, "sizes/0900001"))
			if path == "shared-2" {
				copy(want[70000:], bytes.Repeat([]byte{0x42}, 100))
				want = want[:800000]
			}
			if reflink && len(b) > 0 {
				if path == "shared-2" && !bytes.Equal(b[70000:70100], want[70000:70100]) {
					t.Error("what was written to a shared file is not in its stream")
				}
				if bytes.Equal(b, want) {
					t.Errorf("%s holds blocks that belong to a file before it", path)
				}
				continue
			}
		}
		if path == "alternating" || path == "ahead" || strings.HasPrefix(path, "gone/") {
			continue
		}
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("stream %.60s differs from its file (%v)", path, err)
		}
	}
	if len(got) < 430 {
		t.Errorf("%d streams, want 430 or more", len(got))
	}
}

// prototype describes a tree for mkfs.xfs -p, the way to a filled volume that this kernel cannot mount.
func prototype(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("/\n0 0\nd--755 0 0\n")
	var list func(dir string)
	list = func(dir string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !e.IsDir() {
				fmt.Fprintf(&b, "%s ---644 0 0 %s\n", e.Name(), path)
				continue
			}
			fmt.Fprintf(&b, "%s d--755 0 0\n", e.Name())
			list(path)
			b.WriteString("$\n")
		}
	}
	list(dir)
	b.WriteString("$\n")
	path := filepath.Join(t.TempDir(), "prototype")
	write(t, path, []byte(b.String()))
	return path
}

// wordTree is a tree whose names have no spaces, with directories of every form.
func wordTree(t *testing.T) string {
	dir := t.TempDir()
	for i, n := range []int{0, 1, 511, 512, 513, 4095, 4096, 4097, 262144, 900001} {
		write(t, filepath.Join(dir, "sizes", fmt.Sprint(n)), noise(uint64(i), n))
	}
	for form, n := range map[string]int{"short": 3, "block": 20, "leaf": 200, "node": 1500} {
		for i := range n {
			write(t, filepath.Join(dir, form, fmt.Sprintf("%d-%s", i, strings.Repeat("n", 40))), []byte(form+strconv.Itoa(i)))
		}
	}
	return dir
}

func TestXFSThatThisKernelCannotMountIsKeptWhole(t *testing.T) {
	tree := wordTree(t)
	for name, args := range map[string]string{
		"version 4":                           "-m crc=0",
		"version 4, blocks of 512 bytes":      "-m crc=0 -b size=512",
		"version 4, 1 KiB, large directories": "-m crc=0 -b size=1024 -n size=65536",
		"version 4, no types in directories":  "-m crc=0 -n ftype=0",
		"version 4, old log, attributes, ids": "-m crc=0 -l version=1 -i attr=1,projid32bit=0",
		"version 4, 64 KiB blocks":            "-m crc=0 -b size=65536 -d agcount=2",
		"version 4, counters not kept lazily": "-m crc=0 -l lazy-count=0",
		"version 5, case-insensitive":         "-m crc=1 -n version=ci",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mib := int64(64)
			if strings.Contains(args, "size=65536") {
				mib = 256
			}
			i := mkxfs(t, mib, append(strings.Fields(args), "-p", prototype(t, tree))...)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatalf("by %s: %s", l.Order, l.Reason)
			}
			free, atHand := freeByDB(t, i)
			if want := i.size - (free-atHand)*int64(l.Unit); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			classes(t, l, i.size)
			out := restored(t, i, l)
			tool(t, "xfs_repair", "-n", out.path)
			for _, which := range []image{i, out} {
				got := contents(t, which, which.mustRead(t))
				for path, b := range got {
					want, err := os.ReadFile(filepath.Join(tree, path))
					if err != nil || !bytes.Equal(b, want) {
						t.Errorf("stream %s differs from its file (%v)", path, err)
					}
				}
				if want := 3 + 20 + 200 + 1500 + 9; len(got) != want {
					t.Errorf("%d streams, want %d", len(got), want)
				}
			}
		})
	}
}

func TestXFSNearlyFullAndFragmentedIsKeptWhole(t *testing.T) {
	t.Parallel()
	i := mkxfs(t, 48, "-b", "size=1024", "-m", "finobt=0,inobtcount=0,reflink=0") // without blocks set aside for other trees
	onXFS(t, i, `
cd "$M"; mkdir huge many
for n in $(seq 1500); do : > huge/$n-a-name-that-is-long-enough-to-make-the-directory-a-tree-of-its-own; done
for n in $(seq 1200); do head -c 5000 /dev/urandom > many/$n; done
sync -f .; : > rest
for size in 8388608 1048576 131072 16384 1024; do
	while fallocate -o $(stat -c %s rest) -l $size rest 2> /dev/null; do :; done
done
rm many/*[13579]`)
	onXFS(t, i, `
cd "$M"
: > rest2; : > holes
while fallocate -o $(stat -c %s rest2) -l 1048576 rest2 2> /dev/null; do :; done
for size in 131072 16384 1024; do
	while fallocate -o $(stat -c %s holes) -l $size holes 2> /dev/null; do :; done
done
yes full | dd of=holes bs=1k count=$(($(stat -c %s holes) / 2048)) iflag=fullblock conv=notrunc 2> /dev/null
sync -f .`)
	hash := onXFS(t, i, hashTree)
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatal(l.Reason)
	}
	most := 0
	if err := l.Streams(func(s volume.Stream) error {
		if s.Path == "holes" {
			most = len(s.Pieces)
		}
		return nil
	}); err != nil || most < 10 {
		t.Fatalf("a file that fills holes has %d pieces, want 10 or more: %v", most, err)
	}
	classes(t, l, i.size)
	out := restored(t, i, l)
	tool(t, "xfs_repair", "-n", out.path)
	if onXFS(t, out, hashTree) != hash {
		t.Error("the restored tree differs")
	}
}

// powerCut ends a mounted volume as a power cut would, after what was written has reached the log.
const powerCut = `sync -f "$M"; xfs_io -x -c "shutdown -f" "$M"`

func TestXFSThatIsNotCleanIsRefused(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, i image){
		"power cut": func(t *testing.T, i image) {
			onXFS(t, i, `cd "$M"; for n in $(seq 50); do echo $n > f$n; done;`+powerCut)
		},
		"power cut with a deleted file open": func(t *testing.T, i image) {
			onXFS(t, i, `cd "$M"; exec 3>open; rm open; `+powerCut+"; exec 3>&-")
		},
		"deleted files wait": func(t *testing.T, i image) {
			tool(t, "xfs_db", "-x", "-c", "agi 0", "-c", "write -d unlinked[3] 131", i.path)
		},
		"marked as needing repair": func(t *testing.T, i image) {
			tool(t, "xfs_db", "-x", "-c", "sb 0", "-c", "write -d features_incompat 0x1f", i.path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkxfs(t, 64)
			make(t, i)
			_, err := i.read(t, volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			if l, err := i.read(t, volume.Options{AsIs: true}); err != nil || l.Order != manifest.Raw || l.Used != i.size {
				t.Errorf("as it is: %+v, %v", l, err)
			}
			if strings.HasPrefix(name, "power cut") {
				onXFS(t, i, "")
				if l := i.mustRead(t); l.Order != manifest.ByFile {
					t.Errorf("mounted again and unmounted: by %s (%s)", l.Order, l.Reason)
				}
			}
		})
	}
}

func TestXFSLogGoesOnAfterAReset(t *testing.T) {
	for name, rounds := range map[string]int{"a log that was never full": 1, "a log that has gone round": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkxfs(t, 64)
			onXFS(t, i, fmt.Sprintf(`cd "$M"; for r in $(seq %d); do
mkdir d; for n in $(seq 400); do echo master > d/f$r-$n; done; sync -f .; rm -r d; sync -f .; done; echo master > master`, rounds))
			var position uint64 // the round is in the upper half
			_, _ = fmt.Sscanf(tool(t, "xfs_db", "-r", "-c", "sb 0", "-c", "p lsn", i.path), "lsn = %v", &position)
			if wentRound := position>>32 > 1; wentRound != (rounds > 1) {
				t.Fatalf("the log stands at %#x", position)
			}
			master := i.mustRead(t)
			hash := onXFS(t, image{clone(t, i), i.size}, hashTree)

			pc := image{clone(t, i), i.size} // a pupil's session, which ends in a power cut
			onXFS(t, pc, `cd "$M"; for n in $(seq 500); do echo pupil > pupil$n; done; rm master;`+powerCut)
			reset(t, i, master, pc)
			tool(t, "xfs_repair", "-n", pc.path)
			if onXFS(t, image{clone(t, pc), i.size}, hashTree) != hash {
				t.Fatal("the reset tree differs")
			}
			onXFS(t, pc, `cd "$M"; echo next > next; sync -f .; echo more > more;`+powerCut)
			names := strings.Fields(onXFS(t, pc, `ls "$M"; cat "$M/next"`))
			slices.Sort(names)
			if want := []string{"master", "more", "next", "next"}; !slices.Equal(names, want) {
				t.Errorf("after the next power cut there is %v, want %v", names, want)
			}
			tool(t, "xfs_repair", "-n", pc.path)
		})
	}
}

func clone(t *testing.T, i image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clone")
	write(t, path, i.bytes(t))
	return path
}

// reset writes what a master keeps and fills over a volume that was used.
func reset(t *testing.T, master image, l *volume.Layout, pc image) {
	t.Helper()
	from := master.bytes(t)
	f, err := os.OpenFile(pc.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(off int64, b []byte) {
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Streams(func(s volume.Stream) error {
		for _, p := range s.Pieces {
			put(p.Offset, from[p.Offset:p.Offset+p.Length])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range l.Fills {
		put(e.Offset, bytes.Repeat([]byte{e.Byte}, int(e.Length)))
	}
}

func TestXFSThatContradictsItselfStepsBack(t *testing.T) {
	// Inodes of a volume made from a prototype follow each other: 128 root, 129 and 130 of the realtime section, then
	// the files a, b, c in this order.
	tree := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(tree, name), noise(uint64(name[0]), 20000))
	}
	for name, how := range map[string]struct {
		db    []string
		patch int64
		want  manifest.Order
	}{
		"nothing is wrong":                  {want: manifest.ByFile},
		"free blocks miscounted":            {db: []string{"sb 0", "write -d fdblocks 5"}, want: manifest.Raw},
		"a group's free blocks miscounted":  {db: []string{"agf 1", "write -d freeblks 5"}, want: manifest.Raw},
		"inodes miscounted":                 {db: []string{"sb 0", "write -d icount 7"}, want: manifest.Raw},
		"more groups than fit":              {db: []string{"sb 0", "write -d agcount 9"}, want: manifest.Raw},
		"a feature from the future":         {db: []string{"sb 0", "write -d features_incompat 0x1003"}, want: manifest.Raw},
		"a realtime section":                {db: []string{"sb 0", "write -d rblocks 5"}, want: manifest.Raw},
		"its log on another device":         {db: []string{"sb 0", "write -d logstart 0"}, want: manifest.Raw},
		"a byte of the superblock":          {patch: 200, want: manifest.Raw},
		"a byte of a free space tree":       {patch: 4096 + 60, want: manifest.Raw},
		"the trees of free space differ":    {db: []string{"agf 0", "addr cntroot", "write -d recs[1].blockcount 9"}, want: manifest.Raw},
		"an inode's size impossible":        {db: []string{"inode 131", "write -d core.size 0x7000000000000000"}, want: manifest.ByPosition},
		"an inode that counts its extents":  {db: []string{"inode 131", "write -d core.nextents 0"}, want: manifest.ByPosition},
		"two files in one place":            {db: []string{"inode 132", "write -d u3.bmx[0].startblock PLACE"}, want: manifest.ByPosition},
		"a file where nothing is allocated": {db: []string{"inode 132", "write -d u3.bmx[0].startblock 2000"}, want: manifest.Raw},
		"a file outside the volume":         {db: []string{"inode 132", "write -d u3.bmx[0].startblock 0x7fffffff"}, want: manifest.ByPosition},
		"a name for no inode":               {db: []string{"inode 128", "write -d u3.sfdir3.list[1].inumber.i4 180"}, want: manifest.ByPosition},
		"a directory with two names":        {db: []string{"inode 128", "write -d u3.sfdir3.list[1].inumber.i4 128"}, want: manifest.ByPosition},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkxfs(t, 64, "-m", "reflink=0", "-p", prototype(t, tree))
			place := ""
			if out := tool(t, "xfs_db", "-r", "-c", "inode 131", "-c", "p u3.bmx[0].startblock", i.path); strings.Contains(out, "=") {
				place = strings.Fields(strings.SplitN(out, "=", 2)[1])[0]
			}
			if how.db != nil {
				args := []string{"-x"}
				for _, c := range how.db {
					args = append(args, "-c", strings.ReplaceAll(c, "PLACE", place))
				}
				tool(t, "xfs_db", append(args, i.path)...)
			}
			if how.patch != 0 {
				i.patch(t, how.patch, []byte{i.bytes(t)[how.patch] ^ 0x55})
			}
			l := i.mustRead(t)
			if l.Order != how.want || (l.Reason == "") != (l.Order == manifest.ByFile) {
				t.Fatalf("by %s (%s), want %s", l.Order, l.Reason, how.want)
			}
			classes(t, l, i.size)
		})
	}
}

func TestXFSWithoutItsHeadDoesNotMount(t *testing.T) {
	i := mkxfs(t, 64)
	l := i.mustRead(t)
	for _, h := range l.Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if again := i.mustRead(t); again.Kind != "raw" || len(l.Heads) != 1 {
		t.Errorf("without its heads %v it is still recognised as %s", l.Heads, again.Kind)
	}
}
