package disk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// sparse is a device in memory of which only what was written takes room. It keeps a log of writes and flushes.
type sparse struct {
	size  int64
	pages map[int64][]byte // 4 KiB each, never changed once they are in
	log   []op
}

// op is a write, or a flush when it has no bytes.
type op struct {
	off int64
	b   []byte
}

func newSparse(size int64) *sparse { return &sparse{size: size, pages: map[int64][]byte{}} }

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); {
		if off+int64(i) >= s.size {
			return i, io.EOF
		}
		skip := (off + int64(i)) % 4096
		n := int(min(4096-skip, int64(len(p)-i), s.size-off-int64(i)))
		clear(p[i : i+n])
		if page, ok := s.pages[(off+int64(i))/4096]; ok {
			copy(p[i:i+n], page[skip:])
		}
		i += n
	}
	return len(p), nil
}

func (s *sparse) WriteAt(p []byte, off int64) (int, error) {
	s.log = append(s.log, op{off, bytes.Clone(p)})
	s.apply(p, off)
	return len(p), nil
}

func (s *sparse) apply(p []byte, off int64) {
	for i := 0; i < len(p); {
		skip := (off + int64(i)) % 4096
		page := make([]byte, 4096)
		copy(page, s.pages[(off+int64(i))/4096])
		n := copy(page[skip:], p[i:])
		s.pages[(off+int64(i))/4096] = page
		i += n
	}
}

func (s *sparse) Flush() error { s.log = append(s.log, op{}); return nil }

func (s *sparse) clone() *sparse { return &sparse{size: s.size, pages: maps.Clone(s.pages)} }

// file writes the device out for tools.
func (s *sparse) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ardoise.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n, page := range s.pages {
		if _, err := f.WriteAt(page, n*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(s.size); err != nil {
		t.Fatal(err)
	}
	return path
}

// set makes boot files of odd sizes whose content follows from a name; all of the names that ARDOISE knows.
func set(seed string) []disk.Content {
	var all []disk.Content
	for i, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg", "core.img", "vmlinuz", "stage1.img", "stage2.img", disk.MenuFile} {
		b := bytes.Repeat([]byte(seed+" "+name+" "), 300+97*i)
		if name == "core.img" {
			clear(b[0x1f4:0x1fc])
		}
		all = append(all, content(name, b))
	}
	return all
}

func content(name string, b []byte) disk.Content {
	sum := blake3.Sum256(b)
	return disk.Content{BootFile: job.BootFile{Name: name, Size: int64(len(b)), Hash: hex.EncodeToString(sum[:])},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func bytesOf(t testing.TB, c disk.Content) []byte {
	t.Helper()
	r, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustKeep(t testing.TB, a *disk.Ardoise, want []disk.Content) bool {
	t.Helper()
	changed, err := a.Keep(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// starts reads, with a FAT reader that is not ours, what firmware and GRUB would start from a disk: GRUB takes the
// generation that GEN names, then A, then B.
func starts(t testing.TB, s *sparse) map[string][]byte {
	t.Helper()
	// Firmware and GRUB read the first of the two tables; the library insists that both are equal, which they are not
	// between two writes.
	s = s.clone()
	boot := make([]byte, 512)
	if _, err := s.ReadAt(boot, 0); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	first := make([]byte, 512*int64(le.Uint32(boot[36:])))
	if _, err := s.ReadAt(first, 512*int64(le.Uint16(boot[14:]))); err != nil {
		t.Fatal(err)
	}
	s.apply(first, 512*int64(le.Uint16(boot[14:]))+int64(len(first)))
	b, err := file.OpenFromPath(s.file(t), true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	fs, err := fat32.Read(b, s.size, 0, 512)
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) []byte {
		f, err := fs.OpenFile(path, os.O_RDONLY)
		if err != nil {
			return nil
		}
		text, err := io.ReadAll(f)
		if err != nil {
			return nil
		}
		// The library reads whole clusters; the folder says how long the file is.
		list, err := fs.ReadDir(strings.TrimPrefix(filepath.Dir(path), "/"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if info, err := e.Info(); err == nil && strings.EqualFold(e.Name(), filepath.Base(path)) {
				return text[:min(int64(len(text)), info.Size())]
			}
		}
		t.Fatalf("%s is not in its folder", path)
		return nil
	}
	found := map[string][]byte{"shimx64.efi": read("/EFI/ARDOISE/SHIMX64.EFI"), "grubx64.efi": read("/EFI/ARDOISE/GRUBX64.EFI"), "grub.cfg": read("/GRUB/GRUB.CFG")}
	for _, g := range []string{named(read("/ARDOISE/GEN")), "A", "B"} {
		if g == "0" {
			break
		}
		if menu := read("/ARDOISE/" + g + "/MENU.CFG"); len(menu) > 0 {
			found[disk.MenuFile] = menu
			for name, path := range map[string]string{"vmlinuz": "VMLINUZ", "stage1.img": "STAGE1.IMG", "stage2.img": "STAGE2.IMG"} {
				found[name] = read("/ARDOISE/" + g + "/" + path)
			}
			break
		}
	}
	return found
}

func named(env []byte) string {
	for line := range strings.Lines(string(env)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "gen="); ok && strings.HasPrefix(string(env), "# GRUB Environment Block\n") {
			return v
		}
	}
	return "A"
}

func TestKeptFilesAreThereForAnyReader(t *testing.T) {
	s := newSparse(disk.ArdoiseSize)
	a := mustMake(t, s, 0, disk.MakeOptions{Serial: 7})
	for round, seed := range []string{"one", "two", "three"} {
		want := set(seed)
		if !mustKeep(t, a, want) {
			t.Fatalf("round %d: nothing was written", round)
		}
		if mustKeep(t, a, want) {
			t.Errorf("round %d: what is right was written again", round)
		}
		found := starts(t, s)
		for _, c := range want {
			if c.Name == "core.img" {
				continue // it is read by its sector
			}
			if !bytes.Equal(found[c.Name], bytesOf(t, c)) {
				t.Errorf("round %d: %s has %d bytes, not those of %s", round, c.Name, len(found[c.Name]), seed)
			}
			r, err := a.BootFile(c.Name)
			if err != nil || r == nil || r.Size() != c.Size {
				t.Errorf("round %d: BootFile(%s) = %v, %v", round, c.Name, r, err)
			}
		}
		tool(t, "", "fsck.fat", "-n", s.file(t))
	}
}

// TestACutAtAnyWriteLeavesASetThatStarts rebuilds the disk as it is after every write of an update, with the writes since
// the last flush there, missing in any mixture, or torn: the old set starts, or the new one, never a mix, and running
// again ends with the new one.
func TestACutAtAnyWriteLeavesASetThatStarts(t *testing.T) {
	base := newSparse(disk.ArdoiseSize)
	a := mustMake(t, base, 0, disk.MakeOptions{Serial: 7})
	old, next := set("old"), set("new and longer")
	mustKeep(t, a, set("older"))
	mustKeep(t, a, old)
	before := base.clone()
	base.log = nil
	mustKeep(t, a, next)
	random := rand.New(rand.NewPCG(1, 2))
	flushed := 0
	for n := range base.log {
		if base.log[n].b == nil {
			flushed = n
		}
		for try := range 3 {
			cut := before.clone()
			for i, o := range base.log[:n+1] {
				switch {
				case i <= flushed || try == 0:
					cut.apply(o.b, o.off)
				case random.IntN(2) == 0: // a drive writes sectors whole, but not several
					keep := random.IntN(len(o.b)/512+1) * 512
					cut.apply(o.b[:min(keep, len(o.b))], o.off)
				}
			}
			checkCut(t, fmt.Sprintf("write %d of %d, try %d", n, len(base.log), try), cut, old, next)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d writes and flushes", len(base.log))
}

func checkCut(t *testing.T, when string, cut *sparse, old, next []disk.Content) {
	t.Helper()
	found := starts(t, cut)
	var olds, news []string
	for i := range old {
		name := old[i].Name
		switch b := found[name]; {
		case name == "core.img":
		case bytes.Equal(b, bytesOf(t, old[i])):
			olds = append(olds, name)
		case bytes.Equal(b, bytesOf(t, next[i])):
			news = append(news, name)
		default:
			t.Errorf("%s: %s is neither the old nor the new one (%d bytes)", when, name, len(b))
		}
	}
	// The loaders are of use with either set; what GRUB loads together must be of one.
	inSet := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return n == "vmlinuz" || n == "stage1.img" || n == "stage2.img" || n == disk.MenuFile
		})
	}
	if inSet(olds) && inSet(news) {
		t.Errorf("%s: the set is mixed: old %v, new %v", when, olds, news)
	}
	a, err := disk.OpenArdoise(cut, part(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Keep(t.Context(), next); err != nil {
		t.Fatalf("%s: running again: %v", when, err)
	}
	found = starts(t, cut)
	for _, c := range next {
		if c.Name != "core.img" && !bytes.Equal(found[c.Name], bytesOf(t, c)) {
			t.Errorf("%s: after running again %s is not the new one", when, c.Name)
		}
	}
}

func TestWhatSomebodyChangedIsRepaired(t *testing.T) {
	s := newSparse(disk.ArdoiseSize)
	a := mustMake(t, s, 0, disk.MakeOptions{Serial: 7})
	want := set("right")
	mustKeep(t, a, want)
	whole := s.clone()
	path := s.file(t)
	evil := filepath.Join(t.TempDir(), "evil")
	if err := os.WriteFile(evil, []byte("menuentry evil {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, commands := range map[string][][]string{
		"a menu":            {{"mcopy", "-o", "-i", path, evil, "::/ARDOISE/A/MENU.CFG"}},
		"a deleted kernel":  {{"mdel", "-i", path, "::/ARDOISE/A/VMLINUZ"}},
		"a deleted folder":  {{"mdeltree", "-i", path, "::/EFI/ARDOISE"}},
		"another grub.cfg":  {{"mcopy", "-o", "-i", path, evil, "::/GRUB/GRUB.CFG"}},
		"a deleted GEN":     {{"mdel", "-i", path, "::/ARDOISE/GEN"}},
		"GRUB's own detour": {{"mmd", "-i", path, "::/GRUB/x86_64-efi"}, {"mcopy", "-i", path, evil, "::/GRUB/x86_64-efi/grub.cfg"}},
	} {
		t.Run(name, func(t *testing.T) {
			whole.write(t, path)
			for _, c := range commands {
				tool(t, "", c[0], c[1:]...)
			}
			d, err := disk.Open(path, disk.Mode{Write: true})
			if err != nil {
				t.Fatal(err)
			}
			a, err := disk.OpenArdoise(d, part(0))
			if err != nil {
				t.Fatal(err)
			}
			if !mustKeep(t, a, want) {
				t.Error("nothing was repaired")
			}
			d.Close()
			for _, c := range want {
				where := map[string]string{"shimx64.efi": "/EFI/ARDOISE/SHIMX64.EFI", "grub.cfg": "/GRUB/GRUB.CFG"}[c.Name]
				if where == "" {
					continue
				}
				if out := tool(t, "", "mtype", "-i", path, "::"+where); out != string(bytesOf(t, c)) {
					t.Errorf("%s was not repaired", c.Name)
				}
			}
			list := tool(t, "", "mdir", "-/", "-b", "-i", path)
			if strings.Contains(strings.ToLower(list), "x86_64-efi") {
				t.Errorf("what does not belong there is left:\n%s", list)
			}
		})
	}
}

// write writes the device over a file.
func (s *sparse) write(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(s.file(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAMenuComesAndGoes(t *testing.T) {
	s := newSparse(disk.ArdoiseSize)
	a := mustMake(t, s, 0, disk.MakeOptions{})
	want := func(there, changed bool, did bool, err error) {
		t.Helper()
		if err != nil || did != changed {
			t.Errorf("written %v, %v; want %v", did, err, changed)
		}
		if got, err := disk.HasMenu(s, part(0)); err != nil || got != there {
			t.Errorf("there is a menu: %v, %v; want %v", got, err, there)
		}
	}
	drop := func() (bool, error) { return a.DropMenu() }
	keep := func() (bool, error) { return a.Keep(t.Context(), set("x")) }
	for i, c := range []struct {
		do             func() (bool, error)
		there, changed bool
	}{{drop, false, false}, {keep, true, true}, {keep, true, false}, {drop, false, true}, {drop, false, false}, {keep, true, true}} {
		did, err := c.do()
		t.Log(i)
		want(c.there, c.changed, did, err)
	}
}

func TestBadBootFilesAreRefused(t *testing.T) {
	s := newSparse(disk.ArdoiseSize)
	a := mustMake(t, s, 0, disk.MakeOptions{})
	good := set("good")
	mustKeep(t, a, good)
	before := starts(t, s)
	var room *disk.RoomError
	var altered *disk.AlteredError
	large := content("vmlinuz", []byte("x"))
	large.Size = 33 << 20
	lying := content("vmlinuz", []byte("other"))
	lying.Hash = good[0].Hash
	short := content("stage1.img", []byte("short"))
	short.Size = 6
	for name, c := range map[string]struct {
		c  disk.Content
		ok func(error) bool
	}{
		"too large":          {large, func(err error) bool { return errors.As(err, &room) }},
		"a name nobody has":  {content("evil.efi", []byte("x")), func(err error) bool { return errors.As(err, &room) }},
		"empty":              {content("vmlinuz", nil), func(err error) bool { return errors.As(err, &room) }},
		"another hash":       {lying, func(err error) bool { return errors.As(err, &altered) && !altered.Read }},
		"shorter than it is": {short, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(good)
			for i := range want {
				if want[i].Name == c.c.Name {
					want[i] = c.c
				}
			}
			if !slices.ContainsFunc(want, func(w disk.Content) bool { return w.Name == c.c.Name }) {
				want = append(want, c.c)
			}
			if _, err := a.Keep(t.Context(), want); !c.ok(err) {
				t.Errorf("got %v", err)
			}
			if !maps.EqualFunc(before, starts(t, s), bytes.Equal) {
				t.Error("what starts has changed")
			}
		})
	}
}

func TestTheNextStartAndProofsAreKept(t *testing.T) {
	s := newSparse(disk.ArdoiseSize)
	a := mustMake(t, s, 0, disk.MakeOptions{})
	for _, n := range []disk.Next{disk.NextMenu, disk.NextDisk, disk.NextWork, disk.NextReset, disk.NextMenu} {
		if err := a.SetNext(n); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Next(); err != nil || got != n {
			t.Errorf("next %q: %q, %v", n, got, err)
		}
	}
	if err := a.SetNext("evil=1\nx"); err == nil {
		t.Error("any text was taken")
	}
	for i := range 20 {
		p := job.Proof{ID: fmt.Sprint(i), Failure: strings.Repeat("a long sentence ", 300)}
		if err := a.Proofs().Add(p); err != nil {
			t.Fatal(err)
		}
	}
	list, err := a.Proofs().Load()
	if err != nil || len(list) == 0 || len(list) > 16 || list[len(list)-1].ID != "19" {
		t.Errorf("%d proofs: %v", len(list), err)
	}
	if err := a.Proofs().Forget("19", "nobody"); err != nil {
		t.Fatal(err)
	}
	if left, err := a.Proofs().Load(); err != nil || len(left) != len(list)-1 {
		t.Errorf("%d proofs left: %v", len(left), err)
	}
	reopened := mustMake(t, newSparse(disk.ArdoiseSize), 0, disk.MakeOptions{Carry: a})
	if left, err := reopened.Proofs().Load(); err != nil || len(left) != len(list)-1 {
		t.Errorf("%d proofs carried: %v", len(left), err)
	}
}

// TestAnOlderLayoutIsCarriedOver makes one as it was before, with tools.
func TestAnOlderLayoutIsCarriedOver(t *testing.T) {
	path := image(t, disk.ArdoiseSize)
	tool(t, "", "mkfs.fat", "-F", "32", "-s", "8", "-n", "ARDOISE", path)
	tool(t, "", "mmd", "-i", path, "::/ARDOISE")
	blank := filepath.Join(t.TempDir(), "blank")
	for name, record := range map[string]int64{"MARK": 16 << 10, "KEY": 128 << 10, "GRANT": 1 << 20, "TRUST": 64 << 10} {
		if err := os.WriteFile(blank, make([]byte, 2*record+4096), 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "", "mcopy", "-i", path, blank, "::/ARDOISE/"+name)
	}
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	old, err := disk.OpenArdoise(d, part(0))
	if err != nil {
		t.Fatal(err)
	}
	if old.Layout() != 1 {
		t.Errorf("layout %d", old.Layout())
	}
	if err := errors.Join(old.Key().Store([]byte("key")), old.Grant().Store(envelope(t, 3))); err != nil {
		t.Fatal(err)
	}
	var not *disk.NoArdoiseError
	if _, err := old.Proofs().Load(); !errors.As(err, &not) {
		t.Errorf("proofs of an older layout: %v", err)
	}
	if _, err := old.Keep(t.Context(), set("x")); !errors.As(err, &not) {
		t.Errorf("boot files of an older layout: %v", err)
	}
	a := mustMake(t, d, 0, disk.MakeOptions{Carry: old})
	if key, err := a.Key().Load(); err != nil || string(key) != "key" || a.Layout() != disk.Layout {
		t.Errorf("key %q, %v, layout %d", key, err, a.Layout())
	}
}
