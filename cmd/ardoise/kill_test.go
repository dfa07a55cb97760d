package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// library opens the masters of a data folder that no daemon uses, with packs so small that there are many.
func library(t *testing.T, data string) *masters.Library {
	t.Helper()
	lib, err := masters.Open(data, masters.Options{PackSize: 512 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func closeLibrary(t *testing.T, lib *masters.Library) {
	t.Helper()
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

// publishVersion makes frames the next version of a master.
func publishVersion(t *testing.T, lib *masters.Library, name string, ids []chunk.ID, frames []chunk.Frame) {
	t.Helper()
	in, err := lib.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := errors.Join(in.Put(t.Context(), frames), in.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	encoded, names := encodedVersion(t, ids, frames)
	if _, err := in.PublishEncoded(t.Context(), name, masters.Meta{Author: "test"}, encoded, bytes.NewReader(names)); err != nil {
		t.Fatal(err)
	}
}

// usedData is a data folder in which every master has lost its first version since: half of most packs is needed by
// nothing, and some packs are needed by nothing at all. The next collection is the one that removes. needed is what the
// versions that are left need.
func usedData(t *testing.T) (data string, needed []chunk.ID) {
	t.Helper()
	data = shortFolder(t)
	lib := library(t, data)
	for m := range 6 {
		name := fmt.Sprintf("m%d", m)
		ids, frames := storetest.Frames(t, 60, uint64(100+2*m))
		more, moreFrames := storetest.Frames(t, 20, uint64(101+2*m))
		publishVersion(t, lib, name, ids, frames)
		keptIDs, kept := more, moreFrames
		for i := range ids {
			if m < 4 && i%8 < 4 { // of the others nothing of version 1 is needed
				keptIDs, kept = append(keptIDs, ids[i]), append(kept, frames[i])
			}
		}
		publishVersion(t, lib, name, keptIDs, kept)
		needed = append(needed, keptIDs...)
		if _, err := lib.Forget(name+"@1", "test", nil); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := lib.Collect(t.Context(), store.Work{}); err != nil || c.WaitingChunks == 0 {
		t.Fatalf("Collect = %+v, %v", c, err)
	}
	closeLibrary(t, lib)
	return data, needed
}

// copyData copies a data folder as a person would.
func copyData(t *testing.T, data string) string {
	t.Helper()
	copied := filepath.Join(shortFolder(t), "d")
	if err := errors.Join(os.CopyFS(copied, os.DirFS(data)), os.Chmod(filepath.Join(copied, "keys", "signing.key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// packs returns the names in the folder of the store that end so.
func packs(t *testing.T, data, suffix string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(data, "store"))
	if err != nil {
		t.Error(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names[e.Name()] = true
		}
	}
	return names
}

// TestTheDaemonIsKilledInTheMiddleOfACollection ends the daemon with SIGKILL at several moments of a collection, some of
// them chosen by what the folder shows, some by chance. Each time all that is published must be readable, the check clean,
// and the next collections must give the room back.
func TestTheDaemonIsKilledInTheMiddleOfACollection(t *testing.T) {
	base, needed := usedData(t)
	before := packs(t, base, ".pack")
	gone := func(n int) func(now, temp map[string]bool) bool {
		return func(now, _ map[string]bool) bool {
			left := 0
			for name := range before {
				if !now[name] {
					left++
				}
			}
			return left >= n
		}
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d, %d packs", seed, len(before))
	chance := func(map[string]bool, map[string]bool) bool { return random.IntN(400) == 0 }
	for _, moment := range []struct {
		name   string
		come   func(now, temp map[string]bool) bool
		always bool // the collection is in the midst of its work then
	}{
		{"a new pack is being written", func(_, temp map[string]bool) bool { return len(temp) > 0 }, true},
		{"a new pack has its name", func(now, _ map[string]bool) bool {
			for name := range now {
				if !before[name] {
					return true
				}
			}
			return false
		}, true},
		{"the first old pack is gone", gone(1), true},
		{"several old packs are gone", gone(8), true},
		{"by chance, once", chance, false},
		{"by chance, again", chance, false},
		{"by chance, a third time", chance, false},
	} {
		t.Run(moment.name, func(t *testing.T) {
			for attempt := 1; ; attempt++ { // a busy machine may look too late
				d, collected := killedWhen(t, base, moment.come)
				afterTheKill(t, d, needed, len(before))
				if !collected || !moment.always {
					return
				}
				if attempt == 5 {
					t.Fatal("each collection had ended before it was killed")
				}
			}
		})
	}
}

// killedWhen lets a daemon collect a copy of base and kills it once a moment has come. collected says that it was too late.
func killedWhen(t *testing.T, base string, come func(now, temp map[string]bool) bool) (d *daemon, collected bool) {
	t.Helper()
	d = daemonAt(t, copyData(t, base))
	d.start()
	client, err := api.Dial(t.Context(), d.data)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // slowed down, so that there is a middle to hit
		_, err := client.Store(context.WithoutCancel(t.Context()), "gc", access.StoreOrder{Rate: 2_000_000}, func(string, int64, int64) {})
		ended <- err
	}()
	for !come(packs(t, d.data, ".pack"), packs(t, d.data, ".tmp")) {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			d.kill()
			return d, true
		default:
		}
	}
	d.kill()
	return d, <-ended == nil
}

// afterTheKill proves a data folder whose daemon was killed.
func afterTheKill(t *testing.T, d *daemon, needed []chunk.ID, most int) {
	t.Helper()
	d.start()
	if f := order[masters.Found](d, "store", "check"); !f.Sound() || f.Versions != 6 || f.Bad != 0 {
		t.Errorf("check = %+v", f)
	}
	d.kill()
	lib := library(t, d.data)
	storetest.Prove(t, lib, needed)
	closeLibrary(t, lib)
	d.start()
	for range 3 {
		order[store.Collected](d, "store", "gc")
	}
	v := order[store.Survey](d, "store", "stats")
	if v.Bytes > 0 && v.LiveBytes*100 < v.Bytes*55 || v.MissingChunks != 0 || v.Packs >= most {
		t.Errorf("after collecting, %d of %d bytes in %d packs are needed: %+v", v.LiveBytes, v.Bytes, v.Packs, v)
	}
	if left := packs(t, d.data, ".tmp"); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	d.kill()
	lib = library(t, d.data)
	storetest.Prove(t, lib, needed)
	closeLibrary(t, lib)
}
