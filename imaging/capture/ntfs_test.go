package capture_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ntfs makes a volume with files of dir, by their base names, each with a stream beside it.
func ntfs(t testing.TB, files []string, mib int64) string {
	t.Helper()
	path := imageFile(t, mib)
	tool(t, "mkntfs", "-q", "-Q", "-F", path)
	for _, f := range files {
		tool(t, "ntfscp", "-f", path, f, filepath.Base(f))
		tool(t, "ntfscp", "-f", "-N", "beside", path, f, filepath.Base(f))
	}
	return path
}

func TestAWindowsDiskComesBackAndMadeAgainSharesItsFiles(t *testing.T) {
	dir := tree(t)
	files, err := filepath.Glob(filepath.Join(dir, "etc", "5*"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	files = append(files, filepath.Join(dir, "usr/lib/big"), filepath.Join(dir, "usr/lib/copy of big"), filepath.Join(dir, "var/zeros"))
	disk := func(content string) string {
		return gpt(t, 56, part{esp(t, dir, 36, "SYSTEM"), 36, "ef00", "esp"}, part{content, 16, "0700", "Windows"})
	}
	sink := &memory{}
	first := captured(t, disk(ntfs(t, files, 16)), sink)
	if got, want := kinds(first.m), "0:gap:raw 1:fat32:files 2:ntfs:files"; got != want {
		t.Fatalf("volumes %s, want %s", got, want)
	}
	volume := extract(t, restored(t, first.m, sink), first.m.Volumes[2])
	tool(t, "ntfsfix", "-n", volume)
	for _, f := range files {
		for _, stream := range []string{"", "beside"} {
			args := []string{volume, filepath.Base(f)}
			if stream != "" {
				args = append([]string{"-n", stream}, args...)
			}
			got, err := exec.Command("ntfscat", args...).Output()
			want, readErr := os.ReadFile(f)
			if err != nil || readErr != nil || !bytes.Equal(got, want) {
				t.Errorf("%s:%s has %d bytes (%v), want %d", filepath.Base(f), stream, len(got), err, len(want))
			}
		}
	}
	if !slices.ContainsFunc(first.m.Fills, func(f manifest.Fill) bool { return f.Byte == 0xff && f.Length >= 1<<20 }) {
		t.Errorf("fills %v, want the journal", first.m.Fills)
	}

	have := map[chunk.ID]bool{}
	for id := range sink.frames {
		have[id] = true
	}
	slices.Reverse(files)
	again := captured(t, disk(ntfs(t, files, 16)), sink)
	for _, e := range again.m.Chunks.All() {
		name := again.names[e.Stream]
		if !have[e.ID] && name.Volume == 2 && name.Path != "" && name.Path[0] != '$' {
			t.Errorf("chunk %d of %q is new", e.Index, name.Path)
		}
	}
}
