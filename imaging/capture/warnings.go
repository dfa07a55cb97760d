package capture

import (
	"fmt"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Types of GPT partitions that have no file system by their nature: BIOS boot, Microsoft reserved.
const (
	typeBIOSBoot = "21686148-6449-6E6F-744E-656564454649"
	typeReserved = "E3C9E316-0B5C-4DB8-817D-F92DF00215AE"
)

// volumeWarnings says which volumes could not be read file by file, and why, and what should be changed on them.
func volumeWarnings(t *disk.Table, volumes []found) []string {
	types := map[int]string{}
	for _, p := range t.Partitions {
		types[p.Number] = p.Type
	}
	var out []string
	for _, f := range volumes {
		kind := types[f.partition]
		where := fmt.Sprintf("Partition %d", f.partition)
		if f.partition == 0 {
			where = "The disk"
		}
		for _, a := range f.layout.Advice {
			out = append(out, fmt.Sprintf("%s (%s): %s.", where, f.layout.Kind, a))
		}
		if f.layout.Reason == "" || kind == typeBIOSBoot || kind == typeReserved {
			continue
		}
		how := "all its bytes are kept as one stream"
		if f.layout.Order == manifest.ByPosition {
			how = "its used blocks are kept by position"
		}
		out = append(out, fmt.Sprintf("%s (%s): %s, because %s.", where, f.layout.Kind, how, f.layout.Reason))
	}
	return out
}

// roomWarning says when a PC with a disk like this one will have no room for our partitions, and how to make some. What
// the chunks take in the library is not known here: the warning asks for the least cache.
func roomWarning(t *disk.Table, m *manifest.Manifest) string {
	if t.Ardoise != nil {
		return "" // it was deployed to, and told then
	}
	o := disk.OfflineReset(m, t.Disk.Size, t.Disk.SectorSize, 0)
	if o.Room {
		return ""
	}
	advice := ""
	if m.Disk.Table != manifest.NoTable && o.From > 0 {
		advice = fmt.Sprintf(" To leave room on disks of this size, shrink the last partition by at least %d MiB and capture again.",
			(o.From-t.Disk.Size+2<<20)>>20)
	}
	return "On disks of this size there is no room for offline resets: " + o.String() + "." + advice
}
