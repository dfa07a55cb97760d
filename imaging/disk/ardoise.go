package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// slotFolder is the folder of the slot files on ARDOISE.
const slotFolder = "ARDOISE"

// Ardoise is our partition on a disk: a FAT32 that firmware and GRUB can read, in which the slots are files of fixed
// place. They are located once and then written in place, without touching the file system.
type Ardoise struct {
	slots map[string]slot
}

// NoArdoiseError says why what lies in a partition is not a whole ARDOISE.
type NoArdoiseError struct{ Reason string }

// Error implements error.
func (e *NoArdoiseError) Error() string { return "partition is no ARDOISE: " + e.Reason }

// Mark returns the slot of the mark.
func (a *Ardoise) Mark() MarkSlot { return MarkSlot{a.slots["MARK"]} }

// Key returns the slot of the computer's key.
func (a *Ardoise) Key() KeySlot { return KeySlot{a.slots["KEY"]} }

// Grant returns the slot of the standing grant.
func (a *Ardoise) Grant() GrantSlot { return GrantSlot{a.slots["GRANT"]} }

// Trust returns the slot of what was learned from the server.
func (a *Ardoise) Trust() TrustSlot { return TrustSlot{a.slots["TRUST"]} }

// MakeOptions says what a new ARDOISE begins with.
type MakeOptions struct {
	Serial uint32    // FAT volume serial number; random by choice of the caller
	Carry  *Ardoise  // an older one whose key, grant and trust go on; nil = none
	Mark   *job.Mark // stands from the beginning; nil = none
}

// MakeArdoise makes an ARDOISE in the partition part of d, whose logical sectors have the given size in bytes. What lay
// there is lost. The boot sectors are cleared first and written last, so that it is whole or not there.
func MakeArdoise(d Device, part manifest.Partition, sector int, o MakeOptions) (*Ardoise, error) {
	kept, err := carried(o.Carry)
	if err != nil {
		return nil, err
	}
	mem, err := formatArdoise(part.Length, sector, o.Serial, part.Start/int64(sector))
	if err != nil {
		return nil, err
	}
	a, err := OpenArdoise(mem, manifest.Partition{Length: part.Length})
	if err != nil {
		return nil, err
	}
	for name, content := range kept {
		if err := a.slots[name].store(content); err != nil {
			return nil, err
		}
	}
	if o.Mark != nil {
		if err := a.slots["MARK"].storeJSON(o.Mark); err != nil {
			return nil, err
		}
	}
	if err := writeArdoise(d, part.Start, mem, 8*int64(sector)); err != nil {
		return nil, fmt.Errorf("making ARDOISE: %w", err)
	}
	return OpenArdoise(d, part)
}

// carried reads what goes on from an older ARDOISE. A damaged slot has nothing that could.
func carried(old *Ardoise) (map[string][]byte, error) {
	kept := map[string][]byte{}
	if old == nil {
		return kept, nil
	}
	for name, s := range old.slots {
		content, _, _, err := s.load()
		if _, damaged := err.(*DamagedSlotError); err != nil && !damaged {
			return nil, err
		}
		if name != "MARK" && len(content) > 0 {
			kept[name] = slices.Clone(content)
		}
	}
	return kept, nil
}

// writeArdoise copies mem to d: everything behind the boot sectors (the first head bytes), then these.
func writeArdoise(d Device, at int64, mem *memory, head int64) error {
	if _, err := d.WriteAt(make([]byte, head), at); err != nil {
		return err
	}
	if err := d.Flush(); err != nil {
		return err
	}
	for _, run := range mem.runs(64) {
		skip := max(0, min(int64(len(run.Bytes)), head-run.Offset))
		if len(run.Bytes[skip:]) == 0 {
			continue
		}
		if _, err := d.WriteAt(run.Bytes[skip:], at+run.Offset+skip); err != nil {
			return err
		}
	}
	if err := d.Flush(); err != nil {
		return err
	}
	boot := make([]byte, head)
	if err := readFull(mem, boot, 0); err != nil {
		return err
	}
	if _, err := d.WriteAt(boot, at); err != nil {
		return err
	}
	return d.Flush()
}

// formatArdoise makes the FAT32 in memory. hidden is the partition's first sector, which BIOS boot code looks at.
func formatArdoise(length int64, sector int, serial uint32, hidden int64) (*memory, error) {
	mem := &memory{size: length, pages: map[int64][]byte{}}
	fs, err := fat32.Create(mem, length, 0, int64(sector), ArdoiseName, true)
	if err != nil {
		return nil, fmt.Errorf("making ARDOISE: %w", err)
	}
	if err := fs.Mkdir(slotFolder); err != nil {
		return nil, fmt.Errorf("making ARDOISE: %w", err)
	}
	for _, k := range slotKinds() {
		f, err := fs.OpenFile(slotFolder+"/"+k.file, os.O_CREATE|os.O_RDWR)
		if err == nil {
			_, err = f.Write(make([]byte, k.fileSize()))
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("making slot %s of ARDOISE: %w", k.file, err)
		}
	}
	// go-diskfs leaves the hidden sectors and, when it shall not look at the clock, the serial number at zero. Offsets
	// from the FAT specification, BPB_HiddSec and BS_VolID; the copy lies in sector 6.
	for _, base := range []int64{0, 6 * int64(sector)} {
		mem.put(base+28, uint32(min(hidden, 1<<32-1)))
		mem.put(base+67, serial)
	}
	return mem, repairParent(mem)
}

// repairParent makes the ".." of the slot folder say cluster 0, which stands for the root folder (FAT specification,
// "DIR_FstClus" of dotdot). go-diskfs 1.9.4 writes the root's real number, 2, and fsck.fat calls that invalid.
func repairParent(mem *memory) error {
	v, err := openFAT(mem, manifest.Partition{Length: mem.size})
	if err != nil {
		return err
	}
	folder, err := v.find(v.root, slotFolder, true)
	if err != nil {
		return err
	}
	if !v.valid(folder.first) {
		return &NoArdoiseError{"its folder has no cluster"}
	}
	entry := v.offset(folder.first) + 32
	for _, field := range []int64{20, 26} {
		if _, err := mem.WriteAt([]byte{0, 0}, entry+field); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) put(off int64, v uint32) {
	_, _ = m.WriteAt(binary.LittleEndian.AppendUint32(nil, v), off)
}
