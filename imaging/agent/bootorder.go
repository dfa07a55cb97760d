package agent

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The types of an EFI system partition, GPT and MBR.
const (
	espGPT = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	espMBR = "EF"
)

// bootOrder makes firmware ask the network first and then start the system that was deployed. Whatever goes wrong is
// told, not a fault of the task: the disk is as it should be.
func (a *agent) bootOrder(r io.ReaderAt, m *manifest.Manifest) {
	if a.PC.Firmware == nil {
		return
	}
	system, err := findSystem(r, m)
	if err != nil {
		a.Screen.Say(notices.BootEntry, err)
	}
	n, err := efi.Order(a.PC.Firmware, a.MAC, system)
	if err != nil {
		a.Screen.Say(notices.BootEntry, err)
		return
	}
	if system != nil {
		a.system = &n
		a.Screen.Note("boot entry Boot%04X %s", n, system.File)
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
