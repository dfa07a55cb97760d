package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
)

// tables opens the tables of an ext image.
func tables(t testing.TB, i image) (*volume.ExtTables, *os.File) {
	t.Helper()
	f, err := os.Open(i.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, err := volume.OpenExt(f, info.Size(), true)
	if err != nil {
		t.Fatal(err)
	}
	return x, f
}

// plainInode is an inode of 256 bytes of a regular file whose tree lies in it.
func plainInode() []byte {
	b := make([]byte, 256)
	le := binary.LittleEndian
	le.PutUint16(b, 0x81a4)
	le.PutUint16(b[0x1a:], 1)
	le.PutUint32(b[0x20:], 0x80000)
	le.PutUint16(b[0x28:], 0xf30a)
	le.PutUint16(b[0x2a:], 1)
	le.PutUint16(b[0x2c:], 4)
	le.PutUint16(b[0x80:], 32)
	return b
}

func TestInodesAreComparedButForTheirLastReading(t *testing.T) {
	with, _ := tables(t, mkext(t, "", 16, "-t", "ext4"))
	without, _ := tables(t, mkext(t, "", 16, "-t", "ext4", "-O", "^metadata_csum"))
	for at := range 256 {
		atime := at >= 0x08 && at < 0x0c || at >= 0x8c && at < 0x90
		sum := at == 0x7c || at == 0x7d || at == 0x82 || at == 0x83
		a, b := plainInode(), plainInode()
		b[at] ^= 0x10
		if got := with.SameInode(a, b); got != (atime || sum) {
			t.Errorf("byte %#x: same %v", at, got)
		}
		if got := without.SameInode(a, b); got != atime {
			t.Errorf("byte %#x, without checksums: same %v", at, got)
		}
		// Where the inode says that it has no more fields, attributes begin: they are compared.
		a[0x80], b[0x80] = 8, 8
		if at != 0x80 && at >= 0x8c && at < 0x90 && with.SameInode(a, b) {
			t.Errorf("byte %#x of an attribute is left out", at)
		}
	}
	if with.SameInode(plainInode(), plainInode()[:128]) || with.SameInode(nil, nil) {
		t.Error("inodes of different sizes, or of none, are the same")
	}
}

func TestOnlyPlainFilesAreVouchedForByTheirInode(t *testing.T) {
	x, _ := tables(t, mkext(t, "", 16, "-t", "ext4"))
	le := binary.LittleEndian
	if f, ok := x.File(plainInode()); !ok || !f.Plain || len(f.Nodes) != 0 {
		t.Fatalf("%+v, %v", f, ok)
	}
	flag := func(f uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[0x20:], 0x80000|f) } }
	for name, tt := range map[string]struct {
		change    func(b []byte)
		ok, plain bool
	}{
		"a directory":            {func(b []byte) { le.PutUint16(b, 0x41ed) }, false, false},
		"deleted":                {func(b []byte) { le.PutUint16(b[0x1a:], 0) }, false, false},
		"content in the inode":   {flag(0x10000000), false, false},
		"journalled":             {flag(0x4000), true, false},
		"encrypted":              {flag(0x800), true, false},
		"sealed":                 {flag(0x100000), true, false},
		"immutable":              {flag(0x10), true, false},
		"direct access":          {flag(0x2000000), true, false},
		"a flag of the future":   {flag(0x80000000), true, false},
		"no dump, no atime":      {flag(0xc0), true, true},
		"a map of ext2":          {func(b []byte) { le.PutUint32(b[0x20:], 0) }, true, false},
		"no i_ctime_extra":       {func(b []byte) { le.PutUint16(b[0x80:], 4) }, true, false},
		"a tree without a magic": {func(b []byte) { b[0x28] = 0 }, true, false},
		"a tree too wide":        {func(b []byte) { le.PutUint16(b[0x2c:], 40) }, true, false},
		"a tree too deep":        {func(b []byte) { le.PutUint16(b[0x2e:], 6) }, true, false},
	} {
		b := plainInode()
		tt.change(b)
		if f, ok := x.File(b); ok != tt.ok || f.Plain != tt.plain {
			t.Errorf("%s: %+v, %v", name, f, ok)
		}
	}
}

func TestGeometryThatChangedIsNamed(t *testing.T) {
	args := []string{"-t", "ext4", "-b", "4096", "-U", "11111111-2222-4333-8444-555555555555", "-E", "hash_seed=11111111-2222-4333-8444-555555555556"}
	t.Setenv("E2FSPROGS_FAKE_TIME", "1700000000")
	make := func(mib int, more ...string) *volume.ExtTables {
		x, _ := tables(t, mkext(t, "", mib, append(args, more...)...))
		return x
	}
	base := make(64)
	for name, tt := range map[string]struct {
		x    *volume.ExtTables
		want string
	}{
		"the same":           {make(64), ""},
		"larger":             {make(80), "blocks instead of"},
		"more inodes":        {make(64, "-N", "40000"), "inode tables"},
		"larger inodes":      {make(64, "-I", "512"), "inode tables"},
		"smaller blocks":     {make(64, "-b", "1024"), "blocks of another size"},
		"other features":     {make(64, "-O", "project"), "features"},
		"no journal":         {make(64, "-O", "^has_journal"), "features"},
		"another identity":   {make(64, "-U", "21111111-2222-4333-8444-555555555555"), "made anew"},
		"room for growing":   {make(64, "-E", "resize=20000000,hash_seed=11111111-2222-4333-8444-555555555556"), "descriptors elsewhere"},
		"tables not grouped": {make(64, "-O", "^flex_bg"), "features"},
	} {
		if got := base.Differs(tt.x); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// FuzzExtTables gives the readers of superblock, descriptors, inodes and extent nodes a volume with some bytes changed.
func FuzzExtTables(f *testing.F) {
	i := mkext(f, "", 2, "-t", "ext4", "-b", "1024", "-N", "64")
	whole, err := os.ReadFile(i.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(1024), []byte{0}, plainInode(), make([]byte, 1024))
	f.Add(uint32(2048), bytes.Repeat([]byte{0xff}, 32), make([]byte, 256), bytes.Repeat([]byte{0xf3}, 64))
	f.Add(uint32(1024+0x58), []byte{0, 4}, bytes.Repeat([]byte{0xff}, 1024), append([]byte{0x0a, 0xf3, 200, 0, 84, 0, 1, 0}, make([]byte, 1016)...))
	f.Fuzz(func(t *testing.T, at uint32, change, inode, node []byte) {
		b := bytes.Clone(whole)
		copy(b[int(at)%len(b):], change)
		x, err := volume.OpenExt(bytes.NewReader(b), int64(len(b)), true)
		if err != nil {
			var refused *volume.RefusedError
			_ = errors.As(err, &refused)
			return
		}
		if x.Differs(x) != "" {
			t.Error("a file system differs from itself")
		}
		var all uint64
		for _, table := range x.Tables() {
			if table.Used < 0 || table.Used > table.Length || table.Offset < 0 || table.Offset+table.Length > int64(len(b)) {
				t.Fatalf("table %+v of a volume of %d bytes", table, len(b))
			}
			all += uint64(table.Length / x.InodeSize())
		}
		if all != x.Inodes() {
			t.Errorf("%d inodes in tables of %d", x.Inodes(), all)
		}
		if l, ok := x.Log(); ok {
			var log int64
			for _, e := range l.Body {
				if e.Offset <= 0 || e.Length < 0 || e.Offset > int64(len(b))-e.Length {
					t.Fatalf("a log at %+v of a volume of %d bytes", e, len(b))
				}
				log += e.Length
			}
			for _, s := range l.Starts {
				if s < 0 || s > 0 && s >= log {
					t.Fatalf("a log of %d bytes begins at byte %d", log, s)
				}
			}
		}
		if len(inode) >= 128 {
			x.File(inode)
			if !x.SameInode(inode, bytes.Clone(inode)) {
				t.Error("an inode differs from itself")
			}
		}
		if len(node) >= 12 {
			_, _ = x.Node(node, int(at%6))
		}
	})
}
