package pxe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/pxe/grub"
	"github.com/ardoise/ardoise/pxe/httpboot"
	"github.com/ardoise/ardoise/pxe/tftp"
)

// maxFile bounds a boot file, in bytes: it is kept in memory.
const maxFile = 512 << 20

// fileGRUB is what shim asks for, in shim's own folder.
const fileGRUB = "grubx64.efi"

// errNotServed says that a name is none of ours.
var errNotServed = errors.New("not served")

// MissingFileError says that the boot files are not complete.
type MissingFileError struct {
	Path string
}

// Error implements error.
func (e *MissingFileError) Error() string { return fmt.Sprintf("boot file %s is missing", e.Path) }

// files holds the boot files in memory, and reads one again when it has changed on the disk.
type files struct {
	root *os.Root

	mu   sync.Mutex
	held map[string]*held
}

type held struct {
	data    []byte
	changed time.Time
	size    int64
}

// bootFiles are the files that must be there.
func bootFiles() []string { return []string{fileShim, fileGRUB, grub.Kernel, grub.Initrd} }

// openFiles checks that every boot file is there.
func openFiles(folder string) (*files, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &MissingFileError{Path: folder}
		}
		return nil, fmt.Errorf("opening the boot files: %w", err)
	}
	for _, name := range bootFiles() {
		if _, err := root.Stat(name); err != nil {
			return nil, errors.Join(&MissingFileError{Path: folder + "/" + name}, root.Close())
		}
	}
	return &files{root: root, held: map[string]*held{}}, nil
}

// get returns a boot file. The caller must not change it.
func (f *files) get(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading boot file: %w", err)
	}
	h := f.held[name]
	if h != nil && h.changed.Equal(info.ModTime()) && h.size == info.Size() {
		return h.data, nil
	}
	data, err := f.read(name)
	if err != nil {
		return nil, err
	}
	f.held[name] = &held{data: data, changed: info.ModTime(), size: info.Size()}
	return data, nil
}

func (f *files) read(name string) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading boot file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading boot file %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("reading boot file %s: larger than %d bytes", name, maxFile)
	}
	return data, nil
}

// cores makes the BIOS image of each of our addresses once.
type cores struct {
	maker grub.Maker

	mu   sync.Mutex
	made map[netip.Addr][]byte
}

func newCores(m grub.Maker) *cores { return &cores{maker: m, made: map[netip.Addr][]byte{}} }

// get returns the image of an address. A failure is not remembered: the missing package may be installed meanwhile.
func (c *cores) get(ctx context.Context, a netip.Addr) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.made[a]; b != nil {
		return b, nil
	}
	b, err := c.maker.Core(ctx, a)
	if b != nil {
		// An image that could not be kept in the cache is as good as any.
		c.made[a] = b
	}
	return b, err
}

// tftpSource and httpSource give both servers the same table.
type tftpSource struct{ *service }

// File implements tftp.Source.
func (s tftpSource) File(ctx context.Context, name string, p tftp.Peer) ([]byte, error) {
	b, err := s.content(ctx, name, p.Remote, p.Local, grub.TFTP)
	if errors.Is(err, errNotServed) {
		return nil, tftp.ErrNotFound
	}
	return b, err
}

type httpSource struct{ *service }

// File implements httpboot.Source.
func (s httpSource) File(ctx context.Context, name string, p httpboot.Peer) ([]byte, error) {
	return s.content(ctx, name, p.Remote, p.Local, grub.HTTP)
}

// content is the table of everything that is served. by is how it was asked for.
func (v *service) content(ctx context.Context, name string, remote, local netip.Addr, by grub.Transport) ([]byte, error) {
	if !v.ours(local) {
		return nil, errNotServed
	}
	mac := v.who(remote)
	v.memory.moved(mac)
	switch name {
	case fileShim, fileGRUB, grub.Kernel, grub.Initrd:
		return v.files.get(name)
	case fileBIOS:
		b, err := v.cores.get(ctx, local)
		if b == nil {
			v.saw(Event{MAC: mac, Stage: StageRefused, Detail: err.Error()})
			return nil, err
		}
		return b, nil
	case grub.Main:
		return []byte(grub.Common()), nil
	case fileDisk:
		v.saw(Event{MAC: mac, Stage: StageLocal, Detail: "sent to its disk"})
		return nil, errNotServed
	case fileIA32:
		v.saw(Event{MAC: mac, Stage: StageRefused, Detail: "32-bit UEFI is not served; switch the firmware to 64 bits or BIOS"})
		return nil, errNotServed
	}
	if mac, ok := grub.MAC(name); ok {
		return v.config(ctx, Machine{MAC: mac, IP: remote}, local, by)
	}
	return nil, errNotServed
}

// config writes the GRUB configuration of one PC.
func (v *service) config(ctx context.Context, m Machine, local netip.Addr, by grub.Transport) ([]byte, error) {
	v.memory.moved(m.MAC)
	c := v.choose(ctx, m)
	if c.Action != StartAgent && c.Action != StartMenu {
		v.saw(Event{MAC: m.MAC, Stage: StageLocal, Detail: "its disk is started by GRUB"})
		return []byte(grub.Disk()), nil
	}
	a := grub.Agent{
		Server: local, HTTPPort: uint16(v.HTTPPort),
		BIOS: transports(cmp.Or(v.Fetch, DefaultBIOS), by), UEFI: transports(cmp.Or(v.Fetch, DefaultUEFI), by),
		Arguments: slices.Concat(v.Arguments(local), strings.Fields(c.Arguments)),
	}
	write := a.Config
	if c.Action == StartMenu {
		v.saw(Event{MAC: m.MAC, Stage: StageLocal, Detail: "its start menu is shown by GRUB"})
		c.Menu.Arguments = a.Arguments
		write = func() (string, error) { return grub.NetworkMenu(grub.NetworkOptions{MenuOptions: c.Menu, Agent: a}) }
	}
	text, err := write()
	if err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// transports orders the ways to fetch. After UEFI HTTP boot only HTTP is left: there (tftp,...) crashes the firmware.
func transports(first, by grub.Transport) []grub.Transport {
	switch {
	case by == grub.HTTP:
		return []grub.Transport{grub.HTTP}
	case first == grub.TFTP:
		return []grub.Transport{grub.TFTP, grub.HTTP}
	}
	return []grub.Transport{grub.HTTP, grub.TFTP}
}

// fetched reports a file that went out whole.
func (v *service) fetched(remote netip.Addr, name string, size int64, seconds float64) {
	var stage Stage
	var asker net.HardwareAddr
	mac := v.who(remote)
	switch name {
	case fileShim, fileBIOS:
		stage = StageLoader
	case grub.Kernel:
		stage = StageKernel
	case grub.Initrd:
		stage = StageInitrd
	default:
		m, ok := grub.MAC(name)
		if !ok {
			return
		}
		stage, mac = StageConfig, m
		// Not by who: a forged REQUEST would tell it whatever the forger wants.
		if n := neighbour(remote); n != nil && !bytes.Equal(n, m) {
			asker = n
		}
	}
	detail := fmt.Sprintf("%s, %.1f MB in %.1f s", name, float64(size)/1e6, seconds)
	if asker != nil {
		detail += fmt.Sprintf(", by %v", asker)
	}
	v.saw(Event{MAC: mac, Stage: stage, Detail: detail, Style: v.memory.lastStyle(mac), Asker: asker})
}
