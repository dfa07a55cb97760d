package volume_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// lived is what a system of some years does to a btrfs. It runs in the mounted volume.
const lived = `
btrfs -q subvolume create @; btrfs -q subvolume create @home; mkdir -p @/var; btrfs -q subvolume create @/var/lib
mkdir @/etc @/plain @/zlib @/lzo @/zstd @/nocow @home/many
chattr +C @/nocow
btrfs property set @/zlib compression zlib; btrfs property set @/lzo compression lzo; btrfs property set @/zstd compression zstd
for d in plain zlib lzo zstd nocow; do
	for n in 1 5000 131072 131073 1500000; do seq 1 300000 | head -c $n > @/$d/text$n; done
	head -c 400000 /dev/urandom > @/$d/noise
	(head -c 200000 /dev/urandom; seq 1 200000; head -c 70000 /dev/urandom) > @/$d/both
done
sync
# one rewritten extent in the middle of others; a piece of a compressed one too
for d in plain zlib lzo zstd nocow; do dd if=/dev/urandom of=@/$d/text1500000 bs=4096 seek=100 count=7 conv=notrunc status=none; done
sync
# snapshots, one of them changed, one made read-only
btrfs -q subvolume snapshot @ @before; btrfs -q subvolume snapshot -r @ "@/var/last night"
dd if=/dev/urandom of=@/plain/noise bs=4096 seek=10 count=20 conv=notrunc status=none
seq 5 90000 | dd of=@/zstd/text1500000 bs=4096 seek=200 conv=notrunc status=none
rm @/plain/text131073; mv @/plain/both @/plain/moved
# copies that share extents, whole and in part
cp --reflink=always @/plain/noise @home/reflink; cp --reflink=always @/zstd/text1500000 @home/packed
dd if=/dev/urandom of=@home/reflink bs=4096 seek=50 count=1 conv=notrunc status=none
cp --reflink=always @/plain/text1500000 @/plain/short; truncate -s 700001 @/plain/short
# holes, preallocation: untouched, behind the end, written in the middle
truncate -s 30M @home/hole; dd if=/dev/urandom of=@home/hole bs=4096 seek=1000 count=3 conv=notrunc status=none
fallocate -l 3M @home/prealloc; touch @home/behind; fallocate -n -l 1M @home/behind; echo end >> @home/behind
fallocate -l 2M @home/half; dd if=/dev/urandom of=@home/half bs=4096 seek=99 count=100 conv=notrunc status=none
fallocate -p -o 100000 -l 300000 @/plain/moved
# links, names, many small ones
ln @/plain/noise @/aaa; ln @/plain/noise @/zzz; ln -s nowhere @/link; mkfifo @/pipe; mknod @/node c 5 1
for n in $(seq 200); do echo $n > "@home/many/file $n"; head -c 5000 /dev/urandom > @home/many/big$n; done
for n in $(seq 1 2 200); do rm @home/many/big$n; done
# a subvolume that is gone, one that is inside a folder, one that became the default
btrfs -q subvolume create @tmp; head -c 2000000 /dev/urandom > @tmp/gone; sync; btrfs -q subvolume delete -c @tmp
mkdir -p a/b; btrfs -q subvolume create a/b/sub; head -c 100000 /dev/urandom > a/b/sub/file
btrfs subvolume set-default @ >/dev/null
cp --reflink=always a/b/sub/file @/etc/file
sync
`

// livedIn makes such a volume.
func livedIn(t testing.TB, mib int64, args, options string) image {
	t.Helper()
	i := mkbtrfs(t, mib, args)
	onBtrfs(t, i, options, func(dir string) {
		sh(t, dir, lived)
		for name, value := range map[string]string{"user.short": "été", "user.long": strings.Repeat("x", 3000),
			"system.posix_acl_access": acl(1000, 2000)} {
			if err := unix.Setxattr(filepath.Join(dir, "@/plain/noise"), name, []byte(value), 0); err != nil {
				t.Error(err)
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return i
}

func TestBtrfsThatWasLivedInIsKeptWhole(t *testing.T) {
	for name, how := range map[string]struct{ args, options string }{
		"today's":                       {"", ""},
		"space cache, everything twice": {"-R ^free-space-tree -m dup -d dup", "space_cache=v1"},
		"single, compressed by force":   {"-m single", "compress-force=zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			mib := int64(128)
			if strings.Contains(name, "twice") {
				mib = 256
			}
			i := livedIn(t, mib, how.args, how.options)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatalf("by %s: %s", l.Order, l.Reason)
			}
			if want := btrfsUsed(t, i); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			classes(t, l, i.size)
			paths := streamPaths(t, l)
			if !strings.Contains(how.options, "force") {
				livedStreams(t, i, l, paths)
			}
			var unread int64
			for _, e := range l.DontCare {
				unread += e.Length
			}
			if copies := int64(1 + strings.Count(how.args, "-d dup")); unread < copies*(3<<20) {
				t.Errorf("%d bytes are don't-care, want those of the preallocated file at least", unread)
			}
			soundBtrfs(t, i, restored(t, i, l))
		})
	}
}

func streamPaths(t testing.TB, l *volume.Layout) []string {
	t.Helper()
	var out []string
	if err := l.Streams(func(s volume.Stream) error {
		out = append(out, s.Path)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// livedStreams looks at who owns what. Sharing is decided by path order: "@", "@/var/last night", "@before", "@home".
func livedStreams(t *testing.T, i image, l *volume.Layout, paths []string) {
	t.Helper()
	if paths[0] != "" || !slices.IsSortedFunc(paths, func(a, b string) int { return strings.Compare(subvolumeOf(a), subvolumeOf(b)) }) {
		t.Error("streams are not in the order of their subvolumes")
	}
	for _, path := range []string{"@/aaa", "@/zstd/text1500000", "@/nocow/both", "@home/reflink", "@home/half", "@home/hole",
		"@/plain/moved", "@/var/last night/plain/text131073", "@home/many/big2", "@/etc/file"} {
		if !slices.Contains(paths, path) {
			t.Errorf("%s has no stream", path)
		}
	}
	for _, path := range []string{"@/zzz", "@/plain/noise", "@before/zlib/noise", "@home/packed", "@home/prealloc", "@/pipe", "@/var/last night/zlib/noise", "a/b/sub/file"} {
		if slices.Contains(paths, path) {
			t.Errorf("%s has a stream, but owns nothing", path)
		}
	}
	got := contents(t, i, l)
	onBtrfs(t, i, "ro,subvolid=5", func(dir string) {
		for _, path := range []string{"@/aaa", "@/plain/short", "@/nocow/text1500000", "@/plain/moved", "@home/half", "@home/hole", "@home/many/big200", "@/etc/file"} {
			if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !bytes.Equal(b, got[path]) {
				t.Errorf("stream %s differs from its file: %d and %d bytes (%v)", path, len(got[path]), len(b), err)
			}
		}
	})
	if n := len(got["@/zstd/text131072"]); n == 0 || n > 60000 {
		t.Errorf("a compressed file of 131072 bytes has a stream of %d", n)
	}
}

func subvolumeOf(path string) string {
	for _, s := range []string{"@/var/last night/", "@/var/lib/", "@/", "@before/", "@home/", "a/b/sub/"} {
		if strings.HasPrefix(path, s) {
			return strings.TrimSuffix(s, "/")
		}
	}
	return ""
}

func TestBtrfsNearlyFullAndBalancedIsKeptWhole(t *testing.T) {
	i := mkbtrfs(t, 128, "-n 4096")
	onBtrfs(t, i, "", func(dir string) {
		sh(t, dir, `
for n in $(seq 400); do head -c 30000 /dev/urandom > f$n; done; sync
for n in $(seq 1 2 400); do rm f$n; done; sync
head -c 100M /dev/urandom > big 2>/dev/null || true
rm f2; sync`)
		sh(t, dir, "btrfs balance start --full-balance . >/dev/null || btrfs balance start -dusage=50 -musage=50 . >/dev/null || true")
	})
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatalf("by %s: %s", l.Order, l.Reason)
	}
	if want := btrfsUsed(t, i); l.Used != want {
		t.Errorf("%d bytes used, want %d", l.Used, want)
	}
	classes(t, l, i.size)
	soundBtrfs(t, i, restored(t, i, l))
}

func TestBtrfsWithALogIsRefused(t *testing.T) {
	i := mkbtrfs(t, 128, "")
	cut := image{filepath.Join(t.TempDir(), "cut"), i.size}
	onBtrfs(t, i, "commit=300", func(dir string) {
		sh(t, dir, "echo first > a; sync; echo second > b")
		f, err := os.OpenFile(filepath.Join(dir, "b"), os.O_WRONLY, 0)
		if err == nil {
			_, _ = f.Write(noise(1, 100000))
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			t.Error(err)
		}
		sh(t, dir, fmt.Sprintf("cp --sparse=always %s %s", i.path, cut.path)) // what a power cut leaves
	})
	_, err := cut.read(t, volume.Options{})
	var refused *volume.RefusedError
	if !errors.As(err, &refused) || refused.Hint == "" || refused.Kind != "btrfs" {
		t.Fatalf("got %v, want a refusal with a hint", err)
	}
	if l, err := cut.read(t, volume.Options{AsIs: true}); err != nil || l.Order != manifest.Raw || l.Used != cut.size {
		t.Fatalf("as it is: %+v, %v", l, err)
	}
	if l := i.mustRead(t); l.Order != manifest.ByFile { // unmounted since
		t.Errorf("by %s: %s", l.Order, l.Reason)
	}
}

func TestBtrfsWithoutItsHeadsDoesNotMount(t *testing.T) {
	i := mkbtrfs(t, 128, "")
	l := i.mustRead(t)
	if len(l.Heads) != 2 || l.Heads[0].Offset != 64<<10 || l.Heads[1].Offset != 64<<20 {
		t.Errorf("heads %v, want both superblocks, the first one first", l.Heads)
	}
	for _, h := range l.Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if l := i.mustRead(t); l.Kind != "raw" {
		t.Errorf("it is still recognised as %s", l.Kind)
	}
}
