package disk

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Offline says whether computers can be reset without the server: the one sentence of plan, map and master show.
type Offline struct {
	Room bool   // there is room for ARDOISE and a cache that holds the master
	Why  string // why not, the rest of a sentence that begins "no, because"; "" if there is
	From int64  // bytes of the smallest disk on which there is room, in whole MiB; 0 = on none
}

// String returns "yes" or "no, because ...".
func (o Offline) String() string {
	switch {
	case o.Room:
		return "yes"
	case o.From > 0:
		return fmt.Sprintf("no, because %s; there is room on disks of %d MiB or more", o.Why, o.From>>20)
	}
	return "no, because " + o.Why
}

// CacheNeeds returns the bytes of cache that one version needs whose chunks take stored bytes in the library: the library
// may have compressed them better than a computer does in passing, and manifest and names come on top.
func CacheNeeds(stored int64) int64 {
	return max(CacheLeast, alignUp(max(0, stored)/4*5+32<<20))
}

// OfflineReset says it for a disk of size bytes with the given logical sector size, on which nothing of ours is yet.
// stored is what the master's chunks take in the library, bytes; 0 = not known, then any cache counts.
func OfflineReset(m *manifest.Manifest, size int64, sector int, stored int64) Offline {
	o := Offline{From: offlineFrom(m, CacheNeeds(stored))}
	p, err := Plan(m, size, sector, Ours{Ardoise: true, Cache: CacheAll})
	if err != nil {
		o.Why = err.Error()
		return o
	}
	return p.offline(o, stored)
}

// Offline is OfflineReset for the disk of this plan, with our partitions as they are planned.
func (p *TablePlan) Offline(m *manifest.Manifest, stored int64) Offline {
	return p.offline(Offline{From: offlineFrom(m, CacheNeeds(stored))}, stored)
}

func (p *TablePlan) offline(o Offline, stored int64) Offline {
	need := CacheNeeds(stored)
	switch {
	case p.Ardoise == nil && p.WhyNot == "":
		o.Why = "this disk has no ARDOISE"
	case p.Ardoise == nil:
		o.Why = inside(p.WhyNot)
	case p.Cache == nil && p.WhyNoCache == "":
		o.Why = "this disk has no cache"
	case p.Cache == nil:
		o.Why = inside(p.WhyNoCache)
	case p.Cache.Length < need:
		o.Why = fmt.Sprintf("the cache has %d MiB and this master needs %d", p.Cache.Length>>20, need>>20)
	default:
		o.Room = true
	}
	return o
}

// inside makes a sentence a part of another one. Names stay as they are.
func inside(sentence string) string {
	first, n := utf8.DecodeRuneInString(sentence)
	if second, _ := utf8.DecodeRuneInString(sentence[n:]); !unicode.IsUpper(second) {
		sentence = string(unicode.ToLower(first)) + sentence[n:]
	}
	return strings.TrimSuffix(sentence, ".")
}

// offlineFrom returns the size from which on a disk has room for m, ARDOISE and need bytes of cache; 0 when no disk has.
func offlineFrom(m *manifest.Manifest, need int64) int64 {
	// Large enough for any master; what is behind 2 TiB no MBR reaches.
	const large = int64(1) << 50
	p, err := Plan(m, large, m.Disk.SectorSize, Ours{Ardoise: true, Cache: need})
	if err != nil || p.Cache == nil || p.Cache.Length < need {
		return 0
	}
	end := p.Cache.End()
	if m.Disk.Table == manifest.GPT {
		end += int64(gptArraySectors(m.Disk)+1) * int64(m.Disk.SectorSize)
	}
	return alignUp(end)
}
