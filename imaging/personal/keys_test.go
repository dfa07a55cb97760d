package personal_test

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/personal"
)

// OpenSSH itself reads the keys of many seeds: numbers with and without a leading zero byte are among them.
func TestKeysAreWhatOpenSSHReads(t *testing.T) {
	seen := map[string]bool{}
	for n := range 24 {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], uint64(n))
		id, err := personal.MachineID(seed)
		if v := (personal.Values{MachineID: id}); err != nil || v.Check() != nil || id[12] != '4' || seen[id] {
			t.Errorf("machine-id %q, %v", id, err)
		}
		seen[id] = true
		keys, err := personal.Keys(seed)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := personal.Keys(seed); err != nil || !maps.EqualFunc(keys, again, slices.Equal) {
			t.Errorf("seed %d gives other keys the second time, %v", n, err)
		}
		if len(keys) != 4 {
			t.Fatalf("%d files", len(keys))
		}
		dir := t.TempDir()
		for path, content := range keys {
			if seen[string(content)] {
				t.Errorf("%s of seed %d was given before", path, n)
			}
			seen[string(content)] = true
			write(t, filepath.Join(dir, path), content)
			if err := os.Chmod(filepath.Join(dir, path), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for path, kind := range map[string]string{"etc/ssh/ssh_host_ed25519_key": "(ED25519)", "etc/ssh/ssh_host_ecdsa_key": "(ECDSA)"} {
			file := filepath.Join(dir, path)
			public := tool(t, "ssh-keygen", "-y", "-P", "", "-f", file)
			if want := string(keys[path+".pub"]); public != want {
				t.Errorf("ssh-keygen finds %q in the private key of seed %d, the public one is %q", public, n, want)
			}
			if out := tool(t, "ssh-keygen", "-l", "-f", file+".pub"); !strings.Contains(out, kind) {
				t.Errorf("%s", out)
			}
			if n == 0 {
				proves(t, dir, file)
			}
		}
	}
}

// proves signs with a private key and checks that with the public one.
func proves(t *testing.T, dir, key string) {
	t.Helper()
	message := filepath.Join(dir, "message")
	write(t, message, []byte("a message"))
	tool(t, "ssh-keygen", "-Y", "sign", "-n", "test", "-f", key, message)
	out := tool(t, "sh", "-c", `ssh-keygen -Y check-novalidate -n test -s "$0.sig" <"$0"`, message)
	if !strings.Contains(out, "Good") {
		t.Error(out)
	}
	if err := os.Remove(message + ".sig"); err != nil {
		t.Fatal(err)
	}
}
