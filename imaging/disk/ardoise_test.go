package disk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ram is a device in memory that notes its writes and can tear one.
type ram struct {
	b    []byte
	torn int // bytes of the next write that arrive; -1 = all
}

func newRAM(size int64) *ram { return &ram{make([]byte, size), -1} }

func (r *ram) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r.b)) {
		return 0, io.EOF
	}
	return copy(p, r.b[off:]), nil
}

func (r *ram) WriteAt(p []byte, off int64) (int, error) {
	n := len(p)
	if r.torn >= 0 {
		n, r.torn = min(n, r.torn), -1
	}
	copy(r.b[off:], p[:n])
	return len(p), nil
}

func (r *ram) Flush() error { return nil }

func part(start int64) manifest.Partition {
	return manifest.Partition{Number: 4, Start: start, Length: disk.ArdoiseSize, Type: disk.TypeESP, Name: disk.ArdoiseName}
}

func mustMake(t testing.TB, d disk.Device, start int64, o disk.MakeOptions) *disk.Ardoise {
	t.Helper()
	a, err := disk.MakeArdoise(d, part(start), 512, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestARDOISEIsAFileSystemThatOthersFindClean(t *testing.T) {
	path := image(t, disk.ArdoiseSize)
	// What an older system left there must not shine through.
	change(t, path, 16<<10, bytes.Repeat([]byte{0xA5}, 4<<20))
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	a := mustMake(t, d, 0, disk.MakeOptions{Serial: 0xA2D015E0})
	if err := a.Key().Store([]byte("k")); err != nil {
		t.Fatal(err)
	}
	d.Close()
	tool(t, "", "fsck.fat", "-n", path)
	list := tool(t, "", "mdir", "-/", "-b", "-i", path)
	for _, name := range []string{"MARK", "KEY", "GRANT", "TRUST"} {
		if !strings.Contains(list, "::/ARDOISE/"+name) {
			t.Errorf("mtools do not see %s:\n%s", name, list)
		}
	}
	if out := tool(t, "", "mlabel", "-s", "-i", path); !strings.Contains(out, "ARDOISE") {
		t.Error(out)
	}
	// Others may add files: the slots stay where they are.
	tool(t, "", "mmd", "-i", path, "::/EFI/BOOT")
	tool(t, "x", "mcopy", "-i", path, "-", "::/EFI/BOOT/GRUB.CFG")
	d, err = disk.Open(path, disk.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if a, err = disk.OpenArdoise(d, part(0)); err != nil {
		t.Fatal(err)
	}
	if key, err := a.Key().Load(); err != nil || string(key) != "k" {
		t.Errorf("key %q: %v", key, err)
	}
}

func TestSlotsKeepWhatTheyAreGiven(t *testing.T) {
	d := newRAM(mib + disk.ArdoiseSize)
	ctx := context.Background()
	a := mustMake(t, d, mib, disk.MakeOptions{})
	mark := job.Mark{Task: "t", Master: "salle", Version: 4, Phase: "data"}
	trust := disk.Trust{CA: "ab", SigningKeys: []string{"k"}, StageTwo: job.StageTwo{Hash: "h", Size: 5}}
	grant := envelope(t, 7)
	if m, err := a.Mark().Load(); m != nil || err != nil {
		t.Errorf("a new ARDOISE has mark %v: %v", m, err)
	}
	if k, err := a.Key().Load(); k != nil || err != nil {
		t.Errorf("a new ARDOISE has key %v: %v", k, err)
	}
	if err := errors.Join(a.Mark().Set(ctx, mark), a.Key().Store(bytes.Repeat([]byte{1}, disk.MaxKey)), a.Grant().Store(grant), a.Trust().Store(trust)); err != nil {
		t.Fatal(err)
	}
	check := func(a *disk.Ardoise) {
		t.Helper()
		m, err1 := a.Mark().Load()
		k, err2 := a.Key().Load()
		g, err3 := a.Grant().Load()
		tr, err4 := a.Trust().Load()
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if len(k) != disk.MaxKey || cmp.Diff(g, &grant)+cmp.Diff(tr, &trust) != "" {
			t.Errorf("key of %d bytes, grant %v, trust %v", len(k), g, tr)
		}
		if m != nil && *m != mark {
			t.Errorf("mark %v", m)
		}
	}
	reopened, err := disk.OpenArdoise(d, part(mib))
	if err != nil {
		t.Fatal(err)
	}
	check(reopened)
	if err := a.Key().Store(make([]byte, disk.MaxKey+1)); err == nil {
		t.Error("a key that is too long was taken")
	}
	other := newRAM(disk.ArdoiseSize)
	moved := mustMake(t, other, 0, disk.MakeOptions{Carry: a})
	check(moved)
	if m, _ := moved.Mark().Load(); m != nil {
		t.Error("the mark was carried over")
	}
	if err := a.Mark().Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if m, err := reopened.Mark().Load(); m != nil || err != nil {
		t.Errorf("cleared, and there is %v: %v", m, err)
	}
}

func envelope(t testing.TB, counter uint64) job.Envelope {
	t.Helper()
	payload, err := json.Marshal(job.StandingGrant{Computer: "S104-07", Counter: counter})
	if err != nil {
		t.Fatal(err)
	}
	return job.Envelope{Payload: payload, Key: "k", Signature: []byte{1}}
}

func TestAnOlderGrantIsRefused(t *testing.T) {
	a := mustMake(t, newRAM(disk.ArdoiseSize), 0, disk.MakeOptions{})
	for _, c := range []struct {
		counter uint64
		ok      bool
	}{{5, true}, {5, true}, {4, false}, {9, true}, {8, false}, {10, true}} {
		err := a.Grant().Store(envelope(t, c.counter))
		var lower *disk.LowerCounterError
		if c.ok != (err == nil) || !c.ok && !errors.As(err, &lower) {
			t.Errorf("counter %d: %v", c.counter, err)
		}
	}
}

func TestARecordTornAtAnyByteLeavesTheOneBefore(t *testing.T) {
	d := newRAM(disk.ArdoiseSize)
	a := mustMake(t, d, 0, disk.MakeOptions{})
	ctx := context.Background()
	size := len(`{"Task":"","Job":"","Kind":"","Master":"","Version":0,"Manifest":"","Phase":""}`) + 64 + 3
	for round := 1; round <= 3; round++ {
		for n := 0; n < size; n++ {
			d.torn = n
			if err := a.Mark().Set(ctx, job.Mark{Version: 100 + round}); err != nil {
				t.Fatal(err)
			}
			m, err := a.Mark().Load()
			if err != nil {
				t.Fatalf("round %d, torn after %d bytes: %v", round, n, err)
			}
			// Torn in the bytes that were the same before, nothing is lost.
			if m == nil && round > 1 || m != nil && m.Version != 100+round-1 && m.Version != 100+round {
				t.Fatalf("round %d, torn after %d bytes: mark %+v", round, n, m)
			}
		}
		if err := a.Mark().Set(ctx, job.Mark{Version: 100 + round}); err != nil {
			t.Fatal(err)
		}
		if m, err := a.Mark().Load(); err != nil || m == nil || m.Version != 100+round {
			t.Fatalf("round %d: mark %+v: %v", round, m, err)
		}
	}
}

func TestASlotWithBothRecordsDamagedSaysSo(t *testing.T) {
	path := image(t, disk.ArdoiseSize)
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a := mustMake(t, d, 0, disk.MakeOptions{})
	ctx := context.Background()
	for range 2 {
		if err := a.Mark().Set(ctx, job.Mark{Task: "find me"}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; ; {
		i := bytes.Index(b[off:], []byte("find me"))
		if i < 0 {
			break
		}
		off += i + 1
		if _, err := d.WriteAt([]byte("lose"), int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	var damaged *disk.DamagedSlotError
	if _, err := a.Mark().Load(); !errors.As(err, &damaged) || damaged.Slot != "MARK" {
		t.Errorf("load: %v", err)
	}
	if err := a.Mark().Clear(ctx); err != nil {
		t.Errorf("a damaged slot cannot be written anew: %v", err)
	}
	if m, err := a.Mark().Load(); m != nil || err != nil {
		t.Errorf("mark %v: %v", m, err)
	}
}

func FuzzOpenArdoise(f *testing.F) {
	d := newRAM(disk.ArdoiseSize)
	a := mustMake(f, d, 0, disk.MakeOptions{})
	// The boot sector, the first sectors of the FAT, the folders and the small files: the rest is zeros.
	const fat, folders, small = 32 * 512, 1312 * 512, 1312*512 + 667*4096
	seed := func() {
		f.Add(bytes.Clone(d.b[:512]), bytes.Clone(d.b[fat:fat+2560]), bytes.Clone(d.b[folders:folders+7*4096]),
			bytes.Clone(d.b[small:small+3*4096]))
	}
	seed()
	if _, err := a.Keep(f.Context(), set("x")); err != nil {
		f.Fatal(err)
	}
	seed()
	f.Fuzz(func(t *testing.T, boot, table, dirs, env []byte) {
		v := &patches{size: disk.ArdoiseSize, parts: map[int64][]byte{0: boot, fat: table, folders: dirs, small: env}}
		a, err := disk.OpenArdoise(v, part(0))
		if err != nil {
			return
		}
		if _, err := a.Key().Load(); err != nil {
			return
		}
		if err := a.Trust().Store(disk.Trust{CA: "x"}); err == nil && v.outside {
			t.Fatal("written outside the partition")
		}
		for _, name := range []string{"vmlinuz", "shimx64.efi", "core.img", disk.MenuFile} {
			if r, err := a.BootFile(name); err == nil && r != nil {
				if _, off, n := r.Outer(); off < 0 || n > disk.ArdoiseSize-off {
					t.Fatalf("%s lies at %d, %d bytes", name, off, n)
				}
			}
		}
		_, nextErr := a.Next()
		_, _, codeErr := a.MasterBootCode()
		if _, err := a.Exceptions(); err == nil && a.Layout() == disk.Layout && errors.Join(nextErr, codeErr) != nil {
			var lost *disk.NoBootCodeError
			if !errors.As(codeErr, &lost) {
				t.Fatal(errors.Join(nextErr, codeErr))
			}
		}
		_, _ = a.Keep(t.Context(), set("y")[:1]) // whatever stands there: it must end, inside the partition
		if v.outside {
			t.Fatal("written outside the partition")
		}
	})
}

// patches is a device that is zeros but for a few places; writes are only looked at.
type patches struct {
	size    int64
	parts   map[int64][]byte
	outside bool
}

func (p *patches) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	for at, part := range p.parts {
		if lo, hi := max(at, off), min(at+int64(len(part)), off+int64(len(b))); lo < hi {
			copy(b[lo-off:hi-off], part[lo-at:])
		}
	}
	if off+int64(len(b)) > p.size {
		return int(max(0, p.size-off)), io.EOF
	}
	return len(b), nil
}

func (p *patches) WriteAt(b []byte, off int64) (int, error) {
	p.outside = p.outside || off < 0 || off+int64(len(b)) > p.size
	return len(b), nil
}

func (p *patches) Flush() error { return nil }
