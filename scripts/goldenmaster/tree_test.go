package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/scripts/goldenmaster/sums"
)

// grown makes the tree of a seed and lists it.
func grown(t *testing.T, seed uint64) (string, []sums.Entry) {
	t.Helper()
	root := t.TempDir()
	if err := growTree(root, seed, 8*mib); err != nil {
		t.Fatal(err)
	}
	list, err := sums.Scan(root)
	if err != nil {
		t.Fatal(err)
	}
	return root, list
}

func TestTreeFollowsItsSeed(t *testing.T) {
	root, first := grown(t, 1)
	_, again := grown(t, 1)
	_, other := grown(t, 2)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same seed gave another tree (-first +again):\n%s", diff)
	}
	if cmp.Equal(first, other) {
		t.Error("another seed gave the same tree")
	}
	kinds := map[byte]int{}
	for _, e := range first {
		kinds[e.Kind]++
	}
	if kinds['d'] < 10 || kinds['f'] < 40 || kinds['l'] < 2 {
		t.Errorf("%d folders, %d files, %d links: too plain a tree", kinds['d'], kinds['f'], kinds['l'])
	}
	var info unix.Stat_t
	if err := unix.Stat(filepath.Join(root, "var/creux.img"), &info); err != nil {
		t.Fatal(err)
	}
	if info.Blocks*512 >= info.Size {
		t.Errorf("the sparse file has %d bytes in blocks of %d: no hole", info.Blocks*512, info.Size)
	}
	if got, err := os.ReadDir(filepath.Join(root, "vide")); err != nil || len(got) != 0 {
		t.Errorf("the empty folder holds %d names: %v", len(got), err)
	}
}

func TestIdentifiersDifferByNameAndSeed(t *testing.T) {
	all := map[[16]byte]string{}
	for _, ids := range []identifiers{identify("a", 1), identify("b", 1), identify("a", 2)} {
		for _, id := range [][16]byte{ids.disk, ids.bios, ids.esp, ids.espPart, ids.root, ids.hash} {
			if before, twice := all[id]; twice {
				t.Errorf("%s twice, first %s", uuid(id), before)
			}
			all[id] = uuid(id)
		}
	}
	if first, again := identify("a", 1), identify("a", 1); first != again {
		t.Error("the same name and seed gave other identifiers")
	}
}

func TestBootCodePointsAtTheCore(t *testing.T) {
	boot, core := make([]byte, sector), make([]byte, 4*sector)
	boot[bootDriveCheck], core[coreFirstSector+8] = 0xeb, 99
	placeBoot(boot, core, 1*mib)
	if boot[0x5c] != 0 || boot[0x5d] != 8 { // sector 2048
		t.Errorf("boot.img points at % x", boot[0x5c:0x64])
	}
	if core[0x1f4] != 1 || core[0x1f5] != 8 { // sector 2049
		t.Errorf("the core's list starts at % x", core[0x1f4:0x1fc])
	}
	if core[coreFirstSector+8] != 99 {
		t.Error("the length of the core's list was overwritten")
	}
	if boot[bootDriveCheck] != 0x90 || boot[bootDriveCheck+1] != 0x90 {
		t.Error("the check of the drive number stays jumped over")
	}
}

func TestDebugfsWordsThatAreComplaints(t *testing.T) {
	good := "debugfs 1.47.0 (5-Feb-2023)\ndebugfs:  cd \"/\"\ndebugfs:  write \"x\" \"y\"\nAllocated inode: 12\n\n"
	if err := complaint([]byte(good)); err != nil {
		t.Errorf("good news: %v", err)
	}
	if complaint([]byte(good+"write: Could not allocate block in ext2 filesystem \n")) == nil {
		t.Error("a full file system went unheard")
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	good := settings{name: "salle-104", table: "gpt", content: 40, size: 256}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for why, change := range map[string]func(*settings){
		"a name with a blank":      func(s *settings) { s.name = "salle 104" },
		"a name that ends a quote": func(s *settings) { s.name = "a'\n" },
		"no name":                  func(s *settings) { s.name = "" },
		"a table of another kind":  func(s *settings) { s.table = "apm" },
		"a disk without room":      func(s *settings) { s.size = 100 },
		"arguments on two lines":   func(s *settings) { s.args = "a\nb" },
	} {
		bad := good
		change(&bad)
		if bad.check() == nil {
			t.Errorf("%s was taken", why)
		}
	}
}
