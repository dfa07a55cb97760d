package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

const mib = 1 << 20

// tool runs a program of the system and fails the test unless it succeeds.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ardoise runs a command line as a shell would.
func ardoise(args ...string) (exit int, out, complaints string) {
	var o, e bytes.Buffer
	exit = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return exit, o.String(), e.String()
}

// must runs a command line that succeeds and returns its JSON.
func must(t testing.TB, args ...string) result {
	t.Helper()
	exit, out, complaints := ardoise(append(args, "--json")...)
	var r result
	if err := json.Unmarshal([]byte(out), &r); exit != 0 || err != nil {
		t.Fatalf("ardoise %s = exit %d, %v\n%s%s", strings.Join(args, " "), exit, err, out, complaints)
	}
	return r
}

// refused runs a command line that fails with this exit code, and returns its error and hint.
func refused(t testing.TB, want int, args ...string) string {
	t.Helper()
	exit, out, complaints := ardoise(args...)
	lines := strings.Split(strings.TrimSpace(complaints), "\n")
	last := lines[max(0, len(lines)-2):]
	if exit != want || len(last) != 2 || !strings.HasPrefix(last[0], "error: ") || !strings.HasPrefix(last[1], "hint: ") || len(last[1]) < 12 {
		t.Fatalf("ardoise %s = exit %d, want %d, one error: and one hint:\n%s%s", strings.Join(args, " "), exit, want, out, complaints)
	}
	return last[0] + "\n" + last[1]
}

const (
	rootStart = 20 * mib // of the ext4 partition of a school PC's disk
	rootSize  = 40 * mib
	diskSize  = 64 * mib
)

// schoolPC makes the image of a disk with an ESP and an ext4 root, as mkfs makes them, and files in both.
func schoolPC(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for name, content := range map[string]string{
		"etc/hostname": "poste-12\n", "home/élève/rédaction.txt": strings.Repeat("Il était une fois. ", 60_000),
		"usr/bin/big": strings.Repeat("\x7fELF and much more", 40_000), "etc/empty": "",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	disk, esp, root := filepath.Join(dir, "disk.img"), filepath.Join(dir, "esp"), filepath.Join(dir, "root")
	for path, size := range map[string]int64{disk: diskSize, esp: 18 * mib, root: rootSize} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "mkfs.fat", "-n", "ESP", esp)
	tool(t, "mmd", "-i", esp, "::EFI")
	tool(t, "mcopy", "-i", esp, filepath.Join(tree, "usr/bin/big"), "::EFI/SHIMX64.EFI")
	tool(t, "mkfs.ext4", "-q", "-L", "root", "-d", tree, root)
	tool(t, "sgdisk", "-n", "1:2048:+18M", "-t", "1:ef00", "-n", fmt.Sprintf("2:%d:+40M", rootStart/512), "-t", "2:8300", disk)
	splice(t, disk, esp, mib)
	splice(t, disk, root, rootStart)
	return disk
}

// splice writes the file part into disk at offset.
func splice(t testing.TB, disk, part string, offset int64) {
	t.Helper()
	content, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	write(t, disk, offset, content)
}

func write(t testing.TB, path string, offset int64, content []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(content, offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// emptyDisk makes an image of zeros, or of garbage, as old disks hold it.
func emptyDisk(t testing.TB, size int64, garbage byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "target.img")
	if err := os.WriteFile(path, bytes.Repeat([]byte{garbage}, int(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rootOf copies the ext4 partition of a disk into a file of its own.
func rootOf(t testing.TB, disk string) string {
	t.Helper()
	content, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.WriteFile(root, content[rootStart:rootStart+rootSize], 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// checkRoot has e2fsck look at the ext4 partition of a disk.
func checkRoot(t testing.TB, disk string) {
	t.Helper()
	root := rootOf(t, disk)
	tool(t, "e2fsck", "-fn", root)
	if got := tool(t, "debugfs", "-R", "cat /etc/hostname", root); !strings.Contains(got, "poste-12") {
		t.Errorf("/etc/hostname on the restored disk = %q", got)
	}
}

func TestCaptureRestoreVerify(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), filepath.Join(t.TempDir(), "data")
	before, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	first := must(t, "master", "capture", "salle-info", "--disk", source, "--data", data, "--note", "première")
	if first.Version != "salle-info@1" || first.NewBytes == 0 || first.StoredBytes != first.NewBytes || first.ReadBytes == 0 {
		t.Errorf("first capture = %+v", first)
	}
	if after, err := os.ReadFile(source); err != nil || !bytes.Equal(after, before) {
		t.Error("capture has changed the disk it read")
	}
	again := must(t, "master", "capture", "salle-info", "--disk", source, "--data", data)
	if again.Version != "salle-info@2" || again.NewBytes != 0 || again.StoredBytes != first.StoredBytes {
		t.Errorf("capture of the same disk again = %+v, want nothing new", again)
	}
	must(t, "master", "verify", "salle-info", "--disk", source, "--data", data)

	for name, target := range map[string]string{
		"a disk of zeros":          emptyDisk(t, diskSize, 0),
		"a disk of old data":       emptyDisk(t, diskSize, 0xa5),
		"a larger disk":            emptyDisk(t, diskSize+32*mib, 0),
		"a larger disk, old bytes": emptyDisk(t, diskSize+mib+512, 0x42),
	} {
		t.Run(name, func(t *testing.T) {
			put := must(t, "master", "restore", "salle-info@1", "--disk", target, "--data", data)
			if put.WrittenBytes == 0 || put.StoredBytes == 0 || put.NewBytes != 0 || put.Version != "salle-info@1" {
				t.Errorf("restore = %+v", put)
			}
			checkRoot(t, target)
			if got := tool(t, "sgdisk", "-v", target); !strings.Contains(got, "No problems found") {
				t.Errorf("sgdisk -v: %s", got)
			}
			held := must(t, "master", "verify", "salle-info@1", "--disk", target, "--data", data)
			if held.Equal == nil || !*held.Equal {
				t.Errorf("verify = %+v", held)
			}
			if twice := must(t, "master", "restore", "salle-info@1", "--disk", target, "--data", data); twice.WrittenBytes != 0 || twice.StoredBytes != 0 {
				t.Errorf("restore again = %+v, want nothing written or fetched", twice)
			}
		})
	}
}

func TestVerifyNamesTheFileThatDiffers(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	content, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(content, []byte("Il était une fois."))
	write(t, source, int64(at), []byte("IL"))
	exit, out, complaints := ardoise("master", "verify", "m", "--disk", source, "--data", data)
	if exit != 1 || !strings.Contains(out, "partition 2: home/élève/rédaction.txt") || strings.Count(out, "\n") != 1 ||
		!strings.Contains(complaints, "error: the disk does not hold m@1: 1 thing differs\nhint: ") {
		t.Errorf("verify = exit %d\n%s%s", exit, out, complaints)
	}
	exit, out, _ = ardoise("master", "verify", "m", "--disk", source, "--data", data, "--json")
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil || exit != 1 || *r.Equal || len(r.Differences) != 1 ||
		r.Differences[0].Path != "home/élève/rédaction.txt" || r.Differences[0].Partition != 2 {
		t.Errorf("verify --json = exit %d, %v\n%s", exit, err, out)
	}
	if put := must(t, "master", "restore", "m", "--disk", source, "--data", data); put.WrittenBytes == 0 || put.WrittenBytes > 4*mib {
		t.Errorf("repairing one file wrote %d bytes", put.WrittenBytes)
	}
	checkRoot(t, source)
}

func TestListAndShow(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data, "--note", "for room S104", "--author", "marie")
	exit, out, complaints := ardoise("master", "list", "--data", data)
	if exit != 0 || !strings.Contains(out, "m@1") || !strings.Contains(out, "marie") || !strings.Contains(out, "for room S104") {
		t.Errorf("list = exit %d\n%s%s", exit, out, complaints)
	}
	exit, out, complaints = ardoise("master", "show", "m@1", "--data", data, "--json")
	var shown struct {
		Name        string `json:"name"`
		StoredBytes int64  `json:"stored_bytes"`
		Volumes     []struct {
			Kind string `json:"kind"`
		} `json:"volumes"`
		OfflineReset string `json:"offline_reset"`
		OfflineFrom  int64  `json:"offline_from_bytes"`
	}
	err := json.Unmarshal([]byte(out), &shown)
	if err != nil || exit != 0 || shown.Name != "m" || shown.StoredBytes == 0 || len(shown.Volumes) != 3 || shown.Volumes[2].Kind != "ext4" ||
		!strings.HasPrefix(shown.OfflineReset, "no, because ") || shown.OfflineFrom != 445*mib {
		t.Errorf("show --json = exit %d, %v\n%s%s", exit, err, out, complaints)
	}
	if exit, out, _ := ardoise("master", "show", "m", "--data", data); exit != 0 || !strings.Contains(out, "offline reset  no, because") {
		t.Errorf("show = exit %d\n%s", exit, out)
	}
}

// files returns the files below dir that match pattern.
func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s in %s: %v, %v", pattern, dir, found, err)
	}
	return found
}

func flipByte(t testing.TB, path string, at func(size int) int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[at(len(content))] ^= 0x20
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnAlteredManifestNeverReachesADisk(t *testing.T) {
	t.Parallel()
	source := schoolPC(t)
	for name, at := range map[string]func(int) int{
		"in its preamble": func(int) int { return 1 }, "in its head": func(int) int { return 90 },
		"in its middle": func(n int) int { return n / 2 }, "in its last byte": func(n int) int { return n - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			must(t, "master", "capture", "m", "--disk", source, "--data", data)
			flipByte(t, files(t, data, "masters/m/*/manifest")[0], at)
			target := emptyDisk(t, diskSize, 0x11)
			if got := refused(t, 4, "master", "restore", "m", "--disk", target, "--data", data); !strings.Contains(got, "m@1") {
				t.Errorf("the error does not name the version: %s", got)
			}
			content, err := os.ReadFile(target)
			if err != nil || !bytes.Equal(content, bytes.Repeat([]byte{0x11}, diskSize)) {
				t.Error("the disk was written")
			}
			refused(t, 4, "master", "verify", "m", "--disk", target, "--data", data)
			if next := must(t, "master", "capture", "m", "--disk", source, "--data", data); next.Version != "m@2" || next.NewBytes != 0 {
				t.Errorf("the next capture = %+v", next)
			}
			must(t, "master", "restore", "m", "--disk", target, "--data", data)
		})
	}
}

func TestADamagedPackNamesTheChunk(t *testing.T) {
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
	got := refused(t, 4, "master", "restore", "m", "--disk", emptyDisk(t, diskSize, 0), "--data", data)
	if !strings.Contains(got, frame.ID.String()) || !strings.Contains(got, "pack 1") {
		t.Errorf("the error does not name pack 1 and chunk %s: %s", frame.ID, got)
	}
	healed := must(t, "master", "capture", "m", "--disk", source, "--data", data)
	if healed.NewBytes != int64(size) {
		t.Errorf("the next capture has stored %d bytes, want the damaged frame of %d alone", healed.NewBytes, size)
	}
	must(t, "master", "restore", "m@1", "--disk", emptyDisk(t, diskSize, 0), "--data", data)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	target := emptyDisk(t, diskSize, 0)
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		exit int
		args []string
	}{
		"no command":                       {2, []string{"master"}},
		"an unknown command":               {2, []string{"master", "destroy"}},
		"an unknown flag":                  {2, []string{"master", "list", "--quick"}},
		"no disk":                          {2, []string{"master", "capture", "m", "--data", data}},
		"no name":                          {2, []string{"master", "restore", "--disk", target, "--data", data}},
		"a name that is a path":            {2, []string{"master", "capture", "../m", "--disk", source, "--data", data}},
		"a version that is no number":      {2, []string{"master", "restore", "m@7b", "--disk", target, "--data", data}},
		"a channel that is not there":      {3, []string{"master", "restore", "m@new", "--disk", target, "--data", data}},
		"a master that is not there":       {3, []string{"master", "restore", "n", "--disk", target, "--data", data}},
		"a version that is not there":      {3, []string{"master", "restore", "m@7", "--disk", target, "--data", data}},
		"a folder without masters":         {3, []string{"master", "list", "--data", nowhere}},
		"a disk that is not there":         {5, []string{"master", "capture", "m", "--disk", nowhere, "--data", data}},
		"a disk that is a folder":          {3, []string{"master", "capture", "m", "--disk", data, "--data", data}},
		"a disk that is too small":         {3, []string{"master", "restore", "m", "--disk", emptyDisk(t, 60*mib, 0), "--data", data}},
		"a data folder that is no folder":  {5, []string{"master", "capture", "m", "--disk", source, "--data", target}},
		"a disk that is too small to hold": {3, []string{"master", "verify", "m", "--disk", emptyDisk(t, mib, 0), "--data", data}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.exit, c.args...) })
	}
	if _, err := os.Stat(nowhere); !os.IsNotExist(err) {
		t.Error("a command that only reads has made the data folder")
	}
}

func TestAVolumeThatIsNotCleanIsRefusedUnlessAsIs(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	root := rootOf(t, source)
	tool(t, "debugfs", "-w", "-R", "set_super_value state 0", root) // as a PC leaves it that was switched off
	splice(t, source, root, rootStart)
	refused(t, 3, "master", "capture", "m", "--disk", source, "--data", data)
	if exit, out, _ := ardoise("master", "list", "--data", data, "--json"); exit != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("list after a refused capture = exit %d, %s", exit, out)
	}
	must(t, "master", "capture", "m", "--disk", source, "--data", data, "--as-is")
	target := emptyDisk(t, diskSize, 0)
	must(t, "master", "restore", "m", "--disk", target, "--data", data)
	must(t, "master", "verify", "m", "--disk", target, "--data", data)
}

func TestAnInterruptedCommandSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, complaints bytes.Buffer
	exit := run(ctx, []string{"master", "capture", "m", "--disk", source, "--data", data}, strings.NewReader(""), &out, &complaints)
	if exit != 5 || !strings.Contains(complaints.String(), "error: interrupted\nhint: ") {
		t.Errorf("exit %d\n%s", exit, complaints.String())
	}
}
