package sources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ardoise/ardoise/scripts/initramfs"
	"github.com/ardoise/ardoise/scripts/kmod"
)

// Kernel is the unpacked kernel package with depmod's tables.
type Kernel struct {
	Version string // as uname -r gives it
	Image   string // file of the signed kernel
	Modules *kmod.Table
	objects map[string][]byte // modules read so far
}

// openKernel finds version, image and modules in the kernel's tree. depmod reads four thousand modules and takes ten
// seconds; what it wrote stays in the tree.
func openKernel(ctx context.Context, tree string) (*Kernel, error) {
	images, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("looking for the kernel in %s: %d images", tree, len(images))
	}
	k := &Kernel{Image: images[0], Version: filepath.Base(images[0])[len("vmlinuz-"):], objects: map[string][]byte{}}
	dir := filepath.Join(tree, "usr/lib/modules", k.Version)
	done := filepath.Join(dir, "depmod.done") // a depmod that was interrupted leaves tables that look whole
	if _, err := os.Stat(done); err != nil {
		// depmod -b expects lib/modules; in the package they lie below usr.
		if err := os.Symlink("usr/lib", filepath.Join(tree, "lib")); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, depmod(), "-b", tree, k.Version).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("running depmod: %w: %s", err, out)
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			return nil, err
		}
	}
	k.Modules, err = kmod.Read(dir)
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
func (k *Kernel) object(name string) ([]byte, error) {
	if o, ok := k.objects[name]; ok {
		return o, nil
	}
	o, err := k.Modules.Object(name)
	if err != nil {
		return nil, err
	}
	if !kmod.Signed(o) {
		return nil, fmt.Errorf("module %s carries no signature: Secure Boot would refuse it", name)
	}
	k.objects[name] = o
	return o, nil
}

// Add puts modules and their firmware into an archive, and tables that cover the modules of index. Firmware that no
// package has belongs to cards newer than the packages; their drivers go on without.
func (k *Kernel) Add(a *initramfs.Archive, trees initramfs.Trees, names, index []string) error {
	base := "lib/modules/" + k.Version + "/"
	for _, name := range names {
		object, err := k.object(name)
		if err != nil {
			return err
		}
		a.File(base+k.Modules.Path(name), object, false)
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
	for name, content := range k.Modules.Index(index) {
		a.File(base+name, content, false)
	}
	return nil
}
