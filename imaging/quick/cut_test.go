package quick_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
)

// step is something that a reset did to the disk or to the server's record of it.
type step struct {
	off   int64
	bytes []byte
	flush bool
	mark  *bool // the server's mark from here on; durable when it is set
}

// recorder is a disk that remembers what was done to it, and in which order.
type recorder struct {
	image []byte
	steps []step
}

func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.image).ReadAt(p, off)
}

func (r *recorder) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > int64(len(r.image)) {
		return 0, io.ErrShortWrite
	}
	r.steps = append(r.steps, step{off: off, bytes: bytes.Clone(p)})
	return copy(r.image[off:], p), nil
}

func (r *recorder) Flush() error { r.steps = append(r.steps, step{flush: true}); return nil }
func (r *recorder) Drop() error  { return nil }
func (r *recorder) Size() int64  { return int64(len(r.image)) }

func (r *recorder) note(stands bool) error {
	r.steps = append(r.steps, step{mark: &stands})
	return nil
}

func (r *recorder) Set(context.Context, job.Mark) error { return r.note(true) }
func (r *recorder) Clear(context.Context) error         { return r.note(false) }

// stands tells whether the mark stands after steps.
func stands(steps []step) (marked bool) {
	for _, s := range steps {
		if s.mark != nil {
			marked = *s.mark
		}
	}
	return marked
}

// cut is the disk after n steps, of which those since the last flush that chance does not want never reached the medium.
func cut(before []byte, steps []step, n int, chance *rand.Rand) *recorder {
	after := &recorder{image: bytes.Clone(before)}
	flushed := 0
	for i, s := range steps[:n] {
		if s.flush {
			flushed = i
		}
	}
	for i, s := range steps[:n] {
		if s.bytes != nil && (i < flushed || chance == nil || chance.IntN(2) == 0) {
			copy(after.image[s.off:], s.bytes)
		}
	}
	return after
}

// TestAPowerCutInAResetIsSeenOrHarmless cuts a quick and a full reset off after each of their steps, with all of the
// writes since the last flush on the medium and with three random parts of them. Then either the mark stands, and the
// full reset that follows ends with the master; or what is there is the disk as it was, or the master whole.
func TestAPowerCutInAResetIsSeenOrHarmless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 64*mib))
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", path)
	mountedExt(t, path, func(dir string) { fixture(t, dir) })
	m := captured(t, path)
	pc := m.pc(t)
	mountedExt(t, pc, func(dir string) {
		edit(t, filepath.Join(dir, "usr/lib/h/d"), 700_000, "pupil was here")
		edit(t, filepath.Join(dir, "usr/pieces"), 8192*200+5, "pupil was here")
		must(t, os.RemoveAll(filepath.Join(dir, "usr/lib/f")))
		write(t, filepath.Join(dir, "home/pupil/games/one"), noise(1000, 400_000))
	})
	before, err := os.ReadFile(pc)
	must(t, err)
	for _, level := range []job.Level{job.LevelQuick, job.LevelFull} {
		t.Run(string(level), func(t *testing.T) {
			disk := &recorder{image: bytes.Clone(before)}
			o := restore.Options{Manifest: m.m, Target: disk, SectorSize: 512, Source: m.frames, Marker: disk}
			if level == job.LevelQuick {
				v := m.look(t, pc)
				if v.Doubt != "" || v.VouchedFiles == 0 {
					t.Fatalf("the look vouches for %d files: %s", v.VouchedFiles, v.Doubt)
				}
				o.Vouched = v
			}
			r, err := restore.Run(t.Context(), o)
			if err != nil || !r.Proven || r.WrittenBytes == 0 {
				t.Fatalf("%d bytes written, proven %v, %v", r.WrittenBytes, r.Proven, err)
			}
			m.cutEverywhere(t, before, disk.steps)
		})
	}
}

func (c *master) cutEverywhere(t *testing.T, before []byte, steps []step) {
	chance := rand.New(rand.NewPCG(1, 9))
	marked, whole, untouched := 0, 0, 0
	for n := range len(steps) + 1 {
		for try := range 4 {
			luck := chance
			if try == 0 {
				luck = nil
			}
			if stands(steps[:n]) {
				marked++
				if (4*n+try)%7 == 0 { // every one would be the same work two hundred times
					c.resume(t, cut(before, steps, n, luck))
				}
				continue
			}
			switch after := cut(before, steps, n, luck); {
			case bytes.Equal(after.image, before):
				untouched++
			case c.equal(t, after):
				whole++
			default:
				t.Fatalf("cut after %d of %d steps (try %d): no mark stands, and it is neither the old disk nor the master", n, len(steps), try)
			}
		}
	}
	t.Logf("%d steps: the mark stood in %d states, %d were the old disk, %d the master", len(steps), marked, untouched, whole)
	if marked == 0 || whole == 0 || untouched == 0 {
		t.Error("one of the three was never seen")
	}
}

// equal tells whether every kept and fill byte is the master's.
func (c *master) equal(t *testing.T, d *recorder) bool {
	t.Helper()
	diff, _, err := restore.Verify(t.Context(), restore.Options{Manifest: c.m, Target: d, SectorSize: 512})
	must(t, err)
	return diff.None()
}

// resume is what the agent does with a disk whose mark stands: everything is read.
func (c *master) resume(t *testing.T, d *recorder) {
	t.Helper()
	o := restore.Options{Manifest: c.m, Target: d, SectorSize: 512, Source: c.frames, Marker: d}
	if r, err := restore.Run(t.Context(), o); err != nil || !r.Proven {
		t.Fatalf("resuming: proven %v, %v", r.Proven, err)
	}
	if !c.equal(t, d) {
		t.Fatal("the resumed disk is not the master")
	}
}

var _ quick.Disk = (*recorder)(nil)
