package restore_test

import (
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// TestAnARDOISEOfAnOlderLayoutIsMadeAnewWithItsKey takes the name of its maker away from ours, which makes it one of
// layout 1: it has the slots, found through the FAT, and nothing else that counts.
func TestAnARDOISEOfAnOlderLayoutIsMadeAnewWithItsKey(t *testing.T) {
	tm := build(t, 800*mib, manifest.GPT, 98, []vol{{kind: "ext4", files: []file{at(0, mib)}, part: manifest.Partition{
		Number: 1, Start: mib, Length: mib, Type: typeLinux, GUID: guidRoot, Name: "other"}}})
	d := tm.disk.clone()
	mustRun(t, options(tm, d, true))
	storeKey(t, d)
	table, err := disk.ReadTable(d, d.size, 512)
	if err != nil || table.Ardoise == nil {
		t.Fatalf("no ARDOISE: %v", err)
	}
	if _, err := d.WriteAt([]byte("mkfs.fat"), table.Ardoise.Start+3); err != nil {
		t.Fatal(err)
	}
	if a := openArdoise(t, d); a.Layout() != 1 {
		t.Fatalf("layout %d", a.Layout())
	}
	mustRun(t, options(tm, d, false))
	if a := openArdoise(t, d); a.Layout() != 1 {
		t.Error("a run that was not asked to make ARDOISE has made it")
	}
	mustRun(t, options(tm, d, true))
	a := openArdoise(t, d)
	if key, err := a.Key().Load(); err != nil || string(key) != "private key" || a.Layout() != disk.Layout {
		t.Errorf("layout %d, key %q, %v", a.Layout(), key, err)
	}
}
