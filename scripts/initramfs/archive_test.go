package initramfs_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ardoise/ardoise/scripts/initramfs"
)

// sample fills an archive; reversed, in the other order.
func sample(reversed bool) *initramfs.Archive {
	var a initramfs.Archive
	steps := []func(){
		func() { a.File("/init", []byte("#!"), true) },
		func() { a.File("lib/modules/6.12/kernel/x.ko", []byte("ELF"), false) },
		func() { a.Link("bin/sh", "../usr/bin/busybox") },
		func() { a.Folder("proc") },
		func() { a.Device("dev/console", 5, 1) },
	}
	for i := range steps {
		if reversed {
			i = len(steps) - 1 - i
		}
		steps[i]()
	}
	return &a
}

func TestArchiveHasFoldersBeforeWhatLiesInThem(t *testing.T) {
	var out bytes.Buffer
	if err := sample(false).Write(&out); err != nil {
		t.Fatal(err)
	}
	records, err := cpio.ReadAllRecords(&cpio.EOFReader{RecordReader: cpio.Newc.Reader(bytes.NewReader(out.Bytes()))})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
		if r.Mode&0o022 != 0 && r.Mode&cpio.S_IFMT != cpio.S_IFLNK {
			t.Errorf("%s has mode %o: others may write it", r.Name, r.Mode)
		}
		if r.UID != 0 || r.GID != 0 || r.MTime != 0 {
			t.Errorf("%s belongs to %d:%d and is dated %d", r.Name, r.UID, r.GID, r.MTime)
		}
	}
	want := []string{
		"bin", "bin/sh", "dev", "dev/console", "init", "lib", "lib/modules", "lib/modules/6.12", "lib/modules/6.12/kernel",
		"lib/modules/6.12/kernel/x.ko", "proc",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if records[4].Mode != cpio.S_IFREG|0o755 {
		t.Errorf("init has mode %o, the kernel could not start it", records[4].Mode)
	}
}

func TestArchiveIsTheSameBytesWhateverTheOrder(t *testing.T) {
	var one, two bytes.Buffer
	if err := sample(false).Write(&one); err != nil {
		t.Fatal(err)
	}
	if err := sample(true).Write(&two); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two archives of the same files differ")
	}
	first, err := initramfs.Compress(one.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	second, err := initramfs.Compress(two.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("compressed twice, the same archive differs")
	}
	r, err := zstd.NewReader(bytes.NewReader(first), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, one.Bytes()) {
		t.Errorf("a reader with a window of 8 MiB got %d bytes of %d: %v", len(plain), one.Len(), err)
	}
}
