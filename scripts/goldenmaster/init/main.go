package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/scripts/goldenmaster/sums"
)

func main() {
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m[1], 0o755); err == nil {
			err = unix.Mount(m[0], m[1], m[0], 0, "")
			if err != nil && !errors.Is(err, unix.EBUSY) {
				fmt.Println("mounting", m[1], err)
			}
		}
	}
	consoles := openConsoles()
	loadModules(consoles)
	fmt.Fprintln(consoles, verdict())
	stay, err := os.ReadFile("/proc/cmdline")
	for err == nil && bytes.Contains(stay, []byte("golden.stay")) {
		time.Sleep(time.Hour)
	}
	unix.Sync()
	time.Sleep(time.Second) // a serial port has a queue
	fmt.Fprintln(consoles, "GOLDEN MASTER OFF", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	select {}
}

// openConsoles opens every console of the kernel: /dev/console is only the last one of its command line.
func openConsoles() io.Writer {
	var all []io.Writer
	list, err := os.ReadFile("/proc/consoles")
	if err != nil {
		return os.Stdout
	}
	for line := range strings.Lines(string(list)) {
		name, _, _ := strings.Cut(line, " ")
		if f, err := os.OpenFile("/dev/"+name, os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
			all = append(all, f)
		}
	}
	return io.MultiWriter(all...)
}

// loadModules loads what the builder listed, each after what it needs. Drivers of hardware that is not here load
// anyway; a kernel that has the driver built in, or a CPU without the instruction, is no reason to stop.
func loadModules(complaints io.Writer) {
	var release unix.Utsname
	if err := unix.Uname(&release); err != nil {
		return
	}
	dir := "/lib/modules/" + unix.ByteSliceToString(release.Release[:])
	table, err := os.ReadFile(dir + "/modules.dep")
	if err != nil {
		fmt.Fprintln(complaints, "no modules for this kernel:", err)
		return
	}
	loaded := map[string]bool{}
	load := func(file string) {
		if loaded[file] {
			return
		}
		loaded[file] = true
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			fmt.Fprintln(complaints, "module:", err)
			return
		}
		defer f.Close()
		switch err := unix.FinitModule(int(f.Fd()), "", 0); {
		case err == nil, errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV):
		default:
			fmt.Fprintln(complaints, "module:", file, err)
		}
	}
	for line := range strings.Lines(string(table)) {
		file, needs, _ := strings.Cut(line, ":")
		for words := strings.Fields(needs); len(words) > 0; words = words[:len(words)-1] {
			load(words[len(words)-1])
		}
		load(file)
	}
}

// verdict finds the root, checks it and gives the line to print.
func verdict() string {
	name, uuid := "?", ""
	for _, file := range []struct {
		path string
		into *string
	}{{"/golden.name", &name}, {"/golden.uuid", &uuid}} {
		text, err := os.ReadFile(file.path)
		if err != nil {
			return fmt.Sprintf("GOLDEN MASTER DAMAGED name=%s reason=%q", name, err)
		}
		*file.into = strings.TrimSpace(string(text))
	}
	part, err := findRoot(uuid, 60*time.Second)
	if err != nil {
		return fmt.Sprintf("GOLDEN MASTER DAMAGED name=%s reason=%q", name, err)
	}
	disk := wholeDisk(part)
	files, wrong, err := checkRoot(part)
	if err != nil {
		return fmt.Sprintf("GOLDEN MASTER DAMAGED name=%s disk=%s reason=%q", name, disk, err)
	}
	if len(wrong) > 0 {
		return fmt.Sprintf("GOLDEN MASTER DAMAGED name=%s disk=%s wrong=%d first=%s", name, disk, len(wrong), wrong[0])
	}
	boots, err := countBoot(part)
	if err != nil {
		return fmt.Sprintf("GOLDEN MASTER DAMAGED name=%s disk=%s reason=%q", name, disk, err)
	}
	firmware, secure := firmwareState()
	return fmt.Sprintf("GOLDEN MASTER OK name=%s files=%d disk=%s firmware=%s secureboot=%d boots=%d seconds=%s",
		name, files, disk, firmware, secure, boots, uptime())
}

// findRoot waits for a partition whose ext4 has this UUID; disks appear some time after their drivers.
func findRoot(uuid string, patience time.Duration) (string, error) {
	want, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return "", err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		parts, err := filepath.Glob("/sys/class/block/*/partition")
		if err != nil {
			return "", err
		}
		for _, p := range parts {
			dev := "/dev/" + filepath.Base(filepath.Dir(p))
			if super, err := readAt(dev, 1024, 256); err == nil &&
				super[0x38] == 0x53 && super[0x39] == 0xef && bytes.Equal(super[0x68:0x78], want) {
				return dev, nil
			}
		}
	}
	return "", fmt.Errorf("no partition holds an ext4 with UUID %s", uuid)
}

// readAt reads some bytes of a device.
func readAt(dev string, offset int64, n int) ([]byte, error) {
	f, err := os.Open(dev)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	_, err = f.ReadAt(b, offset)
	return b, err
}

// wholeDisk is the disk that a partition lies on.
func wholeDisk(part string) string {
	link, err := filepath.EvalSymlinks("/sys/class/block/" + filepath.Base(part))
	if err != nil {
		return part
	}
	return "/dev/" + filepath.Base(filepath.Dir(link))
}

// checkRoot mounts the root read-only and compares its tree with its list.
func checkRoot(part string) (files int, wrong []string, err error) {
	if err := os.MkdirAll("/mnt", 0o755); err != nil {
		return 0, nil, err
	}
	if err := unix.Mount(part, "/mnt", "ext4", unix.MS_RDONLY, ""); err != nil {
		return 0, nil, fmt.Errorf("mounting %s: %w", part, err)
	}
	defer func() { err = errors.Join(err, unix.Unmount("/mnt", 0)) }()
	f, err := os.Open("/mnt/golden.sums")
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	want, err := sums.Read(bufio.NewReader(f))
	if err != nil {
		return 0, nil, err
	}
	wrong, err = sums.Check("/mnt/golden", want)
	return len(want), wrong, err
}

// countBoot writes the number of starts to the disk, so that one that ran differs from the master it came from.
func countBoot(part string) (boots int, err error) {
	if err := unix.Mount(part, "/mnt", "ext4", 0, ""); err != nil {
		return 0, fmt.Errorf("mounting %s to write: %w", part, err)
	}
	defer func() { err = errors.Join(err, unix.Unmount("/mnt", 0)) }()
	if old, err := os.ReadFile("/mnt/var/boots"); err == nil {
		boots, err = strconv.Atoi(strings.TrimSpace(string(old)))
		if err != nil {
			return 0, fmt.Errorf("reading var/boots: %w", err)
		}
	}
	boots++
	return boots, os.WriteFile("/mnt/var/boots", fmt.Appendln(nil, boots), 0o644)
}

// firmwareState says how the PC was started.
func firmwareState() (firmware string, secure int) {
	if _, err := os.Stat("/sys/firmware/efi"); err != nil {
		return "bios", 0
	}
	const vars = "/sys/firmware/efi/efivars"
	if err := unix.Mount("efivarfs", vars, "efivarfs", unix.MS_RDONLY, ""); err != nil {
		return "uefi", 0
	}
	defer unix.Unmount(vars, 0)
	// Four bytes of attributes, then the value; the GUID is EFI_GLOBAL_VARIABLE.
	v, err := os.ReadFile(vars + "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
	if err == nil && len(v) == 5 {
		secure = int(v[4])
	}
	return "uefi", secure
}

// uptime is the time since the kernel started, in seconds.
func uptime() string {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "?"
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	return seconds
}
