package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Firmware is what a PC starts with.
type Firmware string

// The firmwares.
const (
	BIOS       Firmware = "bios"       // SeaBIOS and QEMU's iPXE ROM
	UEFI       Firmware = "uefi"       // OVMF, Secure Boot off
	SecureBoot Firmware = "secureboot" // OVMF with SMM, Secure Boot on, Microsoft's keys
)

// Bus is how the disk of a PC is attached.
type Bus string

// The buses.
const (
	Virtio Bus = "virtio"
	AHCI   Bus = "ahci"
	NVMe   Bus = "nvme"
)

// Hardware describes a PC. Zero values mean BIOS, virtio disk of 1 GiB, virtio network, 1 GiB of memory.
type Hardware struct {
	Name       string
	Firmware   Firmware
	Bus        Bus
	NIC        string // QEMU's word: virtio-net-pci, e1000, e1000e ...
	DiskSize   int64  // bytes
	SecondDisk int64  // bytes; 0 for none
	SectorSize int    // logical, of all disks, bytes; 0 for 512
	MemoryMiB  int
	DiskFirst  bool  // BIOS: its set-up puts the disks before the network
	WakeUp     byte  // SMBIOS wake-up type; 0: as after the power button
	BadSector  int64 // of 512 bytes, of the first disk, that cannot be read; 0: all can
}

// PC is a virtual computer. Its disk and firmware variables outlive its power-ons.
type PC struct {
	Hardware
	MAC  string
	UUID string

	school *School
	number int
	tap    string

	mu      sync.Mutex
	boots   int
	process *Process
	console *Console
	cursor  int
}

// AddPC puts a switched-off PC with an empty disk into the school.
func (s *School) AddPC(ctx context.Context, h Hardware) (*PC, error) {
	tap, err := s.addTap(ctx)
	if err != nil {
		return nil, err
	}
	pc := &PC{Hardware: h.filled(), school: s, tap: tap}
	s.mu.Lock()
	pc.number = len(s.pcs) + 1
	s.pcs = append(s.pcs, pc)
	s.mu.Unlock()

	pc.MAC = fmt.Sprintf("52:54:00:a7:d0:%02x", pc.number)
	pc.UUID = fmt.Sprintf("a7d01500-5c00-4000-8000-%012x", pc.number)
	if pc.Name == "" {
		pc.Name = fmt.Sprintf("pc%d", pc.number)
	}
	if err := makeDisk(pc.Disk(), pc.DiskSize); err != nil {
		return nil, err
	}
	if pc.SecondDisk > 0 {
		if err := makeDisk(pc.second(), pc.SecondDisk); err != nil {
			return nil, err
		}
	}
	return pc, pc.makeVariables()
}

// filled returns the hardware with its defaults.
func (h Hardware) filled() Hardware {
	if h.Firmware == "" {
		h.Firmware = BIOS
	}
	if h.Bus == "" {
		h.Bus = Virtio
	}
	if h.NIC == "" {
		h.NIC = "virtio-net-pci"
	}
	if h.DiskSize == 0 {
		h.DiskSize = 1 << 30
	}
	if h.SectorSize == 0 {
		h.SectorSize = 512
	}
	if h.MemoryMiB == 0 {
		h.MemoryMiB = 1024
	}
	return h
}

// makeDisk makes an empty, sparse disk image.
func makeDisk(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// Disk is the path of the image of the first disk.
func (pc *PC) Disk() string { return filepath.Join(pc.school.Dir, pc.Name+".raw") }

// second is the path of the image of the second disk.
func (pc *PC) second() string { return filepath.Join(pc.school.Dir, pc.Name+"-second.raw") }

// socket is the path of QEMU's control socket.
func (pc *PC) socket() string { return filepath.Join(pc.school.Dir, pc.Name+".qmp") }

// SerialLog is the path of the file with everything the PC printed at its last power-on.
func (pc *PC) SerialLog() string {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return filepath.Join(pc.school.Logs, fmt.Sprintf("%s.boot%d.log", pc.Name, pc.boots))
}

// PowerOn starts the PC. What it prints is waited for with Wait.
func (pc *PC) PowerOn(ctx context.Context) error {
	if pc.On() {
		return fmt.Errorf("%s is on already", pc.Name)
	}
	accel, err := Accelerator(ctx, pc.Firmware)
	if err != nil {
		return err
	}
	pc.mu.Lock()
	pc.boots++
	pc.mu.Unlock()
	log, err := pc.school.logFile(filepath.Base(pc.SerialLog()))
	if err != nil {
		return err
	}
	complaints, err := pc.school.logFile(pc.Name + ".qemu.log")
	if err != nil {
		return err
	}
	if err := pc.writeBadSector(); err != nil {
		return err
	}
	if err := pc.writeStructure(); err != nil {
		return err
	}
	console := newConsole(log)
	process, err := pc.launch(pc.arguments(accel), console, complaints)
	if err != nil {
		return err
	}
	pc.mu.Lock()
	pc.process, pc.console, pc.cursor = process, console, 0
	pc.mu.Unlock()
	go func() {
		<-process.Done()
		console.end(errors.Join(errors.New("QEMU ended"), process.Err()))
	}()
	return nil
}

// launch starts QEMU on the switch with its serial port going to the console.
func (pc *PC) launch(args []string, serial, complaints io.Writer) (*Process, error) {
	args = append([]string{"netns", "exec", pc.school.Switch(), "qemu-system-x86_64"}, args...)
	cmd := exec.Command("ip", args...)
	cmd.Stdout, cmd.Stderr = serial, complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return launch("the QEMU of "+pc.Name, cmd)
}

// CPU is the processor time that the PC has taken since it was switched on, its emulation included. Unlike the clock it
// says something while other programs share the machine.
func (pc *PC) CPU() (time.Duration, error) {
	p := pc.running()
	if p == nil {
		return 0, fmt.Errorf("%s was never switched on", pc.Name)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return 0, err
	}
	// proc(5): behind the name in brackets come the state and, as the 12th and 13th, the ticks in user and kernel mode.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat makes no sense", p.PID())
	}
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond, nil // USER_HZ is 100 on every Linux
}

// On tells whether the PC runs.
func (pc *PC) On() bool {
	p := pc.running()
	return p != nil && p.Running()
}

// running returns the QEMU of the last power-on.
func (pc *PC) running() *Process {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.process
}

// PowerCut takes the power away: nothing is told to the guest.
func (pc *PC) PowerCut() { pc.running().Kill() }

// WaitOff waits until the PC has switched itself off.
func (pc *PC) WaitOff(ctx context.Context, limit time.Duration) error {
	p := pc.running()
	if p == nil {
		return nil
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return fmt.Errorf("%s is still on after %v", pc.Name, limit)
	}
}

// Wait waits until the PC prints a line that matches the pattern, after the one that the last Wait returned.
func (pc *PC) Wait(ctx context.Context, pattern string, limit time.Duration) (Line, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Line{}, err
	}
	pc.mu.Lock()
	console, from := pc.console, pc.cursor
	pc.mu.Unlock()
	if console == nil {
		return Line{}, fmt.Errorf("%s was never switched on", pc.Name)
	}
	line, next, err := console.wait(ctx, from, re, limit)
	if err != nil {
		return Line{}, fmt.Errorf("%s: %w", pc.Name, err)
	}
	pc.mu.Lock()
	pc.cursor = next
	pc.mu.Unlock()
	return line, nil
}

// Lines returns what the PC printed since its last power-on.
func (pc *PC) Lines() []Line {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.console == nil {
		return nil
	}
	return pc.console.Lines()
}
