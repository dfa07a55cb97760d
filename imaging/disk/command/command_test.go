package command

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"
)

// The kernel checks the size of what it is given against the number of the call.
func TestStructuresHaveTheKernelsSize(t *testing.T) {
	if n := unsafe.Sizeof(adminCommand{}); n != 72 || ioctlAdmin != 0xC0484E41 {
		t.Errorf("an admin command has %d bytes, its call is %#x", n, ioctlAdmin)
	}
	if n := unsafe.Sizeof(sgHeader{}); n != 88 {
		t.Errorf("a SCSI command has %d bytes", n)
	}
	if n := milliseconds(1000 * time.Hour * 24); n != 1<<32-1 {
		t.Errorf("a thousand days are %d ms", n)
	}
}

func TestAFileTakesNoCommands(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := (NVMe{f}).Admin(Admin{Opcode: 6, Timeout: time.Second}, make([]byte, 4096)); err == nil {
		t.Error("a file has an admin queue")
	}
	if _, err := (NVMe{f}).Namespace(); err == nil {
		t.Error("a file is a namespace")
	}
	if _, err := (ATA{f}).Do(Taskfile{Data: FromDrive, Timeout: time.Second}, make([]byte, 512)); err == nil {
		t.Error("a file takes ATA commands")
	}
}

func TestRegistersLieWhereTheStandardPutsThem(t *testing.T) {
	c := cdbOf(Taskfile{Registers: Registers{Feature: 0x0012, Count: 0x8001, LBA: 0x665544332211, Device: 0x40, Command: 0xB4},
		Long: true, Reply: true})
	want := [16]byte{0x85, 0x07, 0x20, 0x00, 0x12, 0x80, 0x01, 0x44, 0x11, 0x55, 0x22, 0x66, 0x33, 0x40, 0xB4, 0}
	if c != want {
		t.Errorf("%x, want %x", c, want)
	}
	if c := cdbOf(Taskfile{Registers: Registers{Count: 1, Command: 0xF1}, Data: ToDrive}); c[1] != 0x0A || c[2] != 0x06 {
		t.Errorf("data to the drive: %x", c)
	}
	if c := cdbOf(Taskfile{Registers: Registers{Count: 1, Command: 0xEC}, Data: FromDrive}); c[1] != 0x08 || c[2] != 0x0E {
		t.Errorf("data from the drive: %x", c)
	}
}

// sense is sense data with an ATA Status Return descriptor behind one that means nothing to us.
func sense(status, fault byte) []byte {
	return append([]byte{0x72, 0x01, 0x00, 0x1D, 0, 0, 0, 18, 0x80, 0x02, 1, 2},
		0x09, 0x0C, 1, fault, 0xC0, 0x01, 0x44, 0x11, 0x55, 0x22, 0x66, 0x33, 0x40, status)
}

func TestWhatADriveSaysIsTold(t *testing.T) {
	r, err := reply(Taskfile{Reply: true}, &sgHeader{status: statusCheck, drvStatus: drvSense}, sense(0x50, 0))
	if err != nil || r.LBA != 0x665544332211 || r.Count != 0xC001 || r.Status != 0x50 {
		t.Errorf("%+v, %v", r, err)
	}
	var aborted *AbortedError
	if _, err := reply(Taskfile{}, &sgHeader{status: statusCheck}, sense(0x51, 4)); !errors.As(err, &aborted) || aborted.Registers.Error != 4 {
		t.Errorf("an aborted command: %v", err)
	}
	for name, h := range map[string]*sgHeader{"no answer": {hostStatus: 3}, "check": {status: statusCheck}, "busy": {status: 8}} {
		if _, err := reply(Taskfile{}, h, nil); err == nil {
			t.Errorf("%s counts as done", name)
		}
	}
	if _, err := reply(Taskfile{Reply: true}, &sgHeader{}, nil); err == nil {
		t.Error("registers that did not come back are taken for some")
	}
	if _, err := reply(Taskfile{Data: FromDrive}, &sgHeader{resid: 512}, nil); err == nil {
		t.Error("half an answer counts as a whole one")
	}
	short := sense(0x50, 0)
	short[8+4+2] = 0 // not extended: the upper halves mean nothing
	if r, _ := ParseReply(short); r.LBA != 0x332211 || r.Count != 1 {
		t.Errorf("a 28-bit answer: %+v", r)
	}
}

func FuzzReply(f *testing.F) {
	for _, b := range [][]byte{sense(0x50, 0), sense(0x51, 4), sense(0x50, 0)[:20], {0x70, 1, 2}, {}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := ParseReply(b); ok && r.LBA >= 1<<48 || !ok && r != (Registers{}) {
			t.Errorf("%+v, %v", r, ok)
		}
	})
}
