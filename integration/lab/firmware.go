package lab

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Where Debian's package ovmf keeps the firmware. The .ms variables hold Microsoft's keys with Secure Boot on; the code
// that enforces them writes variables from SMM only.
const (
	ovmfCode       = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars       = "/usr/share/OVMF/OVMF_VARS_4M.fd"
	ovmfSecureCode = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"
	ovmfSecureVars = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)

// variables is the path of the PC's firmware variables.
func (pc *PC) variables() string { return filepath.Join(pc.school.Dir, pc.Name+".vars") }

// makeVariables gives a UEFI PC its own copy of fresh firmware variables.
func (pc *PC) makeVariables() error {
	from := ovmfVars
	switch pc.Firmware {
	case BIOS:
		return nil
	case SecureBoot:
		from = ovmfSecureVars
	}
	fresh, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("firmware variables of %s: %w", pc.Name, err)
	}
	return os.WriteFile(pc.variables(), fresh, 0o600)
}

// machine returns QEMU's arguments for a firmware, common to PCs and to the probe.
func machine(f Firmware, accel, variables string) []string {
	cpu := "max"
	if accel == "kvm" {
		cpu = "host"
	}
	common := []string{"-cpu", cpu, "-accel", accel, "-smp", "1", "-display", "none", "-nodefaults", "-no-user-config"}
	switch f {
	case UEFI:
		return append(common, "-machine", "q35",
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+ovmfCode,
			"-drive", "if=pflash,unit=1,format=raw,file="+variables)
	case SecureBoot:
		return append(common, "-machine", "q35,smm=on",
			"-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+ovmfSecureCode,
			"-drive", "if=pflash,unit=1,format=raw,file="+variables)
	default:
		// Without a graphics console SeaBIOS, and with it iPXE and GRUB, talk on the serial port.
		return append(common, "-machine", "q35,graphics=off")
	}
}

// arguments returns the whole command line of the PC's QEMU.
func (pc *PC) arguments(accel string) []string {
	args := append(machine(pc.Firmware, accel, pc.variables()),
		"-name", pc.Name, "-m", fmt.Sprint(pc.MemoryMiB), "-uuid", pc.UUID,
		"-smbios", pc.smbios(),
		"-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial",
		"-qmp", "unix:"+pc.socket()+",server=on,wait=off",
		"-vga", "std", "-device", "virtio-rng-pci",
		"-netdev", "tap,id=net,script=no,downscript=no,ifname="+pc.tap)
	nic := fmt.Sprintf("%s,netdev=net,mac=%s%s", pc.NIC, pc.MAC, pc.bootindex(1))
	if pc.Firmware != BIOS && strings.HasPrefix(pc.NIC, "virtio") {
		// OVMF's own driver, as in a PC; with QEMU's ROM iPXE would take over (observed), and old shims time out.
		nic += ",romfile="
	}
	args = append(args, "-device", nic)
	args = append(args, pc.drive("disk0", pc.firstDisk(), 2)...)
	if pc.SecondDisk > 0 {
		args = append(args, pc.drive("disk1", pc.second(), 3)...)
	}
	return args
}

// smbios describes the system. Its wake-up type can be given with a whole structure only: System Information, SMBIOS 3.7
// section 7.2. The UUID is in the file too, with the fields that Linux turns round.
func (pc *PC) smbios() string {
	if pc.WakeUp == 0 {
		return fmt.Sprintf("type=1,manufacturer=Ardoise,product=Lab,serial=LAB%04d,uuid=%s", pc.number, pc.UUID)
	}
	return "file=" + pc.structure()
}

// structure is the path of the file that smbios names.
func (pc *PC) structure() string { return filepath.Join(pc.school.Dir, pc.Name+".smbios") }

// writeStructure writes the file that smbios names.
func (pc *PC) writeStructure() error {
	if pc.WakeUp == 0 {
		return nil
	}
	id, err := hex.DecodeString(strings.ReplaceAll(pc.UUID, "-", ""))
	if err != nil {
		return err
	}
	slices.Reverse(id[0:4])
	slices.Reverse(id[4:6])
	slices.Reverse(id[6:8])
	b := append([]byte{1, 27, 0, 1, 1, 2, 0, 3}, id...)
	b = append(b, pc.WakeUp, 0, 0)
	b = fmt.Appendf(b, "Ardoise\x00Lab\x00LAB%04d\x00\x00", pc.number)
	return os.WriteFile(pc.structure(), b, 0o600)
}

// firstDisk is the first disk's image, in QEMU's words: one with a bad sector is read through the block layer's blkdebug.
func (pc *PC) firstDisk() string {
	if pc.BadSector == 0 {
		return pc.Disk()
	}
	return "blkdebug:" + pc.faults() + ":" + pc.Disk()
}

// faults is the path of blkdebug's rules.
func (pc *PC) faults() string { return filepath.Join(pc.school.Dir, pc.Name+".blkdebug") }

func (pc *PC) writeBadSector() error {
	if pc.BadSector == 0 {
		return nil
	}
	rule := fmt.Sprintf("[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nsector = \"%d\"\nonce = \"off\"\nimmediately = \"off\"\n", pc.BadSector)
	return os.WriteFile(pc.faults(), []byte(rule), 0o600)
}

// drive returns the arguments that attach one disk. Its image is written through the host's page cache: killing QEMU
// loses what the guest had not sent, as a power cut does, and nothing that it had.
func (pc *PC) drive(id, path string, bootindex int) []string {
	device := map[Bus]string{Virtio: "virtio-blk-pci", AHCI: "ide-hd,bus=ide." + id[len(id)-1:], NVMe: "nvme"}[pc.Bus]
	return []string{
		"-drive", "if=none,format=raw,cache=writeback,discard=unmap,id=" + id + ",file=" + path,
		"-device", fmt.Sprintf("%s,drive=%s%s,serial=%s-%s,logical_block_size=%d,physical_block_size=%d",
			device, id, pc.bootindex(bootindex), pc.Name, id, pc.SectorSize, pc.SectorSize),
	}
}

// bootindex gives a device its place in the boot order of a BIOS PC: network first, or its disks. A UEFI PC keeps its order in its own
// variables, as real ones do: with indexes OVMF would put all entries of the card before the disk at every start,
// IPv6 and HTTP too, whatever the agent has arranged (observed: 170 s before the disk's turn).
func (pc *PC) bootindex(n int) string {
	if pc.Firmware != BIOS {
		return ""
	}
	if pc.DiskFirst && n == 1 {
		n = 9 // behind the disks
	}
	return fmt.Sprintf(",bootindex=%d", n)
}

// AccelVariable is the environment variable that decides about KVM without a probe: "kvm" or "tcg".
const AccelVariable = "ARDOISE_ACCEL"

// probeLimit is how long a firmware may take to the network with KVM before emulation is used. Where KVM works it needs
// three seconds, with SMM too.
const probeLimit = 15 * time.Second

// Accelerator chooses between "kvm" and "tcg" for a firmware. That /dev/kvm opens proves little: nested KVM was seen
// that runs SeaBIOS and then hangs in iPXE, that never gets through OVMF, or that lacks the SMM of Secure Boot. So the
// firmware is run without a disk until it asks the network.
func Accelerator(ctx context.Context, f Firmware) (string, error) {
	switch forced := os.Getenv(AccelVariable); forced {
	case "kvm", "tcg":
		return forced, nil
	case "":
	default:
		return "", fmt.Errorf("%s=%s: it is either kvm or tcg", AccelVariable, forced)
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg", nil
	}
	if err := kvm.Close(); err != nil {
		return "", err
	}
	return remembered(f, func() string {
		if asksTheNetwork(ctx, f) {
			return "kvm"
		}
		return "tcg"
	})
}

// remembered asks the probe once per firmware and boot of this machine: many tests and processes share the answers. A
// machine whose KVM has failed one firmware is not trusted with the others, which saves their probes.
func remembered(f Firmware, probe func() string) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	path := filepath.Join(os.TempDir(), prefix+"accel-"+strings.TrimSpace(string(boot)))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	known, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return "", err
	}
	switch answers := string(known); {
	case strings.Contains(answers, "=tcg\n"):
		return "tcg", nil
	case strings.Contains(answers, string(f)+"=kvm\n"):
		return "kvm", nil
	}
	answer := probe()
	_, err = fmt.Fprintf(file, "%s=%s\n", f, answer)
	return answer, err
}

// asksTheNetwork tells whether the firmware gets as far as DHCP under KVM within the limit.
func asksTheNetwork(ctx context.Context, f Firmware) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", prefix+"probe-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	pc := &PC{Hardware: Hardware{Name: "probe", Firmware: f}, school: &School{Dir: dir}}
	if err := pc.makeVariables(); err != nil {
		return false
	}
	card := "virtio-net-pci,netdev=net"
	if f != BIOS {
		card += ",romfile="
	}
	args := append(machine(f, "kvm", pc.variables()), "-m", "256", "-serial", "stdio", "-vga", "std",
		"-netdev", "user,id=net", "-device", card)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	console := newConsole(io.Discard)
	cmd.Stdout = console
	process, err := launch("the probe", cmd)
	if err != nil {
		return false
	}
	defer process.Kill()
	_, _, err = console.wait(ctx, 0, regexp.MustCompile(`Configuring \(net0|Start PXE over IPv4`), probeLimit)
	return err == nil
}
