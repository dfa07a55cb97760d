package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func soundExt(t *testing.T, disk []byte, v manifest.Volume, dir string) {
	t.Helper()
	path, out := extract(t, disk, v), t.TempDir()
	tool(t, "e2fsck", "-fn", path)
	tool(t, "debugfs", "-R", "rdump / "+out, path)
	sameFiles(t, dir, out, "etc", "usr", "var")
}

func kinds(m *manifest.Manifest) string {
	var s []string
	for _, v := range m.Volumes {
		s = append(s, fmt.Sprintf("%d:%s:%s", v.Partition, v.Kind, v.Order))
	}
	return strings.Join(s, " ")
}

func TestAWholeGPTDiskComesBack(t *testing.T) {
	dir := tree(t)
	path := gpt(t, 96,
		part{"", 1, "ef02", "bios"},
		part{esp(t, dir, 36, "SYSTEME"), 36, "ef00", "esp"},
		part{ext4(t, dir, 32), 32, "8300", "root"},
		part{swap(t, 4), 4, "8200", "swap"})
	patch(t, path, 1<<20, noise(93, 200_000)) // what GRUB puts into the BIOS boot partition
	sink := &memory{}
	r := captured(t, path, sink)
	if got, want := kinds(r.m), "0:gap:raw 1:raw:raw 2:fat32:files 3:ext4:files 4:swap:files"; got != want {
		t.Fatalf("volumes %s, want %s", got, want)
	}
	if w := strings.Join(r.report.Warnings, "\n"); !strings.Contains(w, "shrink the last partition") || strings.Contains(w, "Partition 1") {
		t.Errorf("warnings %q", w)
	}
	disk := restored(t, r.m, sink)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, e := range map[string][2]int{"boot code": {0, 440}, "bytes before the first partition": {34 * 512, 1 << 20},
		"BIOS boot partition": {1 << 20, 2 << 20}} {
		if !bytes.Equal(disk[e[0]:e[1]], source[e[0]:e[1]]) {
			t.Errorf("%s differ", what)
		}
	}
	if bytes.Equal(disk[512:600], source[512:600]) {
		t.Error("the partition table was captured as bytes")
	}
	fat, out := extract(t, disk, r.m.Volumes[2]), t.TempDir()
	tool(t, "fsck.fat", "-n", fat)
	tool(t, "mcopy", "-s", "-Q", "-n", "-i", fat, "::/etc", "::/var", out)
	sameFiles(t, dir, out, "etc", "var")
	soundExt(t, disk, r.m.Volumes[3], dir)
	if len(r.m.DontCare) != 1 || r.m.DontCare[0].Length < 3<<20 {
		t.Errorf("don't-care %v, want most of swap", r.m.DontCare)
	}

	again := captured(t, path, sink)
	if again.report.SentChunks != 0 {
		t.Errorf("captured again, %d chunks were sent", again.report.SentChunks)
	}
	a, _ := r.m.Encode(io.Discard)
	if b, _ := again.m.Encode(io.Discard); a != b {
		t.Error("captured again, the manifest is another one")
	}
}

func TestAnMBRDiskWithLogicalPartitionsComesBack(t *testing.T) {
	dir := tree(t)
	path := imageFile(t, 64)
	script := filepath.Join(t.TempDir(), "sfdisk")
	write(t, script, []byte("label: dos\nstart=1MiB,size=24MiB,type=83,bootable\nstart=25MiB,size=38MiB,type=5\nstart=26MiB,size=24MiB,type=83\nstart=51MiB,size=8MiB,type=82\n"))
	tool(t, "sh", "-c", "sfdisk -q "+path+" < "+script)
	fill(t, path, []part{{content: ext4(t, dir, 24), mib: 25}, {content: ext4(t, dir, 24), mib: 25}, {content: swap(t, 8), mib: 8}}, 1)
	patch(t, path, 0, noise(94, 440))
	patch(t, path, 512, noise(95, 60_000)) // GRUB's core image
	sink := &memory{}
	r := captured(t, path, sink)
	if got, want := kinds(r.m), "0:gap:raw 1:ext4:files 5:ext4:files 6:swap:files"; got != want {
		t.Fatalf("volumes %s, want %s", got, want)
	}
	disk := restored(t, r.m, sink)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(disk[:440], source[:440]) || !bytes.Equal(disk[512:1<<20], source[512:1<<20]) {
		t.Error("the boot loader differs")
	}
	soundExt(t, disk, r.m.Volumes[1], dir)
	soundExt(t, disk, r.m.Volumes[2], dir)
}

func TestADiskWithoutTableIsOneVolume(t *testing.T) {
	dir := tree(t)
	sink := &memory{}
	r := captured(t, ext4(t, dir, 24), sink)
	if got := kinds(r.m); got != "0:ext4:files" {
		t.Fatalf("volumes %s", got)
	}
	soundExt(t, restored(t, r.m, sink), r.m.Volumes[0], dir)
}

func TestOurPartitionIsLeftOut(t *testing.T) {
	dir := tree(t)
	path := gpt(t, 64, part{ext4(t, dir, 24), 24, "8300", "root"}, part{esp(t, dir, 36, "ARDOISE"), 36, "ef00", "ARDOISE"})
	r := captured(t, path, &memory{})
	if got := kinds(r.m); got != "0:gap:raw 1:ext4:files" || len(r.m.Partitions) != 1 {
		t.Errorf("volumes %s, %d partitions", got, len(r.m.Partitions))
	}
	if len(r.report.Warnings) != 0 {
		t.Errorf("warnings %q", r.report.Warnings)
	}
}

func TestARebuiltSystemSharesAllItsFiles(t *testing.T) {
	dir := tree(t)
	other := imageFile(t, 40)
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", other) // other block size, other order
	var files []string
	if err := filepath.Walk(dir, func(p string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			files = append(files, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(files)
	commands := "mkdir etc\nmkdir usr\nmkdir usr/lib\nmkdir var\n"
	for _, p := range files {
		rel, _ := filepath.Rel(dir, p)
		commands += fmt.Sprintf("write %q %q\n", p, rel)
	}
	script := filepath.Join(t.TempDir(), "debugfs")
	write(t, script, []byte(commands))
	tool(t, "debugfs", "-w", "-f", script, other)

	sink := &memory{}
	first := captured(t, ext4(t, dir, 40, "-b", "1024"), sink)
	have := map[chunk.ID]bool{}
	for id := range sink.frames {
		have[id] = true
	}
	second := captured(t, other, sink)
	fresh := 0
	for _, e := range second.m.Chunks.All() {
		if !have[e.ID] {
			if fresh++; e.Stream != second.m.Volumes[0].Meta {
				t.Errorf("chunk %d of %q is new", e.Index, second.names[e.Stream].Path)
			}
		}
	}
	if fresh == 0 || fresh > 8 || first.report.SentChunks < 60 {
		t.Errorf("%d chunks first, then %d new ones: want a few of metadata", first.report.SentChunks, fresh)
	}
	copies := map[chunk.ID]int{}
	for _, e := range first.m.Chunks.All() {
		copies[e.ID]++
	}
	if len(copies) != first.report.SentChunks || first.report.Chunks-len(copies) != 6 {
		t.Errorf("%d entries, %d ids, %d sent: want the 6 chunks of the copy shared", first.report.Chunks, len(copies),
			first.report.SentChunks)
	}
}

func TestZerosBecomeFillsAndHolesNothing(t *testing.T) {
	dir := tree(t)
	path := imageFile(t, 36)
	tool(t, "mkfs.fat", "-F", "32", "-s", "1", path)
	tool(t, "mcopy", "-i", path, dir+"/var/zeros", "::/zeros") // FAT has no holes: 700,416 bytes of zeros on the disk
	r := captured(t, path, &memory{})
	var filled int64
	for _, f := range r.m.Fills {
		if r.names[f.Stream].Path == "zeros" {
			filled += f.Length
		}
	}
	if filled != 700_416 {
		t.Errorf("%d bytes of the file are fills, want 700416", filled)
	}
	for _, e := range r.m.Chunks.All() {
		if r.names[e.Stream].Path == "zeros" {
			t.Error("a chunk of zeros is in the manifest")
		}
	}

	sparse := ext4(t, dir, 24)
	script := filepath.Join(t.TempDir(), "debugfs")
	write(t, script, []byte("sif etc/7.conf size 2199023255552\n"))
	tool(t, "debugfs", "-w", "-f", script, sparse)
	r = captured(t, sparse, &memory{})
	i := slices.IndexFunc(r.names, func(n manifest.Name) bool { return n.Path == "etc/7.conf" })
	if i < 0 || r.names[i].Size != 2<<40 {
		t.Fatalf("the file of 2 TiB is not there")
	}
	entries := 0
	for _, e := range r.m.Chunks.All() {
		if e.Stream == r.names[i].Stream {
			entries++
		}
	}
	if entries != 1 {
		t.Errorf("a file of 2 TiB with 2101 bytes has %d entries", entries)
	}
}

func TestAVolumeThatIsNotCleanIsRefusedBeforeAnythingIsPut(t *testing.T) {
	dir := tree(t)
	dirty := ext4(t, dir, 24)
	tool(t, "debugfs", "-w", "-R", "feature needs_recovery", dirty)
	path := gpt(t, 64, part{ext4(t, dir, 24), 24, "8300", "root"}, part{dirty, 24, "8300", "home"})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sink := &memory{frames: map[chunk.ID]chunk.Frame{}, asked: map[chunk.ID]bool{}, wanted: map[chunk.ID]bool{}}
	o := capture.Options{Disk: f, Size: 64 << 20, SectorSize: 512, Sink: sink, Names: io.Discard}
	_, _, err = capture.Run(t.Context(), o)
	var refused *volume.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "partition 2") || len(sink.asked) > 0 {
		t.Fatalf("got %v after %d questions, want a refusal of partition 2", err, len(sink.asked))
	}
	o.AsIs = true
	m, report, err := capture.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(m); got != "0:gap:raw 1:ext4:files 2:ext4:raw" || !strings.Contains(report.Warnings[0], "Partition 2") {
		t.Errorf("volumes %s, warnings %q", got, report.Warnings)
	}
}

// guarded fails reads that touch a range.
type guarded struct {
	io.ReaderAt
	from, to int64
	err      error
}

func (g guarded) ReadAt(b []byte, off int64) (int, error) {
	if off < g.to && off+int64(len(b)) > g.from {
		return 0, g.err
	}
	return g.ReaderAt.ReadAt(b, off)
}

func TestFaultsEndACaptureWithTheirReason(t *testing.T) {
	dir := tree(t)
	path := gpt(t, 64, part{ext4(t, dir, 24), 24, "8300", "root"}, part{swap(t, 16), 16, "8200", "swap"})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cause := errors.New("medium error")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, how := range map[string]struct {
		ctx  context.Context
		disk io.ReaderAt
		put  error
		want error
	}{
		"don't-care bytes are never read": {t.Context(), guarded{f, 26 << 20, 40 << 20, cause}, nil, nil},
		"a sector cannot be read":         {t.Context(), guarded{f, 120 << 10, 121 << 10, cause}, nil, cause},
		"the sink fails":                  {t.Context(), f, cause, cause},
		"cancelled":                       {cancelled, f, nil, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &memory{frames: map[chunk.ID]chunk.Frame{}, asked: map[chunk.ID]bool{}, wanted: map[chunk.ID]bool{}, fail: how.put}
			_, _, err := capture.Run(how.ctx, capture.Options{Disk: how.disk, Size: 64 << 20, SectorSize: 512, Sink: sink,
				Names: io.Discard})
			if !errors.Is(err, how.want) {
				t.Errorf("got %v, want %v", err, how.want)
			}
		})
	}
}
