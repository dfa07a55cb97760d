package personal_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/personal"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// small are volumes to be spoilt: few MiB, so that many are tried.
func small(f *testing.F) [][]byte {
	dir := f.TempDir()
	for name, content := range debian() {
		if name != "bin/program" {
			write(f, filepath.Join(dir, name), []byte(content))
		}
	}
	var out [][]byte
	for _, args := range [][]string{{"-t", "ext4", "-b", "1024"}, {"-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"},
		{"-t", "ext3", "-b", "1024"}, {"-t", "ext4", "-b", "1024", "-O", "^metadata_csum,inline_data", "-I", "1024"}} {
		image := blank(f, 2*mib)
		tool(f, "mke2fs", append(append([]string{"-q", "-F"}, args...), "-d", dir, image)...)
		out = append(out, must(f, image))
	}
	image := blank(f, 3*mib)
	tool(f, "mkntfs", "-q", "-Q", "-F", image)
	driven(f, image, "", func(dir string) { write(f, filepath.Join(dir, answers), bytes.Repeat([]byte("a"), 700)) })
	return append(out, must(f, image))
}

func must(f *testing.F, path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzPlan spoils volumes: each six bytes of the input say where, how, and with what. Whatever they hold, exceptions lie
// inside and apart, and have their hashes.
func FuzzPlan(f *testing.F) {
	images := small(f)
	for i := range images {
		f.Add(uint8(i), []byte{0, 0, 0, 0, 0, 0})
		f.Add(uint8(i), []byte{0x3a, 4, 0, 0, 2, 2, 0x60, 4, 0, 0, 1, 0xff})
	}
	// Where the structures lie: superblock, descriptors, inode tables, boot sector, file table.
	for i := range images {
		for _, at := range []uint32{0x400, 0x800, 0x1000, 0x4000, 0xc000, 0x40000, 0x45000} {
			var b []byte
			for k := range uint32(12) {
				b = binary.LittleEndian.AppendUint32(b, at+k*37)
				b = append(b, byte(k), byte(0xf1*k))
			}
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, spoil []byte) {
		volume := bytes.Clone(images[int(which)%len(images)])
		for len(spoil) >= 6 {
			at := binary.LittleEndian.Uint32(spoil) % uint32(len(volume))
			switch spoil[4] % 3 {
			case 0:
				volume[at] = spoil[5]
			case 1:
				volume[at] ^= spoil[5]
			default:
				volume[at] += spoil[5]
			}
			spoil = spoil[6:]
		}
		size, kind := int64(len(volume)), "ext4"
		if int(which)%len(images) == len(images)-1 {
			kind = "ntfs"
		}
		m := &manifest.Manifest{Disk: manifest.Disk{Size: size},
			Volumes: []manifest.Volume{{Partition: 1, Length: size, Kind: kind, Order: manifest.ByFile}}}
		v := values()
		v.SSHKeys = map[string][]byte{"etc/ssh/ssh_host_ed25519_key": bytes.Repeat([]byte("K"), 399)}
		v.Answer = personal.AnswerFile{Path: answers, Content: bytes.Repeat([]byte("b"), 500)}
		list, _, err := personal.Plan(bytes.NewReader(volume), m, v)
		if err != nil {
			t.Fatal(err)
		}
		end := int64(0)
		for _, x := range list {
			if x.Offset < end || x.Length <= 0 || x.Offset+x.Length > size || int64(len(x.Content)) != x.Length ||
				chunk.Of(x.Content).String() != x.Hash {
				t.Fatalf("exception of %d bytes at %d after %d", x.Length, x.Offset, end)
			}
			end = x.Offset + x.Length
		}
	})
}

// A master that was made to be evil: the block of /etc/hostname is the one of its own inode, or the superblock's.
func TestAFileOnItsOwnInodeOrTheSuperblock(t *testing.T) {
	image := extImage(t, debian(), "-t", "ext3", "-b", "1024", "-O", "^metadata_csum,^64bit")
	where := strings.Fields(tool(t, "debugfs", "-R", "imap etc/hostname", image)) // ... located at block N, offset 0x...
	for block, want := range map[string]string{strings.TrimSuffix(where[len(where)-3], ","): "on its own inode", "1": "what the volume is known by"} {
		tool(t, "debugfs", "-w", "-R", "sif etc/hostname block[0] "+block, image)
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		m := &manifest.Manifest{Disk: manifest.Disk{Size: int64(len(b))}, Volumes: []manifest.Volume{{Partition: 1, Length: int64(len(b)),
			Kind: "ext3", Order: manifest.ByFile, Heads: []manifest.Extent{{Offset: 1024, Length: 1024}}}}}
		list, skipped, err := personal.Plan(bytes.NewReader(b), m, personal.Values{Hostname: "pc"})
		if err != nil || len(list) > 0 || !strings.Contains(said(skipped)["etc/hostname"], want) {
			t.Errorf("block %s: %d exceptions, %+v, %v", block, len(list), skipped, err)
		}
	}
}
