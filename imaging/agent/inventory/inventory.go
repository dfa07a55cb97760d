package inventory

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/imaging/job"
)

const (
	maxText = 255
	maxFile = 64 << 10
	maxNICs = 64
)

// Reader reads an inventory. The zero value reads this PC.
type Reader struct {
	Root string           // "/" when empty; sys and proc lie below
	Boot net.HardwareAddr // of the interface the PC booted from
}

// Read returns the inventory, with the disks that were found by whoever knows disks.
func (r Reader) Read(disks []job.Disk) job.Inventory {
	dmi := func(name string) string { return r.text("sys/class/dmi/id", name) }
	i := job.Inventory{
		UUID:         strings.ToLower(dmi("product_uuid")),
		Serial:       dmi("product_serial"),
		BoardSerial:  dmi("board_serial"),
		Manufacturer: dmi("sys_vendor"),
		Model:        dmi("product_name"),
		Firmware:     clean(strings.Join([]string{dmi("bios_vendor"), dmi("bios_version"), dmi("bios_date")}, " ")),
		TPM:          r.tpm(),
		Disks:        disks,
		NICs:         r.nics(),
	}
	i.CPU, i.Cores = r.cpu()
	i.MemoryBytes = r.memory()
	if _, err := os.Stat(r.path("sys/firmware/efi")); err == nil {
		i.UEFI = true
		// Four bytes of attributes, then one byte of value.
		b := r.raw("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
		i.SecureBoot = len(b) == 5 && b[4] == 1
	}
	return i
}

func (r Reader) path(parts ...string) string {
	root := r.Root
	if root == "" {
		root = "/"
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

func (r Reader) raw(parts ...string) []byte {
	f, err := os.Open(r.path(parts...))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, maxFile)
	n := 0
	for n < len(b) {
		m, err := f.Read(b[n:])
		n += m
		if err != nil || m == 0 {
			break
		}
	}
	return b[:n]
}

func (r Reader) text(parts ...string) string { return clean(string(r.raw(parts...))) }

func (r Reader) tpm() string {
	switch r.text("sys/class/tpm/tpm0/tpm_version_major") {
	case "1":
		return "1.2"
	case "2":
		return "2.0"
	}
	return ""
}

func (r Reader) cpu() (string, int) {
	model, cores := "", 0
	for line := range strings.Lines(string(r.raw("proc/cpuinfo"))) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			cores++
		case "model name":
			if model == "" {
				model = clean(value)
			}
		}
	}
	if cores == 0 {
		cores = runtime.NumCPU()
	}
	return model, cores
}

// memory is what Linux can use: some per cent less than what is plugged in.
func (r Reader) memory() int64 {
	for line := range strings.Lines(string(r.raw("proc/meminfo"))) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil && n < 1<<50/1024 {
				return n * 1024
			}
		}
	}
	return 0
}

// nics are the interfaces that hang on a device: no loopback, bridge or tunnel.
func (r Reader) nics() []job.NIC {
	entries, _ := os.ReadDir(r.path("sys/class/net"))
	var list []job.NIC
	for _, e := range entries {
		dir := filepath.Join("sys/class/net", e.Name())
		if _, err := os.Stat(r.path(dir, "device")); err != nil || len(list) == maxNICs {
			continue
		}
		mac, err := net.ParseMAC(r.text(dir, "address"))
		if err != nil || len(mac) != 6 {
			continue
		}
		n := job.NIC{Name: clean(e.Name()), MAC: mac.String(), Link: r.text(dir, "carrier") == "1",
			Boot: slices.Equal(mac, r.Boot)}
		if target, err := os.Readlink(r.path(dir, "device/driver")); err == nil {
			n.Driver = clean(filepath.Base(target))
		}
		// -1 or no answer while there is no link; virtio without a set speed says -1 too.
		if s, err := strconv.Atoi(r.text(dir, "speed")); err == nil && s > 0 && s < 1<<20 {
			n.SpeedMbit = s
		}
		list = append(list, n)
	}
	return list
}

// clean keeps printable characters, at most maxText bytes of them.
func clean(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0xfffd {
			return -1
		}
		return c
	}, strings.TrimSpace(s))
	for i := range s {
		if i > maxText-4 {
			return s[:i]
		}
	}
	return s
}
