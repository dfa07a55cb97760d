package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/masters/storetest"
)

// The settings of the morning's report are in a backup, their password sealed with the rest.
func TestABackupHasWhereReportsGo(t *testing.T) {
	data, box := t.TempDir(), filepath.Join(t.TempDir(), "box")
	ids, frames := storetest.Frames(t, 1, 13)
	putMaster(t, data, "m", ids, frames)
	const settings = `{"settings":{"at":"07:00","language":"fr","mail":{"server":"mail.example.org:587","tls":"starttls","password":"geheim","from":"a@example.org","to":["b@example.org"]}}}`
	if err := os.WriteFile(filepath.Join(data, postName), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	file, secret := filepath.Join(t.TempDir(), "b"), passphraseFile(t, "cheval agrafe pile correct")
	if exit, _, complaints := ardoise("backup", "create", file, "--data", data, "--iterations", "1000", "--passphrase-file", secret); exit != 0 {
		t.Fatalf("backup create = %d %s", exit, complaints)
	}
	if raw, err := os.ReadFile(file); err != nil || strings.Contains(string(raw), "geheim") {
		t.Errorf("the backup shows the password, %v", err)
	}
	if exit, _, complaints := ardoise("backup", "restore", file, "--data", box, "--passphrase-file", secret); exit != 0 {
		t.Fatalf("backup restore = %d %s", exit, complaints)
	}
	if raw, err := os.ReadFile(filepath.Join(box, postName)); err != nil || string(raw) != settings {
		t.Errorf("restored: %q, %v", raw, err)
	}
	if info, err := os.Stat(filepath.Join(box, postName)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info, err)
	}
}

// A daemon whose post.json is damaged starts, and its doctor says what it cannot do.
func TestADaemonStartsWithoutItsReports(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	if err := os.WriteFile(filepath.Join(d.data, postName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	c, err := api.Dial(t.Context(), d.data)
	if err != nil {
		t.Fatal(err)
	}
	said, err := c.Doctor(t.Context())
	if err != nil || !slices.ContainsFunc(said, func(x access.Check) bool { return x.Name == "reports" && x.State == access.CheckWarn }) {
		t.Errorf("the doctor says %+v, %v", said, err)
	}
}
