package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// master is what all our captures are called.
const master = "room"

// chunkSize is what a master is cut into (masters/chunk): version 2 replaces one chunk in ten.
const chunkSize = 256 << 10

// image is a disk whose bytes cannot be compressed, in two versions, and our library with both.
type image struct {
	mib   int
	disks [3]string // by version; [0] is empty
	fresh [3]int64  // bytes of frames that the version brought to our library
	data  string    // our data folder
	key   string    // file with the key of our sessions
}

// size is the length of the disk.
func (i *image) size() int64 { return int64(i.mib) << 20 }

// image makes the disk of a scene, once, with the versions that are wanted.
func (b *bench) image(ctx context.Context, s Scene) (*image, error) {
	name := fmt.Sprintf("image-%d-%v", s.MiB, s.Files)
	i := b.images[name]
	if i == nil {
		dir := filepath.Join(b.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		i = &image{mib: s.MiB, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key")}
		if err := writeKey(i.key); err != nil {
			return nil, err
		}
		b.images[name] = i
	}
	for version := 1; version <= s.version(); version++ {
		if i.disks[version] != "" {
			continue
		}
		path := filepath.Join(filepath.Dir(i.data), fmt.Sprintf("v%d.img", version))
		var err error
		if s.Files {
			err = writeFiles(path, i.size())
		} else {
			err = writeDisk(path, i.size(), version)
		}
		if err != nil {
			return nil, err
		}
		i.disks[version] = path
		if err := b.capture(ctx, i, version); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// capture keeps a version in our library.
func (b *bench) capture(ctx context.Context, i *image, version int) error {
	c := exec.CommandContext(ctx, b.ardoise, "master", "capture", master, "--disk", i.disks[version], "--data", i.data, "--json")
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("capturing version %d: %w: %s", version, err, complaints.String())
	}
	var said struct {
		Version string `json:"version"`
		New     int64  `json:"new_bytes"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("capturing version %d: %w", version, err)
	}
	if want := fmt.Sprintf("%s@%d", master, version); said.Version != want {
		return fmt.Errorf("capturing version %d: it became %q", version, said.Version)
	}
	i.fresh[version] = said.New
	return nil
}

// writeKey makes the key of a session: 32 random bytes in base64, one line.
func writeKey(path string) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never returns an error
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// writeDisk writes bytes that no compressor makes smaller and that are the same in each run. Version 2 has one chunk in
// ten of its own.
func writeDisk(path string, size int64, version int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	source := func(version int) *mathrand.ChaCha8 {
		return mathrand.NewChaCha8([32]byte{'r', 'o', 'o', 'm', byte(version)})
	}
	first, second := source(1), source(2)
	chunk := make([]byte, chunkSize)
	for k := int64(0); k*chunkSize < size && err == nil; k++ {
		_, _ = first.Read(chunk) // it never returns an error
		if version == 2 && k%10 == 3 {
			_, _ = second.Read(chunk)
		}
		_, err = f.Write(chunk[:min(chunkSize, size-k*chunkSize)])
	}
	return errors.Join(err, f.Close())
}

// writeFiles writes binaries, libraries and texts of this machine one behind the other: a disk that can be compressed as
// disks can. Where they do not suffice, zeros remain.
func writeFiles(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	var at int64
	for _, tree := range []string{"/usr/bin", "/usr/lib", "/usr/share", "/usr/local"} {
		err = errors.Join(err, filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || at >= size {
				return nil // a file that went away meanwhile is no loss
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return nil // as above
			}
			content = content[:min(int64(len(content)), size-at)]
			_, err = f.WriteAt(content, at)
			at += (int64(len(content)) + 4095) &^ 4095 // as a file system lays them out
			return err
		}))
	}
	return errors.Join(err, f.Truncate(size), f.Close())
}

// copyFile gives a PC the disk of an earlier version.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read from
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// sameBytes tells whether two files are equal.
func sameBytes(x, y string) (bool, error) {
	a, err := os.Open(x)
	if err != nil {
		return false, err
	}
	defer func() { _ = a.Close() }() // it was only read from
	b, err := os.Open(y)
	if err != nil {
		return false, err
	}
	defer func() { _ = b.Close() }() // it was only read from
	left, right := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		if n != m || !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		endA, endB := ended(errA), ended(errB)
		switch {
		case errA != nil && !endA:
			return false, errA
		case errB != nil && !endB:
			return false, errB
		case endA || endB:
			return endA == endB, nil
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
