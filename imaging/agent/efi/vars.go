//go:build linux

package efi

import (
	"errors"
	"io/fs"

	"github.com/u-root/u-root/pkg/efivarfs"
)

// nonVolatile, boot service and runtime access: what UEFI 3.3 asks of Boot####, BootOrder and BootNext.
const attributes = efivarfs.AttributeNonVolatile | efivarfs.AttributeBootserviceAccess | efivarfs.AttributeRuntimeAccess

// Firmware is the efivarfs mounted at a path. It is opened at each use: the agent mounts it only once stage two has
// brought its driver.
type Firmware struct{ Path string }

var _ Variables = Firmware{}

func global(name string) efivarfs.VariableDescriptor {
	return efivarfs.VariableDescriptor{Name: name, // EFI_GLOBAL_VARIABLE, UEFI 3.3
		GUID: [16]byte{0x8b, 0xe4, 0xdf, 0x61, 0x93, 0xca, 0x11, 0xd2, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}}
}

// Get implements Variables.
func (f Firmware) Get(name string) ([]byte, error) {
	v, err := efivarfs.NewPath(f.Path)
	if err != nil {
		return nil, err
	}
	_, content, err := v.Get(global(name))
	if errors.Is(err, efivarfs.ErrVarNotExist) {
		err = fs.ErrNotExist
	}
	return content, err
}

// Set implements Variables.
func (f Firmware) Set(name string, content []byte) error {
	v, err := efivarfs.NewPath(f.Path)
	if err != nil {
		return err
	}
	if len(content) == 0 {
		err := v.Remove(global(name))
		if errors.Is(err, efivarfs.ErrVarNotExist) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return v.Set(global(name), attributes, content)
}

// List implements Variables.
func (f Firmware) List() ([]string, error) {
	v, err := efivarfs.NewPath(f.Path)
	if err != nil {
		return nil, err
	}
	all, err := v.List()
	var names []string
	for _, d := range all {
		if d.GUID == global("").GUID {
			names = append(names, d.Name)
		}
	}
	return names, err
}
