package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
)

// BootCodeSize is how much of a disk's first sector is code that a BIOS starts, in bytes: the disk's signature follows.
const BootCodeSize = 440

// Where GRUB's boot.img and the first sector of its core image keep what an installer fills in (GRUB's
// boot/i386/pc/boot.S and diskboot.S).
const (
	bootImage      = 512   // bytes of boot.img
	bootCoreLBA    = 0x5c  // 8 bytes: the sector of the core image
	bootDriveCheck = 0x66  // a jump over the check for BIOSes that hand over a wrong drive number
	coreRestLBA    = 0x1f4 // 8 bytes: the sector of what follows the core's first; zero in the boot file
)

// coreName is the boot file that knows where it lies.
const coreName = "core.img"

// WhyStartMenu is the reason of the exception that our boot code is.
const WhyStartMenu = "start menu"

// NoBootCodeError says why the start menu cannot be put before what a BIOS starts.
type NoBootCodeError struct{ Reason string }

// Error implements error.
func (e *NoBootCodeError) Error() string { return "start menu for BIOS: " + e.Reason }

// placed reads a room; of the core image the place that it notes is checked and shown as zero.
func (k *keeper) placed(path string, name string, n int64) io.Reader {
	r := k.a.section(path, n)
	if name != coreName || n < bootImage {
		return r
	}
	head := make([]byte, bootImage)
	if _, err := r.ReadAt(head, 0); err != nil {
		return r
	}
	if f, _ := k.a.find(path); binary.LittleEndian.Uint64(head[coreRestLBA:]) == uint64(k.a.place(f)/512)+1 {
		clear(head[coreRestLBA : coreRestLBA+8])
	}
	_, _ = r.Seek(bootImage, io.SeekStart)
	return io.MultiReader(bytes.NewReader(head), r)
}

// settle notes the place in the first block of the core image.
func (k *keeper) settle(path, name string, block []byte) {
	if f, ok := k.a.find(path); ok && name == coreName && len(block) >= bootImage {
		binary.LittleEndian.PutUint64(block[coreRestLBA:], uint64(k.a.place(f)/512)+1)
	}
}

// bootCode fills boot.img in for a core image that begins at a sector.
func bootCode(image []byte, lba int64) []byte {
	b := bytes.Clone(image[:BootCodeSize])
	binary.LittleEndian.PutUint64(b[bootCoreLBA:], uint64(lba))
	// Two NOPs in place of the jump switch the check of the drive number on, as for every hard disk.
	b[bootDriveCheck], b[bootDriveCheck+1] = 0x90, 0x90
	return b
}

// isOurs tells whether boot code leads into a.
func (a *Ardoise) isOurs(sector []byte) bool {
	at := binary.LittleEndian.Uint64(sector[bootCoreLBA:])
	for _, path := range []string{"ARDOISE/CORE.IMG", "ARDOISE/CORE.OLD"} {
		if f, ok := a.find(path); ok && sector[0] == 0xEB && at == uint64(a.place(f)/512) {
			return true
		}
	}
	return false
}

// sectors reads the disk's first sector and the one that was kept of it.
func (a *Ardoise) sectors() (now, kept []byte, err error) {
	now = make([]byte, 512)
	if err := readFull(a.d, now, 0); err != nil {
		return nil, nil, fmt.Errorf("reading sector 0: %w", err)
	}
	kept, err = a.small("ARDOISE/" + fileBootSector)
	return now, kept, err
}

// KeepBootCode makes a BIOS start GRUB from ARDOISE: image is boot.img, and Keep has brought core.img. The master's own
// boot code is kept first, with the disk's table beside it, so that the menu can start it. It tells whether anything was
// written. It fails with *NoBootCodeError.
func (a *Ardoise) KeepBootCode(image []byte) (changed bool, err error) {
	if a.layout != Layout || a.g.sector != 512 {
		return false, &NoBootCodeError{"a BIOS starts from sectors of 512 bytes only"}
	}
	if len(image) != bootImage {
		return false, &NoBootCodeError{fmt.Sprintf("boot.img has %d bytes, not %d", len(image), bootImage)}
	}
	s, err := a.state()
	if err != nil {
		return false, err
	}
	path, _ := s.pathOf(A, coreName)
	f, _ := a.find(path)
	if s.size[path] == 0 {
		return false, &NoBootCodeError{"there is no core.img"}
	}
	now, kept, err := a.sectors()
	if err != nil {
		return false, err
	}
	next := bytes.Clone(now)
	if a.isOurs(now) {
		if kept[510] != 0x55 || kept[511] != 0xAA {
			return false, &NoBootCodeError{"the master's boot code is lost"}
		}
		copy(next, kept[:BootCodeSize])
	}
	if !bytes.Equal(next, kept) {
		if err := a.storeSmall("ARDOISE/"+fileBootSector, next); err != nil {
			return true, err
		}
		changed = true
	}
	copy(now[:BootCodeSize:BootCodeSize], bootCode(image, a.place(f)/512))
	return a.storeSector0(now, changed)
}

// storeSector0 writes the disk's first sector unless it is that already.
func (a *Ardoise) storeSector0(b []byte, changed bool) (bool, error) {
	have := make([]byte, len(b))
	if err := readFull(a.d, have, 0); err != nil {
		return changed, fmt.Errorf("reading sector 0: %w", err)
	}
	if bytes.Equal(have, b) {
		return changed, nil
	}
	if _, err := a.d.WriteAt(b, 0); err != nil {
		return true, fmt.Errorf("writing sector 0: %w", err)
	}
	return true, a.d.Flush()
}

// DropBootCode puts the master's boot code back where ours is. It tells whether anything was written.
func (a *Ardoise) DropBootCode() (changed bool, err error) {
	code, ours, err := a.MasterBootCode()
	if err != nil || !ours {
		return false, err
	}
	now := make([]byte, 512)
	if err := readFull(a.d, now, 0); err != nil {
		return false, fmt.Errorf("reading sector 0: %w", err)
	}
	copy(now, code)
	return a.storeSector0(now, false)
}

// MasterBootCode returns the boot code that the master has where ours is now; ours is false where the disk's first
// sector is not ours, and then it is the master's. It fails with *NoBootCodeError where the master's is lost.
func (a *Ardoise) MasterBootCode() (code []byte, ours bool, err error) {
	if a.layout != Layout {
		return nil, false, nil
	}
	now, kept, err := a.sectors()
	if err != nil || !a.isOurs(now) {
		return nil, false, err
	}
	if kept[510] != 0x55 || kept[511] != 0xAA {
		return nil, true, &NoBootCodeError{"the master's boot code is lost"}
	}
	return kept[:BootCodeSize], true, nil
}

// Exceptions returns the extents that ARDOISE itself replaces on this computer: our boot code, where it is there.
func (a *Ardoise) Exceptions() ([]job.Exception, error) {
	if a.layout != Layout {
		return nil, nil
	}
	now, _, err := a.sectors()
	if err != nil || !a.isOurs(now) {
		return nil, err
	}
	sum := blake3.Sum256(now[:BootCodeSize])
	return []job.Exception{{Length: BootCodeSize, Hash: hex.EncodeToString(sum[:]), Content: now[:BootCodeSize], Why: WhyStartMenu}}, nil
}

// MasterView shows a disk as its master has it: where a BIOS starts our menu, the boot code is the master's. t is the
// disk's table. It fails with *NoBootCodeError where the master's code is lost.
func MasterView(r io.ReaderAt, t *Table) (io.ReaderAt, error) {
	if t.Ardoise == nil {
		return r, nil
	}
	a, err := OpenArdoise(readOnly{r}, *t.Ardoise)
	var not *NoArdoiseError
	if errors.As(err, &not) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	code, ours, err := a.MasterBootCode()
	if err != nil || !ours {
		return r, err
	}
	return masterView{r, code}, nil
}

// masterView is a disk with other boot code.
type masterView struct {
	io.ReaderAt
	code []byte
}

// ReadAt implements io.ReaderAt.
func (v masterView) ReadAt(p []byte, off int64) (int, error) {
	n, err := v.ReaderAt.ReadAt(p, off)
	if off >= 0 && off < int64(len(v.code)) {
		copy(p[:n], v.code[off:])
	}
	return n, err
}

// readOnly is a device that nobody writes to.
type readOnly struct{ io.ReaderAt }

// WriteAt implements io.WriterAt.
func (readOnly) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// Flush implements Device.
func (readOnly) Flush() error { return nil }

// OwnExceptions returns the extents that ARDOISE itself replaces on the disk in r, whose table is t: our boot code, where it
// is there.
func OwnExceptions(r io.ReaderAt, t *Table) ([]job.Exception, error) {
	if t.Ardoise == nil {
		return nil, nil
	}
	a, err := OpenArdoise(readOnly{r}, *t.Ardoise)
	var not *NoArdoiseError
	if errors.As(err, &not) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.Exceptions()
}
