package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
)

// storeJSON runs a command on the store with --json.
func storeJSON[Result any](t *testing.T, wantExit int, data string, args ...string) Result {
	t.Helper()
	exit, out, complaints := ardoise(append(append([]string{"store"}, args...), "--data", data, "--json")...)
	var r Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || exit != wantExit {
		t.Fatalf("store %v = exit %d, %v\n%s%s", args, exit, err, out, complaints)
	}
	return r
}

func TestAStoreFromCaptureToCollection(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	stats := storeJSON[store.Survey](t, 0, data, "stats")
	if stats.Chunks == 0 || stats.LiveChunks != stats.Chunks || stats.OrphanChunks != 0 || stats.Bytes == 0 {
		t.Errorf("stats = %+v", stats)
	}
	small := storeJSON[store.Recompressed](t, 0, data, "recompress")
	if after := storeJSON[store.Survey](t, 0, data, "stats"); small.FreedBytes != stats.Bytes-after.Bytes || after.Recompressed == 0 ||
		after.Chunks != stats.Chunks {
		t.Errorf("recompress = %+v, stats before %+v, after %+v", small, stats, after)
	}
	if r := storeJSON[store.Scrubbed](t, 0, data, "scrub", "--content"); !r.Content || r.Frames != stats.Chunks {
		t.Errorf("scrub = %+v", r)
	}
	if f := storeJSON[masters.Found](t, 0, data, "check"); !f.Sound() || f.Versions != 1 || f.Chunks != stats.Chunks {
		t.Errorf("check = %+v", f)
	}
	if r := storeJSON[store.Rebuilt](t, 0, data, "rebuild-index"); r.Chunks != stats.Chunks || len(r.Damaged) != 0 {
		t.Errorf("rebuild-index = %+v", r)
	}
	must(t, "master", "restore", "m", "--disk", emptyDisk(t, diskSize, 0), "--data", data)
	if err := os.RemoveAll(filepath.Join(data, "masters", "m")); err != nil {
		t.Fatal(err)
	}
	if c := storeJSON[store.Collected](t, 0, data, "gc"); c.WaitingChunks != stats.Chunks || c.DeadChunks != 0 {
		t.Errorf("the first gc = %+v", c)
	}
	exit, out, complaints := ardoise("store", "gc", "--data", data)
	if exit != 0 || !strings.Contains(out, "0 B freed") || !strings.Contains(out, "or the newest one") { // why nothing is freed
		t.Errorf("the second gc = exit %d\n%s%s", exit, out, complaints)
	}
}

func TestADamagedStoreIsNamed(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	pack := files(t, data, "store/*.pack")[0]
	content, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	frame, size, err := chunk.Parse(content[16:])
	if err != nil {
		t.Fatal(err)
	}
	flipByte(t, pack, func(int) int { return 16 + size - 1 })
	exit, out, complaints := ardoise("store", "scrub", "--data", data)
	if exit != 4 || !strings.Contains(out, frame.ID.String()) || !strings.Contains(complaints, "error: the store is damaged") ||
		!strings.Contains(complaints, "hint: ") {
		t.Errorf("scrub = exit %d\n%s%s", exit, out, complaints)
	}
	if f := storeJSON[masters.Found](t, 4, data, "check"); len(f.Lacking) != 1 || f.Lacking[0].First != frame.ID {
		t.Errorf("check = %+v", f)
	}
	if c := storeJSON[store.Collected](t, 4, data, "gc"); c.MissingChunks != 1 {
		t.Errorf("gc = %+v", c)
	}
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	if f := storeJSON[masters.Found](t, 0, data, "check"); !f.Sound() || f.Bad != 1 {
		t.Errorf("check after the healing = %+v", f)
	}
	manifest := files(t, data, "masters/m/000001/manifest")[0]
	flipByte(t, manifest, func(n int) int { return n - 1 })
	exit, out, complaints = ardoise("store", "gc", "--data", data)
	if exit != 4 || !strings.Contains(complaints, "m@1") || !strings.Contains(complaints, "nothing is collected") {
		t.Errorf("gc with a damaged manifest = exit %d\n%s%s", exit, out, complaints)
	}
}

func TestStoreRefusals(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		exit int
		args []string
	}{
		"no command":               {2, []string{"store"}},
		"an unknown command":       {2, []string{"store", "empty"}},
		"a rate below zero":        {2, []string{"store", "gc", "--rate", "-1", "--data", nowhere}},
		"a diff of less than none": {2, []string{"master", "diff", "a@1", "a@2", "--limit", "-1", "--data", nowhere}},
		"a folder without masters": {3, []string{"store", "gc", "--data", nowhere}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.exit, c.args...) })
	}
}
