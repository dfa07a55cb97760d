package drive

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

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
		s = look(d, nvme{f})
	case "sata", "scsi": // a controller that speaks SAT passes ATA on, others refuse it; USB bridges have hung on it
		s = look(d, ata{f})
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

// timeout is how long a drive may take to answer, milliseconds: one that sleeps has to wake first.
const timeout = 15000

// nvme is a namespace of an NVMe controller.
type nvme struct{ f *os.File }

// admin is struct nvme_admin_cmd of linux/nvme_ioctl.h.
type admin struct {
	opcode, flags       uint8
	_                   uint16
	nsid                uint32
	_, _                uint32
	metadata            uint64
	addr                uint64
	metadataLen, length uint32
	cdw                 [6]uint32 // 10 to 15
	timeoutMS           uint32
	result              uint32
}

// NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_admin_cmd).
const ioctlAdmin = 3<<30 | unsafe.Sizeof(admin{})<<16 | 'N'<<8 | 0x41

func (n nvme) ask() (Health, *job.WriteCounter, bool) {
	b := make([]byte, page)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&b[0])
	// Get Log Page, 02h, of the whole controller; the length in dwords less one is in bits 31:16.
	c := &admin{opcode: 0x02, nsid: 0xFFFFFFFF, addr: uint64(uintptr(unsafe.Pointer(&b[0]))), length: page,
		cdw: [6]uint32{(page/4-1)<<16 | 0x02}, timeoutMS: timeout}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, n.f.Fd(), ioctlAdmin, uintptr(unsafe.Pointer(c)))
	if errno != 0 || status != 0 {
		return unknown(), nil, false
	}
	return parseNVMe(b)
}

// ata is a disk that the kernel shows as SCSI.
type ata struct{ f *os.File }

// sgHeader is struct sg_io_hdr of scsi/sg.h.
type sgHeader struct {
	id, direction         int32
	cmdLen, senseMax      uint8
	iovecs                uint16
	length                uint32
	data, cmd, sense      unsafe.Pointer
	timeoutMS, flags      uint32
	packID                int32
	user                  unsafe.Pointer
	status, masked, msg   uint8
	senseLen              uint8
	hostStatus, drvStatus uint16
	resid                 int32
	duration, info        uint32
}

const (
	ioctlSG     = 0x2285 // SG_IO
	sgNone      = -1     // SG_DXFER_NONE
	sgFromDrive = -3     // SG_DXFER_FROM_DEV
	drvSense    = 0x08   // DRIVER_SENSE
)

// pass sends one ATA command. It returns what came of sense data.
func (a ata) pass(cdb [16]byte, data []byte) ([]byte, error) {
	sense := make([]byte, 64)
	h := &sgHeader{id: 'S', direction: sgNone, cmdLen: 16, senseMax: 64, cmd: unsafe.Pointer(&cdb[0]),
		sense: unsafe.Pointer(&sense[0]), timeoutMS: timeout}
	if len(data) > 0 {
		h.direction, h.length, h.data = sgFromDrive, uint32(len(data)), unsafe.Pointer(&data[0])
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, a.f.Fd(), ioctlSG, uintptr(unsafe.Pointer(h)))
	runtime.KeepAlive(data)
	switch {
	case errno != 0:
		return nil, errno
	case h.hostStatus != 0 || h.drvStatus&^drvSense != 0:
		return nil, fmt.Errorf("host status %d, driver status %d", h.hostStatus, h.drvStatus)
	case len(data) > 0 && (h.status != 0 || h.resid != 0):
		return nil, fmt.Errorf("status %d, %d bytes missing", h.status, h.resid)
	}
	return sense[:min(int(h.senseLen), len(sense))], nil
}

// The bytes of ATA PASS-THROUGH(16) (SAT-4 12.2.2.3).
const (
	passThrough16 = 0x85
	protocolNone  = 3 << 1
	protocolPIO   = 4 << 1 // PIO data-in
	extend        = 1      // 48-bit command
	oneBlockIn    = 0x0E   // T_DIR from the drive, BYT_BLOK blocks, T_LENGTH in COUNT
	checkStatus   = 0x20   // CK_COND: give the registers back as sense data
	commandLogExt = 0x2F   // READ LOG EXT
	commandSMART  = 0xB0
	smartData     = 0xD0 // FEATURE: SMART READ DATA
	smartStatus   = 0xDA // FEATURE: SMART RETURN STATUS
)

func (a ata) ask() (Health, *job.WriteCounter, bool) {
	h, ok := unknown(), false
	var c *job.WriteCounter
	b := make([]byte, page)
	smart := [16]byte{passThrough16, protocolPIO, oneBlockIn, 4: smartData, 6: 1, 10: 0x4F, 12: 0xC2, 14: commandSMART}
	if _, err := a.pass(smart, b); err == nil {
		h, ok = parseSMART(b)
	}
	// The address of the log is in LBA 7:0, the page of it in LBA 15:8.
	b = make([]byte, page)
	if _, err := a.pass([16]byte{passThrough16, protocolPIO | extend, oneBlockIn, 6: 1, 8: 0x04, 10: 0x01, 14: commandLogExt}, b); err == nil {
		c = parseGeneral(b)
	}
	status := [16]byte{passThrough16, protocolNone, checkStatus, 4: smartStatus, 10: 0x4F, 12: 0xC2, 14: commandSMART}
	if sense, err := a.pass(status, nil); err == nil {
		if failing, told := parseStatus(sense); told {
			h.Failing, ok = failing, true
		}
	}
	return h, c, ok
}
