package volume_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/imaging/volume/ntfs"
	"github.com/ardoise/ardoise/masters/manifest"
)

// scattered is a volume that is nearly full and whose files lie in pieces, $MFT included.
func scattered(t *testing.T) image {
	t.Helper()
	i := mkntfs(t, 16, "-c", "512")
	mounted(t, i, "", func(dir string) {
		block := noise(1, 1500)
		name := func(k int) string {
			return filepath.Join(dir, "small", fmt.Sprintf("%04d %s", k, strings.Repeat("n", 90)))
		}
		full := 0
		for ; ; full++ { // $MFT and the files grow into each other until nothing is free
			write := func() error { return os.WriteFile(name(full), block, 0o644) }
			if full == 0 {
				if err := os.Mkdir(filepath.Dir(name(0)), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if write() != nil {
				break
			}
		}
		for k := 0; k < full; k += 3 {
			if err := os.Remove(name(k)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Create(filepath.Join(dir, "big"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for k := 0; ; k++ {
			if _, err := f.Write(noise(uint64(k), 1000)); err != nil {
				break
			}
		}
	})
	return i
}

func TestNTFSNearlyFullAndFragmentedIsKeptWhole(t *testing.T) {
	i := scattered(t)
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatal(l.Reason)
	}
	free := info(t, i, "Free Clusters")
	if l.Used != i.size-free*512 || free*512 > i.size/20 {
		t.Errorf("%d bytes used, %d free", l.Used, free*512)
	}
	pieces := map[string]int{}
	if err := l.Streams(func(s volume.Stream) error {
		pieces[s.Path] = len(s.Pieces)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, number := range []uint64{ntfs.RecordMFT, numberOf(t, i, "big")} {
		f, err := open(t, i).File(number)
		if err != nil || f.Find(ntfs.TypeAttributeList, "") == nil {
			t.Errorf("record %d has no attribute list (%v)", number, err)
		}
	}
	if pieces["big"] < 500 || pieces["$MFT"] < 100 {
		t.Errorf("the big file has %d pieces, $MFT %d: not fragmented", pieces["big"], pieces["$MFT"])
	}
	asPartclone(t, "ntfs", i, classes(t, l, i.size), 512, true)
	sameMounted(t, i, restored(t, i, l))
}

// sameMounted compares two volumes as the driver shows them.
func sameMounted(t *testing.T, a, b image) {
	t.Helper()
	tool(t, "ntfsfix", "-n", b.path)
	var want map[string]string
	mounted(t, a, ",ro", func(dir string) { want = digest(t, dir) })
	mounted(t, b, ",ro", func(dir string) { sameDigest(t, want, digest(t, dir)) })
}

// avoiding fails when anyone reads some bytes.
type avoiding struct {
	io.ReaderAt
	from, to int64
}

func (a avoiding) ReadAt(b []byte, off int64) (int, error) {
	if off < a.to && off+int64(len(b)) > a.from {
		return 0, fmt.Errorf("reading %d bytes at %d: medium error", len(b), off)
	}
	return a.ReaderAt.ReadAt(b, off)
}

func TestNTFSBadClustersAreNeverRead(t *testing.T) {
	i := mkntfs(t, 24, "-c", "4096")
	mounted(t, i, "", func(dir string) { copyTree(t, plainTree(t), dir) })
	const bad, count = 3000, 40
	used := i.mustRead(t).Used
	markBad(t, i, bad, count)
	b := i.bytes(t)
	for _, damage := range []bool{false, true} {
		if damage { // by position, they are not read either
			v := open(t, i)
			copy(b[place(t, v, ntfs.RecordMFT, "", int64(numberOf(t, i, "zeros"))*v.Record):], "BAAD")
		}
		r := avoiding{bytes.NewReader(b), bad * 4096, (bad + count) * 4096}
		l, err := volume.Read(r, i.size, volume.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if (l.Order == manifest.ByFile) == damage || l.Used != used+count*4096 {
			t.Errorf("order %s (%s), %d bytes used, want %d", l.Order, l.Reason, l.Used, used+count*4096)
		}
		if len(l.DontCare) != 1 || l.DontCare[0] != (volume.Extent{Offset: bad * 4096, Length: count * 4096}) {
			t.Errorf("don't-care %v, want the bad clusters", l.DontCare)
		}
		classes(t, l, i.size)
	}
}

// markBad puts clusters into $BadClus and $Bitmap, as chkdsk /r does.
func markBad(t *testing.T, i image, first, count int) {
	t.Helper()
	v := open(t, i)
	edit(t, i, ntfs.RecordBadClus, func(b []byte) {
		at := find(t, b, ntfs.TypeData, ntfs.BadStream)
		runs := at + int(binary.LittleEndian.Uint16(b[at+0x20:]))
		length := int(binary.LittleEndian.Uint32(b[at+4:]))
		var packed []byte
		hole := func(n int) { packed = append(packed, 2, byte(n), byte(n>>8)) }
		hole(first)
		packed = append(packed, 0x22, byte(count), byte(count>>8), byte(first), byte(first>>8))
		hole(int(v.Clusters) - first - count)
		packed = append(packed, 0)
		grown := runs - at + (len(packed)+7)/8*8
		out := append(bytes.Clone(b[:runs]), packed...)
		out = append(out, make([]byte, at+grown-len(out))...)
		out = append(out, b[at+length:binary.LittleEndian.Uint32(b[0x18:])]...)
		copy(b, out)
		binary.LittleEndian.PutUint32(b[at+4:], uint32(grown))
		binary.LittleEndian.PutUint32(b[0x18:], uint32(len(out)))
	})
	setBits(t, i, first, count, true)
}

// setBits changes $Bitmap.
func setBits(t *testing.T, i image, first, count int, used bool) {
	t.Helper()
	v := open(t, i)
	b := i.bytes(t)
	for c := first; c < first+count; c++ {
		off := place(t, v, ntfs.RecordBitmap, "", int64(c/8))
		b[off] &^= 1 << (c % 8)
		if used {
			b[off] |= 1 << (c % 8)
		}
		i.patch(t, off, b[off:off+1])
	}
}

func TestNTFSClustersBehindWhatWasWrittenAreDontCare(t *testing.T) {
	i := mkntfs(t, 24, "-c", "4096")
	content := noise(4, 10000)
	mounted(t, i, "", func(dir string) {
		copyTree(t, plainTree(t), dir)
		write(t, filepath.Join(dir, "longer"), content)
		write(t, filepath.Join(dir, "grown"), content)
	})
	tool(t, "ntfsfallocate", "-l", "1000000", i.path, "grown")
	tool(t, "ntfsfallocate", "-n", "-l", "500000", i.path, "longer")
	number := numberOf(t, i, "grown")
	for _, off := range []int64{10000, 12287} { // in the last cluster that was written, behind what was
		i.patch(t, place(t, open(t, i), number, "", off), []byte{0xee})
	}
	l := i.mustRead(t)
	var unread int64
	for _, e := range l.DontCare {
		unread += e.Length
	}
	want := int64(1000000+4095)/4096*4096 + (500000+4095)/4096*4096 - 2*12288
	if l.Order != manifest.ByFile || unread != want {
		t.Errorf("order %s (%s), %d bytes don't-care, want %d", l.Order, l.Reason, unread, want)
	}
	classes(t, l, i.size)
	found := false
	if err := l.Streams(func(s volume.Stream) error {
		if s.Path == "grown" {
			found = true
			if s.Size != 1000000 || s.ZeroFrom() != 10000 {
				t.Errorf("size %d, zeros from %d", s.Size, s.ZeroFrom())
			}
		}
		return nil
	}); err != nil || !found {
		t.Errorf("no stream: %v", err)
	}
	out := restored(t, i, l)
	off := place(t, open(t, out), number, "", 10000)
	if b := out.bytes(t)[off:][:2288]; bytes.Count(b, []byte{0}) != len(b) {
		t.Error("the rest of the last cluster is not zeros")
	}
	sameMounted(t, i, out)
}

// chunks are the hashes of what a capture would make of the files of a volume.
func chunks(t *testing.T, i image) map[[32]byte]string {
	t.Helper()
	from, out := i.bytes(t), map[[32]byte]string{}
	if err := i.mustRead(t).Streams(func(s volume.Stream) error {
		if s.Path == "" || strings.HasPrefix(s.Path, "$") || strings.HasPrefix(s.Path, "packed/") {
			return nil // of compressed files, what lies behind the end is kept as it is
		}
		b := make([]byte, s.Length)
		for _, p := range s.Pieces {
			copy(b[p.At:], from[p.Offset:p.Offset+p.Length])
		}
		clear(b[s.ZeroFrom():])
		for at := 0; at < len(b); at += 256 << 10 {
			out[sha256.Sum256(b[at:min(at+256<<10, len(b))])] = s.Path
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNTFSMadeAgainInAnotherOrderSharesItsFiles(t *testing.T) {
	tree := plainTree(t)
	one, two := mkntfs(t, 32), mkntfs(t, 32)
	two.patch(t, 20<<20, noise(7, 8<<20)) // what lay there before
	mounted(t, one, "", func(dir string) {
		copyTree(t, tree, dir)
		windowsTree(t, dir, true)
	})
	mounted(t, two, "", func(dir string) {
		scatter(t, dir, 400, 2000000)
		copyTree(t, filepath.Join(tree, "many"), filepath.Join(dir, "many"))
		copyTree(t, tree, filepath.Join(dir, "elsewhere"))
		list, err := os.ReadDir(filepath.Join(dir, "elsewhere"))
		if err != nil {
			t.Fatal(err)
		}
		for k := range list { // renamed, so in another order than they were made in
			if name := list[len(list)-1-k].Name(); name != "many" {
				if err := os.Rename(filepath.Join(dir, "elsewhere", name), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		windowsTree(t, dir, true)
	})
	a, b := chunks(t, one), chunks(t, two)
	for id, path := range a {
		if _, shared := b[id]; !shared {
			t.Errorf("a chunk of %.60s is not shared", path)
		}
	}
	if len(a) < 30 {
		t.Errorf("only %d chunks compared", len(a))
	}
}

func TestNTFSThatContradictsItselfIsKeptMoreCoarsely(t *testing.T) {
	tree := plainTree(t)
	for name, how := range map[string]struct {
		damage func(t *testing.T, i image)
		want   manifest.Order
	}{
		"a file's cluster is called free": {func(t *testing.T, i image) {
			v := open(t, i)
			setBits(t, i, int(place(t, v, numberOf(t, i, "zeros"), "", 8192)/v.Cluster), 1, false)
		}, manifest.Raw},
		"a run leads to free clusters": {func(t *testing.T, i image) {
			edit(t, i, numberOf(t, i, "sizes/0001024"), func(b []byte) { firstRun(t, b, 5500) })
		}, manifest.Raw},
		"two files have one cluster": {func(t *testing.T, i image) {
			v := open(t, i)
			at := place(t, v, numberOf(t, i, "sizes/0900001"), "", 0) / v.Cluster
			edit(t, i, numberOf(t, i, "sizes/0001024"), func(b []byte) { firstRun(t, b, at) })
		}, manifest.ByPosition},
		"a run leads outside": {func(t *testing.T, i image) {
			edit(t, i, numberOf(t, i, "sizes/0001024"), func(b []byte) { firstRun(t, b, 0x7fffff) })
		}, manifest.ByPosition},
		"a record is torn": {func(t *testing.T, i image) {
			v := open(t, i)
			i.patch(t, place(t, v, ntfs.RecordMFT, "", int64(numberOf(t, i, "zeros"))*v.Record+510), []byte{0xfe, 0xed})
		}, manifest.ByPosition},
		"a record that chkdsk called bad": {func(t *testing.T, i image) {
			v := open(t, i)
			i.patch(t, place(t, v, ntfs.RecordMFT, "", int64(numberOf(t, i, "zeros"))*v.Record), []byte("BAAD"))
		}, manifest.ByPosition},
		"an attribute has no length": {func(t *testing.T, i image) {
			edit(t, i, numberOf(t, i, "zeros"), func(b []byte) {
				binary.LittleEndian.PutUint32(b[find(t, b, ntfs.TypeData, "")+4:], 0)
			})
		}, manifest.ByPosition},
		"its bitmap has no record": {func(t *testing.T, i image) {
			edit(t, i, ntfs.RecordBitmap, func(b []byte) { b[0x16] = 0 })
		}, manifest.Raw},
		"its file table is lost": {func(t *testing.T, i image) {
			i.patch(t, place(t, open(t, i), ntfs.RecordMFT, "", 0), make([]byte, 1024))
		}, manifest.Raw},
		"larger than its partition": {func(t *testing.T, i image) {
			i.patch(t, 0x28, []byte{0, 0, 1})
		}, manifest.Raw},
		"clusters that nobody has": {func(t *testing.T, i image) {
			setBits(t, i, 5500, 99, true)
		}, manifest.ByFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkntfs(t, 24)
			mounted(t, i, "", func(dir string) { copyTree(t, tree, dir) })
			used := i.mustRead(t).Used
			how.damage(t, i)
			l := i.mustRead(t)
			if l.Order != how.want || (l.Reason == "") != (how.want == manifest.ByFile) {
				t.Fatalf("order %s, reason %q, want %s", l.Order, l.Reason, how.want)
			}
			t.Logf("%s: %s", l.Order, l.Reason)
			classes(t, l, i.size)
			switch {
			case l.Order == manifest.ByPosition && l.Used != used:
				t.Errorf("%d bytes used, want %d", l.Used, used)
			case l.Order == manifest.ByFile && l.Used != used+99*4096:
				t.Errorf("%d bytes used, want lost clusters too", l.Used)
			}
			if again := restored(t, i, l).mustRead(t); again.Order != l.Order || again.Reason != l.Reason {
				t.Errorf("restored, it is read by %s", again.Order)
			}
		})
	}
}

func TestNTFSWhoseDriverWasKilledIsKept(t *testing.T) {
	for _, files := range []int{0, 30, 200} {
		i := mkntfs(t, 24, "-c", "1024")
		driven(t, i, "", func(dir string, driver *os.Process) {
			copyTree(t, plainTree(t), dir)
			for k := range files {
				write(t, filepath.Join(dir, "unfinished", fmt.Sprint(k)), noise(uint64(k), 5000))
			}
			if err := driver.Kill(); err != nil {
				t.Fatal(err)
			}
		})
		l := i.mustRead(t)
		t.Logf("%d files: %s %s", files, l.Order, l.Reason)
		classes(t, l, i.size)
		out := restored(t, i, l)
		again := out.mustRead(t)
		if again.Order != l.Order || again.Used != l.Used {
			t.Errorf("restored, %d bytes are used by %s, want %d by %s", again.Used, again.Order, l.Used, l.Order)
		}
		got := contents(t, out, again)
		for path, want := range contents(t, i, l) {
			if !bytes.Equal(got[path], want) {
				t.Errorf("restored, %s differs", path)
			}
		}
	}
}

// firstRun moves the first run of a file's data to another cluster.
func firstRun(t *testing.T, b []byte, lcn int64) {
	at := find(t, b, ntfs.TypeData, "")
	runs := b[at+int(binary.LittleEndian.Uint16(b[at+0x20:])):]
	m, n := int(runs[0]&15), int(runs[0]>>4)
	if n < 2 || m+n > 6 {
		t.Fatalf("run %x", runs[:8])
	}
	runs[0] = byte(3<<4 | m)
	runs[1+m], runs[2+m], runs[3+m], runs[4+m] = byte(lcn), byte(lcn>>8), byte(lcn>>16), 0
}

func TestNTFSFilesThatNoWayLeadsToHaveANumber(t *testing.T) {
	i := mkntfs(t, 8)
	mounted(t, i, "", func(dir string) {
		write(t, filepath.Join(dir, "round", "and", "file"), noise(1, 5000))
		write(t, filepath.Join(dir, "gone", "file"), noise(2, 5000))
	})
	parent := func(child string, n uint64) {
		edit(t, i, numberOf(t, i, child), func(b []byte) {
			at := find(t, b, ntfs.TypeFileName, "")
			value := b[at+int(binary.LittleEndian.Uint16(b[at+0x14:])):]
			binary.LittleEndian.PutUint64(value, n)
		})
	}
	file, other := numberOf(t, i, "round/and/file"), numberOf(t, i, "gone/file")
	and := numberOf(t, i, "round/and")
	parent("gone/file", 5000)
	parent("round", and|1<<48) // a circle
	l := i.mustRead(t)
	if l.Order != manifest.ByFile {
		t.Fatal(l.Reason)
	}
	got := contents(t, i, l)
	if !bytes.Equal(got[fmt.Sprintf("#%d", file)], noise(1, 5000)) || !bytes.Equal(got[fmt.Sprintf("#%d", other)], noise(2, 5000)) {
		t.Errorf("no streams #%d and #%d", file, other)
	}
}

func TestNTFSHeadsAreTheBootSectors(t *testing.T) {
	i := mkntfs(t, 8)
	sectors := int64(binary.LittleEndian.Uint64(i.bytes(t)[0x28:]))
	i.size += 70000 // a partition that is larger than its volume
	i.patch(t, i.size-70000, noise(3, 70000))
	l := i.mustRead(t)
	if len(l.Heads) != 2 || l.Heads[0].Offset != 0 || l.Heads[1].Offset != sectors*512 {
		t.Errorf("heads %v", l.Heads)
	}
	if c := classes(t, l, i.size); bytes.Count(c[i.size-70000:], []byte{1}) != 70000 || c[l.Heads[1].Offset] != 1 {
		t.Error("what lies behind the volume is not all kept")
	}
	for _, h := range l.Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if l := i.mustRead(t); l.Kind != "raw" {
		t.Errorf("without its heads it is still recognised as %s", l.Kind)
	}
}
