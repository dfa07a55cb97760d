package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// damagedBox is a data folder with a damaged frame, and a copy of it from before.
func damagedBox(t *testing.T) (data, sound string) {
	t.Helper()
	data = shortFolder(t)
	lib := library(t, data)
	ids, frames := storetest.Frames(t, 30, 61)
	publishVersion(t, lib, "m", ids, frames)
	closeLibrary(t, lib)
	sound = copyData(t, data)
	flipByte(t, files(t, data, "store/*.pack")[0], func(int) int { return 16 + 57 })
	return data, sound
}

func TestAStoreIsHealedFromAnother(t *testing.T) {
	t.Parallel()
	data, sound := damagedBox(t)
	if r := storeJSON[store.Scrubbed](t, 4, data, "scrub"); len(r.Bad) != 1 || r.Lost != 1 || r.Healed != 0 {
		t.Errorf("scrub = %+v", r)
	}
	for _, nothing := range []string{t.TempDir(), filepath.Join(data, "none"), data, filepath.Join(data, "store")} {
		refused(t, 3, "store", "scrub", "--from", nothing, "--data", data)
	}
	exit, out, complaints := ardoise("store", "scrub", "--from", sound, "--data", data)
	if exit != 0 || !strings.Contains(out, "1 chunks were healed") {
		t.Errorf("scrub --from = exit %d\n%s%s", exit, out, complaints)
	}
	if f := storeJSON[masters.Found](t, 0, data, "check"); !f.Sound() || f.Bad != 1 {
		t.Errorf("check = %+v", f)
	}
}

func TestTheDaemonHealsFromItsReplica(t *testing.T) {
	t.Parallel()
	data, sound := damagedBox(t)
	away := sound + "-not-mounted-yet"
	if err := os.Rename(sound, away); err != nil {
		t.Fatal(err)
	}
	d := daemonAt(t, data, "--replica", sound)
	d.start() // computers must start, whether or not the replica is there
	if !strings.Contains(d.said(), "nothing can be healed") {
		t.Errorf("nobody is told that the replica is not there:\n%s", d.said())
	}
	exit, out, complaints := ardoise("store", "scrub", "--data", data)
	if exit != 4 || !strings.Contains(out, "healing ended early") {
		t.Errorf("scrub without the replica = exit %d\n%s%s", exit, out, complaints)
	}
	if err := os.Rename(away, sound); err != nil {
		t.Fatal(err)
	}
	if r := order[store.Scrubbed](d, "store", "scrub"); r.Healed != 1 || r.Lost != 0 {
		t.Errorf("scrub = %+v, want it healed", r)
	}
	if f := order[masters.Found](d, "store", "check"); !f.Sound() {
		t.Errorf("check = %+v", f)
	}
}

// TestTheDaemonHealsWhatAReaderFound starts the daemon on a folder with a frame in quarantine: no scrub runs.
func TestTheDaemonHealsWhatAReaderFound(t *testing.T) {
	t.Parallel()
	data, sound := damagedBox(t)
	storeJSON[store.Scrubbed](t, 4, data, "scrub")
	d := daemonAt(t, data, "--replica", sound)
	d.start()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		v := order[store.Survey](d, "store", "stats")
		if v.Lost == 0 && v.Quarantined == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("stats = %+v\n%s", v, d.said())
		}
	}
}

func TestAFullDiskIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	source, full := schoolPC(t), storetest.Tmpfs(t, 3<<20)
	data := filepath.Join(full, "d")
	if err := os.WriteFile(filepath.Join(full, "other"), make([]byte, 2900<<10), 0o600); err != nil { // room for the keys
		t.Fatal(err)
	}
	exit, _, complaints := ardoise("master", "capture", "m", "--disk", source, "--data", data)
	if exit != 5 || !strings.Contains(complaints, "error: the disk of the server is full") || !strings.Contains(complaints, "lacking") ||
		!strings.Contains(complaints, "hint: forget versions") {
		t.Errorf("capture on a full disk = exit %d\n%s", exit, complaints)
	}
	if f := storeJSON[masters.Found](t, 0, data, "check"); !f.Sound() || f.Versions != 0 {
		t.Errorf("check = %+v", f)
	}
	if err := os.Remove(filepath.Join(full, "other")); err != nil {
		t.Fatal(err)
	}
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
}

func TestADataFolderMountedReadOnlyIsRefused(t *testing.T) {
	t.Parallel()
	_, data := damagedBox(t)
	view := filepath.Join(storetest.ReadOnly(t, filepath.Dir(data)), filepath.Base(data))
	for _, args := range [][]string{{"store", "check"}, {"store", "gc"}, {"master", "list"}, {"serve", "--boot", "none"}} {
		exit, out, complaints := ardoise(append(args, "--data", view)...)
		if exit != 5 || !strings.Contains(complaints, "error: the data folder cannot be written") || !strings.Contains(complaints, "hint: mount it") {
			t.Errorf("%v = exit %d\n%s%s", args, exit, out, complaints)
		}
	}
	storeJSON[store.Survey](t, 0, data, "stats") // nothing has changed
}

// TestAComputerGivesTheDaemonBackWhatItLost is the agent's own client against the command: a deployment that has nothing
// to fetch, and a disk that holds what the server has lost.
func TestAComputerGivesTheDaemonBackWhatItLost(t *testing.T) {
	t.Parallel()
	data, _ := damagedBox(t)
	storeJSON[store.Scrubbed](t, 4, data, "scrub")
	d := daemonAt(t, data)
	d.start()
	a := d.agent()
	d.enrol(a, "pc1")
	order[access.Job](d, "deploy", "m", "--computer", "pc1", "--yes")
	receive(t, a)
	ids, frames := storetest.Frames(t, 30, 61)
	wanted, err := a.Wanted(t.Context())
	if err != nil || len(wanted) != 1 || wanted[0] != ids[0] {
		t.Fatalf("Wanted = %v, %v, want the one that is damaged", wanted, err)
	}
	if err := a.Heal(t.Context(), frames[:1]); err != nil {
		t.Fatal(err)
	}
	if f := order[masters.Found](d, "store", "check"); !f.Sound() || f.Bad != 1 {
		t.Errorf("check = %+v", f)
	}
	var refused *agent.ProblemError
	if err := a.Heal(t.Context(), []chunk.Frame{{ID: chunk.Of(nil), Codec: 9}}); !errors.As(err, &refused) {
		t.Errorf("Heal of nonsense = %v, want it refused", err)
	}
}

func TestTwoDaemonsOnOneFolder(t *testing.T) {
	t.Parallel()
	_, data := damagedBox(t) // the sound one
	d := daemonAt(t, data)
	d.start()
	exit, _, complaints := ardoise("serve", "--data", data, "--boot", "none", "--agent-port", strconv.Itoa(freePort(t)), "--console", "")
	if exit != 3 || !strings.Contains(complaints, "error: ") || !strings.Contains(complaints, data) || !strings.Contains(complaints, "hint: ") {
		t.Errorf("a second daemon = exit %d\n%s", exit, complaints)
	}
	if _, err := masters.Open(data, masters.Options{}); err == nil {
		t.Error("the folder of a running daemon was opened")
	}
	if f := order[masters.Found](d, "store", "check"); !f.Sound() || f.Versions != 1 {
		t.Errorf("check of the first = %+v", f)
	}
}
