package drive

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

// State is what a drive says.
type State struct {
	Counter *job.WriteCounter // nil: none that can be believed
	Health  *Health           // nil: it tells nothing
}

// Look asks the drive. One that does not answer, or makes no sense, has the zero State.
func Look(d job.Disk) State {
	f, err := os.OpenFile(d.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return State{}
	}
	defer func() { _ = f.Close() }()
	var s State
	switch d.Bus {
	case "nvme":
		s = look(d, nvme{command.NVMe{File: f}})
	case "sata", "scsi": // a controller that speaks SAT passes ATA on, others refuse it; USB bridges have hung on it
		s = look(d, ata{command.ATA{File: f}})
	}
	return s
}

// asker asks one kind of drive.
type asker interface {
	ask() (Health, *job.WriteCounter, bool)
}

func look(d job.Disk, a asker) State {
	var s State
	h, c, ok := a.ask()
	if ok {
		s.Health = &h
	}
	if c != nil && d.Serial != "" { // without a serial number another drive might count the same
		c.Serial = d.Serial
		s.Counter = c
	}
	return s
}

// timeout is how long a drive may take to answer: one that sleeps has to wake first.
const timeout = 15 * time.Second

// nvme is a namespace of an NVMe controller.
type nvme struct{ command.NVMe }

func (n nvme) ask() (Health, *job.WriteCounter, bool) {
	b := make([]byte, page)
	// Get Log Page, 02h, of the whole controller; the length in dwords less one is in bits 31:16.
	c := command.Admin{Opcode: 0x02, NSID: command.AllNamespaces, CDW: [6]uint32{(page/4-1)<<16 | 0x02}, Timeout: timeout}
	if _, err := n.Admin(c, b); err != nil {
		return unknown(), nil, false
	}
	return parseNVMe(b)
}

// ata is a disk that the kernel shows as SCSI.
type ata struct{ command.ATA }

const (
	commandLogExt = 0x2F // READ LOG EXT
	commandSMART  = 0xB0
	smartData     = 0xD0     // FEATURE: SMART READ DATA
	smartStatus   = 0xDA     // FEATURE: SMART RETURN STATUS
	smartKey      = 0xC24F00 // what LBA must be for any of them
)

// statistics reads one page of the Device Statistics log: its address is in LBA 7:0, the page of it in LBA 15:8.
func (a ata) statistics(which uint64) ([]byte, error) {
	b := make([]byte, page)
	r := command.Registers{Count: 1, LBA: which<<8 | 0x04, Command: commandLogExt}
	_, err := a.Do(command.Taskfile{Registers: r, Long: true, Data: command.FromDrive, Timeout: timeout}, b)
	return b, err
}

func (a ata) ask() (Health, *job.WriteCounter, bool) {
	h, ok := unknown(), false
	var c *job.WriteCounter
	b := make([]byte, page)
	r := command.Registers{Feature: smartData, Count: 1, LBA: smartKey, Command: commandSMART}
	if _, err := a.Do(command.Taskfile{Registers: r, Data: command.FromDrive, Timeout: timeout}, b); err == nil {
		h, ok = parseSMART(b)
	}
	if b, err := a.statistics(1); err == nil {
		c = parseGeneral(b)
	}
	if b, err := a.statistics(7); err == nil {
		if used, told := parseWear(b); told {
			h.Used, ok = used, true
		}
	}
	r = command.Registers{Feature: smartStatus, LBA: smartKey, Command: commandSMART}
	if r, err := a.Do(command.Taskfile{Registers: r, Reply: true, Timeout: timeout}, nil); err == nil {
		if failing, told := parseStatus(r); told {
			h.Failing, ok = failing, true
		}
	}
	return h, c, ok
}
