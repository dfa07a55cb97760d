package disk

import (
	"fmt"
	"math"

	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/zeebo/blake3"
)

// CacheAll wants all the room behind ARDOISE for the cache.
const CacheAll = math.MaxInt64

// CacheWanted returns the bytes of cache for a master whose chunks take stored bytes in the library (0: not known): two
// versions and a quarter, so that the next one can be staged beside the one that runs, 1 GiB at least.
func CacheWanted(stored int64) int64 {
	if stored <= 0 || stored > CacheAll/4 {
		return CacheAll
	}
	return max(2*stored+stored/4, 1<<30)
}

// place decides where our partitions lie, and enters them behind the master's.
func (p *TablePlan) place(have *Table, wanted Ours) {
	sector := int64(p.disk.SectorSize)
	usable := p.disk.Size
	switch p.disk.Table {
	case manifest.NoTable:
		if wanted.Ardoise {
			p.WhyNot = "The master has no partition table, so there is no place for ARDOISE."
		}
		if wanted.Cache > 0 {
			p.WhyNoCache = "The master has no partition table, so there is no place for the cache."
		}
		return
	case manifest.GPT:
		usable -= int64(gptArraySectors(p.disk)+1) * sector
	case manifest.MBR:
		usable = min(usable, sector<<32)
	}
	if p.placeArdoise(have, wanted.Ardoise, usable); p.Ardoise != nil {
		p.entries = append(p.entries, *p.Ardoise)
	}
	if p.placeCache(have, wanted.Cache, usable); p.Cache != nil {
		p.entries = append(p.entries, *p.Cache)
	}
}

// behind returns the first place for a partition of ours behind all others.
func (p *TablePlan) behind() int64 {
	start := max(alignUp(lastEnd(p.entries)), align)
	if p.disk.Table == manifest.GPT {
		start = max(start, alignUp(int64(p.disk.FirstLBA)*int64(p.disk.SectorSize)))
	}
	return start
}

func alignUp(n int64) int64   { return (n + align - 1) / align * align }
func alignDown(n int64) int64 { return n / align * align }

// stays tells whether an older partition of ours is in nobody's way and large enough.
func (p *TablePlan) stays(old *manifest.Partition, least, usable int64) bool {
	return old != nil && old.Start >= lastEnd(p.entries) && old.Start%align == 0 && old.Length >= least &&
		old.Start <= usable-old.Length
}

func (p *TablePlan) placeArdoise(have *Table, wanted bool, usable int64) {
	number, free := p.freeNumber()
	ours := manifest.Partition{Number: number, Start: p.behind(), Length: ArdoiseSize, Type: TypeMBRESP}
	if p.disk.Table == manifest.GPT {
		ours.Type, ours.Name, ours.GUID = TypeESP, ArdoiseName, oursGUID(0, p.disk.GUID)
	}
	switch {
	case have != nil && free && p.stays(have.Ardoise, ArdoiseSize, usable):
		ours.Start, ours.Length = have.Ardoise.Start, have.Ardoise.Length
		p.Ardoise = &ours
	case !wanted:
	case !free:
		p.WhyNot = "The master's partition table has no free entry for ARDOISE."
	case ours.Start > usable-ArdoiseSize:
		p.WhyNot = fmt.Sprintf("ARDOISE needs %d MiB behind the master's last partition, the disk has %d.",
			int64(ArdoiseSize)>>20, max(0, usable-ours.Start)>>20)
	default:
		p.Ardoise = &ours
	}
}

// placeCache puts the cache behind ARDOISE. Without that nothing could be started that would use it.
func (p *TablePlan) placeCache(have *Table, wanted, usable int64) {
	number, free := p.freeNumber()
	ours := manifest.Partition{Number: number, Start: p.behind(), Type: TypeMBRCache}
	if p.disk.Table == manifest.GPT {
		ours.Type, ours.Name, ours.GUID = TypeCache, CacheName, oursGUID(1, p.disk.GUID)
	}
	room := alignDown(max(0, usable-ours.Start))
	// On an MBR disk it is known by its place behind ARDOISE.
	known := p.disk.Table == manifest.GPT || p.Ardoise != nil
	switch {
	case have != nil && free && known && p.stays(have.Cache, CacheLeast, usable):
		ours.Start, ours.Length = have.Cache.Start, have.Cache.Length
		if ours.Length < wanted/4*3 {
			ours.Length = max(ours.Length, cacheLength(wanted, alignDown(usable-ours.Start)))
		}
		p.Cache = &ours
	case wanted <= 0:
	case p.Ardoise == nil:
		p.WhyNoCache = "There is no ARDOISE on this disk, behind which the cache would lie."
	case !free:
		p.WhyNoCache = "The master's partition table has no free entry for the cache."
	case room < CacheLeast:
		p.WhyNoCache = fmt.Sprintf("The cache needs %d MiB or more behind ARDOISE, the disk has %d.",
			int64(CacheLeast)>>20, room>>20)
	default:
		ours.Length = cacheLength(wanted, room)
		p.Cache = &ours
	}
}

// cacheLength cuts what is wanted to the room that there is.
func cacheLength(wanted, room int64) int64 {
	if wanted >= room {
		return room
	}
	return min(room, alignUp(max(wanted, CacheLeast)))
}

// freeNumber returns the entry for a partition of ours: behind the master's last one where possible, so that nothing
// that counts partitions is disturbed.
func (p *TablePlan) freeNumber() (int, bool) {
	limit := 4
	if p.disk.Table == manifest.GPT {
		limit = int(p.disk.Entries)
	}
	used := map[int]bool{}
	highest := 0
	for _, e := range p.entries {
		used[e.Number] = true
		if e.Number <= limit {
			highest = max(highest, e.Number)
		}
	}
	if highest < limit {
		return highest + 1, true
	}
	for n := 1; n <= limit; n++ {
		if !used[n] {
			return n, true
		}
	}
	return 0, false
}

// oursGUID derives the unique GUID of a partition of ours from the disk's, so that the same plan comes out every time.
func oursGUID(which int, disk string) string {
	sum := blake3.Sum256(fmt.Appendf(nil, "ardoise partition %d %s", which, disk))
	sum[7] = sum[7]&0x0F | 0x80 // version 8: vendor specific (RFC 9562 section 5.8); byte 7 since the field is swapped
	sum[8] = sum[8]&0x3F | 0x80
	return guidString(sum[:16])
}
