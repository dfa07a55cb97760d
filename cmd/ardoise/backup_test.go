package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/backup"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/storetest"
)

// pc is a computer that keeps its key and the fingerprint it booted with, whatever happens to the server.
func (d *daemon) pc(key *ecdsa.PrivateKey, fingerprint string) *agent.Client {
	d.t.Helper()
	o := agent.Options{Server: fmt.Sprintf("127.0.0.1:%d", d.port), Pause: 20 * time.Millisecond, Key: key}
	if _, err := hex.Decode(o.Fingerprint[:], []byte(fingerprint)); err != nil {
		d.t.Fatal(err)
	}
	c, err := agent.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Close)
	return c
}

func (d *daemon) status() access.Status {
	d.t.Helper()
	c, err := api.Dial(d.t.Context(), d.data)
	if err != nil {
		d.t.Fatal(err)
	}
	s, err := c.Status(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// putMaster publishes a version in a folder that no daemon has.
func putMaster(t testing.TB, data, name string, ids []chunk.ID, frames []chunk.Frame) {
	t.Helper()
	lib, err := masters.Open(data, masters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ing, err := lib.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := ing.Put(context.Background(), frames); err != nil {
		t.Fatal(err)
	}
	encoded, names := encodedVersion(t, ids, frames)
	if _, err := ing.PublishEncoded(context.Background(), name, masters.Meta{Author: "marie"}, encoded, bytes.NewReader(names)); err != nil {
		t.Fatal(err)
	}
	ing.Close()
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func passphraseFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A box burns down. A new one gets the backup and a copy of the store, and serves the same computer at once: over TLS
// proven by the fingerprint that the computer has always had, with the key that it has always had, a task and a manifest
// signed by the key that it has always trusted.
func TestANewBoxServesTheSameComputers(t *testing.T) {
	old := newDaemon(t)
	old.kill()
	ids, frames := storetest.Frames(t, 6, 11)
	putMaster(t, old.data, "salle", ids, frames)
	old.start()
	key, err := agent.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := old.status().CAFingerprint
	before := old.pc(key, fingerprint)
	old.enrol(before, "S104-07")
	trusted, err := before.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	order[access.Move](old, "master", "promote", "salle@1", "stable")
	file := filepath.Join(t.TempDir(), "box.backup")
	secret := passphraseFile(t, "cheval agrafe pile correct")
	made := order[backupResult](old, "backup", "create", file, "--passphrase-file", secret, "--iterations", "1000")
	if made.Versions != 1 || made.CA != fingerprint || made.Bytes == 0 {
		t.Errorf("backup create = %+v", made)
	}
	for _, name := range []string{"S104-07", "PRIVATE KEY", "file 3"} {
		if raw, err := os.ReadFile(file); err != nil || bytes.Contains(raw, []byte(name)) {
			t.Errorf("the backup shows %q, %v", name, err)
		}
	}
	old.kill()

	box := &daemon{t: t, port: freePort(t)}
	if box.data, err = os.MkdirTemp("", "ardoise"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(box.data) })
	told(t, 4, "", "passphrase", "backup", "restore", file, "--data", box.data, "--passphrase-file", passphraseFile(t, "something else"))
	tool(t, "cp", "-a", filepath.Join(old.data, "store"), box.data)
	back := order[backupResult](box, "backup", "restore", file, "--passphrase-file", secret)
	if back.Versions != 1 || back.CA != fingerprint {
		t.Errorf("backup restore = %+v", back)
	}
	told(t, 3, "", "not empty", "backup", "restore", file, "--data", box.data, "--passphrase-file", secret)
	for _, name := range []string{"keys/signing.key", secretName} {
		was, err := os.ReadFile(filepath.Join(old.data, name))
		now, missing := os.ReadFile(filepath.Join(box.data, name))
		if err != nil || missing != nil || !bytes.Equal(was, now) {
			t.Errorf("%s is another one in the new box: %v, %v", name, err, missing)
		}
	}
	box.start()
	t.Cleanup(box.kill)

	a := box.pc(key, fingerprint)
	if w, err := a.Hello(t.Context(), testHello()); err != nil || w.State != job.StateEnrolled || w.Computer != "S104-07" {
		t.Fatalf("hello at the new box = %+v, %v, want it enrolled", w, err)
	}
	order[access.Job](box, "deploy", "salle@stable", "--computer", "S104-07", "--yes")
	e, ok, err := a.Task(t.Context())
	if err != nil || !ok {
		t.Fatalf("task = %v, %v", ok, err)
	}
	if err := sign.Verify(trusted.SigningKeys, e.Key, job.ContextTask, e.Payload, e.Signature); err != nil {
		t.Errorf("the task is not signed by what was trusted before: %v", err)
	}
	var task job.Task
	if err := json.Unmarshal(e.Payload, &task); err != nil || task.Master != "salle" || task.Version != 1 {
		t.Fatalf("task = %+v, %v", task, err)
	}
	encoded, sig, err := a.Manifest(t.Context(), task.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	hash := manifest.HashOf(encoded)
	if err := sign.Verify(trusted.SigningKeys, sig.Key, manifest.SignatureContext, hash[:], sig.Signature); err != nil || hash.String() != task.Manifest {
		t.Errorf("the manifest is not signed by what was trusted before: %v", err)
	}
	storetest.Prove(t, a.Frames(), ids)
	told(t, 3, "", "S104-07", "master", "forget", "salle@1", "--data", box.data)
}

// The signing key is replaced while computers run: who starts afterwards learns of it, what was signed stays valid.
func TestTheSigningKeyIsReplacedWhileTheDaemonRuns(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 2, 12)
	putMaster(t, d.data, "salle", ids, frames)
	d.start()
	a := d.agent()
	d.enrol(a, "pc1")
	before, err := a.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := order[[]access.Key](d, "master", "key", "rotate")
	if len(keys) != 2 || keys[1].Key != before.SigningKeys[0] || !keys[0].Signs || keys[1].Signs || len(keys[0].Fingerprint) != 64 {
		t.Fatalf("keys = %+v", keys)
	}
	order[access.Job](d, "deploy", "salle", "--computer", "pc1", "--yes")
	e, ok, err := a.Task(t.Context())
	if err != nil || !ok || e.Key != keys[0].Key {
		t.Fatalf("the task is signed by %q, %v, want the new key", e.Key, err)
	}
	after, err := a.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sign.Verify(after.SigningKeys, e.Key, job.ContextTask, e.Payload, e.Signature); err != nil {
		t.Errorf("the task: %v", err)
	}
	var task job.Task
	if err := json.Unmarshal(e.Payload, &task); err != nil {
		t.Fatal(err)
	}
	_, sig, err := a.Manifest(t.Context(), task.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := manifest.ParseHash(task.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := sign.Verify(after.SigningKeys, sig.Key, manifest.SignatureContext, hash[:], sig.Signature); err != nil {
		t.Errorf("the manifest that the old key signed: %v", err)
	}
	d.kill()
	d.start()
	if again := order[[]access.Key](d, "master", "key"); len(again) != 2 || again[0] != keys[0] {
		t.Errorf("after a restart the keys are %+v", again)
	}
}

// newerBackup is a backup of a version of this program that keeps one file more.
func newerBackup(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Options{Passphrase: "cheval agrafe pile correct", Iterations: 1000, Rand: rand.Reader})
	for _, name := range []string{"format", "tomorrow.json"} {
		err = errors.Join(err, w.Add(name, 2, strings.NewReader("{}")))
	}
	path := filepath.Join(t.TempDir(), "newer")
	err = errors.Join(err, w.Close())
	if err := errors.Join(err, os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBackupRefuses(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	ids, frames := storetest.Frames(t, 1, 13)
	putMaster(t, data, "m", ids, frames)
	good := passphraseFile(t, "cheval agrafe pile correct")
	file := filepath.Join(dir, "b")
	create := func(args ...string) []string {
		return append([]string{"backup", "create", file, "--data", data, "--iterations", "1000"}, args...)
	}
	if exit, out, complaints := ardoise(create("--passphrase-file", good)...); exit != 0 || !strings.Contains(out, "1 version of") {
		t.Fatalf("backup create = %d %s%s", exit, out, complaints) // a bench without a daemon has a backup too
	}
	for _, n := range []string{"0", "-5", "50000001", "4294967297"} { // none of these could be opened again
		refused(t, 2, "backup", "create", file+"-n", "--data", data, "--iterations", n, "--passphrase-file", good)
	}
	cut, noBackup, other := filepath.Join(dir, "cut"), filepath.Join(dir, "no"), filepath.Join(dir, "b2")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{cut: raw[:len(raw)-40], noBackup: []byte(strings.Repeat("no backup ", 20))} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held, err := masters.Open(data, masters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	half := t.TempDir()
	if err := os.Mkdir(filepath.Join(half, ".restoring"), 0o700); err != nil {
		t.Fatal(err)
	}
	restore := func(file, data string) []string {
		return []string{"backup", "restore", file, "--data", data, "--passphrase-file", good}
	}
	for name, c := range map[string]struct {
		exit int
		args []string
	}{
		"a file that is there":            {3, create("--passphrase-file", good)},
		"a short passphrase":              {2, []string{"backup", "create", other, "--data", data, "--passphrase-file", passphraseFile(t, "short")}},
		"no passphrase and no terminal":   {2, []string{"backup", "create", other, "--data", data}},
		"a folder without anything":       {3, []string{"backup", "create", other, "--data", dir, "--passphrase-file", good}},
		"a passphrase file that is not":   {5, []string{"backup", "create", other, "--data", data, "--passphrase-file", other}},
		"a backup cut short":              {4, restore(cut, filepath.Join(dir, "new"))},
		"a file that is no backup":        {4, restore(noBackup, filepath.Join(dir, "new"))},
		"a backup that is not there":      {5, restore(other, filepath.Join(dir, "new"))},
		"a folder in use":                 {3, restore(file, data)},
		"a folder that is being restored": {3, []string{"master", "capture", "m", "--disk", noBackup, "--data", half}},
		"nothing to do":                   {2, []string{"backup"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.exit, c.args...) })
	}
	told(t, 3, "", `holds tomorrow.json, which this version of Ardoise does not know
hint: restore it with the version that made it, or a newer one; nothing was restored`, restore(newerBackup(t), filepath.Join(dir, "new"))...)
	left, err := filepath.Glob(filepath.Join(dir, ".ardoise-backup-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none")) // there the copy of the database lies, not on the backup's medium
	refused(t, 5, "backup", "create", other, "--data", data, "--passphrase-file", good)
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("a refused backup has left a file: %v", err)
	}
}

// exportedMaster makes a master and its export, and returns the fingerprint of the key that signed it.
func exportedMaster(t testing.TB, data, file string) string {
	t.Helper()
	ids, frames := storetest.Frames(t, 5, 14)
	putMaster(t, data, "m", ids, frames)
	exit, out, complaints := ardoise("master", "export", "m@1", file, "--data", data, "--json")
	var e exported
	if exit != 0 || json.Unmarshal([]byte(out), &e) != nil || e.Version != "m@1" || e.Bytes == 0 {
		t.Fatalf("export = %d %s%s", exit, out, complaints)
	}
	return e.Fingerprint
}

func TestExportAndImportThroughADaemon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.export")
	fingerprint := exportedMaster(t, t.TempDir(), file)
	d := newDaemon(t)
	told(t, 3, "", fingerprint, "master", "import", file, "--data", d.data)
	in := order[access.Imported](d, "master", "import", file, "--trust", fingerprint)
	if in.Known || in.Name != "m" || in.Version != 1 || in.NewBytes == 0 || in.Frames != 5 {
		t.Errorf("import = %+v", in)
	}
	if in := order[access.Imported](d, "master", "import", file); !in.Known || in.NewBytes != 0 {
		t.Errorf("import again = %+v, want it known: it is signed by this site now", in)
	}
	again := filepath.Join(t.TempDir(), "again")
	out := order[exported](d, "master", "export", "m", again)
	if out.Fingerprint == fingerprint || out.Frames != 5 {
		t.Errorf("export through the daemon = %+v", out)
	}
	raw, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(again+".cut", raw[:len(raw)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	told(t, 4, "", "trailer", "master", "import", again+".cut", "--as", "other", "--data", d.data)
	if in := order[access.Imported](d, "master", "import", again, "--as", "other"); in.Name != "other" || in.Version != 1 || in.NewBytes != 0 {
		t.Errorf("import under another name = %+v", in)
	}
	told(t, 3, "", "there already", "master", "export", "m", again, "--data", d.data)
	told(t, 2, "", "fingerprint", "master", "import", again, "--trust", "abc", "--data", d.data)
	if all := order[[]access.Master](d, "master", "list"); len(all) != 2 {
		t.Errorf("masters = %+v", all)
	}
}
