package personal_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/imaging/personal"
)

const oldID = "0123456789abcdef0123456789abcdef"

// debian is what a tree of a system has that gets other content.
func debian() map[string]string {
	return map[string]string{
		"etc/hostname":                     "golden\n",
		"etc/hosts":                        "127.0.0.1\tlocalhost\n127.0.1.1\tgolden.lycee.example\tgolden # this one\n10.0.0.7 golden\n",
		"etc/machine-id":                   oldID + "\n",
		"etc/other":                        "stays as it is\n",
		"bin/program":                      strings.Repeat("a program ", 30000),
		"etc/ssh/ssh_host_ed25519_key":     strings.Repeat("k", 411),
		"etc/ssh/ssh_host_ed25519_key.pub": strings.Repeat("p", 95),
	}
}

// extImage makes a file system with the tree in it.
func extImage(t testing.TB, tree map[string]string, args ...string) string {
	t.Helper()
	dir, image := t.TempDir(), blank(t, 12*mib)
	for name, content := range tree {
		write(t, filepath.Join(dir, name), []byte(content))
	}
	if tree["var/lib/dbus/machine-id"] == "" && tree["etc/machine-id"] != "" {
		if err := os.MkdirAll(filepath.Join(dir, "var/lib/dbus"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/etc/machine-id", filepath.Join(dir, "var/lib/dbus/machine-id")); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "mke2fs", append(append([]string{"-q", "-F", "-E", "root_owner=0:0"}, args...), "-d", dir, image)...)
	return image
}

// mounted runs do with a volume mounted for reading.
func mounted(t testing.TB, kind, image string, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	tool(t, "mount", "-t", kind, "-o", "loop,ro", image, dir)
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	do(dir)
}

func wants(t testing.TB, dir string, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(have) != want[name] {
			t.Errorf("%s holds %.80q, %v, want %.80q", name, have, err, want[name])
		}
	}
}

func TestNamesOnExt(t *testing.T) {
	for name, args := range map[string][]string{
		"ext4":                   {"-t", "ext4"},
		"blocks of 1 KiB":        {"-t", "ext4", "-b", "1024"},
		"no checksums":           {"-t", "ext4", "-b", "4096", "-O", "^metadata_csum,^64bit"},
		"64 bit and a seed":      {"-t", "ext4", "-b", "4096", "-O", "metadata_csum,64bit,metadata_csum_seed"},
		"small inodes":           {"-t", "ext4", "-I", "128", "-O", "metadata_csum"},
		"clusters":               {"-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "16384"},
		"meta groups":            {"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"},
		"inline data":            {"-t", "ext4", "-O", "inline_data", "-I", "1024"},
		"block maps":             {"-t", "ext3", "-b", "1024"},
		"ext2":                   {"-t", "ext2"},
		"groups of few blocks":   {"-t", "ext4", "-b", "1024", "-g", "1024"},
		"no free block anywhere": {"-t", "ext4", "-b", "1024", "-m", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := debian()
			if name == "no free block anywhere" {
				tree["var/full"] = strings.Repeat("f", 8<<20)
			}
			m := captured(t, extImage(t, tree, args...), "linux")
			host := "s104-poste-17"
			if name == "inline data" {
				host = "pc-7" // what lies in an inode cannot grow
			}
			v := personal.Values{Hostname: host, MachineID: "fedcba9876543210fedcba9876543210", SSHKeys: map[string][]byte{
				"etc/ssh/ssh_host_ed25519_key":     bytes.Repeat([]byte("K"), 399),
				"etc/ssh/ssh_host_ed25519_key.pub": bytes.Repeat([]byte("P"), 93),
			}}
			exceptions, skipped := m.plan(t, v)
			if len(skipped) > 0 {
				t.Errorf("skipped %+v", skipped)
			}
			part := m.restored(t, exceptions)
			tool(t, "e2fsck", "-fn", part)
			want := tree
			want["etc/hostname"] = host + "\n"
			want["etc/hosts"] = strings.ReplaceAll("127.0.0.1\tlocalhost\n127.0.1.1\tHOST.lycee.example\tHOST # this one\n10.0.0.7 golden\n", "HOST", host)
			want["etc/machine-id"] = v.MachineID + "\n"
			for p, content := range v.SSHKeys {
				want[p] = string(content)
			}
			mounted(t, "ext4", part, func(dir string) {
				wants(t, dir, want)
				if to, err := os.Readlink(filepath.Join(dir, "var/lib/dbus/machine-id")); to != "/etc/machine-id" {
					t.Errorf("the link of D-Bus leads to %q, %v", to, err)
				}
			})
		})
	}
}
