package doctor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

// Limits below which the space in the data folder is worth a word.
const (
	spaceBad  = 1 << 30
	spaceWarn = 10 << 30
)

// OK, Warn and Bad make a check.
func OK(name, format string, args ...any) access.Check {
	return access.Check{Name: name, State: access.CheckOK, Detail: fmt.Sprintf(format, args...)}
}

// Warn says that something works, but a person should know.
func Warn(name, hint, format string, args ...any) access.Check {
	return access.Check{Name: name, State: access.CheckWarn, Hint: hint, Detail: fmt.Sprintf(format, args...)}
}

// Bad says that something will not work.
func Bad(name, hint, format string, args ...any) access.Check {
	return access.Check{Name: name, State: access.CheckBad, Hint: hint, Detail: fmt.Sprintf(format, args...)}
}

// Data looks at the data folder and the secrets in it.
func Data(dir string) []access.Check {
	const name = "data folder"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []access.Check{Warn(name, "`ardoise serve --data "+dir+"` makes it", "%s does not exist yet", dir)}
	case err != nil:
		return []access.Check{Bad(name, "run as the daemon's user or root", "%v", err)}
	case !info.IsDir():
		return []access.Check{Bad(name, "choose a folder with --data", "%s is no folder", dir)}
	}
	var out []access.Check
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		out = append(out, Bad(name, "chown it to the user that the daemon runs as", "%s cannot be written: %v", dir, err))
	}
	for _, secret := range []string{"", "keys/signing.key", "ca/ca.pem", "ardoise.db", "post.json", api.SocketName} {
		path := filepath.Join(dir, secret)
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			out = append(out, Bad(name, fmt.Sprintf("chmod go= %s", path), "%s has mode %04o: others may get at it", path,
				info.Mode().Perm()))
		}
	}
	if out == nil {
		out = append(out, OK(name, "%s, nobody else's", dir))
	}
	return append(out, Space(dir))
}

// Space looks at the room left for masters.
func Space(dir string) access.Check {
	const name = "space"
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Bad(name, "check the folder's file system", "%v", err)
	}
	free := s.Bavail * uint64(s.Bsize)
	text := fmt.Sprintf("%.1f GB free in %s", float64(free)/1e9, dir)
	switch {
	case free < spaceBad:
		return Bad(name, "free some space: captures will stop", "%s", text)
	case free < spaceWarn:
		return Warn(name, "a master takes a few GB: make room before the next capture", "%s", text)
	}
	return OK(name, "%s", text)
}

// firstYear is when this program was written: a clock before it is wrong.
const firstYear = 2026

// Clock looks at the time of the host.
func Clock(now time.Time) access.Check {
	const name = "clock"
	if now.Year() < firstYear {
		return Bad(name, "set the clock (`timedatectl`): events and versions would bear wrong dates", "it is %s, says the clock",
			now.Format(time.DateTime))
	}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil || state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return Warn(name, "let systemd-timesyncd or chrony keep it in step: `timedatectl set-ntp true`",
			"%s, kept in step by nobody", now.Format(time.DateTime))
	}
	return OK(name, "%s, kept in step", now.Format(time.DateTime))
}

// bootManifest is boot.json, as far as it matters here.
type bootManifest struct {
	Kernel   string
	Packages []struct{ Package, Version string }
	Files    map[string]struct {
		Size   int64
		SHA256 string
		SBAT   []string
	}
}

// maxManifest bounds boot.json.
const maxManifest = 4 << 20

func readBoot(dir string) (m bootManifest, err error) {
	f, err := os.Open(filepath.Join(dir, "boot.json"))
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }()
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("reading boot.json: %w", err)
	}
	return m, nil
}

// loaders are the signed loaders with their versions.
func (m bootManifest) loaders() (out []string) {
	for _, p := range m.Packages {
		if strings.HasPrefix(p.Package, "shim-signed") || strings.HasPrefix(p.Package, "grub-efi-amd64-signed") {
			out = append(out, p.Package+" "+p.Version)
		}
	}
	slices.Sort(out)
	return out
}

// BootVersions says of which versions the boot environment is, as its description has it: the kernel's release, and the signed
// loaders. The files themselves are not looked at: see Boot.
func BootVersions(dir string) (kernel string, loaders []string, err error) {
	m, err := readBoot(dir)
	return m.Kernel, m.loaders(), err
}

// Boot looks at the boot environment: complete, unaltered, of which versions.
func Boot(dir string) []access.Check {
	const name = "boot environment"
	const hint = "build it with `make bootenv`, or name its folder with --boot"
	m, err := readBoot(dir)
	if err != nil {
		return []access.Check{Bad(name, hint, "%v", err)}
	}
	var out []access.Check
	var sbat []string
	for _, file := range []string{"shimx64.efi", "grubx64.efi", "vmlinuz", "stage1.img", "stage2.img"} {
		want, ok := m.Files[file]
		if !ok {
			out = append(out, Bad(name, hint, "%s is not in boot.json", file))
			continue
		}
		sbat = append(sbat, want.SBAT...)
		if why := differs(filepath.Join(dir, file), want.Size, want.SHA256); why != "" {
			out = append(out, Bad(name, hint, "%s %s", file, why))
		}
	}
	if out != nil {
		return out
	}
	text := strings.Join(append([]string{"kernel " + m.Kernel}, m.loaders()...), ", ")
	if len(sbat) > 0 {
		slices.Sort(sbat)
		text += "; SBAT " + strings.Join(slices.Compact(sbat), " ")
	}
	return []access.Check{OK(name, "%s: %s", dir, text)}
}

// differs says why a file is not the one described, or "".
func differs(path string, size int64, sum string) string {
	f, err := os.Open(path)
	if err != nil {
		return "is missing"
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	switch {
	case err != nil:
		return err.Error()
	case n != size:
		return fmt.Sprintf("has %d bytes, not %d", n, size)
	case hex.EncodeToString(h.Sum(nil)) != sum:
		return "is not the file that was built"
	}
	return ""
}

// Mkimage looks at what makes the first loader for BIOS firmware.
func Mkimage(modules string) access.Check {
	const name = "grub-mkimage"
	const hint = "apt install grub-common grub-pc-bin: PCs with BIOS firmware cannot start without, those with UEFI can"
	path, err := exec.LookPath(name)
	if err != nil {
		return Warn(name, hint, "not found")
	}
	if _, err := os.Stat(filepath.Join(modules, "pxe.mod")); err != nil {
		return Warn(name, hint, "%s is there, its modules are not in %s", path, modules)
	}
	return OK(name, "%s", path)
}

// Port is one that the daemon needs.
type Port struct {
	Network string // tcp or udp
	Number  int
	For     string
}

// Ports tries to open what the daemon needs. Where it runs already, it holds them itself.
func Ports(ports []Port, running bool) []access.Check {
	var out []access.Check
	for _, p := range ports {
		name := fmt.Sprintf("%s port %d", p.Network, p.Number)
		if running {
			out = append(out, OK(name, "%s: held by this daemon", p.For))
			continue
		}
		switch err := try(p); {
		case err == nil:
			out = append(out, OK(name, "%s: free", p.For))
		case errors.Is(err, syscall.EADDRINUSE):
			out = append(out, Bad(name, "`ss -lunpt` shows who has it; stop that program", "%s: another program has it", p.For))
		case errors.Is(err, fs.ErrPermission):
			out = append(out, Warn(name, "run as root to try it", "%s: not tried: %v", p.For, err))
		default:
			out = append(out, Bad(name, "check the host's network", "%s: %v", p.For, err))
		}
	}
	return out
}

// try opens a port and closes it.
func try(p Port) error {
	address := fmt.Sprintf(":%d", p.Number)
	if p.Network == "udp" {
		c, err := net.ListenPacket("udp4", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}
