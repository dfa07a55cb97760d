package volume

import (
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/volume/hive"
	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

// systemHive is where Windows keeps HKEY_LOCAL_MACHINE\SYSTEM.
const systemHive = "Windows/System32/config/SYSTEM"

const fastStartupAdvice = "fast startup is switched on in this Windows (HiberbootEnabled=1): a computer that is shut down " +
	"with this master is half hibernated, and cannot be captured so. Switch fast startup off in Windows with powercfg /h off, " +
	"or shut down with shutdown /s /t 0, then capture again"

// isSystemHive says whether f is the file with the settings of Windows.
func (n *ntfsVolume) isSystemHive(f *ntfs.File) bool {
	return f.Named("SYSTEM") && strings.EqualFold(n.Path(f), systemHive)
}

// advice is what there is to say about the Windows on the volume. Settings that cannot be read are no doubt about the
// volume: there is nothing to say then.
func (n *ntfsVolume) advice() []string {
	if n.hive == 0 {
		return nil
	}
	f, err := n.File(n.hive)
	if err != nil {
		return nil
	}
	a := f.Find(ntfs.TypeData, "")
	if a == nil || a.Flags&(ntfs.FlagCompressed|ntfs.FlagEncrypted) != 0 {
		return nil
	}
	on, err := fastStartup(attributeReader{n.Volume, a}, a.Size)
	if err != nil || !on {
		return nil
	}
	return []string{fastStartupAdvice}
}

// attributeReader reads the data of a file.
type attributeReader struct {
	v *ntfs.Volume
	a *ntfs.Attribute
}

func (r attributeReader) ReadAt(b []byte, off int64) (int, error) {
	if err := r.v.ReadAttribute(r.a, b, off); err != nil {
		return 0, err
	}
	return len(b), nil
}

// fastStartup reads HiberbootEnabled from the control set that Windows used last. Without hibernation there is no fast
// startup whatever it says: powercfg /h off sets HibernateEnabled to 0, and who followed the advice is not warned again.
func fastStartup(r attributeReader, size int64) (bool, error) {
	h, err := hive.Open(r, size)
	if err != nil {
		return false, err
	}
	at, err := h.Root().Find("Select")
	if err != nil {
		return false, err
	}
	current, err := at.DWORD("Current")
	if err != nil {
		return false, err
	}
	control, err := h.Root().Find(fmt.Sprintf("ControlSet%03d", current), "Control")
	if err != nil {
		return false, err
	}
	if power, err := control.Find("Power"); err == nil {
		if on, err := power.DWORD("HibernateEnabled"); err == nil && on == 0 {
			return false, nil
		}
	}
	power, err := control.Find("Session Manager", "Power")
	if err != nil {
		return false, err
	}
	on, err := power.DWORD("HiberbootEnabled")
	return on == 1, err
}
