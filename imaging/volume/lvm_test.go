package volume_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// lab runs the tools of LVM on images behind loop devices, without the device mapper: they write metadata only.
type lab struct {
	t     testing.TB
	conf  string
	loops []string
}

func newLab(t testing.TB, images ...image) *lab {
	t.Helper()
	l := &lab{t: t, conf: t.TempDir()}
	var filter []string
	for _, i := range images {
		loop := strings.TrimSpace(tool(t, "losetup", "-f", "--show", i.path))
		t.Cleanup(func() { _ = exec.Command("losetup", "-d", loop).Run() })
		l.loops = append(l.loops, loop)
		filter = append(filter, fmt.Sprintf("%q", "a|^"+loop+"$|"))
	}
	write(t, filepath.Join(l.conf, "lvm.conf"), []byte(fmt.Sprintf(`
devices { use_devicesfile=0 filter=[%s,"r|.*|"] }
activation { udev_sync=0 udev_rules=0 }
backup { backup=0 archive=0 }
global { activation=0 locking_dir=%q }
`, strings.Join(filter, ","), l.conf)))
	return l
}

// try runs one tool; the words %0, %1 stand for the loop devices.
func (l *lab) try(command string) (string, error) {
	for i, loop := range l.loops {
		command = strings.ReplaceAll(command, "%"+strconv.Itoa(i), loop)
	}
	words := strings.Fields(command)
	c := exec.Command(words[0], words[1:]...)
	c.Env = append(os.Environ(), "LVM_SYSTEM_DIR="+l.conf, "LVM_SUPPRESS_FD_WARNINGS=1", "DM_DISABLE_UDEV=1", "LC_ALL=C")
	var out, faults bytes.Buffer
	c.Stdout, c.Stderr = &out, &faults
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", command, err, &out, &faults)
	}
	return out.String(), nil
}

func (l *lab) run(commands ...string) string {
	l.t.Helper()
	var last string
	for _, c := range commands {
		var err error
		if last, err = l.try(c); err != nil {
			l.t.Fatal(err)
		}
	}
	tool(l.t, "sync")
	return last
}

// end lets go of the loop devices, so that the images hold everything.
func (l *lab) end() {
	l.t.Helper()
	for _, loop := range l.loops {
		tool(l.t, "losetup", "-d", loop)
	}
	l.loops = nil
}

const noZero = "lvcreate -an -Zn -Wn -y "

// span is where LVM says that a part of a logical volume lies, in bytes.
type span struct{ from, at, length int64 }

// spans asks LVM for the places of all logical volumes.
func (l *lab) spans() map[string][]span {
	l.t.Helper()
	start, err := strconv.ParseInt(strings.TrimSpace(l.run("pvs --noheadings --units b --nosuffix -o pe_start %0")), 10, 64)
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string][]span{}
	for line := range strings.Lines(l.run("pvs --noheadings --segments --units b --nosuffix -o pvseg_start,pvseg_size,seg_start,vg_extent_size,lv_name %0")) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue // free
		}
		n := make([]int64, 4)
		for i := range n {
			if n[i], err = strconv.ParseInt(f[i], 10, 64); err != nil {
				l.t.Fatal(err)
			}
		}
		out[f[4]] = append(out[f[4]], span{n[2], start + n[0]*n[3], n[1] * n[3]})
	}
	return out
}

// put writes the bytes of a volume to where its spans lie.
func (i image) put(t testing.TB, spans []span, b []byte) {
	t.Helper()
	for _, s := range spans {
		if s.from < int64(len(b)) {
			i.patch(t, s.at, b[s.from:min(s.from+s.length, int64(len(b)))])
		}
	}
}

// get collects what spans hold into an image of its own.
func (i image) get(t testing.TB, spans []span) image {
	t.Helper()
	all := i.bytes(t)
	var size int64
	for _, s := range spans {
		size = max(size, s.from+s.length)
	}
	b := make([]byte, size)
	for _, s := range spans {
		copy(b[s.from:s.from+s.length], all[s.at:])
	}
	out := image{filepath.Join(t.TempDir(), "logical"), size}
	write(t, out.path, b)
	return out
}

// school is a physical volume with a root of two segments, swap, FAT, and free extents.
func school(t testing.TB, tree string) (image, map[string][]span) {
	t.Helper()
	i := blank(t, 40)
	l := newLab(t, i)
	l.run("pvcreate -y %0", "vgcreate -s 1M salle %0", noZero+"-l 16 -n root salle", noZero+"-l 2 -n swap_1 salle",
		noZero+"-l 8 -n data salle", "lvextend -l +8 salle/root")
	spans := l.spans()
	l.end()
	if len(spans["root"]) != 2 {
		t.Fatalf("the root has %d segments", len(spans["root"]))
	}
	root := mkext(t, tree, 24, "-t", "ext4", "-b", "4096")
	i.put(t, spans["root"], root.bytes(t))
	swap := blank(t, 2)
	tool(t, "mkswap", swap.path)
	i.put(t, spans["swap_1"], swap.bytes(t))
	fat := mkfat(t, 8<<10, "-F", "12", "-s", "8")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "note"), noise(6, 50000))
	mcopy(t, fat, dir)
	i.put(t, spans["data"], fat.bytes(t))
	return i, spans
}

func TestLVMIsReadThroughItsLogicalVolumes(t *testing.T) {
	tree := unixTree(t)
	i, spans := school(t, tree)
	l := i.mustRead(t)
	if l.Kind != "lvm2" || l.Order != manifest.ByFile || l.Label != "salle" {
		t.Fatalf("%s by %s (%s), label %q", l.Kind, l.Order, l.Reason, l.Label)
	}
	c := classes(t, l, i.size)
	want := int64(1 << 20) // what lies before the extents
	for _, name := range []string{"root", "swap_1", "data"} {
		inner := i.get(t, spans[name])
		lv := inner.mustRead(t)
		want += lv.Used
		part := classes(t, lv, inner.size)
		for _, s := range spans[name] { // each byte has the class that it has in the logical volume
			if !bytes.Equal(c[s.at:s.at+s.length], part[s.from:s.from+s.length]) {
				t.Errorf("classes of %s at %d differ", name, s.from)
			}
		}
	}
	if l.Used != want {
		t.Errorf("%d bytes used, want %d", l.Used, want)
	}
	if bytes.Count(c[:1<<20], []byte{1}) != 1<<20 {
		t.Error("what lies before the extents is not all kept")
	}
	got := contents(t, i, l)
	if !bytes.Equal(got["data/note"], noise(6, 50000)) {
		t.Error("the stream data/note differs from its file")
	}
	for path, b := range got {
		inner, in := strings.CutPrefix(path, "root/")
		if file, err := os.ReadFile(filepath.Join(tree, inner)); in && (err != nil || !bytes.Equal(file, b)) {
			t.Errorf("stream %.60s differs from its file (%v)", path, err)
		}
	}
	if len(got) < 430 {
		t.Errorf("%d streams, want 430 or more", len(got))
	}
	out := restored(t, i, l)
	judged(t, i, out)
	sound(t, out.get(t, spans["root"]), tree)
	tool(t, "fsck.fat", "-n", out.get(t, spans["data"]).path)
	if s := tool(t, "blkid", "-p", out.get(t, spans["swap_1"]).path); !strings.Contains(s, "swap") {
		t.Errorf("blkid says %s", s)
	}
}

// judged lets LVM read both volumes: it must find no fault and the same group.
func judged(t *testing.T, want, got image) {
	t.Helper()
	var both []string
	for _, i := range []image{want, got} {
		l := newLab(t, i)
		file := filepath.Join(t.TempDir(), "backup")
		l.run("vgck salle", "vgcfgbackup -f "+file+" salle")
		l.end()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, group, _ := strings.Cut(string(b), "salle {")
		both = append(both, group)
	}
	if len(both[0]) < 300 || stripDevice(both[0]) != stripDevice(both[1]) {
		t.Errorf("the restored volume group is\n%s, want\n%s", both[1], both[0])
	}
}

// stripDevice drops the hints where a volume was seen.
func stripDevice(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if !strings.Contains(line, "device") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestLVMMetadataOfEveryMakeAreRead(t *testing.T) {
	for name, how := range map[string][]string{
		"two metadata areas":       {"pvcreate -y --metadatacopies 2 %0", "vgcreate -s 1M salle %0"},
		"label in sector 3":        {"pvcreate -y --labelsector 3 %0", "vgcreate -s 1M salle %0"},
		"room for a boot loader":   {"pvcreate -y --bootloaderareasize 2m %0", "vgcreate -s 1M salle %0"},
		"extents of 512 KiB":       {"pvcreate -y --dataalignment 3m %0", "vgcreate -s 512k salle %0"},
		"a group without volumes":  {"pvcreate -y %0", "vgcreate -s 1M salle %0", noZero + "-l 1 -n x salle", "lvremove -y salle/x"},
		"a volume and a group tag": {"pvcreate -y %0", "vgcreate -s 1M --addtag a/b=c salle %0"},
		"an exported group":        {"pvcreate -y %0", "vgcreate -s 1M salle %0", noZero + "-l 1 -n x salle", "vgexport salle"},
	} {
		t.Run(name, func(t *testing.T) {
			i := blank(t, 20)
			l := newLab(t, i)
			l.run(how...)
			if !strings.Contains(name, "without") && !strings.Contains(name, "exported") {
				l.run(noZero+"-l 9 -n root salle", noZero+"-l 2 -n keep salle", "lvremove -y salle/root", noZero+"-l 10 -n root salle")
			}
			spans := l.spans()
			l.end()
			if len(spans["root"]) > 0 {
				i.put(t, spans["root"], mkext(t, "", 4, "-t", "ext2").bytes(t))
			}
			layout := i.mustRead(t)
			if layout.Kind != "lvm2" || layout.Order == manifest.Raw {
				t.Fatalf("%s by %s (%s)", layout.Kind, layout.Order, layout.Reason)
			}
			if _, keep := spans["keep"]; keep != strings.Contains(layout.Reason, "logical volume keep: it holds no file system") {
				t.Errorf("reason %q", layout.Reason)
			}
			classes(t, layout, i.size)
			out := restored(t, i, layout)
			if !strings.Contains(name, "exported") {
				judged(t, i, out)
			}
			for lv, s := range spans {
				if lv == "keep" && !bytes.Equal(i.get(t, s).bytes(t), out.get(t, s).bytes(t)) {
					t.Error("a logical volume without a file system is not kept whole")
				}
			}
			for _, h := range layout.Heads {
				i.patch(t, h.Offset, make([]byte, h.Length))
			}
			if again := i.mustRead(t); again.Kind == "lvm2" {
				t.Error("without its heads it is still recognised")
			}
		})
	}
}

func TestLVMMetadataThatGoRoundTheirRingAreRead(t *testing.T) {
	i := blank(t, 16)
	l := newLab(t, i)
	l.run("pvcreate -y --metadatasize 16k --dataalignment 64k %0", "vgcreate -s 1M salle %0", noZero+"-l 2 -n root salle")
	var at, size, ring int64
	for n := 0; n < 40 && at+size <= ring; n++ {
		l.run(fmt.Sprintf("lvchange -y --addtag %s%d salle/root", strings.Repeat("t", 60), n))
		at, size, ring = textInForce(l.run("pvck --dump headers %0"))
	}
	l.end()
	if at+size <= ring {
		t.Fatalf("text of %d bytes at %d does not go round an area of %d", size, at, ring)
	}
	if layout := i.mustRead(t); layout.Order == manifest.Raw {
		t.Errorf("kept raw: %s", layout.Reason)
	}
}

// textInForce finds in a dump where the text lies in its metadata area, and how large that is.
func textInForce(dump string) (at, size, area int64) {
	for line := range strings.Lines(dump) {
		key, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseInt(v, 10, 64)
		switch key {
		case "mda_header_1.raw_locn[0].offset":
			at = n
		case "mda_header_1.raw_locn[0].size":
			size = n
		case "mda_header_1.size":
			area = n
		}
	}
	return at, size, area
}

func TestLVMThatIsNotLinearIsKeptWhole(t *testing.T) {
	make := []string{"pvcreate -y %0", "vgcreate -s 1M salle %0"}
	both := []string{"pvcreate -y %0", "pvcreate -y %1", "vgcreate -s 1M salle %0 %1"}
	for name, how := range map[string]struct {
		commands []string
		reason   string
	}{
		"two physical volumes": {append(both, noZero+"-l 30 -n root salle"), "spans 2 physical volumes"},
		"stripes":              {append(both, noZero+"-i 2 -l 10 -n root salle"), "spans 2 physical volumes"},
		"no group":             {make[:1], "belongs to no volume group"},
		"ignored metadata":     {[]string{"pvcreate -y --metadataignore y %0"}, "belongs to no volume group"},
		"no metadata area":     {[]string{"pvcreate -y --metadatacopies 0 %0"}, "no metadata of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			i, second := blank(t, 24), blank(t, 24)
			l := newLab(t, i, second)
			l.run(how.commands...)
			l.end()
			layout := i.mustRead(t)
			if layout.Kind != "lvm2" || layout.Order != manifest.Raw || layout.Used != i.size || !strings.Contains(layout.Reason, how.reason) {
				t.Fatalf("%s by %s (%s)", layout.Kind, layout.Order, layout.Reason)
			}
			classes(t, layout, i.size)
		})
	}
}

func TestLVMWithAVolumeThatIsNotCleanIsRefused(t *testing.T) {
	i, spans := school(t, plainTree(t))
	for name, how := range map[string]struct {
		at    int64
		bytes []byte
	}{
		"ext4 with orphans and no journal left": {1024 + 0x3a, []byte{3, 0}},
		"LUKS":                                  {0, []byte("LUKS\xba\xbe\x00\x02")},
	} {
		t.Run(name, func(t *testing.T) {
			root := i.get(t, spans["root"])
			before := root.bytes(t)
			root.patch(t, how.at, how.bytes)
			if strings.HasPrefix(name, "ext4") { // its checksum is the tool's
				debugfs(t, root, "ssv state 3")
			}
			i.put(t, spans["root"], root.bytes(t))
			_, err := i.read(t, volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" || !strings.Contains(refused.Why, "salle/root") {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			l, err := i.read(t, volume.Options{AsIs: true})
			if err != nil || l.Order != manifest.ByPosition || !strings.Contains(l.Reason, "root") {
				t.Fatalf("as it is: %+v, %v", l, err)
			}
			c := classes(t, l, i.size)
			for _, s := range spans["root"] {
				if n := int64(bytes.Count(c[s.at:s.at+s.length], []byte{1})); n != s.length {
					t.Errorf("as it is: %d of %d bytes of the root are kept", n, s.length)
				}
			}
			i.put(t, spans["root"], before)
		})
	}
}

func TestLVMInsideALogicalVolumeIsKeptWhole(t *testing.T) {
	i, spans := school(t, "")
	inner := blank(t, 24)
	l := newLab(t, inner)
	l.run("pvcreate -y %0", "vgcreate -s 1M inside %0", noZero+"-l 4 -n deep inside")
	l.end()
	i.put(t, spans["root"], inner.bytes(t))
	layout := i.mustRead(t)
	if layout.Order != manifest.ByPosition || !strings.Contains(layout.Reason, "inside a logical volume") {
		t.Errorf("%s (%s)", layout.Order, layout.Reason)
	}
	classes(t, layout, i.size)
}

func TestDamagedLVMNeverBreaksTheRules(t *testing.T) {
	i := blank(t, 8)
	lab := newLab(t, i)
	lab.run("pvcreate -y %0", "vgcreate -s 1M salle %0", noZero+"-l 4 -n root salle")
	spans := lab.spans()
	lab.end()
	i.put(t, spans["root"], mkext(t, "", 4, "-t", "ext2", "-b", "1024").bytes(t))
	sound := i.bytes(t)
	text := bytes.LastIndex(sound[:1<<20], []byte("salle {"))
	r := rand.New(rand.NewPCG(3, 4))
	raw := 0
	for range 40 {
		b := sound
		at := []int{512 + r.IntN(160), 4096 + r.IntN(72), text + r.IntN(1200), 1<<20 + 1024 + r.IntN(400)}[r.IntN(4)]
		before := b[at]
		b[at] ^= byte(1 << r.IntN(8))
		l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
		var refused *volume.RefusedError
		switch {
		case errors.As(err, &refused):
		case err != nil:
			t.Fatal(err)
		default:
			classes(t, l, int64(len(b)))
			if l.Order == manifest.Raw {
				raw++
			}
		}
		b[at] = before
	}
	if raw < 15 {
		t.Errorf("only %d of 40 damaged volumes were doubted", raw)
	}
}
