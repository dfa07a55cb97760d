package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// fragmented makes an ext4 whose free blocks lie between small files, and fills them with large ones.
func fragmented(t testing.TB, mib int64) string {
	dir := t.TempDir()
	for i := range 400 {
		write(t, filepath.Join(dir, fmt.Sprintf("small/%03d", i)), noise(byte(i), 3000+97*i))
	}
	write(t, filepath.Join(dir, "hole"), noise(3, int(mib)<<20/2))
	path := ext4(t, dir, mib)
	commands := "rm hole\n"
	for i := 0; i < 400; i += 2 {
		commands += fmt.Sprintf("rm small/%03d\n", i)
	}
	big := filepath.Join(t.TempDir(), "big")
	write(t, big, noise(5, int(mib)<<20/8))
	for i := range 4 {
		commands += fmt.Sprintf("write %s big%d\n", big, i)
	}
	script := filepath.Join(t.TempDir(), "debugfs")
	write(t, script, []byte(commands))
	tool(t, "debugfs", "-w", "-f", script, path)
	return path
}

// apart makes an ext4 with a file of two pieces at both ends of the volume.
func apart(t testing.TB, mib int64) string {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a gap"), noise(1, 40<<10))
	write(t, filepath.Join(dir, "most"), noise(2, int(mib-8)<<20))
	path, big := ext4(t, dir, mib, "-O", "^has_journal"), filepath.Join(t.TempDir(), "big")
	write(t, big, noise(3, 200<<10))
	script := filepath.Join(t.TempDir(), "debugfs")
	write(t, script, []byte("rm \"a gap\"\nwrite "+big+" big\n"))
	tool(t, "debugfs", "-w", "-f", script, path)
	return path
}

// inStreamOrder captures the plain way, one stream after the other, all of a stream at once. It is what the manifest of a
// disk without a table is compared with.
func inStreamOrder(t testing.TB, path string) *manifest.Manifest {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, number := &manifest.Manifest{}, uint32(0)
	err = l.Streams(func(s volume.Stream) error {
		content := make([]byte, s.Length)
		var covered []manifest.Entry
		for _, p := range s.Pieces {
			copy(content[p.At:], b[p.Offset:p.Offset+p.Length])
			for at := p.At; at < p.At+p.Length; {
				index := at / chunk.MaxSize
				n := min((index+1)*chunk.MaxSize, p.At+p.Length) - at
				if k := len(covered) - 1; k < 0 || covered[k].Index != uint32(index) {
					covered = append(covered, manifest.Entry{Stream: number, Index: uint32(index),
						Length: uint32(min(chunk.MaxSize, s.Length-index*chunk.MaxSize))})
				}
				e := &covered[len(covered)-1]
				e.Pieces = append(e.Pieces, manifest.Piece{At: uint32(at % chunk.MaxSize), Length: uint32(n),
					Offset: p.Offset + at - p.At})
				at += n
			}
		}
		clear(content[s.ZeroFrom():])
		for _, e := range covered {
			part := content[int64(e.Index)*chunk.MaxSize:][:e.Length]
			if e.ID = chunk.Of(part); bytes.Count(part, []byte{0}) < len(part) {
				m.Chunks.Append(e)
			}
		}
		number++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Chunks.Sort()
	return m
}

// log is a sink that remembers in which order it was asked.
type log struct{ ids []chunk.ID }

func (l *log) Missing(_ context.Context, ids []chunk.ID) ([]bool, error) {
	l.ids = append(l.ids, ids...)
	return make([]bool, len(ids)), nil
}

func (l *log) Put(context.Context, []chunk.Frame) error { return nil }

// ends is where the pieces of a chunk begin and end on the disk.
func ends(e manifest.Entry) (from, to int64) {
	from = e.Pieces[0].Offset
	for _, p := range e.Pieces {
		from, to = min(from, p.Offset), max(to, p.Offset+int64(p.Length))
	}
	return from, to
}

func TestTheDiskIsSweptAndTheManifestIsThatOfStreamOrder(t *testing.T) {
	dir := tree(t)
	for name, make := range map[string]func() string{
		"ext4 in order":    func() string { return ext4(t, dir, 24) },
		"fragmented ext4":  func() string { return fragmented(t, 64) },
		"ext4, far pieces": func() string { return apart(t, 48) },
		"NTFS":             func() string { return ntfs(t, []string{dir + "/usr/lib/big", dir + "/etc/7.conf"}, 16) },
		"FAT32":            func() string { return esp(t, dir, 36, "A") },
		"swap":             func() string { return swap(t, 4) },
		"nothing that is known": func() string {
			p := imageFile(t, 3)
			write(t, p, noise(1, 3<<20))
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := make()
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			var asked log
			m, _, err := capture.Run(t.Context(), capture.Options{Disk: f, Size: st.Size(), SectorSize: 512, Sink: &asked,
				Names: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			want := inStreamOrder(t, path)
			if m.Chunks.Len() != want.Chunks.Len() || want.Chunks.Len() == 0 {
				t.Fatalf("%d entries, want %d", m.Chunks.Len(), want.Chunks.Len())
			}
			places := map[chunk.ID][]manifest.Entry{}
			for i, w := range want.Chunks.All() {
				if got := m.Chunks.At(i); fmt.Sprint(got) != fmt.Sprint(w) {
					t.Fatalf("entry %d is %v, want %v", i, got, w)
				}
				places[w.ID] = append(places[w.ID], w)
			}
			swept(t, asked.ids, places, name == "ext4, far pieces")
		})
	}
}

// swept proves that the chunks came in the order of the disk, but for those whose pieces lie further apart than 8 MiB:
// these follow at the end, in their order.
func swept(t *testing.T, ids []chunk.ID, places map[chunk.ID][]manifest.Entry, scattered bool) {
	t.Helper()
	at, far := int64(-1), 0
	for i, id := range ids {
		if len(places[id]) > 1 {
			continue // which of its places came first is not to be seen
		}
		e := places[id][0]
		if from, to := ends(e); to-from > 8<<20 {
			if far++; far == 1 {
				at = -1
			}
		} else if far > 0 {
			t.Errorf("chunk %d of stream %d comes behind one in pieces far apart", e.Index, e.Stream)
		}
		if e.Pieces[0].Offset < at {
			t.Errorf("question %d is about offset %d, the one before it about %d", i, e.Pieces[0].Offset, at)
		}
		at = e.Pieces[0].Offset
	}
	if scattered != (far > 0) {
		t.Errorf("%d chunks lie in pieces far apart", far)
	}
}
