package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// moduleCompressed is MODULE_INIT_COMPRESSED_FILE of linux/module.h.
const moduleCompressed = 4

// loaders bounds how many modules are loaded at once: probing sleeps more than it computes.
const loaders = 4

// Drivers loads kernel modules. Make it with NewDrivers.
type Drivers struct {
	folder string // /lib/modules/RELEASE
	sys    string // /sys
	insert func(path string) error

	mu     sync.Mutex
	index  *Index
	states map[string]*state
	seen   map[string]bool // modaliases that were looked up
}

type state struct {
	once sync.Once
	err  error
}

// NewDrivers returns the drivers of the kernel that runs.
func NewDrivers() (*Drivers, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("asking for the kernel's release: %w", err)
	}
	d := &Drivers{folder: "/lib/modules/" + unix.ByteSliceToString(u.Release[:]), sys: "/sys", insert: insert}
	return d, d.Reload()
}

// Reload reads the folder's index again: stage two has brought more modules. What could not be loaded is tried again.
func (d *Drivers) Reload() error {
	index, err := ReadIndex(os.DirFS(d.folder))
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.index, d.seen = index, map[string]bool{}
	old := d.states
	d.states = map[string]*state{}
	for name, s := range old {
		if s.err == nil {
			d.states[name] = s
		}
	}
	return nil
}

// insert hands one module file to the kernel. Under lockdown the kernel refuses what its vendor has not signed.
func insert(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	flags := 0
	if !strings.HasSuffix(path, ".ko") {
		flags = moduleCompressed
	}
	if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	return nil
}

// Load loads a module by name after what it needs. A module that is not in the folder may be built in: no error.
func (d *Drivers) Load(name string) error { return d.load(moduleName(name), 0) }

func (d *Drivers) load(name string, depth int) error {
	if depth > 32 {
		return fmt.Errorf("loading %s: its dependencies form a loop", name)
	}
	d.mu.Lock()
	file, ok := d.index.files[name]
	s := d.states[name]
	if s == nil {
		s = &state{}
		d.states[name] = s
	}
	before, after := d.index.Before(name), d.index.post[name]
	d.mu.Unlock()
	if !ok {
		return nil
	}
	// Dependencies are loaded outside the once, else two modules that name each other would wait for ever.
	for _, dep := range before {
		_ = d.load(dep, depth+1)
	}
	s.once.Do(func() { s.err = d.insert(filepath.Join(d.folder, file)) })
	for _, dep := range after {
		_ = d.load(dep, depth+1)
	}
	return s.err
}

// LoadAll loads the modules of every device that sysfs shows and that was not looked up before, and returns how many
// new devices it saw. Call it again until it returns 0: a hub or controller shows its devices once it has a driver.
func (d *Drivers) LoadAll() (int, []error) {
	found := d.aliases()
	var mu sync.Mutex
	var faults []error
	var g errgroup.Group
	g.SetLimit(loaders)
	for _, alias := range found {
		d.mu.Lock()
		modules := d.index.Match(alias)
		d.mu.Unlock()
		for _, m := range modules {
			g.Go(func() error {
				if err := d.Load(m); err != nil {
					mu.Lock()
					defer mu.Unlock()
					faults = append(faults, err)
				}
				return nil
			})
		}
	}
	_ = g.Wait()
	return len(found), faults
}

// aliases returns the modaliases below /sys/devices that have not been looked up.
func (d *Drivers) aliases() []string {
	var list []string
	// Devices come and go while we walk: what cannot be read is not there.
	_ = filepath.WalkDir(filepath.Join(d.sys, "devices"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() != "modalias" {
			return nil
		}
		b, err := os.ReadFile(path)
		alias := strings.TrimSpace(string(b))
		if err != nil || alias == "" {
			return nil
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.seen[alias] {
			d.seen[alias] = true
			list = append(list, alias)
		}
		return nil
	})
	return list
}

// How long disks are waited for: libata probes a port in under a second and then hands it to SCSI, NVMe takes less; a
// controller under emulation, or behind VMD, twice that.
const (
	settleEvery = 100 * time.Millisecond
	quietWith   = 2 * time.Second // nothing new for so long, and there is a disk
	quietNone   = 8 * time.Second // the same without a disk
	settleLimit = 40 * time.Second
)

// Settle reads the index again and loads drivers until no new device has come for a while; count tells how many disks
// there are. It returns what could not be loaded.
func (d *Drivers) Settle(ctx context.Context, count func() int) []error {
	if err := d.Reload(); err != nil {
		return []error{err}
	}
	var faults []error
	began, changed, last := time.Now(), time.Now(), -1
	for {
		n, more := d.LoadAll()
		faults = append(faults, more...)
		if c := count(); n > 0 || c != last {
			changed, last = time.Now(), c
		}
		quiet := quietWith
		if last == 0 {
			quiet = quietNone
		}
		if time.Since(changed) > quiet || time.Since(began) > settleLimit {
			return faults
		}
		select {
		case <-ctx.Done():
			return faults
		case <-time.After(settleEvery):
		}
	}
}
