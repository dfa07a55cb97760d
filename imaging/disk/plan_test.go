package disk_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// master describes an image by its table alone.
func master(t testing.TB, path string) *manifest.Manifest {
	table := mustRead(t, path)
	return &manifest.Manifest{Disk: table.Disk, Partitions: table.Partitions}
}

// apply writes tables to an image.
func apply(t testing.TB, path string, writes []disk.Write) {
	t.Helper()
	for _, w := range writes {
		change(t, path, w.Offset, w.Bytes)
	}
}

func TestAGPTOnALargerDiskIsWholeForSgdisk(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	for _, size := range []int64{64 * mib, 65*mib - 512, 1024 * mib, 1024*mib + 77*512} {
		for _, ardoise := range []bool{false, true} {
			path := image(t, size)
			plan, err := disk.Plan(m, size, 512, disk.Ours{Ardoise: ardoise})
			if err != nil {
				t.Fatal(err)
			}
			apply(t, path, plan.First)
			if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
				t.Errorf("the first table, %d bytes: %s", size, out)
			}
			apply(t, path, plan.Tables)
			if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
				t.Errorf("%d bytes: %s", size, out)
			}
			got := mustRead(t, path)
			f, _ := os.Open(path)
			if ok, why := plan.Holds(f); !ok {
				t.Error(why)
			}
			f.Close()
			parts := got.Partitions
			if n := len(parts); plan.Ardoise != nil {
				if parts[n-1] != *plan.Ardoise || plan.Ardoise.Start != 45*mib || plan.Ardoise.Length != 320*mib || plan.Ardoise.Number != 4 {
					t.Errorf("ARDOISE %+v", parts[n-1])
				}
				parts = parts[:n-1]
			}
			if !slices.Equal(parts, m.Partitions) || got.Disk.GUID != m.Disk.GUID {
				t.Errorf("partitions %+v", parts)
			}
			if room := ardoise && size >= 1024*mib; room != (plan.Ardoise != nil) || (ardoise && !room) != (plan.WhyNot != "") {
				t.Errorf("%d bytes: ARDOISE %v, why not %q", size, plan.Ardoise, plan.WhyNot)
			}
		}
	}
}

func TestADiskThatCannotTakeTheMasterIsRefused(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	need := 45*mib + 33*512
	if disk.Needs(m) != need {
		t.Errorf("needs %d, want the end of the last partition and 33 sectors: %d", disk.Needs(m), need)
	}
	if _, err := disk.Plan(m, need, 512, disk.Ours{Ardoise: true}); err != nil {
		t.Errorf("a disk that just fits: %v", err)
	}
	var small *disk.TooSmallError
	if _, err := disk.Plan(m, need-512, 512, disk.Ours{Ardoise: true}); !errors.As(err, &small) || small.Need != need {
		t.Errorf("a disk one sector too small: %v", err)
	}
	var sector *disk.SectorSizeError
	if _, err := disk.Plan(m, 1024*mib, 4096, disk.Ours{Ardoise: true}); !errors.As(err, &sector) || sector.Need != 512 || sector.Have != 4096 {
		t.Errorf("a 4Kn disk: %v", err)
	}
}

func TestSectorsOf4096BytesAreCountedAsSuch(t *testing.T) {
	m := &manifest.Manifest{Disk: manifest.Disk{SectorSize: 4096, Table: manifest.GPT, FirstLBA: 6, Entries: 128,
		GUID: "6D4A7F2B-1111-4222-8333-0123456789AB"}, Partitions: []manifest.Partition{{Number: 1, Start: mib, Length: mib,
		Type: disk.TypeESP, GUID: "6D4A7F2B-1111-4222-8333-0123456789AC", Name: "EFI"}}}
	if got := disk.Needs(m); got != 2*mib+5*4096 {
		t.Errorf("needs %d", got)
	}
	path := image(t, 400*mib)
	plan, err := disk.Plan(m, 400*mib, 4096, disk.Ours{Ardoise: true})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, path, plan.Tables)
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.SectorSize() != 4096 {
		t.Fatalf("an image with a GPT at 4096 has sectors of %d", d.SectorSize())
	}
	if _, err := disk.MakeArdoise(d, *plan.Ardoise, 4096, disk.MakeOptions{}); err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(d, d.Size(), 4096)
	if err != nil || table.Ardoise == nil || *table.Ardoise != *plan.Ardoise || len(table.Partitions) != 1 {
		t.Errorf("table %+v: %v", table, err)
	}
}

func TestAnMBRGivesARDOISEAFreePrimaryEntryOrSaysWhyNot(t *testing.T) {
	part := func(n int, start int64) manifest.Partition {
		return manifest.Partition{Number: n, Start: start * mib, Length: mib, Type: "07"}
	}
	full := []manifest.Partition{part(1, 1), part(2, 2), part(3, 3), part(4, 4)}
	for why, c := range map[string]struct {
		parts  []manifest.Partition
		number int
		whyNot string
	}{
		"one partition":                   {full[:1], 2, ""},
		"a hole in the middle and a last": {[]manifest.Partition{part(1, 1), part(4, 2)}, 2, ""},
		"four partitions":                 {full, 0, "no free entry"},
	} {
		m := &manifest.Manifest{Disk: manifest.Disk{SectorSize: 512, Table: manifest.MBR}, Partitions: c.parts}
		plan, err := disk.Plan(m, 1000*mib, 512, disk.Ours{Ardoise: true})
		if err != nil {
			t.Fatal(err)
		}
		if c.number > 0 && (plan.Ardoise == nil || plan.Ardoise.Number != c.number || plan.Ardoise.Type != disk.TypeMBRESP) {
			t.Errorf("%s: %+v", why, plan.Ardoise)
		}
		if c.whyNot != "" && (plan.Ardoise != nil || !strings.Contains(plan.WhyNot, c.whyNot)) {
			t.Errorf("%s: %+v, %q", why, plan.Ardoise, plan.WhyNot)
		}
	}
}

func TestAnARDOISEThatIsInNobodysWayStaysWhereItIs(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	for why, c := range map[string]struct {
		start, length int64
		wanted        bool
		want          int64 // start; 0 = none
	}{
		"behind the last partition":             {600 * mib, 320 * mib, true, 600 * mib},
		"not wanted, but there":                 {600 * mib, 400 * mib, false, 600 * mib},
		"where the master has a partition":      {20 * mib, 320 * mib, true, 45 * mib},
		"there, and neither wanted":             {20 * mib, 320 * mib, false, 0},
		"too small":                             {600 * mib, 100 * mib, true, 45 * mib},
		"where the larger table of the disk is": {704*mib - 512*10, 320 * mib, true, 45 * mib},
	} {
		have := &disk.Table{Disk: m.Disk, Ardoise: &manifest.Partition{Number: 9, Start: c.start, Length: c.length}}
		plan, err := disk.PlanOver(have, m, 1024*mib, 512, disk.Ours{Ardoise: c.wanted})
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		if plan.Ardoise != nil {
			got = plan.Ardoise.Start
		}
		if got != c.want {
			t.Errorf("%s: at %d, want %d", why, got, c.want)
		}
	}
}
