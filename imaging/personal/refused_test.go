package personal_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/personal"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func values() personal.Values {
	return personal.Values{Hostname: "s104-poste-17", MachineID: "fedcba9876543210fedcba9876543210"}
}

// said is what Plan says of the files it left alone, by path.
func said(list []personal.Skipped) map[string]string {
	out := map[string]string{}
	for _, s := range list {
		out[s.Path] += s.Why + " | " + s.Hint + "\n"
	}
	return out
}

func TestFilesWithoutRoomAreLeftAloneWithAReason(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(tree map[string]string)
		debugfs []string
		want    map[string]string // path: part of what is said
	}{
		"empty machine-id": {func(tree map[string]string) { tree["etc/machine-id"] = "" }, nil,
			map[string]string{"etc/machine-id": "is empty, so it has no block to write to | let it hold at least 33 bytes"}},
		"no hostname": {func(tree map[string]string) { delete(tree, "etc/hostname") }, nil,
			map[string]string{"etc/hostname": "no file system of the master has the file etc/hostname | make it in the master, with at least 14 bytes"}},
		"hard link": {nil, []string{"ln etc/hostname etc/second", "sif etc/hostname links_count 2"},
			map[string]string{"etc/hostname": "has more than one name"}},
		"link in a circle": {nil, []string{"rm etc/hostname", "symlink etc/hostname hostname"},
			map[string]string{"etc/hostname": "leads through too many symbolic links"}},
		"link to nothing": {nil, []string{"rm etc/hostname", "symlink etc/hostname /run/hostname"},
			map[string]string{"etc/hostname": "no file system of the master has the file"}},
		"device": {nil, []string{"rm etc/hostname", "cd etc", "mknod hostname c 1 3"},
			map[string]string{"etc/hostname": "is not a regular file"}},
		"more blocks than needed": {func(tree map[string]string) { tree["etc/hostname"] = strings.Repeat("\n", 3000) }, nil,
			map[string]string{"etc/hostname": "which cannot be given back for 14 bytes | let it hold between 1 and 1024 bytes"}},
		"verity": {nil, []string{"sif etc/hostname flags 0x180000"}, map[string]string{"etc/hostname": "is sealed"}},
	} {
		t.Run(name, func(t *testing.T) {
			tree := debian()
			if c.prepare != nil {
				c.prepare(tree)
			}
			image := extImage(t, tree, "-t", "ext4", "-b", "1024")
			commands := filepath.Join(t.TempDir(), "commands")
			write(t, commands, []byte(strings.Join(c.debugfs, "\n")))
			tool(t, "debugfs", "-w", "-f", commands, image)
			m := captured(t, image, "linux")
			exceptions, skipped := m.plan(t, values())
			have := said(skipped)
			for path, want := range c.want {
				if !strings.Contains(have[path], want) {
					t.Errorf("of %s it says %q, want %q", path, have[path], want)
				}
			}
			for _, x := range exceptions {
				if c.want[x.Why] != "" {
					t.Errorf("an exception for %s all the same", x.Why)
				}
			}
			tool(t, "e2fsck", "-fn", m.restored(t, exceptions))
		})
	}
}

func TestALinkInsideTheVolumeIsFollowed(t *testing.T) {
	tree := debian()
	tree["usr/share/names/of this computer"] = "golden\n"
	delete(tree, "etc/hostname")
	image := extImage(t, tree, "-t", "ext4")
	long := strings.Repeat("../", 25) + "usr/./share/names/of this computer"
	tool(t, "debugfs", "-w", "-R", fmt.Sprintf("symlink etc/second %q", long), image)
	tool(t, "debugfs", "-w", "-R", "symlink etc/hostname second", image)
	m := captured(t, image, "linux")
	exceptions, skipped := m.plan(t, values())
	if len(skipped) > 0 {
		t.Errorf("skipped %+v", skipped)
	}
	tree["usr/share/names/of this computer"] = "s104-poste-17\n"
	tree["etc/machine-id"] = "fedcba9876543210fedcba9876543210\n"
	delete(tree, "etc/hosts")
	part := m.restored(t, exceptions)
	tool(t, "e2fsck", "-fn", part)
	mounted(t, "ext4", part, func(dir string) { wants(t, dir, tree) })
}

func TestKeysOfTheMasterAreNamed(t *testing.T) {
	tree := debian()
	tree["etc/ssh/ssh_host_rsa_key"] = strings.Repeat("r", 2600)
	m := captured(t, extImage(t, tree, "-t", "ext4"), "linux")
	keys, err := personal.Keys([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	exceptions, skipped := m.plan(t, personal.Values{SSHKeys: keys})
	have := said(skipped)
	if !strings.Contains(have["etc/ssh/ssh_host_rsa_key"], "every computer of this master has the SSH key") ||
		!strings.Contains(have["etc/ssh/ssh_host_ecdsa_key"], "no file system of the master has") || len(have) != 3 {
		t.Errorf("%+v", skipped)
	}
	part := m.restored(t, exceptions)
	tool(t, "e2fsck", "-fn", part)
	mounted(t, "ext4", part, func(dir string) {
		wants(t, dir, map[string]string{"etc/ssh/ssh_host_ed25519_key": string(keys["etc/ssh/ssh_host_ed25519_key"])})
	})
}

// lvm runs a tool of LVM without the device mapper.
func lvm(t testing.TB, conf, name string, args ...string) string {
	t.Helper()
	c := exec.Command("/usr/sbin/"+name, args...)
	c.Env = append(os.Environ(), "LVM_SYSTEM_DIR="+conf, "LVM_SUPPRESS_FD_WARNINGS=1", "DM_DISABLE_UDEV=1", "LC_ALL=C")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestASystemInALogicalVolumeOfTwoPieces(t *testing.T) {
	inner := map[string]string{"root": extImage(t, debian(), "-t", "ext4", "-b", "1024"), "first": blank(t, 10*mib), "hole": blank(t, 5*mib)}
	tool(t, "mkswap", inner["first"])
	tool(t, "mke2fs", "-q", "-F", inner["hole"])
	image := blank(t, 64*mib)
	loop := strings.TrimSpace(tool(t, "losetup", "-f", "--show", image))
	detached := false
	defer func() {
		if !detached {
			_ = exec.Command("losetup", "-d", loop).Run()
		}
	}()
	conf := t.TempDir()
	write(t, filepath.Join(conf, "lvm.conf"), []byte(fmt.Sprintf("devices { use_devicesfile=0 filter=[%q,\"r|.*|\"] }\n"+
		"activation { udev_sync=0 udev_rules=0 }\nbackup { backup=0 archive=0 }\nglobal { activation=0 locking_dir=%q }\n", "a|^"+loop+"$|", conf)))
	lvm(t, conf, "pvcreate", "-y", "-q", loop)
	lvm(t, conf, "vgcreate", "-q", "-s", "1m", "salle", loop)
	no := []string{"-an", "-Zn", "-Wn", "-y", "-q"}
	lvm(t, conf, "lvcreate", append(no, "-l", "10", "-n", "first", "salle")...)
	lvm(t, conf, "lvcreate", append(no, "-l", "7", "-n", "root", "salle")...)
	lvm(t, conf, "lvcreate", append(no, "-l", "5", "-n", "hole", "salle")...)
	lvm(t, conf, "lvextend", "-q", "-l", "12", "salle/root")
	start := lvm(t, conf, "pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loop)
	segments := lvm(t, conf, "pvs", "--noheadings", "--segments", "--units", "b", "--nosuffix", "-o", "pvseg_start,pvseg_size,seg_start,lv_name", loop)
	tool(t, "losetup", "-d", loop)
	detached = true
	var first int64
	_, _ = fmt.Sscan(start, &first)
	pieces := 0
	for line := range strings.Lines(segments) {
		var at, n, from int64
		if f := strings.Fields(line); len(f) == 4 {
			_, _ = fmt.Sscan(strings.Join(f[:3], " "), &at, &n, &from)
			copyPart(t, inner[f[3]], from, image, first+at*mib, n*mib)
			pieces++
		}
	}
	if pieces != 4 {
		t.Fatalf("%d pieces in %s", pieces, segments)
	}
	m := captured(t, image, "lvm")
	exceptions, skipped := m.plan(t, values())
	if len(skipped) > 0 || len(exceptions) == 0 {
		t.Fatalf("skipped %+v", skipped)
	}
	part, root := m.restored(t, exceptions), filepath.Join(t.TempDir(), "root")
	for line := range strings.Lines(segments) {
		var at, n, from int64
		if f := strings.Fields(line); len(f) == 4 && f[3] == "root" {
			_, _ = fmt.Sscan(strings.Join(f[:3], " "), &at, &n, &from)
			copyPart(t, part, first+at*mib, root, from, n*mib)
		}
	}
	tool(t, "e2fsck", "-fn", root)
	mounted(t, "ext4", root, func(dir string) {
		wants(t, dir, map[string]string{"etc/hostname": "s104-poste-17\n", "etc/other": "stays as it is\n"})
	})
}

func TestVolumesThatCannotBeReadByFile(t *testing.T) {
	m := captured(t, extImage(t, debian(), "-t", "ext4"), "linux")
	d := personal.MasterDisk(m.m, m.store.content)
	for name, c := range map[string]struct {
		change func(v *manifest.Volume)
		want   string
	}{
		"by position": {func(v *manifest.Volume) { v.Order, v.Reason = manifest.ByPosition, "a block has two owners" },
			"was not captured by file: a block has two owners"},
		"btrfs": {func(v *manifest.Volume) { v.Kind = "btrfs" }, "is btrfs: names are replaced on ext4 and NTFS only"},
	} {
		t.Run(name, func(t *testing.T) {
			other := *m.m
			other.Volumes = append([]manifest.Volume(nil), m.m.Volumes...)
			for i := range other.Volumes {
				if other.Volumes[i].Kind == "ext4" {
					c.change(&other.Volumes[i])
				}
			}
			exceptions, skipped, err := personal.Plan(d, &other, values())
			if err != nil || len(exceptions) > 0 || !strings.Contains(said(skipped)[""], c.want) || len(skipped) != 3 {
				t.Errorf("%d exceptions, skipped %+v, %v", len(exceptions), skipped, err)
			}
		})
	}
}

func TestAFaultOfTheStoreIsNoFaultOfTheMaster(t *testing.T) {
	m := captured(t, extImage(t, debian(), "-t", "ext4"), "linux")
	gone := errors.New("pack 17 is gone")
	for n := range 6 {
		left := n
		d := personal.MasterDisk(m.m, func(id chunk.ID) ([]byte, error) {
			if left--; left < 0 {
				return nil, gone
			}
			return m.store.content(id)
		})
		if _, _, err := personal.Plan(d, m.m, values()); !errors.Is(err, gone) {
			t.Errorf("after %d chunks: %v", n, err)
		}
	}
	short := personal.MasterDisk(m.m, func(chunk.ID) ([]byte, error) { return []byte("short"), nil })
	if _, _, err := personal.Plan(short, m.m, values()); err == nil {
		t.Error("a chunk of the wrong length is believed")
	}
}

// The master's disk, as the manifest and the store give it, is what a restore writes.
func TestMasterDiskIsWhatIsRestored(t *testing.T) {
	m := captured(t, windows(t, 5000, 3), "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
	part := m.restored(t, nil)
	want, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	known := make([]bool, len(want))
	mark := func(e manifest.Extent) {
		for i := e.Offset - mib; i < e.End()-mib; i++ {
			if i >= 0 && i < int64(len(known)) {
				known[i] = true
			}
		}
	}
	for _, e := range m.m.Chunks.All() {
		for _, p := range e.Pieces {
			mark(manifest.Extent{Offset: p.Offset, Length: int64(p.Length)})
		}
	}
	for _, f := range m.m.Fills {
		mark(f.Extent)
	}
	have := make([]byte, len(want))
	d := personal.MasterDisk(m.m, m.store.content)
	for at := 0; at < len(have); { // pieces of odd lengths
		n := min(len(have)-at, 10007+at%997)
		if k, err := d.ReadAt(have[at:at+n], mib+int64(at)); err != nil || k != n {
			t.Fatal(k, err)
		}
		at += n
	}
	for i := range want {
		if known[i] && have[i] != want[i] || !known[i] && have[i] != 0 {
			t.Fatalf("byte %d of the partition is %#x, restored %#x, kept %v", i, have[i], want[i], known[i])
		}
	}
	if n, err := d.ReadAt(make([]byte, 100), m.m.Disk.Size-10); n != 10 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := d.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("reads before the disk")
	}
}

func TestValuesThatNoComputerCanHave(t *testing.T) {
	for name, v := range map[string]personal.Values{
		"a name with a dot":        {Hostname: "a.b"},
		"a line in a name":         {Hostname: "a\nb"},
		"a hyphen in front":        {Hostname: "-a"},
		"64 letters":               {Hostname: strings.Repeat("a", 64)},
		"a long machine-id":        {MachineID: strings.Repeat("a", 33)},
		"capitals":                 {MachineID: strings.Repeat("A", 32)},
		"zeros":                    {MachineID: strings.Repeat("0", 32)},
		"a key outside":            {SSHKeys: map[string][]byte{"../key": []byte("k")}},
		"a key from the root":      {SSHKeys: map[string][]byte{"/etc/key": []byte("k")}},
		"an answer without words":  {Answer: personal.AnswerFile{Path: "a"}},
		"an answer with backslash": {Answer: personal.AnswerFile{Path: `a\b`, Content: []byte("x")}},
	} {
		var wrong *personal.ValueError
		if _, _, err := personal.Plan(nil, &manifest.Manifest{}, v); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
