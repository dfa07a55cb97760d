package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// EFIVars is where the firmware's variables are mounted on a UEFI PC.
const EFIVars = "/sys/firmware/efi/efivars"

type mount struct {
	kind, path string
	flags      uintptr
	data       string
}

func mounts() []mount {
	const safe = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	return []mount{
		{"proc", "/proc", safe, ""},
		{"sysfs", "/sys", safe, ""},
		{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=0755"},
		{"tmpfs", "/run", safe, "mode=0755"},
		{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	}
}

// Mount mounts what every process expects, and gives this process the environment and the standard files of a console.
func Mount() error {
	var faults []error
	for _, m := range mounts() {
		if err := os.MkdirAll(m.path, 0o755); err != nil {
			faults = append(faults, err)
			continue
		}
		// EBUSY: the kernel has mounted devtmpfs itself (CONFIG_DEVTMPFS_MOUNT does not for an initramfs, yet some do).
		if err := unix.Mount(m.kind, m.path, m.kind, m.flags, m.data); err != nil && !errors.Is(err, unix.EBUSY) {
			faults = append(faults, fmt.Errorf("mounting %s: %w", m.path, err))
		}
	}
	for link, target := range map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, link); err != nil && !errors.Is(err, os.ErrExist) {
			faults = append(faults, err)
		}
	}
	quiet()
	return errors.Join(faults...)
}

// quiet keeps the kernel's messages off the screen that we draw, but for those of its own death.
func quiet() {
	const consoleLevel = 8 // SYSLOG_ACTION_CONSOLE_LEVEL; the level is passed as the length
	var level [2]byte
	_, _ = unix.Klogctl(consoleLevel, level[:])
}

// MountEFI mounts efivarfs on a UEFI PC and tells whether it is one. The module must have been loaded.
func MountEFI() (bool, error) {
	if _, err := os.Stat("/sys/firmware/efi"); err != nil {
		return false, nil
	}
	err := unix.Mount("efivarfs", EFIVars, "efivarfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return true, fmt.Errorf("mounting efivarfs: %w", err)
	}
	return true, nil
}

// Unmount unmounts all that is mounted but what processes need to live, deepest first.
func Unmount() {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	var paths []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		switch filepath.Clean(f[1]) {
		case "/", "/proc", "/sys", "/dev":
			continue
		}
		paths = append(paths, f[1])
	}
	sort.Sort(sort.Reverse(sort.StringSlice(paths)))
	for _, p := range paths {
		if unix.Unmount(p, 0) != nil {
			_ = unix.Unmount(p, unix.MNT_DETACH)
		}
	}
}

// Uptime returns the seconds since the kernel started.
func Uptime() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return float64(t.Sec) + float64(t.Nsec)/1e9
}
