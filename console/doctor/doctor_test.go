package doctor_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/doctor"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantState wants the worst of some checks to be a state, and each that is not ok to have a hint.
func wantState(t *testing.T, what string, checks []access.Check, state, word string) {
	t.Helper()
	rank := map[string]int{access.CheckOK: 0, access.CheckWarn: 1, access.CheckBad: 2}
	worst, text := access.CheckOK, ""
	for _, c := range checks {
		if rank[c.State] > rank[worst] {
			worst = c.State
		}
		if c.State != access.CheckOK && c.Hint == "" {
			t.Errorf("%s: no hint for %+v", what, c)
		}
		text += c.Detail + "\n"
	}
	if worst != state || !strings.Contains(text, word) {
		t.Errorf("%s: %s, %q; want %s with %q", what, worst, text, state, word)
	}
}

func TestDataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	wantState(t, "no folder", doctor.Data(dir), access.CheckWarn, "does not exist")
	check(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o700))
	key := filepath.Join(dir, "keys", "signing.key")
	check(t, os.WriteFile(key, nil, 0o600))
	wantState(t, "a sound folder", doctor.Data(dir)[:1], access.CheckOK, "nobody else's")
	check(t, os.Chmod(key, 0o644))
	wantState(t, "a key that others can read", doctor.Data(dir), access.CheckBad, "0644")
	check(t, os.Chmod(key, 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "post.json"), nil, 0o640))
	wantState(t, "the mail server's password that others can read", doctor.Data(dir), access.CheckBad, "post.json has mode 0640")
	wantState(t, "a file in its place", doctor.Data(key), access.CheckBad, "no folder")
}

func TestClock(t *testing.T) {
	wantState(t, "1970", []access.Check{doctor.Clock(time.Unix(0, 0))}, access.CheckBad, "1970")
	if c := doctor.Clock(time.Now()); c.State == access.CheckBad {
		t.Errorf("the clock of this host: %+v", c)
	}
}

func TestPorts(t *testing.T) {
	tcp, err := net.Listen("tcp", ":0")
	check(t, err)
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", ":0")
	check(t, err)
	defer udp.Close()
	taken := []doctor.Port{{Network: "tcp", Number: tcp.Addr().(*net.TCPAddr).Port, For: "agents"}}
	wantState(t, "a TCP port that is taken", doctor.Ports(taken, false), access.CheckBad, "another program")
	wantState(t, "the same, by the daemon", doctor.Ports(taken, true), access.CheckOK, "this daemon")
	taken = []doctor.Port{{Network: "udp", Number: udp.LocalAddr().(*net.UDPAddr).Port, For: "TFTP"}}
	wantState(t, "a UDP port that is taken", doctor.Ports(taken, false), access.CheckBad, "another program")
	check(t, udp.Close())
	wantState(t, "a UDP port that is free", doctor.Ports(taken, false), access.CheckOK, "free")
}

func TestBootEnvironment(t *testing.T) {
	dir := t.TempDir()
	wantState(t, "an empty folder", doctor.Boot(dir), access.CheckBad, "boot.json")
	files := map[string]any{}
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "vmlinuz", "stage1.img", "stage2.img"} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
		sum := sha256.Sum256([]byte(name))
		files[name] = map[string]any{"size": len(name), "sha256": hex.EncodeToString(sum[:]), "sbat": []string{"shim,4"}}
	}
	describe := func() {
		b, err := json.Marshal(map[string]any{"kernel": "6.12.107", "files": files,
			"packages": []map[string]string{{"package": "shim-signed", "version": "1.51"}}})
		check(t, err)
		check(t, os.WriteFile(filepath.Join(dir, "boot.json"), b, 0o644))
	}
	describe()
	wantState(t, "whole", doctor.Boot(dir), access.CheckOK, "kernel 6.12.107, shim-signed 1.51; SBAT shim,4")
	check(t, os.WriteFile(filepath.Join(dir, "vmlinuz"), []byte("VMLINUZ"), 0o644))
	wantState(t, "another kernel of the same size", doctor.Boot(dir), access.CheckBad, "vmlinuz is not the file")
	check(t, os.WriteFile(filepath.Join(dir, "vmlinuz"), []byte("x"), 0o644))
	wantState(t, "a kernel cut short", doctor.Boot(dir), access.CheckBad, "vmlinuz has 1 bytes, not 7")
	check(t, os.Remove(filepath.Join(dir, "stage1.img")))
	wantState(t, "no stage one", doctor.Boot(dir), access.CheckBad, "stage1.img is missing")
	delete(files, "grubx64.efi")
	describe()
	wantState(t, "GRUB not described", doctor.Boot(dir), access.CheckBad, "grubx64.efi is not in boot.json")
	check(t, os.WriteFile(filepath.Join(dir, "boot.json"), []byte("{"), 0o644))
	wantState(t, "a description cut short", doctor.Boot(dir), access.CheckBad, "reading boot.json")
}

func TestMkimageWithoutModules(t *testing.T) {
	wantState(t, "no modules", []access.Check{doctor.Mkimage(t.TempDir())}, access.CheckWarn, "")
}
