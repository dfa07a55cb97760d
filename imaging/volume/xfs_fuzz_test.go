package volume_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// xfsSums is where structures of version 5 keep their checksum, and how long they are; 0: a block.
var xfsSums = []struct {
	magic    string
	at, size int
}{
	{"XFSB", 224, 512}, {"XAGF", 216, 512}, {"XAGI", 312, 512}, {"XAFL", 32, 512}, {"IN", 100, 512},
	{"AB3B", 52, 0}, {"AB3C", 52, 0}, {"IAB3", 52, 0}, {"FIB3", 52, 0}, {"R3FC", 52, 0}, {"RMB3", 52, 0},
	{"BMA3", 64, 0}, {"XDB3", 4, 0}, {"XDD3", 4, 0},
}

// reseal puts the checksum of the structure around a byte right, so that damage reaches what lies behind it.
func reseal(b []byte, at, block int) {
	for _, unit := range []int{512, block} {
		start := at / unit * unit
		for _, s := range xfsSums {
			size := s.size
			if size == 0 {
				size = block
			}
			if size != unit || start+size > len(b) || !bytes.HasPrefix(b[start:], []byte(s.magic)) {
				continue
			}
			part := b[start : start+size]
			clear(part[s.at : s.at+4])
			binary.LittleEndian.PutUint32(part[s.at:], crc32.Checksum(part, crc32.MakeTable(crc32.Castagnoli)))
		}
	}
}

// xfsSeed is a small volume with directories of every form, by the real mkfs, and the places where its structures lie.
func xfsSeed(t testing.TB, args ...string) (sound []byte, places []int) {
	t.Helper()
	dir := t.TempDir()
	prototype := dir + "/prototype"
	write(t, dir+"/content", noise(1, 30000))
	var names bytes.Buffer
	for n := range 90 {
		names.WriteString("a-name-that-is-long-enough-" + string(rune('a'+n%26)) + string(rune('a'+n/26)) + " ---644 0 0 " + dir + "/content\n")
	}
	write(t, prototype, []byte("/\n0 0\nd--755 0 0\nshort d--755 0 0\nfile ---644 0 0 "+dir+"/content\nlink l--777 0 0 file\n$\n"+
		"block d--755 0 0\n"+string(names.Bytes()[:30*len(names.Bytes())/90])+"$\nleaf d--755 0 0\n"+names.String()+"$\n$\n"))
	i := mkxfs(t, 16, append(args, "-d", "agcount=1", "-b", "size=1024", "-p", prototype)...)
	sound = i.bytes(t)
	log := bytes.Index(sound, []byte{0xfe, 0xed, 0xba, 0xbe})
	for at := 0; at < len(sound); at += 512 {
		for _, magic := range []string{"XFSB", "XAGF", "XAGI", "XAFL", "IN", "AB3", "ABT", "IAB", "FIB", "R3FC", "BMA", "XD"} {
			if at < log+1024 && bytes.HasPrefix(sound[at:], []byte(magic)) {
				places = append(places, at)
			}
		}
	}
	return sound, append(places, log, log+512)
}

// damagedXFS reads a sound volume with one byte string put into one of its structures.
func damagedXFS(t testing.TB, sound, scratch []byte, at int, patch []byte) {
	t.Helper()
	patch = patch[:min(len(patch), 64, len(sound)-at)]
	from, to := at/1024*1024, min((at+len(patch)+1023)/1024*1024, len(sound))
	copy(scratch[at:], patch)
	reseal(scratch, at, 1024)
	hostileReader(t, scratch)
	copy(scratch[from:to], sound[from:to])
}

// hostileReader is hostile for volumes that are too large to mark each byte: it adds up what the layout says.
func hostileReader(t testing.TB, b []byte) {
	t.Helper()
	l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
	if err != nil {
		return
	}
	var sum int64
	seen := make([]bool, len(b)/512)
	mark := func(off, length int64) {
		if off < 0 || length <= 0 || off+length > int64(len(b)) {
			t.Fatalf("%d bytes at %d lie outside", length, off)
		}
		sum += length
		for s := off / 512; s < (off+length)/512; s++ {
			if seen[s] {
				t.Fatalf("the bytes at %d have two classes", s*512)
			}
			seen[s] = true
		}
	}
	if err := l.Streams(func(s volume.Stream) error {
		for _, p := range s.Pieces {
			mark(p.Offset, p.Length)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range l.DontCare {
		mark(e.Offset, e.Length)
	}
	for _, e := range l.Fills {
		mark(e.Offset, e.Length)
	}
	if sum != l.Used {
		t.Fatalf("classes add up to %d bytes, the layout uses %d", sum, l.Used)
	}
}

// xfsSeeds are the makes that differ in their structures.
var xfsSeeds = [][]string{{"-m", "crc=0"}, {"-m", "rmapbt=1"}, {"-m", "crc=0", "-n", "ftype=0", "-i", "attr=1,projid32bit=0"},
	{"-m", "reflink=1,bigtime=1", "-i", "nrext64=1"}, {"-m", "reflink=0,finobt=0,inobtcount=0", "-i", "sparse=0"}}

func FuzzXFS(f *testing.F) {
	type volume struct {
		sound, scratch []byte
		places         []int
	}
	var all []volume
	for n, args := range xfsSeeds {
		sound, places := xfsSeed(f, args...)
		all = append(all, volume{sound, bytes.Clone(sound), places})
		for k := range 12 {
			f.Add(uint8(n), uint16(k), uint16(16*k), []byte{0xff, byte(k)})
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, place, off uint16, patch []byte) {
		v := all[int(which)%len(all)]
		damagedXFS(t, v.sound, v.scratch, v.places[int(place)%len(v.places)]+int(off)%1024, patch)
	})
}

func TestDamagedXFSNeverBreaksTheRules(t *testing.T) {
	for name, args := range map[string][]string{"version 4": {"-m", "crc=0"}, "version 5": {"-m", "rmapbt=1"}} {
		t.Run(name, func(t *testing.T) {
			sound, places := xfsSeed(t, args...)
			if l, err := volume.Read(bytes.NewReader(sound), int64(len(sound)), volume.Options{}); err != nil || l.Order != manifest.ByFile {
				t.Fatalf("undamaged: %+v, %v", l, err)
			}
			r, scratch := rand.New(rand.NewPCG(7, 8)), bytes.Clone(sound)
			for range 1500 {
				patch := []byte{byte([]int{0, 1, 0xff, r.IntN(256)}[r.IntN(4)]), byte(r.IntN(256))}[:1+r.IntN(2)]
				damagedXFS(t, sound, scratch, places[r.IntN(len(places))]+r.IntN(256), patch)
			}
		})
	}
}
