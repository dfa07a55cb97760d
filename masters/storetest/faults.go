package storetest

import (
	"fmt"
	"slices"
)

// Flip inverts one bit of a file, now and on the medium.
func (d *Disk) Flip(name string, offset int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("flip", name)
	if err != nil {
		return err
	}
	if n.folder || offset >= len(n.stable) || offset >= len(n.data) {
		return fmt.Errorf("%s has no byte %d", name, offset)
	}
	n.data, n.stable = slices.Clone(n.data), slices.Clone(n.stable)
	n.data[offset] ^= 1
	n.stable[offset] ^= 1
	return nil
}

// Truncate cuts a file short, now and on the medium.
func (d *Disk) Truncate(name string, size int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("truncate", name)
	if err != nil {
		return err
	}
	if n.folder || size > len(n.stable) || size > len(n.data) {
		return fmt.Errorf("%s has not got %d bytes", name, size)
	}
	n.data, n.stable = slices.Clone(n.data[:size]), slices.Clone(n.stable[:size])
	return nil
}

// Rot makes the medium refuse, with EIO, to read anything of bytes from ..< to of a file, until Restart.
func (d *Disk) Rot(name string, from, to int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("rot", name)
	if err == nil {
		d.rotten[n] = [2]int{from, to}
	}
	return err
}

// ReadOnly makes every changing operation fail with EROFS, or lets them through again.
func (d *Disk) ReadOnly(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = on
}

// Room makes the disk hold at most so many bytes of files; negative: as many as come.
func (d *Disk) Room(bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = bytes
}

// Used returns the bytes of all files.
func (d *Disk) Used() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.used()
}

func (n *node) used() int {
	total := len(n.data)
	for _, child := range n.names {
		total += child.used()
	}
	return total
}

// Free implements durable.Space.
func (d *Disk) Free(name string) (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find("free", name); err != nil {
		return 0, 0, err
	}
	if d.room < 0 {
		return 1 << 50, 1 << 50, nil
	}
	return int64(max(0, d.room-d.root.used())), int64(d.room), nil
}

// Size returns the bytes of a file, -1 if there is none.
func (d *Disk) Size(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("size", name)
	if err != nil {
		return -1
	}
	return len(n.data)
}

// Clone returns another disk with power and the same files, as they lie on the medium.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := NewDisk()
	c.root = d.root.clone()
	return c
}

func (n *node) clone() *node {
	if !n.folder {
		return &node{data: slices.Clone(n.stable), stable: slices.Clone(n.stable)}
	}
	c := newFolder()
	for name, child := range n.kept {
		c.names[name] = child.clone()
		c.kept[name] = c.names[name]
	}
	return c
}
