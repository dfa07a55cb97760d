package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const mib = int64(1 << 20)

// tool runs a program on an image, with text on its standard input.
func tool(t testing.TB, stdin string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// image makes an empty image file.
func image(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) (*disk.Table, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return disk.ReadTable(f, info.Size(), 512)
}

func mustRead(t testing.TB, path string) *disk.Table {
	t.Helper()
	table, err := read(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// change overwrites bytes of an image.
func change(t testing.TB, path string, off int64, p []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(p, off); err != nil {
		t.Fatal(err)
	}
}

// windows lays a disk out as a school's PC has it.
func windows(t testing.TB, size int64) string {
	path := image(t, size)
	tool(t, `label: gpt
label-id: 6D4A7F2B-1111-4222-8333-0123456789AB
first-lba: 34
1: start=2048, size=32768, type=uefi, name="EFI system partition", attrs="GUID:63"
3: start=34816, size=40960, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Élève ☃"
2: start=75776, size=16384, type=linux
`, "sfdisk", "-q", path)
	return path
}

func TestAGPTIsReadAsOthersReadIt(t *testing.T) {
	path := windows(t, 64*mib)
	got := mustRead(t, path)
	if got.Disk.Table != manifest.GPT || got.Disk.GUID != "6D4A7F2B-1111-4222-8333-0123456789AB" ||
		got.Disk.FirstLBA != 34 || got.Disk.Entries != 128 || len(got.Warnings) > 0 || got.Ardoise != nil {
		t.Errorf("table %+v", got)
	}
	type short struct {
		Number        int
		Start, Length int64
		Type, Name    string
		Attributes    uint64
	}
	var parts []short
	for _, p := range got.Partitions {
		parts = append(parts, short{p.Number, p.Start, p.Length, p.Type, p.Name, p.Attributes})
	}
	want := []short{
		{1, mib, 16 * mib, disk.TypeESP, "EFI system partition", 1 << 63},
		{2, 37 * mib, 8 * mib, "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "", 0},
		{3, 17 * mib, 20 * mib, "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "Élève ☃", 0},
	}
	if !slices.Equal(parts, want) {
		t.Errorf("partitions\n%+v, want\n%+v", parts, want)
	}
	own := []manifest.Extent{{Offset: 458, Length: 4}, {Offset: 512, Length: 33 * 512}, {Offset: 64*mib - 33*512, Length: 33 * 512}}
	if !slices.Equal(got.Own, own) {
		t.Errorf("own extents %v, want %v", got.Own, own)
	}
	oracle(t, path, got)
}

// oracle reads the table with another reader.
func oracle(t *testing.T, path string, got *disk.Table) {
	t.Helper()
	b, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	table, err := gpt.Read(b, 512, 512)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Partitions {
		i := slices.IndexFunc(got.Partitions, func(q manifest.Partition) bool { return q.Start == int64(p.Start)*512 })
		if i < 0 || got.Partitions[i].GUID != strings.ToUpper(p.GUID) || got.Partitions[i].Length != int64(p.Size) {
			t.Errorf("another reader sees %+v", p)
		}
	}
}

func TestADamagedGPTIsReadFromItsBackupOrRefused(t *testing.T) {
	zero := make([]byte, 512)
	for why, c := range map[string]struct {
		at      []int64
		warning string
		err     bool
	}{
		"primary header gone":  {[]int64{512}, "primary GPT is damaged", false},
		"primary entries gone": {[]int64{1024}, "primary GPT is damaged", false},
		"backup header gone":   {[]int64{64*mib - 512}, "backup GPT at the end", false},
		"both headers gone":    {[]int64{512, 64*mib - 512}, "", true},
		"no protective entry":  {[]int64{0}, "", false},
	} {
		path := windows(t, 64*mib)
		for _, at := range c.at {
			change(t, path, at, zero)
		}
		got, err := read(t, path)
		var bad *disk.TableError
		if c.err != errors.As(err, &bad) {
			t.Errorf("%s: %v", why, err)
			continue
		}
		if c.warning != "" && (len(got.Partitions) != 3 || !strings.Contains(strings.Join(got.Warnings, "\n"), c.warning)) {
			t.Errorf("%s: %d partitions, %q", why, len(got.Partitions), got.Warnings)
		}
		if c.warning == "" && !c.err && got.Disk.Table != manifest.NoTable {
			t.Errorf("%s: table %s", why, got.Disk.Table)
		}
	}
}

func TestAnMBRWithLogicalPartitionsComesBackAsItWas(t *testing.T) {
	path := image(t, 64*mib)
	tool(t, `label: dos
label-id: 0x1234abcd
start=2048, size=16384, type=7, bootable
start=18432, size=90112, type=f
start=20480, size=8192, type=83
start=30720, size=8192, type=82
start=43008, size=16384, type=83
start=110592, size=4096, type=b
`, "sfdisk", "-q", path)
	got := mustRead(t, path)
	var numbers []int
	for _, p := range got.Partitions {
		numbers = append(numbers, p.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 3, 5, 6, 7}) || got.Disk.Signature != 0x1234abcd || !got.Partitions[1].Extended() {
		t.Fatalf("table %+v", got)
	}
	before := tool(t, "", "sfdisk", "-d", path)
	m := &manifest.Manifest{Disk: got.Disk, Partitions: got.Partitions}
	copied := image(t, 80*mib)
	plan, err := disk.Plan(m, 80*mib, 512, disk.Ours{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range plan.Tables {
		change(t, copied, w.Offset, w.Bytes)
	}
	after := tool(t, "", "sfdisk", "-d", copied)
	if strings.ReplaceAll(after, copied, "X") != strings.ReplaceAll(before, path, "X") {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	f, _ := os.Open(copied)
	defer f.Close()
	if ok, why := plan.Holds(f); !ok {
		t.Errorf("the written table is not the planned one: %s", why)
	}
	for _, e := range mustRead(t, copied).Own {
		if e.Length > 512 && e.Offset > 0 {
			t.Errorf("own extent %v", e)
		}
	}
}

func TestAVolumeThatFillsTheDiskIsNoTable(t *testing.T) {
	for why, make := range map[string]func(path string){
		"FAT":            func(p string) { tool(t, "", "mkfs.fat", p) },
		"FAT32":          func(p string) { tool(t, "", "mkfs.fat", "-F32", p) },
		"NTFS":           func(p string) { tool(t, "", "mkntfs", "-q", "-F", p) },
		"ext4":           func(p string) { tool(t, "", "mke2fs", "-q", "-t", "ext4", p) },
		"nothing at all": func(string) {},
	} {
		path := image(t, 48*mib)
		make(path)
		if got := mustRead(t, path); got.Disk.Table != manifest.NoTable || len(got.Partitions)+len(got.Own) > 0 {
			t.Errorf("%s: %+v", why, got)
		}
	}
}

func TestTablesThatContradictThemselvesAreRefused(t *testing.T) {
	entry := func(slot int, kind byte, start, count uint32) func([]byte) {
		return func(b []byte) {
			e := b[446+16*slot:]
			e[4] = kind
			binary.LittleEndian.PutUint32(e[8:], start)
			binary.LittleEndian.PutUint32(e[12:], count)
		}
	}
	loop := func(b []byte) {
		entry(0, 5, 100, 1000)(b)
		record := b[100*512:]
		record[510], record[511] = 0x55, 0xAA
		entry(1, 5, 0, 10)(record)
	}
	for why, spoil := range map[string][]func([]byte){
		"partitions that overlap":            {entry(0, 7, 10, 100), entry(1, 7, 50, 100)},
		"a partition behind the end":         {entry(0, 7, 10, 5000)},
		"two extended partitions":            {entry(0, 5, 10, 100), entry(1, 5, 200, 100)},
		"an extended chain that is a loop":   {loop},
		"an extended partition without data": {entry(0, 5, 10, 100), func(b []byte) { b[10*512+446] = 1 }},
	} {
		b := make([]byte, 2*mib)
		b[510], b[511] = 0x55, 0xAA
		for _, s := range spoil {
			s(b)
		}
		var bad *disk.TableError
		if _, err := disk.ReadTable(bytes.NewReader(b), 2*mib, 512); !errors.As(err, &bad) || bad.Kind != manifest.MBR {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestAHybridMBRIsKeptAsItIs(t *testing.T) {
	path := windows(t, 64*mib)
	e := make([]byte, 16)
	e[4] = 0x83
	binary.LittleEndian.PutUint32(e[8:], 2048)
	binary.LittleEndian.PutUint32(e[12:], 100)
	change(t, path, 462, e)
	got := mustRead(t, path)
	if got.Disk.Table != manifest.GPT || len(got.Warnings) != 1 || got.Own[0].Length != 4 {
		t.Errorf("table %+v", got)
	}
}

func FuzzReadTable(f *testing.F) {
	seed := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		// A table lies at both ends: what is between is left out.
		f.Add(b[:34*512], b[len(b)-33*512:], uint16(100))
	}
	seed(windows(f, 64*mib))
	path := image(f, 4*mib)
	tool(f, "label: dos\nstart=8, size=8, type=83\nstart=16, size=1000, type=f\nstart=18, size=4, type=83\nstart=24, size=4, type=83\n",
		"sfdisk", "-q", path)
	seed(path)
	// A tiny disk with what is ours, as it is and with its beginning gone: the boot sector of ARDOISE lies in sector 34.
	path = image(f, 8*mib)
	tool(f, "", "sgdisk", "-a", "1", "-n", "1:34:+3M", "-t", "1:ef00", "-c", "1:"+disk.ArdoiseName, "-n", "2:0:+1M", "-t", "2:"+disk.TypeCache,
		"-c", "2:"+disk.CacheName, path)
	boot := make([]byte, 512)
	copy(boot[71:], "ARDOISE    FAT32")
	boot[510], boot[511] = 0x55, 0xAA
	change(f, path, 34*512, boot)
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, gone := range []int{0, 512, 1024, 34 * 512} {
		clear(b[:gone])
		table, err := disk.ReadTable(bytes.NewReader(b), 8*mib, 512)
		if err != nil || table.Ardoise == nil || table.Cache == nil || (len(table.Warnings) == 0) != (gone == 0) {
			f.Fatalf("without its first %d bytes: %+v, %v", gone, table, err)
		}
		f.Add(bytes.Clone(b[:35*512]), b[len(b)-33*512:], uint16(16384-35-33))
	}
	f.Fuzz(func(t *testing.T, head, tail []byte, middle uint16) {
		size := int64(len(head)+len(tail)) + int64(middle)*512
		for _, sector := range []int{512, 4096} {
			table, err := disk.ReadTable(ends{head, tail, size}, size, sector)
			if err != nil {
				continue
			}
			for _, p := range append(slices.Clone(table.Partitions), manifest.Partition{Start: 1}) {
				if p.Start < 0 || p.Length < 0 || p.Start > size || p.Length > size-p.Start {
					if p.Number > 0 {
						t.Fatalf("partition %+v of a disk of %d bytes", p, size)
					}
				}
			}
			m := &manifest.Manifest{Disk: table.Disk, Partitions: table.Partitions}
			if plan, err := disk.PlanOver(table, m, size+400*mib, sector, disk.Ours{Ardoise: true, Cache: disk.CacheAll}); err == nil {
				for _, w := range append(plan.Tables, plan.First...) {
					if w.Offset < 0 || w.Offset+int64(len(w.Bytes)) > size+400*mib {
						t.Fatalf("a write of %d bytes at %d", len(w.Bytes), w.Offset)
					}
				}
			}
		}
	})
}

// ends is a disk of which only both ends are known: the rest is zeros.
type ends struct {
	head, tail []byte
	size       int64
}

func (e ends) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		at := off + int64(i)
		switch {
		case at >= e.size:
			return i, io.EOF
		case at < int64(len(e.head)):
			p[i] = e.head[at]
		case at >= e.size-int64(len(e.tail)):
			p[i] = e.tail[at-e.size+int64(len(e.tail))]
		default:
			p[i] = 0
		}
	}
	return len(p), nil
}
