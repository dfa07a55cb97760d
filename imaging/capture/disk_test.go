package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree makes the files of a small system.
func tree(t testing.TB) string {
	dir := t.TempDir()
	for i := range 60 {
		write(t, filepath.Join(dir, fmt.Sprintf("etc/%d.conf", i)), noise(byte(i), 300*i+1))
	}
	write(t, filepath.Join(dir, "usr/lib/big"), noise(70, 1_500_001))
	write(t, filepath.Join(dir, "usr/lib/copy of big"), noise(70, 1_500_001))
	write(t, filepath.Join(dir, "var/zeros"), make([]byte, 700_000))
	return dir
}

// part is a partition to be made: its content is an image file.
type part struct {
	content string
	mib     int64
	kind    string // for sgdisk or sfdisk
	name    string
}

func imageFile(t testing.TB, mib int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(mib << 20); err != nil {
		t.Fatal(err)
	}
	return path
}

func ext4(t testing.TB, dir string, mib int64, args ...string) string {
	path := imageFile(t, mib)
	tool(t, "mke2fs", append(append([]string{"-q", "-F", "-t", "ext4", "-b", "4096", "-d", dir}, args...), path)...)
	return path
}

func esp(t testing.TB, dir string, mib int64, label string) string {
	path := imageFile(t, mib)
	tool(t, "mkfs.fat", "-F", "32", "-s", "1", "-n", label, path)
	tool(t, "mcopy", "-s", "-Q", "-i", path, dir+"/etc", dir+"/var", "::/")
	return path
}

func swap(t testing.TB, mib int64) string {
	path := imageFile(t, mib)
	write(t, path, noise(90, int(mib)<<20))
	tool(t, "mkswap", path)
	return path
}

// gpt makes a disk of parts, one after the other from 1 MiB on, with boot code and noise before the first.
func gpt(t testing.TB, mib int64, parts ...part) string {
	t.Helper()
	path := imageFile(t, mib)
	args := []string{"-a", "2048"}
	at := int64(1)
	for i, p := range parts {
		args = append(args, "-n", fmt.Sprintf("%d:%dM:+%dM", i+1, at, p.mib), "-t", fmt.Sprintf("%d:%s", i+1, p.kind),
			"-c", fmt.Sprintf("%d:%s", i+1, p.name))
		at += p.mib
	}
	tool(t, "sgdisk", append(args, path)...)
	fill(t, path, parts, 1)
	patch(t, path, 0, noise(91, 440))
	patch(t, path, 100<<10, noise(92, 50000))
	return path
}

func fill(t testing.TB, path string, parts []part, at int64) {
	t.Helper()
	for _, p := range parts {
		if p.content != "" {
			b, err := os.ReadFile(p.content)
			if err != nil {
				t.Fatal(err)
			}
			patch(t, path, at<<20, b)
		}
		at += p.mib
	}
}

func patch(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// memory is a sink that keeps everything and checks how it is asked.
type memory struct {
	mu     sync.Mutex
	frames map[chunk.ID]chunk.Frame
	asked  map[chunk.ID]bool // in this capture
	wanted map[chunk.ID]bool // said to be missing and not yet put
	wrong  []string
	fail   error
}

func (m *memory) Missing(_ context.Context, ids []chunk.ID) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(ids) > 1024 {
		m.wrong = append(m.wrong, fmt.Sprintf("%d ids in one question", len(ids)))
	}
	out := make([]bool, len(ids))
	for i, id := range ids {
		if m.asked[id] {
			m.wrong = append(m.wrong, "asked twice for "+id.String())
		}
		m.asked[id] = true
		_, have := m.frames[id]
		out[i] = !have
		m.wanted[id] = !have
	}
	return out, nil
}

func (m *memory) Put(_ context.Context, frames []chunk.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range frames {
		if !m.wanted[f.ID] {
			m.wrong = append(m.wrong, "not wanted: "+f.ID.String())
		}
		delete(m.wanted, f.ID)
		f.Payload = bytes.Clone(f.Payload)
		m.frames[f.ID] = f
	}
	return m.fail
}

// result is a capture and what it left behind.
type result struct {
	m      *manifest.Manifest
	report capture.Report
	names  []manifest.Name
}

// captured runs a capture of a disk image and checks everything that must hold for each.
func captured(t testing.TB, path string, sink *memory) result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if sink.frames == nil {
		sink.frames = map[chunk.ID]chunk.Frame{}
	}
	sink.asked, sink.wanted = map[chunk.ID]bool{}, map[chunk.ID]bool{}
	var names bytes.Buffer
	var last capture.Progress
	m, report, err := capture.Run(t.Context(), capture.Options{Disk: f, Size: st.Size(), SectorSize: 512, Sink: sink,
		Names: &names, Progress: func(p capture.Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range sink.wrong {
		t.Error(id)
	}
	for id, left := range sink.wanted {
		if left {
			t.Errorf("chunk %s was wanted and never put", id)
		}
	}
	if last.Done != last.Total || last.Done != report.ReadBytes {
		t.Errorf("progress ended at %d of %d, %d bytes read", last.Done, last.Total, report.ReadBytes)
	}
	var encoded bytes.Buffer
	if _, err := m.Encode(&encoded); err != nil {
		t.Fatal(err)
	}
	if _, _, err := manifest.Decode(&encoded, 0); err != nil {
		t.Fatal(err)
	}
	if err := manifest.CheckNames(bytes.NewReader(names.Bytes()), m); err != nil {
		t.Fatal(err)
	}
	r := result{m: m, report: report}
	for n, err := range manifest.ReadNames(&names) {
		if err != nil {
			t.Fatal(err)
		}
		r.names = append(r.names, n)
	}
	return r
}

// restored writes kept and filled bytes over garbage: the smallest restorer that follows the manifest.
func restored(t testing.TB, m *manifest.Manifest, sink *memory) []byte {
	t.Helper()
	disk := bytes.Repeat([]byte{0xa5, 0x5a, 0xff}, int(m.Disk.Size)/3+1)[:m.Disk.Size]
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var content []byte
	for _, e := range m.Chunks.All() {
		if content, err = codec.Open(content, sink.frames[e.ID]); err != nil {
			t.Fatal(err)
		}
		if len(content) != int(e.Length) {
			t.Fatalf("chunk of %d bytes, entry of %d", len(content), e.Length)
		}
		for _, p := range e.Pieces {
			copy(disk[p.Offset:], content[p.At:p.At+p.Length])
		}
	}
	for _, f := range m.Fills {
		copy(disk[f.Offset:], bytes.Repeat([]byte{f.Byte}, int(f.Length)))
	}
	return disk
}

// extract writes a partition of a disk to a file.
func extract(t testing.TB, disk []byte, v manifest.Volume) string {
	path := filepath.Join(t.TempDir(), "volume")
	write(t, path, disk[v.Start:v.Start+v.Length])
	return path
}

// sameFiles compares files of dir with what a tool took out of a volume.
func sameFiles(t *testing.T, dir, got string, under ...string) {
	t.Helper()
	for _, u := range under {
		if out, err := exec.Command("diff", "-r", filepath.Join(dir, u), filepath.Join(got, u)).CombinedOutput(); err != nil {
			t.Errorf("%s differs: %s", u, out)
		}
	}
}
