package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The types of an EFI system partition, GPT and MBR.
const (
	espGPT = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	espMBR = "EF"
)

// startsFrom arranges what the computer starts from now on.
func (a *agent) startsFrom(ctx context.Context, e *errand) {
	if !e.offline {
		a.startMenu(ctx, e.d.Disk)
	}
	a.bootOrder(e.d, e.m)
}

// bootOrder makes firmware start what this computer's room wants: in a menu room our menu on ARDOISE, else the network;
// then the system that was deployed. Whatever goes wrong is told, not a fault of the task: the disk is as it should be.
func (a *agent) bootOrder(r io.ReaderAt, m *manifest.Manifest) {
	if a.PC.Firmware == nil {
		return
	}
	system, err := findSystem(r, m)
	if err != nil {
		a.Screen.Say(notices.BootEntry, err)
	}
	n, err := efi.Arrange(a.PC.Firmware, efi.Wish{MAC: a.MAC, System: system, Menu: a.findMenu(r)})
	if err != nil {
		a.Screen.Say(notices.BootEntry, err)
		return
	}
	if system != nil {
		a.system = n.System
		a.Screen.Note("boot entry Boot%04X %s", *n.System, system.File)
	}
	if n.Menu != nil {
		a.Screen.Note("boot entry Boot%04X, the start menu, comes first", *n.Menu)
	}
}

// sizer is a disk of known size; errands hand theirs to bootOrder.
type sizer interface {
	Size() int64
	SectorSize() int
}

// findMenu returns our loader on the disk in r, nil where the disk has no start menu: local.Install takes it away where a
// room has none any more.
func (a *agent) findMenu(r io.ReaderAt) *efi.System {
	d, ok := r.(sizer)
	if !ok {
		return nil
	}
	table, err := disk.ReadTable(r, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return nil
	}
	there, err := disk.HasMenu(r, *table.Ardoise)
	if err != nil || !there {
		return nil
	}
	sector := int64(d.SectorSize())
	return &efi.System{Partition: uint32(table.Ardoise.Number), Start: uint64(table.Ardoise.Start / sector),
		Sectors: uint64(table.Ardoise.Length / sector), GUID: table.Ardoise.GUID, Signature: table.Disk.Signature, File: disk.MenuLoader}
}

// startMenu makes the disk's ARDOISE what the server wants: boot files, menu, standing grant, boot code; and firmware start
// it first, or not any more. What goes wrong is told: the system on the disk is as it should be.
func (a *agent) startMenu(ctx context.Context, d *disk.Disk) {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return
	}
	wanted, err := a.client.Local(ctx)
	if err != nil {
		a.Screen.Note("start menu: %v", err)
		return
	}
	a.noMenu = ""
	if wanted.Menu {
		if p := bitLocker(d, table); p > 0 {
			wanted.Menu, a.noMenu = false, fmt.Sprintf("BitLocker encrypts partition %d: with a start menu, Windows would ask for its recovery key", p)
			a.Screen.Note("no start menu: partition %d is encrypted by BitLocker, which wants the start that it has measured", p)
		}
	}
	r, err := local.Install(ctx, local.Options{Device: d, Part: *table.Ardoise, Boot: wanted, BIOS: a.PC.Firmware == nil,
		Fetch: a.client.LocalFile})
	if err != nil {
		a.noMenu = err.Error()
		a.Screen.Say(notices.BootEntry, err)
		return
	}
	if r.GrantRefused != nil {
		a.Screen.Note("standing grant: %v", r.GrantRefused)
	}
	a.Screen.Note("start menu: wanted %v, changed %v, %d bytes fetched", wanted.Menu, r.Changed, r.Fetched)
	if a.PC.Firmware == nil {
		return
	}
	if _, err := efi.Arrange(a.PC.Firmware, efi.Wish{MAC: a.MAC, Menu: a.findMenu(d)}); err != nil {
		a.noMenu = err.Error()
		a.Screen.Say(notices.BootEntry, err)
	}
}

// menuMissing says why a computer does not start from the menu on the disk; "" where it does.
func (a *agent) menuMissing(d *disk.Disk, ours *disk.Ardoise, part manifest.Partition) string {
	there, err := disk.HasMenu(d, part)
	if there && a.PC.Firmware == nil { // a BIOS starts what is in the first sector
		_, there, err = ours.MasterBootCode()
	}
	switch {
	case a.noMenu != "":
		return a.noMenu
	case err != nil:
		return err.Error()
	case !there:
		return "the menu is not on its disk yet: it comes when it starts the agent next"
	}
	return ""
}

// bitLocker returns the number of a partition that BitLocker has encrypted, 0 where there is none. With our menu before it,
// the TPM would not give its key: that computer starts as in a room without a menu. The name stands where a boot sector
// names its maker.
func bitLocker(r io.ReaderAt, t *disk.Table) int {
	name := make([]byte, 8)
	for _, p := range t.Partitions {
		if _, err := r.ReadAt(name, p.Start+3); err == nil && string(name) == "-FVE-FS-" {
			return p.Number
		}
	}
	return 0
}

// diskNext makes the start menu of a disk of ours start the system once, without showing itself: after a reset at each
// start it would order the next one, and after a start by the network it would ask for work again.
func (a *agent) diskNext() {
	for _, p := range a.places {
		if err := setNext(p.disk.Path, disk.NextDisk); err != nil {
			a.Screen.Note("next start from %s: %v", p.disk.Path, err)
		}
	}
}

// setNext says what the menu of a disk does at its next start, where there is a menu.
func setNext(path string, next disk.Next) (err error) {
	d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return setNextOn(d, next)
}

// setNextOn does it on an open disk.
func setNextOn(d *disk.Disk, next disk.Next) error {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return err
	}
	there, err := disk.HasMenu(d, *table.Ardoise)
	if err != nil || !there {
		return err
	}
	ours, err := disk.OpenArdoise(d, *table.Ardoise)
	if err != nil {
		return err
	}
	return ours.SetNext(next)
}

// resumeNext makes our menu start the agent while a disk is unfinished: GRUB does not read the mark, and the person who
// switches the PC on again would choose a system that is not there. work says whether it is unfinished.
func (a *agent) resumeNext(d *disk.Disk, work bool) {
	next := disk.NextMenu
	if work {
		next = disk.NextWork
	}
	if err := setNextOn(d, next); err != nil {
		a.Screen.Note("next start: %v", err)
	}
}

// findSystem finds the loader of the system on the master's own EFI system partition.
func findSystem(r io.ReaderAt, m *manifest.Manifest) (*efi.System, error) {
	for _, p := range m.Partitions {
		if !strings.EqualFold(p.Type, espGPT) && !(m.Disk.Table == manifest.MBR && strings.EqualFold(p.Type, espMBR)) {
			continue
		}
		l, err := volume.Read(io.NewSectionReader(r, p.Start, p.Length), p.Length, volume.Options{})
		if err != nil {
			return nil, err
		}
		var files []string
		err = l.Streams(func(s volume.Stream) error {
			if len(s.Path) > 4 && strings.EqualFold(s.Path[:4], "EFI/") && len(files) < 10000 {
				files = append(files, s.Path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		file := loader(files)
		if file == "" {
			continue
		}
		return &efi.System{Partition: uint32(p.Number), Start: uint64(p.Start) / uint64(m.Disk.SectorSize),
			Sectors: uint64(p.Length) / uint64(m.Disk.SectorSize), GUID: p.GUID, Signature: m.Disk.Signature,
			File: `\` + strings.ReplaceAll(file, "/", `\`)}, nil
	}
	return nil, errors.New("the master has no EFI loader for this kind of PC")
}

// loader chooses among the files of an EFI system partition: a distribution's signed shim (it offers Windows too where
// there are both), Windows' own, the fallback of removable media.
func loader(files []string) string {
	slices.Sort(files)
	rules := []func(string) bool{
		func(f string) bool { return f == "efi/debian/shimx64.efi" },
		func(f string) bool { return strings.HasSuffix(f, "/shimx64.efi") && !strings.HasPrefix(f, "efi/boot/") },
		func(f string) bool { return f == "efi/microsoft/boot/bootmgfw.efi" },
		func(f string) bool { return f == "efi/boot/bootx64.efi" },
	}
	for _, rule := range rules {
		for _, f := range files {
			if rule(strings.ToLower(f)) {
				return f
			}
		}
	}
	return ""
}
