package disk_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestTheCacheLiesBehindARDOISEAndOthersReadItThere(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	for why, c := range map[string]struct {
		size, wanted int64
		length       int64  // of the cache; 0 = none
		whyNot       string // why there is none
	}{
		"all the room":                      {1024 * mib, disk.CacheAll, 658 * mib, ""},
		"as much as is wanted":              {1024 * mib, 200*mib + 1, 201 * mib, ""},
		"more than there is":                {1024 * mib, 2048 * mib, 658 * mib, ""},
		"less than is of use":               {1024 * mib, 1, 64 * mib, ""},
		"none":                              {1024 * mib, 0, 0, ""},
		"just the least room":               {430 * mib, disk.CacheAll, 64 * mib, ""},
		"one MiB less":                      {429 * mib, disk.CacheAll, 0, "needs 64 MiB or more behind ARDOISE, the disk has 63"},
		"a disk that ends behind ARDOISE":   {365*mib + 33*512, disk.CacheAll, 0, "the disk has 0"},
		"a disk without room for ARDOISE":   {365*mib + 32*512, disk.CacheAll, 0, "There is no ARDOISE"},
		"a disk that ends in half a sector": {1024*mib + 77, disk.CacheAll, 658 * mib, ""},
	} {
		plan, err := disk.Plan(m, c.size, 512, disk.Ours{Ardoise: true, Cache: c.wanted})
		if err != nil {
			t.Fatal(err)
		}
		var length int64
		if plan.Cache != nil {
			length = plan.Cache.Length
		}
		if length != c.length || !strings.Contains(plan.WhyNoCache, c.whyNot) || (c.whyNot == "") != (plan.WhyNoCache == "") {
			t.Errorf("%s: cache of %d MiB, %q", why, length/mib, plan.WhyNoCache)
			continue
		}
		path := image(t, c.size)
		for step, writes := range [][]disk.Write{plan.First, plan.Tables} {
			apply(t, path, writes)
			if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
				t.Errorf("%s, table %d: %s", why, step, out)
			}
		}
		if plan.Cache != nil {
			out := tool(t, "", "sfdisk", "-d", path)
			line := regexp.MustCompile(`5 : start= *(\d+), size= *(\d+), type=` + disk.TypeCache + `.*name="ARDOISE-CACHE"`)
			if !line.MatchString(out) {
				t.Errorf("%s: sfdisk sees %s", why, out)
			}
			if plan.Cache.Start != 365*mib {
				t.Errorf("%s: at %d MiB", why, plan.Cache.Start/mib)
			}
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if ok, reason := plan.Holds(f); !ok {
			t.Errorf("%s: %s", why, reason)
		}
		f.Close()
		got := mustRead(t, path)
		if (got.Cache == nil) != (plan.Cache == nil) || got.Cache != nil && *got.Cache != *plan.Cache {
			t.Errorf("%s: read back %+v, planned %+v", why, got.Cache, plan.Cache)
		}
	}
}

func TestAnMBRGivesTheCacheAFreePrimaryEntryOrSaysWhyNot(t *testing.T) {
	part := func(n int, start int64) manifest.Partition {
		return manifest.Partition{Number: n, Start: start * mib, Length: mib, Type: "07"}
	}
	for _, c := range []struct {
		parts  int
		number int
		whyNot string
	}{{1, 3, ""}, {2, 4, ""}, {3, 0, "no free entry for the cache"}, {4, 0, "There is no ARDOISE"}} {
		m := &manifest.Manifest{Disk: manifest.Disk{SectorSize: 512, Table: manifest.MBR, Signature: 7}}
		for n := range c.parts {
			m.Partitions = append(m.Partitions, part(n+1, int64(n+1)))
		}
		plan, err := disk.Plan(m, 1000*mib, 512, disk.Ours{Ardoise: true, Cache: disk.CacheAll})
		if err != nil {
			t.Fatal(err)
		}
		if c.number == 0 {
			if plan.Cache != nil || !strings.Contains(plan.WhyNoCache, c.whyNot) {
				t.Errorf("%d partitions: %+v, %q", c.parts, plan.Cache, plan.WhyNoCache)
			}
			continue
		}
		if plan.Cache == nil || plan.Cache.Number != c.number || plan.Cache.Type != disk.TypeMBRCache {
			t.Fatalf("%d partitions: %+v, %q", c.parts, plan.Cache, plan.WhyNoCache)
		}
		path := image(t, 1000*mib)
		apply(t, path, plan.First)
		apply(t, path, plan.Tables)
		if out := tool(t, "", "sfdisk", "-d", path); !regexp.MustCompile(`type=da`).MatchString(out) {
			t.Errorf("sfdisk sees %s", out)
		}
		// Without an ARDOISE before it, type DA is somebody else's.
		if got := mustRead(t, path); got.Cache != nil || len(got.Partitions) != c.parts+2 {
			t.Errorf("%d partitions, no ARDOISE yet: %+v", c.parts, got)
		}
		d, err := disk.Open(path, disk.Mode{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := disk.MakeArdoise(d, *plan.Ardoise, 512, disk.MakeOptions{}); err != nil {
			t.Fatal(err)
		}
		d.Close()
		if got := mustRead(t, path); got.Cache == nil || *got.Cache != *plan.Cache || len(got.Partitions) != c.parts {
			t.Errorf("%d partitions: read back %+v", c.parts, got)
		}
	}
}

func TestACacheThatIsInNobodysWayStaysAndGrows(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	ardoise := &manifest.Partition{Number: 4, Start: 45 * mib, Length: 320 * mib}
	for why, c := range map[string]struct {
		ardoise       *manifest.Partition
		start, length int64
		wanted        disk.Ours
		want          [2]int64 // start and length; 0 = none
	}{
		"asked for nothing":                        {ardoise, 400 * mib, 100 * mib, disk.Ours{}, [2]int64{400 * mib, 100 * mib}},
		"asked for less":                           {ardoise, 400 * mib, 100 * mib, disk.Ours{Cache: 64 * mib}, [2]int64{400 * mib, 100 * mib}},
		"asked for a little more":                  {ardoise, 400 * mib, 100 * mib, disk.Ours{Cache: 133 * mib}, [2]int64{400 * mib, 100 * mib}},
		"asked for twice as much":                  {ardoise, 400 * mib, 100 * mib, disk.Ours{Cache: 200 * mib}, [2]int64{400 * mib, 200 * mib}},
		"asked for all":                            {ardoise, 400 * mib, 100 * mib, disk.Ours{Cache: disk.CacheAll}, [2]int64{400 * mib, 623 * mib}},
		"too small":                                {ardoise, 400 * mib, 32 * mib, disk.Ours{}, [2]int64{}},
		"too small, and wanted":                    {ardoise, 400 * mib, 32 * mib, disk.Ours{Cache: 80 * mib}, [2]int64{365 * mib, 80 * mib}},
		"before ARDOISE":                           {&manifest.Partition{Start: 500 * mib, Length: 320 * mib}, 400 * mib, 100 * mib, disk.Ours{}, [2]int64{}},
		"where the larger table is":                {ardoise, 923 * mib, 101 * mib, disk.Ours{}, [2]int64{}},
		"not at a whole MiB":                       {ardoise, 400*mib + 512, 100 * mib, disk.Ours{}, [2]int64{}},
		"ARDOISE moves into it":                    {&manifest.Partition{Start: 20 * mib, Length: 320 * mib}, 340 * mib, 600 * mib, disk.Ours{Ardoise: true, Cache: 80 * mib}, [2]int64{365 * mib, 80 * mib}},
		"ARDOISE moves into it, nothing is wanted": {&manifest.Partition{Start: 20 * mib, Length: 320 * mib}, 20 * mib, 600 * mib, disk.Ours{}, [2]int64{}},
	} {
		have := &disk.Table{Disk: m.Disk, Ardoise: c.ardoise,
			Cache: &manifest.Partition{Number: 9, Start: c.start, Length: c.length}}
		plan, err := disk.PlanOver(have, m, 1024*mib, 512, c.wanted)
		if err != nil {
			t.Fatal(err)
		}
		var got [2]int64
		if plan.Cache != nil {
			got = [2]int64{plan.Cache.Start, plan.Cache.Length}
		}
		if got != c.want {
			t.Errorf("%s: %d MiB at %d, want %d at %d", why, got[1]/mib, got[0]/mib, c.want[1]/mib, c.want[0]/mib)
		}
	}
}

func TestTheSizeOfTheCacheFollowsTheMaster(t *testing.T) {
	for stored, want := range map[int64]int64{0: disk.CacheAll, -1: disk.CacheAll, 1: 1 << 30, 4 << 30: 9 << 30, 1 << 62: disk.CacheAll} {
		if got := disk.CacheWanted(stored); got != want {
			t.Errorf("for %d stored bytes: %d, want %d", stored, got, want)
		}
	}
}

func TestOfflineResetIsSaidInOneSentence(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	four := &manifest.Manifest{Disk: manifest.Disk{SectorSize: 512, Table: manifest.MBR}}
	for n := range 4 {
		four.Partitions = append(four.Partitions, manifest.Partition{Number: n + 1, Start: int64(n+1) * mib, Length: mib, Type: "07"})
	}
	for why, c := range map[string]struct {
		m            *manifest.Manifest
		size, stored int64
		says         string
		from         int64
	}{
		"room":                       {m, 1024 * mib, 10 * mib, "yes", 430 * mib},
		"no room for ARDOISE":        {m, 300 * mib, 10 * mib, "no, because ARDOISE needs 320 MiB behind the master's last partition, the disk has 254; there is room on disks of 430 MiB or more", 430 * mib},
		"no room for the cache":      {m, 400 * mib, 10 * mib, "no, because the cache needs 64 MiB or more behind ARDOISE, the disk has 34; there is room on disks of 430 MiB or more", 430 * mib},
		"a cache that is too small":  {m, 1024 * mib, 600 * mib, "no, because the cache has 658 MiB and this master needs 782; there is room on disks of 1148 MiB or more", 1148 * mib},
		"a size that is not known":   {m, 430 * mib, 0, "yes", 430 * mib},
		"an MBR without free entry":  {four, 1024 * mib, 10 * mib, "no, because the master's partition table has no free entry for ARDOISE", 0},
		"a disk that is too small":   {m, 8 * mib, 10 * mib, "no, because disk of 8388608 bytes is too small", 430 * mib},
		"a master without any table": {&manifest.Manifest{Disk: manifest.Disk{SectorSize: 512, Table: manifest.NoTable}}, 1024 * mib, mib, "no, because the master has no partition table, so there is no place for ARDOISE", 0},
	} {
		got := disk.OfflineReset(c.m, c.size, 512, c.stored)
		if !strings.HasPrefix(got.String(), c.says) || got.From != c.from || got.Room != (c.says == "yes") {
			t.Errorf("%s: %q, from %d MiB", why, got, got.From/mib)
		}
		if c.from > 0 {
			if at := disk.OfflineReset(c.m, c.from, 512, c.stored); !at.Room {
				t.Errorf("%s: on a disk of %d bytes: %s", why, c.from, at)
			}
			if below := disk.OfflineReset(c.m, c.from-mib, 512, c.stored); below.Room {
				t.Errorf("%s: on a disk of %d bytes: %s", why, c.from-mib, below)
			}
		}
	}
}

func TestACacheIsNotTakenForAPartitionOfTheMaster(t *testing.T) {
	path := windows(t, 64*mib)
	m := master(t, path)
	disks := image(t, 1024*mib)
	plan, err := disk.Plan(m, 1024*mib, 512, disk.Ours{Ardoise: true, Cache: disk.CacheAll})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, disks, plan.Tables)
	got := mustRead(t, disks)
	// ARDOISE is not made yet and counts as a partition; the cache is known by its type.
	if got.Cache == nil || slices.ContainsFunc(got.Partitions, func(p manifest.Partition) bool { return p.Type == disk.TypeCache }) {
		t.Errorf("table %+v", got)
	}
	// By name alone it could be anybody's.
	tool(t, "", "sgdisk", "-t", "5:8300", disks)
	if got := mustRead(t, disks); got.Cache != nil {
		t.Errorf("cache %+v of another type", got.Cache)
	}
}
