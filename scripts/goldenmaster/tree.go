package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// epoch is the time of everything in a golden master: 1 September 2026, 08:00 UTC, the first day of school.
const epoch = 1788249600

// identifiers are what makes two masters different disks.
type identifiers struct {
	disk, bios, esp, espPart, root, hash [16]byte
}

// identify derives all identifiers from name and seed, in the form of random UUIDs (RFC 9562 section 5.4).
func identify(name string, seed uint64) identifiers {
	var ids identifiers
	for i, id := range []*[16]byte{&ids.disk, &ids.bios, &ids.esp, &ids.espPart, &ids.root, &ids.hash} {
		sum := sha256.Sum256(fmt.Appendf(nil, "golden master %q %d %d", name, seed, i))
		copy(id[:], sum[:])
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
	}
	return ids
}

// uuid spells a UUID.
func uuid(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// word is the short identifier that MBR and FAT have.
func word(id [16]byte) uint32 { return binary.BigEndian.Uint32(id[:4]) }

// folders are those of the tree; names that schools have, not names that programmers like.
var folders = [...]string{
	"etc", "srv", "srv/élèves", "srv/élèves/2nde 3", "srv/élèves/Terminale S", "srv/profs", "usr", "usr/lib", "usr/share",
	"usr/share/doc", "usr/share/fonts", "var", "var/log", "vide",
}

// growTree writes the tree: some hundred files whose sizes run from nothing to a megabyte (few large ones hold most of
// the bytes, as on real disks), half of them like text and half like noise, symbolic links, a sparse file, an empty folder.
func growTree(root string, seed uint64, size int64) error {
	random := rand.New(rand.NewPCG(seed, 0))
	for _, dir := range folders {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	const sparse = 4 * mib
	left := size - sparse
	for n := 0; left > 0 || n < 40; n++ {
		file := filepath.Join(folders[n%(len(folders)-1)], fmt.Sprintf("fichier %03d.dat", n))
		length := min(int64(1)<<(random.IntN(12)+9)+random.Int64N(4096), max(left, 0))
		if n%17 == 3 {
			length = 0
		}
		if err := os.WriteFile(filepath.Join(root, file), content(random, length, n%2 == 0), 0o644); err != nil {
			return err
		}
		left -= length
		if n%20 == 7 {
			link := filepath.Join(root, "etc", fmt.Sprintf("lien-%d", n))
			if err := os.Symlink(filepath.Join("..", file), link); err != nil {
				return err
			}
		}
	}
	return writeSparse(filepath.Join(root, "var", "creux.img"), sparse, content(random, 8192, false))
}

// content makes the bytes of a file.
func content(random *rand.Rand, length int64, text bool) []byte {
	b := make([]byte, 0, length+16)
	for int64(len(b)) < length {
		if text {
			b = fmt.Appendf(b, "ligne %d du cours ; note %d sur 20\n", random.IntN(1000), random.IntN(21))
			continue
		}
		b = binary.LittleEndian.AppendUint64(b, random.Uint64())
	}
	return b[:length]
}

// writeSparse writes a file with data at both ends and in the middle, and holes between.
func writeSparse(file string, size int64, data []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	for _, at := range []int64{0, size / 2, size - int64(len(data))} {
		if _, err := f.WriteAt(data, at); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
