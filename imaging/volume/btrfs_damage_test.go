package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// resum puts the crc32c of a superblock or tree block right.
func resum(b []byte) {
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[32:], crc32.MakeTable(crc32.Castagnoli)))
}

// treeBlocks finds where the tree blocks of a volume lie, all that were ever written included.
func treeBlocks(b []byte, node int) []int {
	var out []int
	fsid := b[64<<10+0x20:][:16]
	for at := 0; at+node <= len(b); at += 4096 {
		if bytes.Equal(b[at+0x20:at+0x30], fsid) && string(b[at+0x40:at+0x48]) != "_BHRfS_M" {
			out = append(out, at)
		}
	}
	return out
}

// leaf returns the places of the first leaf of a tree that is in force; b is what the volume holds.
func leaf(t *testing.T, i image, b []byte, tree string) []int {
	t.Helper()
	dump := tool(t, "btrfs", "inspect-internal", "dump-tree", "-t", tree, i.path)
	m := regexp.MustCompile(`(?m)^leaf (\d+) `).FindStringSubmatch(dump)
	if m == nil {
		t.Fatalf("tree %s has no leaf", tree)
	}
	want, _ := strconv.ParseUint(m[1], 10, 64)
	return slices.DeleteFunc(treeBlocks(b, 16384), func(at int) bool {
		return binary.LittleEndian.Uint64(b[at+0x30:]) != want
	})
}

func TestBtrfsThatContradictsItselfIsKeptMoreCoarsely(t *testing.T) {
	sound := mkbtrfs(t, 128, "--rootdir "+plainTree(t))
	single := mkbtrfs(t, 72, "-m single --rootdir "+plainTree(t))
	held := map[bool][]byte{true: sound.bytes(t), false: single.bytes(t)}
	super := func(at int, change func(b []byte)) func(*testing.T) overlay {
		return func(*testing.T) overlay {
			b := bytes.Clone(held[false][at : at+4096])
			change(b)
			resum(b)
			return overlay{held[false], at, b}
		}
	}
	// in changes a byte of the leaf of a tree, in one of its two copies or in its only one; sum puts its checksum right.
	in := func(tree string, off int, one, sum bool) func(*testing.T) overlay {
		return func(t *testing.T) overlay {
			places := leaf(t, map[bool]image{true: sound, false: single}[one], held[one], tree)
			if len(places) != map[bool]int{true: 2, false: 1}[one] {
				t.Fatalf("tree %s has its leaf at %d", tree, places)
			}
			at := places[len(places)-1]
			b := bytes.Clone(held[one][at : at+16384])
			b[off] ^= 0x40
			if sum {
				resum(b)
			}
			return overlay{held[one], at, b}
		}
	}
	flip := func(at int) func(*testing.T) overlay {
		return func(*testing.T) overlay { return overlay{held[false], at, []byte{held[false][at] ^ 1}} }
	}
	const first = 101 + 16384 - 101 - 20 // in the data of the first item of a leaf
	for name, how := range map[string]struct {
		one   bool // metadata DUP: damage one copy
		patch func(*testing.T) overlay
		want  manifest.Order
	}{
		"superblock, checksum":                 {false, flip(64<<10 + 0x78), manifest.Raw},
		"superblock, bytes used":               {false, super(64<<10, func(b []byte) { b[0x79]++ }), manifest.Raw},
		"superblock, generation":               {false, super(64<<10, func(b []byte) { b[0x48]++ }), manifest.Raw},
		"superblock, unknown feature":          {false, super(64<<10, func(b []byte) { b[0xbc+7] = 1 }), manifest.Raw},
		"superblock, two devices":              {false, super(64<<10, func(b []byte) { b[0x88] = 2 }), manifest.Raw},
		"superblock, larger than the device":   {false, super(64<<10, func(b []byte) { b[0x74]++; b[0xd5]++ }), manifest.Raw},
		"superblock, no chunks":                {false, super(64<<10, func(b []byte) { b[0xa0] = 0 }), manifest.Raw},
		"superblock, a newer copy":             {false, super(64<<20, func(b []byte) { b[0x48]++ }), manifest.Raw},
		"superblock, a damaged copy":           {false, flip(64<<20 + 0x48), manifest.ByFile},
		"chunk tree, checksum":                 {false, in("chunk", first, false, false), manifest.Raw},
		"extent tree, checksum":                {false, in("extent", first, false, false), manifest.Raw},
		"extent tree, an extent is gone":       {false, in("extent", 101+8, false, true), manifest.Raw},
		"extent tree, one copy differs":        {true, in("extent", first, true, false), manifest.Raw},
		"root tree, checksum":                  {false, in("root", first, false, false), manifest.Raw},
		"fs tree, checksum":                    {false, in("5", first, false, false), manifest.ByPosition},
		"fs tree, one copy differs":            {true, in("5", first, true, false), manifest.ByPosition},
		"fs tree, keys out of order":           {false, in("5", 101+7, false, true), manifest.ByPosition},
		"fs tree, owner of another generation": {false, in("5", 0x50, false, true), manifest.ByPosition},
		"checksum tree, checksum":              {false, in("csum", first, false, false), manifest.ByPosition},
	} {
		t.Run(name, func(t *testing.T) {
			from := single
			if how.one {
				from = sound
			}
			l, err := volume.Read(how.patch(t), from.size, volume.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if l.Order != how.want || l.Kind != "btrfs" || (l.Reason == "") != (how.want == manifest.ByFile) {
				t.Fatalf("by %s: %q, want %s", l.Order, l.Reason, how.want)
			}
			t.Logf("%s: %s", l.Order, l.Reason)
			if how.want == manifest.ByPosition {
				classes(t, l, from.size)
				if want := btrfsUsed(t, from); l.Used != want {
					t.Errorf("%d bytes used, want %d", l.Used, want)
				}
			}
		})
	}
}

func TestBtrfsWithRecordedErrorsIsRefused(t *testing.T) {
	i := mkbtrfs(t, 128, "")
	b := i.bytes(t)[64<<10 : 64<<10+4096]
	b[0x38] |= 4
	resum(b)
	i.patch(t, 64<<10, b)
	_, err := i.read(t, volume.Options{})
	var refused *volume.RefusedError
	if !errors.As(err, &refused) || refused.Hint == "" {
		t.Fatalf("got %v, want a refusal with a hint", err)
	}
}

func TestBtrfsThatIsNotReadIsKeptWhole(t *testing.T) {
	for name, how := range map[string]struct{ args, reason string }{
		"two devices":           {"-d single -m raid1", "spans 2 devices"},
		"stripes on two":        {"-d raid0 -m raid0", "spans 2 devices"},
		"checksums of BLAKE2":   {"--csum blake2", "BLAKE2"},
		"stripes on one device": {"-d raid0 -m single", "profile"},
	} {
		t.Run(name, func(t *testing.T) {
			i, second := blank(t, 256), blank(t, 256)
			args := append(strings.Fields("-q -f -K "+how.args), i.path)
			if strings.Contains(how.reason, "2 devices") {
				args = append(args, second.path)
			}
			tool(t, "mkfs.btrfs", args...)
			l := i.mustRead(t)
			if l.Kind != "btrfs" || l.Order != manifest.Raw || l.Used != i.size || !strings.Contains(l.Reason, how.reason) {
				t.Fatalf("%s by %s: %s", l.Kind, l.Order, l.Reason)
			}
		})
	}
}

// overlay is a volume with some bytes changed.
type overlay struct {
	base []byte
	at   int
	b    []byte
}

// ReadAt implements io.ReaderAt.
func (o overlay) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, o.base[min(off, int64(len(o.base))):])
	from, to := max(int(off), o.at), min(int(off)+n, o.at+len(o.b))
	if from < to {
		copy(p[from-int(off):to-int(off)], o.b[from-o.at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// smallBtrfs is the smallest btrfs that holds something of each kind: one group for all, nodes of 4 KiB.
func smallBtrfs(t testing.TB) []byte {
	dir := t.TempDir()
	write(t, dir+"/a/file", noise(1, 30000))
	write(t, dir+"/a/b/small", noise(2, 100))
	for n := range 120 {
		write(t, fmt.Sprintf("%s/many/a file of some name, %d", dir, n), noise(uint64(n), 5000*(n%2)+50))
	}
	i := blank(t, 16)
	tool(t, "mkfs.btrfs", "-q", "-f", "-K", "--mixed", "--rootdir", dir, i.path)
	b, err := os.ReadFile(i.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inForce returns the superblock and the tree blocks that count: those whose damage is seen.
func inForce(t testing.TB, base []byte) []int {
	t.Helper()
	out := []int{64 << 10}
	for _, at := range treeBlocks(base, 4096) {
		l, err := volume.Read(overlay{base, at + 4000, []byte{^base[at+4000]}}, int64(len(base)), volume.Options{})
		if err != nil || l.Order != manifest.ByFile {
			out = append(out, at)
		}
	}
	if len(out) < 9 {
		t.Fatalf("only %d blocks are in force", len(out))
	}
	return out
}

// hurt reads a volume with one block changed, its checksum put right so that the change is believed.
func hurt(t testing.TB, base []byte, blocks []int, which int, off int, patch []byte) manifest.Order {
	at := blocks[which%len(blocks)]
	b := bytes.Clone(base[at : at+4096])
	copy(b[32+off%(4096-32):], patch)
	resum(b)
	l, err := volume.Read(overlay{base, at, b}, int64(len(base)), volume.Options{})
	if err != nil {
		return ""
	}
	classes(t, l, int64(len(base)))
	return l.Order
}

// FuzzBtrfs changes tree blocks and the superblock of a sound volume, and puts their checksums right.
func FuzzBtrfs(f *testing.F) {
	base := smallBtrfs(f)
	blocks := inForce(f, base)
	for n := range blocks {
		f.Add(uint16(n), uint16(69+n), []byte{1})
	}
	f.Fuzz(func(t *testing.T, which, off uint16, patch []byte) {
		if len(patch) <= 4096 {
			hurt(t, base, blocks, int(which), int(off), patch)
		}
	})
}

func TestDamagedBtrfsNeverBreaksTheRules(t *testing.T) {
	base := smallBtrfs(t)
	blocks := inForce(t, base)
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[manifest.Order]int{}
	for range 150 {
		which := r.IntN(len(blocks))
		b := base[blocks[which]:][:4096]
		off := r.IntN(4096 - 32)
		for k := 0; k < 20 && b[32+off] == 0; k++ { // damage where something is
			off = r.IntN(4096 - 32)
		}
		seen[hurt(t, base, blocks, which, off, []byte{byte([]int{0, 1, 0xff, r.IntN(256)}[r.IntN(4)])})]++
	}
	t.Log(seen)
	if seen[manifest.Raw] < 5 || seen[manifest.ByPosition] < 5 {
		t.Errorf("the damage was hardly seen: %v", seen)
	}
}
