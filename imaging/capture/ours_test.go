package capture_test

import (
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
)

func TestTheCacheIsLeftOutWhateverItHolds(t *testing.T) {
	dir := tree(t)
	path := gpt(t, 96, part{ext4(t, dir, 24), 24, "8300", "root"}, part{esp(t, dir, 36, "ARDOISE"), 36, "ef00", "ARDOISE"},
		part{ext4(t, dir, 24), 24, disk.TypeCache, disk.CacheName})
	r := captured(t, path, &memory{})
	if got := kinds(r.m); got != "0:gap:raw 1:ext4:files" || len(r.m.Partitions) != 1 {
		t.Errorf("volumes %s, %d partitions", got, len(r.m.Partitions))
	}
	// Of the same name, but not of our type: it is somebody's.
	path = gpt(t, 96, part{ext4(t, dir, 24), 24, "8300", "root"}, part{ext4(t, dir, 24), 24, "8300", disk.CacheName})
	if got := kinds(captured(t, path, &memory{}).m); got != "0:gap:raw 1:ext4:files 2:ext4:files" {
		t.Errorf("volumes %s", got)
	}
}
