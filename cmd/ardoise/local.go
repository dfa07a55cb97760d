package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/pxe/grub"
)

var _ agentapi.LocalBoots = (*localBoots)(nil)

// localBoots makes what computers start from their own disk: the boot files of the folder that PCs start from by network
// too, GRUB for BIOS disks, and the configuration that leads to the menu.
type localBoots struct {
	site  *site
	maker grub.Maker

	mu     sync.Mutex
	hashes map[string]hashedFile // by name, of the files of the folder
	made   map[string][]byte     // by name: what is made here
}

// hashedFile remembers the hash of a file as long as it is the same.
type hashedFile struct {
	changed time.Time
	file    job.BootFile
}

func newLocalBoots(s *site) *localBoots {
	return &localBoots{site: s, maker: grub.Maker{Cache: filepath.Join(s.o.data, "boot", "grub")},
		hashes: map[string]hashedFile{}, made: map[string][]byte{}}
}

// localNames lists what comes from the folder of the boot environment.
func localNames() []string {
	return []string{"shimx64.efi", "grubx64.efi", grub.Kernel, grub.Initrd, fileStageTwo}
}

// Names of what is made here, for BIOS PCs only.
const (
	fileBootImage = "boot.img"
	fileCoreImage = "core.img"
)

// Files implements agentapi.LocalBoots. A host that cannot make GRUB for BIOS disks has no boot.img and core.img.
func (l *localBoots) Files(ctx context.Context) ([]job.BootFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []job.BootFile
	for _, name := range localNames() {
		f, err := l.hashed(name)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	if err := l.make(ctx); err != nil {
		return nil, err
	}
	for _, name := range []string{grub.DiskConfig, fileBootImage, fileCoreImage} {
		if b, ok := l.made[name]; ok {
			sum := blake3.Sum256(b)
			list = append(list, job.BootFile{Name: name, Size: int64(len(b)), Hash: hex.EncodeToString(sum[:])})
		}
	}
	return list, nil
}

// hashed returns a file of the folder with its hash, which is computed once for each change of the file. The caller
// holds mu.
func (l *localBoots) hashed(name string) (job.BootFile, error) {
	f, err := os.Open(filepath.Join(l.site.o.boot, name))
	if err != nil {
		return job.BootFile{}, fmt.Errorf("reading boot file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return job.BootFile{}, fmt.Errorf("reading boot file: %w", err)
	}
	if h, ok := l.hashes[name]; ok && h.changed.Equal(info.ModTime()) && h.file.Size == info.Size() {
		return h.file, nil
	}
	h := blake3.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return job.BootFile{}, fmt.Errorf("reading boot file %s: %w", name, err)
	}
	file := job.BootFile{Name: name, Size: n, Hash: hex.EncodeToString(h.Sum(nil))}
	l.hashes[name] = hashedFile{info.ModTime(), file}
	return file, nil
}

// make makes what is not there yet. A failure is not remembered: the missing package may be installed meanwhile. The
// caller holds mu.
func (l *localBoots) make(ctx context.Context) error {
	l.made[grub.DiskConfig] = []byte(grub.DiskCommon())
	if l.made[fileCoreImage] != nil {
		return nil
	}
	boot, core, err := l.maker.DiskCore(ctx)
	var missing *grub.MkimageMissingError
	switch {
	case errors.As(err, &missing):
		l.site.log.Debug("no start menu on disks of BIOS PCs", "why", err)
		return nil
	case core == nil:
		return err
	case err != nil: // it is as good as any, but could not be kept
		l.site.log.Debug("the GRUB of BIOS disks is made anew at each start", "why", err)
	}
	l.made[fileBootImage], l.made[fileCoreImage] = boot, core
	return nil
}

// Open implements agentapi.LocalBoots.
func (l *localBoots) Open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	for _, known := range localNames() {
		if name == known {
			return os.Open(filepath.Join(l.site.o.boot, name))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.make(ctx); err != nil {
		return nil, err
	}
	if b, ok := l.made[name]; ok {
		return inMemory{bytes.NewReader(b)}, nil
	}
	return nil, fs.ErrNotExist
}

// inMemory is a file that is none.
type inMemory struct{ *bytes.Reader }

// Close implements io.Closer.
func (inMemory) Close() error { return nil }

// Menu implements agentapi.LocalBoots.
func (l *localBoots) Menu(_ context.Context, m agentapi.LocalMenu) (string, error) {
	l.mu.Lock()
	two, err := l.hashed(fileStageTwo)
	l.mu.Unlock()
	if err != nil {
		return "", err
	}
	o := grub.LocalOptions{MenuOptions: menuOptions(m.Room.Lang, m.Room.Policy, m.Room.Passphrase, m.Reset)}
	if m.Server.IsValid() {
		o.Arguments = l.site.arguments(m.Server)
	}
	// GRUB loads both stages from the disk. Only whoever made them one generation knows which stage two it is.
	o.Arguments = append(o.Arguments, job.ParamStageTwo+"="+two.Hash)
	o.Arguments = append(o.Arguments, strings.Fields(l.site.kernelArgs)...)
	// Which card reaches us is known where the computer has one only.
	if len(m.Computer.MACs) == 1 {
		o.MAC = m.Computer.MACs[0]
	}
	return grub.LocalMenu(o)
}
