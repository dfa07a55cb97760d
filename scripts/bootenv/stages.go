package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/ardoise/ardoise/scripts/initramfs"
	"github.com/ardoise/ardoise/scripts/kmod"
)

// maxStageOne bounds stage one: firmware that fetches 1.5 MB/s needs 8 s for it.
const maxStageOne = 12 << 20

// kernel is the unpacked kernel package with depmod's tables.
type kernel struct {
	version string
	image   string // signed vmlinuz
	modules *kmod.Table
	objects map[string][]byte // modules read so far
}

// openKernel finds version, image and modules in the kernel's tree. depmod reads four thousand modules and takes ten
// seconds; what it wrote stays in the tree.
func openKernel(ctx context.Context, tree string) (*kernel, error) {
	images, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("looking for the kernel in %s: %d images", tree, len(images))
	}
	k := &kernel{image: images[0], version: filepath.Base(images[0])[len("vmlinuz-"):], objects: map[string][]byte{}}
	dir := filepath.Join(tree, "usr/lib/modules", k.version)
	if _, err := os.Stat(filepath.Join(dir, "modules.softdep")); err != nil {
		// depmod -b expects lib/modules; in the package they lie below usr.
		if err := os.Symlink("usr/lib", filepath.Join(tree, "lib")); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, depmod(), "-b", tree, k.version).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("running depmod: %w: %s", err, out)
		}
	}
	k.modules, err = kmod.Read(dir)
	return k, err
}

// depmod is kmod's; /sbin is not on the path of an ordinary user.
func depmod() string {
	if path, err := exec.LookPath("depmod"); err == nil {
		return path
	}
	return "/usr/sbin/depmod"
}

// object reads a module once.
func (k *kernel) object(name string) ([]byte, error) {
	if o, ok := k.objects[name]; ok {
		return o, nil
	}
	o, err := k.modules.Object(name)
	if err == nil && !kmod.Signed(o) {
		err = fmt.Errorf("module %s carries no signature: Secure Boot would refuse it", name)
	}
	k.objects[name] = o
	return o, err
}

// add puts modules and their firmware into an archive, and the tables of index. Firmware that no package has is what
// newer cards than the packages would ask for; their drivers go on without.
func (k *kernel) add(a *initramfs.Archive, trees initramfs.Trees, names, index []string) error {
	base := "lib/modules/" + k.version + "/"
	for _, name := range names {
		object, err := k.object(name)
		if err != nil {
			return err
		}
		a.File(base+k.modules.Path(name), object, false)
		blobs, err := kmod.Firmware(object)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, blob := range blobs {
			source, err := trees.Find("lib/firmware/" + blob)
			if err != nil {
				continue
			}
			content, err := os.ReadFile(source)
			if err != nil {
				return err
			}
			a.File("lib/firmware/"+blob, content, false)
		}
	}
	for name, content := range k.modules.Index(index) {
		a.File(base+name, content, false)
	}
	return nil
}

// stageOne is the agent with what it needs to reach the server.
func stageOne(k *kernel, trees initramfs.Trees, agent []byte) (*initramfs.Archive, []string, error) {
	names, err := k.modules.Closure(stageOneModules())
	if err != nil {
		return nil, nil, err
	}
	var a initramfs.Archive
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp", "mnt", "etc", "root"} {
		a.Folder(dir)
	}
	// The kernel opens the console for PID 1 before anybody could mount devtmpfs.
	a.Device("dev/console", 5, 1)
	a.Device("dev/null", 1, 3)
	a.File("init", agent, true)
	return &a, names, k.add(&a, trees, names, names)
}

// stageTwo is everything else. Its tables cover both stages and replace those of the first.
func stageTwo(k *kernel, trees initramfs.Trees, first []string, copyrights map[string]string) (*initramfs.Archive, error) {
	all, err := k.modules.Closure(slices.Concat(first, stageTwoModules()))
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(all), func(m string) bool { return slices.Contains(first, m) })
	var a initramfs.Archive
	if err := k.add(&a, trees, rest, all); err != nil {
		return nil, err
	}
	for _, program := range tools() {
		if err := a.Program(trees, program); err != nil {
			return nil, err
		}
	}
	for name, target := range maps.All(links()) {
		a.Link(name, target)
	}
	for _, file := range []string{"etc/mke2fs.conf"} {
		if err := addFile(&a, trees, file, file); err != nil {
			return nil, err
		}
	}
	for pkg, file := range copyrights {
		if err := addFile(&a, trees, "usr/share/doc/"+pkg+"/copyright", file); err != nil {
			return nil, err
		}
	}
	return &a, nil
}

// addFile copies a file of a package.
func addFile(a *initramfs.Archive, trees initramfs.Trees, name, from string) error {
	source, err := trees.Find(from)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	a.File(name, content, false)
	return nil
}
