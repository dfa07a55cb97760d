package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// mkexfat makes an exFAT volume of kib KiB, on a device with sectors of another size where sector is not 512.
func mkexfat(t testing.TB, kib, sector int, args ...string) image {
	t.Helper()
	i := image{filepath.Join(t.TempDir(), "exfat"), int64(kib) << 10}
	if err := os.WriteFile(i.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(i.path, i.size); err != nil {
		t.Fatal(err)
	}
	onExFAT(t, i, sector, fmt.Sprintf(`mkfs.exfat -L salle %s "$L" > /dev/null`, strings.Join(args, " ")), "")
	return i
}

// onExFAT runs one shell script that finds the volume as the block device $L, and another that finds it mounted at $M by
// the FUSE driver, in a mount namespace that ends with them.
func onExFAT(t testing.TB, i image, sector int, device, mounted string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root: run the tests through sudo")
	}
	script := `L=$(losetup --find --show --sector-size ` + fmt.Sprint(sector) + ` "$I")
trap 'cd /; umount "$M" 2> /dev/null || :; losetup --detach "$L"' EXIT
` + device
	if mounted != "" {
		script += "\nmount.exfat-fuse \"$L\" \"$M\" > /dev/null\n" + mounted + "\ncd /\numount \"$M\""
	}
	c := exec.Command("unshare", "--mount", "sh", "-euc", script)
	c.Env = append(os.Environ(), "M="+t.TempDir(), "I="+i.path, "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("with %s mounted: %v\n%s", i.path, err, out)
	}
	return strings.TrimSpace(string(out))
}

// exfatLife fills a volume as people would: a tree, many files of which some are deleted again, a file that then lies in
// the holes, and one that grows after another was written behind it.
const exfatLife = `
cp -r "$TREE/." "$M/"; cd "$M"; mkdir keep
for n in $(seq 300); do head -c 1500 "$TREE/zeros" > keep/$n; done
rm keep/*[02468]
cat "$TREE/sizes/0900001" "$TREE/sizes/0262145" > holes
head -c 5000 "$TREE/sizes/0065536" > grows; echo behind > behind; tail -c +5001 "$TREE/sizes/0065536" >> grows
`

// freeByDump is the number of free clusters by dump.exfat.
func freeByDump(t *testing.T, i image) int64 {
	t.Helper()
	free := int64(-1)
	for line := range strings.Lines(tool(t, "dump.exfat", i.path)) {
		_, _ = fmt.Sscanf(line, "Free Clusters: %d", &free)
	}
	if free < 0 {
		t.Fatal("dump.exfat prints no free clusters")
	}
	return free
}

func TestExFATOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := plainTree(t)
	write(t, filepath.Join(tree, strings.Repeat("x", 255)), []byte("long"))
	write(t, filepath.Join(tree, "čeština 🎓.txt"), []byte("student"))
	for name, c := range map[string]struct {
		mib, sector int
		args        string
	}{
		"clusters of 512 bytes": {16, 512, "-c 512"},
		"clusters of 4 KiB":     {16, 512, "-c 4k"},
		"clusters of 32 KiB":    {32, 512, "-c 32k"},
		"clusters of 128 KiB":   {96, 512, "-c 128k"},
		"no alignment":          {16, 512, "-c 4k -b 512"},
		"sectors of 4 KiB":      {24, 4096, "-c 8k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkexfat(t, c.mib<<10, c.sector, strings.Fields(c.args)...)
			onExFAT(t, i, c.sector, "", "TREE="+tree+exfatLife)
			tool(t, "fsck.exfat", "-n", i.path)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile || l.Label != "salle" || !strings.Contains(tool(t, "blkid", "-p", i.path), l.UUID) {
				t.Fatalf("%s by %s (%s), label %q, id %s", l.Kind, l.Order, l.Reason, l.Label, l.UUID)
			}
			if want := i.size - freeByDump(t, i)*int64(l.Unit); l.Used != want {
				t.Errorf("%d bytes used, want %d", l.Used, want)
			}
			if class := classes(t, l, i.size); c.sector == 512 {
				asPartclone(t, "exfat", i, class, int64(l.Unit), false)
			}
			hash := onExFAT(t, i, c.sector, "", hashTree)
			streams := contents(t, i, l)
			for path, b := range streams {
				if want, err := os.ReadFile(filepath.Join(tree, path)); err == nil && !bytes.Equal(b, want) {
					t.Errorf("stream %q differs from its file", path)
				}
			}
			if !bytes.Equal(streams["grows"], streams["sizes/0065536"]) || streams["čeština 🎓.txt"] == nil || len(streams) < 290 {
				t.Errorf("%d streams, want 290 or more, and those of grows and čeština 🎓.txt", len(streams))
			}
			out := restored(t, i, l)
			tool(t, "fsck.exfat", "-n", out.path)
			if after := onExFAT(t, out, c.sector, "", hashTree); after != hash || len(hash) < 64 {
				t.Errorf("the restored tree differs: %s, want %s", after, hash)
			}
			dir := t.TempDir()
			onExFAT(t, out, c.sector, "", `cp -r "$M/." `+dir)
			sameTree(t, tree, dir)
			if b, err := os.ReadFile(dir + "/holes"); err != nil || !bytes.Equal(b, streams["holes"]) {
				t.Errorf("the file that lies in holes differs (%v)", err)
			}
		})
	}
}

// smallExFAT is a volume with one file of each kind, small enough to damage often.
func smallExFAT(t testing.TB) []byte {
	t.Helper()
	i := mkexfat(t, 400, 512, "-c", "4k", "-b", "512")
	onExFAT(t, i, 512, "", `cd "$M"; mkdir a a/b; head -c 9000 /dev/zero | tr '\0' x > a/run; : > a/empty
for n in 1 2 3 4 5 6 7 8 9; do echo $n > a/b/file-with-a-name-of-several-entries-$n; head -c 700 /dev/zero | tr '\0' y >> a/chain; done`)
	return i.bytes(t)
}

// resealExFAT puts checksums right, so that damage reaches what lies behind them: of the boot region, whose copy it makes
// again, and of every set of entries.
func resealExFAT(b []byte) {
	sum := uint32(0)
	for i, c := range b[:11*512] {
		if i != 106 && i != 107 && i != 112 {
			sum = (sum>>1 | sum<<31) + uint32(c)
		}
	}
	for at := 11 * 512; at < 12*512; at += 4 {
		binary.LittleEndian.PutUint32(b[at:], sum)
	}
	copy(b[12*512:24*512], b[:12*512])
	for at := 24 * 512; at+64 <= len(b); at += 32 {
		if n := 32 * (1 + int(b[at+1])); b[at] == 0x85 && b[at+32] == 0xc0 && at+n <= len(b) {
			set := uint16(0)
			for i, c := range b[at : at+n] {
				if i != 2 && i != 3 {
					set = (set>>1 | set<<15) + uint16(c)
				}
			}
			binary.LittleEndian.PutUint16(b[at+2:], set)
		}
	}
}

// exfatParts are places in a small volume.
type exfatParts struct {
	fat, heap int
	entry     func(name string) int // where the set of entries of a file begins
	cluster   func(n uint32) int
}

func partsOf(t *testing.T, b []byte) exfatParts {
	p := exfatParts{fat: int(binary.LittleEndian.Uint32(b[80:])) * 512, heap: int(binary.LittleEndian.Uint32(b[88:])) * 512}
	p.cluster = func(n uint32) int { return p.heap + int(n-2)*4096 }
	p.entry = func(name string) int {
		var coded []byte
		for _, c := range utf16.Encode([]rune(name)) {
			coded = binary.LittleEndian.AppendUint16(coded, c)
		}
		at := bytes.Index(b, append([]byte{0xc1, 0}, coded...))
		if at < 0 {
			t.Fatalf("no entry of %s", name)
		}
		return at - 64
	}
	return p
}

func TestExFATThatContradictsItselfStepsBack(t *testing.T) {
	sound := smallExFAT(t)
	p := partsOf(t, sound)
	le := binary.LittleEndian
	first := func(name string) uint32 { return le.Uint32(sound[p.entry(name)+32+20:]) }
	set32 := func(at int, v uint32) func(b []byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }
	for name, how := range map[string]struct {
		change  func(b []byte)
		resealt bool
		want    manifest.Order
	}{
		"nothing is wrong":                 {want: manifest.ByFile},
		"the boot code changed":            {change: set32(200, 7), want: manifest.Raw},
		"only the backup changed":          {change: set32(12*512+200, 7), want: manifest.Raw},
		"two allocation tables":            {change: func(b []byte) { b[110] = 2 }, resealt: true, want: manifest.Raw},
		"larger than its partition":        {change: set32(72, 1<<30), resealt: true, want: manifest.Raw},
		"the root lies nowhere":            {change: set32(96, 1<<30), resealt: true, want: manifest.Raw},
		"the bitmap calls files free":      {change: func(b []byte) { clear(b[p.cluster(2)+1 : p.cluster(2)+8]) }, want: manifest.Raw},
		"the up-case table changed":        {change: func(b []byte) { b[p.cluster(4)+9]++ }, want: manifest.ByPosition},
		"a name changed":                   {change: func(b []byte) { b[p.entry("chain")+66]++ }, want: manifest.ByPosition},
		"two files in one place":           {change: set32(p.entry("chain")+52, first("run")), resealt: true, want: manifest.ByPosition},
		"a chain in a circle":              {change: set32(p.fat+4*int(first("chain")), first("chain")), resealt: true, want: manifest.ByPosition},
		"a chain that ends early":          {change: set32(p.fat+4*int(first("chain")), 0xffffffff), want: manifest.ByPosition},
		"a file longer than the volume":    {change: set32(p.entry("run")+56, 1<<30), resealt: true, want: manifest.ByPosition},
		"a directory that holds itself":    {change: set32(p.entry("b")+52, first("a")), resealt: true, want: manifest.ByPosition},
		"an entry that must be known":      {change: func(b []byte) { b[p.entry("empty")] = 0x86 }, want: manifest.ByPosition},
		"an entry that need not be known":  {change: func(b []byte) { b[p.entry("a")-96] = 0xa0 }, want: manifest.ByFile},
		"a file in a cluster called bad":   {change: set32(p.fat+4*int(first("run")), 0xfffffff7), want: manifest.Raw},
		"more written than there is":       {change: set32(p.entry("run")+40, 99999), resealt: true, want: manifest.ByPosition},
		"less written than the file holds": {change: set32(p.entry("run")+40, 1000), resealt: true, want: manifest.ByFile},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(sound)
			if how.change != nil {
				how.change(b)
			}
			if how.resealt {
				resealExFAT(b)
			}
			l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
			if err != nil || l.Order != how.want || (l.Reason == "") != (l.Order == manifest.ByFile) {
				t.Fatalf("%+v, %v, want order %s", l, err, how.want)
			}
			classes(t, l, int64(len(b)))
		})
	}
}

func TestExFATBadClustersAreNeverRead(t *testing.T) {
	b := smallExFAT(t)
	p := partsOf(t, b)
	const bad = 60 // as the table counts: free until now
	binary.LittleEndian.PutUint32(b[p.fat+4*bad:], 0xfffffff7)
	b[p.cluster(2)+(bad-2)/8] |= 1 << ((bad - 2) % 8)
	at := int64(p.cluster(bad))
	l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
	if err != nil || len(l.DontCare) != 1 || l.DontCare[0] != (volume.Extent{Offset: at, Length: 4096}) {
		t.Fatalf("%+v, %v: want the bad cluster as don't-care", l, err)
	}
	classes(t, l, int64(len(b)))
}

func TestExFATThatIsNotCleanIsRefused(t *testing.T) {
	sound := smallExFAT(t)
	for name, flags := range map[string]byte{"not unmounted": 2, "medium failed": 4, "both": 6} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(sound)
			b[106] |= flags
			_, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{AsIs: true})
			if err != nil || l.Order != manifest.Raw {
				t.Errorf("as it is: %+v, %v", l, err)
			}
		})
	}
}

func TestExFATWithoutItsHeadsDoesNotMount(t *testing.T) {
	i := mkexfat(t, 16<<10, 4096)
	l := i.mustRead(t)
	if len(l.Heads) != 2 || l.Heads[1].Offset != 12*4096 {
		t.Errorf("heads %v, want the boot sector and its backup", l.Heads)
	}
	for _, h := range l.Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if again := i.mustRead(t); again.Kind != "raw" {
		t.Errorf("it is still recognised as %s", again.Kind)
	}
}

func FuzzExFAT(f *testing.F) {
	sound := smallExFAT(f)
	heap := binary.LittleEndian.Uint32(sound[88:]) * 512
	for _, at := range []uint32{64, 88, 96, 108, 24 * 512, heap, heap + 12*512, heap + 14*512} {
		f.Add(at, []byte{0xff})
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(sound)
		copy(b[int(at)%len(b):], patch)
		resealExFAT(b)
		hostile(t, b)
	})
}

func TestDamagedExFATNeverBreaksTheRules(t *testing.T) {
	sound := smallExFAT(t)
	var used []int
	for i, c := range sound {
		if c != 0 && c != 'x' && c != 'y' {
			used = append(used, i)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		b := bytes.Clone(sound)
		for range 1 + r.IntN(3) {
			b[used[r.IntN(len(used))]] = byte([]int{0, 1, 0xff, r.IntN(256)}[r.IntN(4)])
		}
		resealExFAT(b)
		hostile(t, b)
	}
}
