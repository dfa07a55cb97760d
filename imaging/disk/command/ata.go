package command

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ATA is a disk that the kernel shows as SCSI and that takes ATA commands behind a SCSI/ATA translation.
type ATA struct{ File *os.File }

// Direction says where a command's data goes.
type Direction int

// The directions.
const (
	NoData Direction = iota
	FromDrive
	ToDrive
)

// Registers are what a drive is given with a command, and what it has when it is done.
type Registers struct {
	Feature uint16
	Count   uint16
	LBA     uint64 // 48 bits
	Device  uint8
	Command uint8
	Status  uint8 // of a reply: bit 0 says that it failed
	Error   uint8 // of a reply
}

// Taskfile is one ATA command.
type Taskfile struct {
	Registers
	Long    bool // a 48-bit command
	Data    Direction
	Reply   bool // the registers are asked for; commands with data give none otherwise
	Timeout time.Duration
}

// AbortedError says that a drive has refused a command, or could not do it.
type AbortedError struct{ Registers }

// Error implements error.
func (e *AbortedError) Error() string {
	return fmt.Sprintf("the drive answers with status %02Xh, fault %02Xh", e.Status, e.Registers.Error)
}

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
	sgToDrive   = -2     // SG_DXFER_TO_DEV
	sgFromDrive = -3     // SG_DXFER_FROM_DEV
	drvSense    = 0x08   // DRIVER_SENSE
	// statusCheck is CHECK CONDITION: there is sense data.
	statusCheck = 0x02
)

// The bytes of ATA PASS-THROUGH(16).
const (
	passThrough16 = 0x85
	protocolNone  = 3 << 1
	protocolIn    = 4 << 1 // PIO data-in
	protocolOut   = 5 << 1 // PIO data-out
	extend        = 1      // 48-bit command
	blocksIn      = 0x0E   // T_DIR from the drive, BYT_BLOK blocks, T_LENGTH in COUNT
	blocksOut     = 0x06   // the same to the drive
	checkStatus   = 0x20   // CK_COND: give the registers back as sense data
)

// Do sends t with its data, whose length is a multiple of 512 bytes, and waits for its end. Without t.Reply, the registers
// that it returns mean nothing. It fails with *AbortedError where the drive said no, or with what kernel and bridge say.
func (a ATA) Do(t Taskfile, data []byte) (Registers, error) {
	cdb, sense := cdbOf(t), make([]byte, 64)
	h := &sgHeader{id: 'S', direction: sgNone, cmdLen: 16, senseMax: 64, timeoutMS: milliseconds(t.Timeout)}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&cdb[0])
	pin.Pin(&sense[0])
	h.cmd, h.sense = unsafe.Pointer(&cdb[0]), unsafe.Pointer(&sense[0])
	if t.Data != NoData && len(data) > 0 {
		pin.Pin(&data[0])
		h.direction, h.length, h.data = sgFromDrive, uint32(len(data)), unsafe.Pointer(&data[0])
		if t.Data == ToDrive {
			h.direction = sgToDrive
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, a.File.Fd(), ioctlSG, uintptr(unsafe.Pointer(h)))
	if errno != 0 {
		return Registers{}, errno
	}
	return reply(t, h, sense[:min(int(h.senseLen), len(sense))])
}

// reply makes of what came back what the drive said.
func reply(t Taskfile, h *sgHeader, sense []byte) (Registers, error) {
	if h.hostStatus != 0 || h.drvStatus&^drvSense != 0 {
		return Registers{}, fmt.Errorf("host status %d, driver status %d", h.hostStatus, h.drvStatus)
	}
	r, told := ParseReply(sense)
	switch {
	case told && r.Status&0x21 != 0: // device fault, or error
		return r, &AbortedError{r}
	case !told && h.status != 0:
		return r, fmt.Errorf("SCSI status %02Xh", h.status)
	case told && h.status&^statusCheck != 0:
		return r, fmt.Errorf("SCSI status %02Xh", h.status)
	case t.Data == FromDrive && h.resid != 0:
		return r, fmt.Errorf("%d bytes are missing", h.resid)
	case t.Reply && !told:
		return r, errors.New("the registers did not come back")
	}
	return r, nil
}

func cdbOf(t Taskfile) [16]byte {
	c := [16]byte{0: passThrough16, 1: protocolNone, 3: byte(t.Feature >> 8), 4: byte(t.Feature), 5: byte(t.Count >> 8),
		6: byte(t.Count), 7: byte(t.LBA >> 24), 8: byte(t.LBA), 9: byte(t.LBA >> 32), 10: byte(t.LBA >> 8),
		11: byte(t.LBA >> 40), 12: byte(t.LBA >> 16), 13: t.Device, 14: t.Command}
	switch t.Data {
	case FromDrive:
		c[1], c[2] = protocolIn, blocksIn
	case ToDrive:
		c[1], c[2] = protocolOut, blocksOut
	}
	if t.Long {
		c[1] |= extend
	}
	if t.Reply {
		c[2] |= checkStatus
	}
	return c
}

// ParseReply reads the ATA Status Return descriptor of sense data in descriptor format; ok is false where there is none.
//
//	0x72 ... length of descriptors at byte 7, descriptors from byte 8
//	descriptor: 0 code 09h, 1 length 0Ch, 2 extend, 3 error, 4-5 count, 6 LBA 31:24, 7 LBA 7:0, 8 LBA 39:32,
//	            9 LBA 15:8, 10 LBA 47:40, 11 LBA 23:16, 12 device, 13 status
func ParseReply(sense []byte) (r Registers, ok bool) {
	if len(sense) < 8 || sense[0]&0x7F != 0x72 {
		return r, false
	}
	d := sense[8:min(len(sense), 8+int(sense[7]))]
	for len(d) >= 2 {
		n := 2 + int(d[1])
		if n > len(d) {
			break
		}
		if d[0] == 0x09 && n >= 14 {
			r = Registers{Error: d[3], Count: uint16(d[5]), Device: d[12], Status: d[13],
				LBA: uint64(d[7]) | uint64(d[9])<<8 | uint64(d[11])<<16}
			if d[2]&1 != 0 {
				r.Count |= uint16(d[4]) << 8
				r.LBA |= uint64(d[6])<<24 | uint64(d[8])<<32 | uint64(d[10])<<40
			}
			return r, true
		}
		d = d[n:]
	}
	return r, false
}
