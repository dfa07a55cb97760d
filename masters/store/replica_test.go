package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// copyOf copies the files of a folder, as a person would.
func copyOf(t *testing.T, dir, to string) string {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func replicaOf(t *testing.T, dir string) *store.Replica {
	t.Helper()
	r, err := store.OpenReplica(dir, durable.FS{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// twoStores are a store with a damaged frame in its first pack, and a sound copy of it.
func twoStores(t *testing.T, frames []chunk.Frame) (dir, copied string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copied = copyOf(t, dir, filepath.Join(t.TempDir(), "copy"))
	flip(t, filepath.Join(dir, "0000000001.pack"), 16+57)
	return dir, copied
}

func TestAReplicaHeals(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 51)
	for name, place := range map[string]func(t *testing.T, copied string) string{
		"a copy of the store": func(_ *testing.T, copied string) string { return copied },
		"a data folder": func(t *testing.T, copied string) string {
			data := t.TempDir()
			copyOf(t, copied, filepath.Join(data, "store"))
			return data
		},
		"a copy without its index": func(t *testing.T, copied string) string {
			if err := os.Remove(filepath.Join(copied, "index")); err != nil {
				t.Fatal(err)
			}
			return copied
		},
		"a copy under way": func(t *testing.T, copied string) string {
			for name, content := range map[string]string{"0000000999.pack.tmp": "half", ".0000000998.pack.x3A": "half", "0000000997.pack": "ARDP"} {
				if err := os.WriteFile(filepath.Join(copied, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return copied
		},
		"a folder that nobody may write": func(t *testing.T, copied string) string { return storetest.ReadOnly(t, copied) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, copied := twoStores(t, frames)
			from := place(t, copied)
			before := listing(t, from)
			s := open(t, dir, store.Options{PackSize: smallPack})
			r := scrub(t, s, store.Scrub{Healer: replicaOf(t, from), Needed: needs(ids...)})
			if len(r.Bad) != 1 || r.Bad[0].ID != ids[0] || r.Healed != 1 || r.Lost != 0 || r.Unhealed != "" {
				t.Errorf("Scrub = %+v, want the first chunk named and healed", r)
			}
			storetest.Prove(t, s, ids)
			if after := listing(t, from); after != before {
				t.Errorf("the replica was changed:\n%s\nbefore\n%s", after, before)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, store.Options{PackSize: smallPack})
			storetest.Prove(t, s, ids)
			if got := s.Stats(); got.Quarantined != 1 || got.Lost != 0 {
				t.Errorf("Stats = %+v", got)
			}
		})
	}
}

// listing is the names, sizes and times of the files of a folder.
func listing(t *testing.T, dir string) (list string) {
	t.Helper()
	err := filepath.WalkDir(dir+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		list += path + " " + fs.FormatFileInfo(info) + info.ModTime().String() + "\n"
		return err
	})
	if err != nil || list == "" {
		t.Fatalf("listing %s: %q, %v", dir, list, err)
	}
	return list
}

func TestAReplicaIsNotBelieved(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 52)
	dir, copied := twoStores(t, frames)
	first := filepath.Join(copied, "0000000001.pack")
	flip(t, first, 16+57) // damaged there, too
	s := open(t, dir, store.Options{PackSize: smallPack})
	if r := scrub(t, s, store.Scrub{Healer: replicaOf(t, copied)}); r.Healed != 0 || r.Lost != 1 {
		t.Errorf("a frame that is damaged in the replica too: %+v", r)
	}
	gone(t, s, ids[:1])

	forged := frames[0] // right checksum, wrong content
	forged.Payload = append([]byte(nil), forged.Payload...)
	forged.Payload[len(forged.Payload)/2] ^= 1
	pack := []byte("ARDPACK0\x01\x00\x00\x00\x00\x00\x00\x00")
	if err := os.WriteFile(first, forged.AppendTo(pack), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := scrub(t, s, store.Scrub{Healer: replicaOf(t, copied)}); r.Healed != 0 || r.Lost != 1 {
		t.Errorf("a frame of wrong content: %+v", r)
	}
	gone(t, s, ids[:1])

	if err := os.WriteFile(first, frames[0].AppendTo(pack), 0o600); err != nil { // no footer: its frames are found
		t.Fatal(err)
	}
	if r := scrub(t, s, store.Scrub{Healer: replicaOf(t, copied)}); r.Healed != 1 || r.Lost != 0 {
		t.Errorf("a sound frame in a pack without its end: %+v", r)
	}
	storetest.Prove(t, s, ids)
}

func TestAReplicaThatIsGoneIsTold(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 53)
	dir, copied := twoStores(t, frames)
	from := replicaOf(t, copied)
	if err := os.Rename(copied, copied+"2"); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, store.Options{PackSize: smallPack})
	if r := scrub(t, s, store.Scrub{Healer: from}); len(r.Bad) != 1 || r.Healed != 0 || r.Lost != 1 || r.Unhealed == "" {
		t.Errorf("Scrub = %+v, want it told that the replica is gone, and the scrub go on", r)
	}
	if err := os.Rename(copied+"2", copied); err != nil {
		t.Fatal(err)
	}
	if r := scrub(t, s, store.Scrub{Healer: from}); r.Healed != 1 || r.Lost != 0 {
		t.Errorf("Scrub = %+v once it is there again", r)
	}
	storetest.Prove(t, s, ids)
	var none *store.ReplicaError
	for _, nothing := range []string{filepath.Join(dir, "nowhere"), t.TempDir()} {
		if _, err := store.OpenReplica(nothing, durable.FS{}); !errors.As(err, &none) || none.Dir != nothing {
			t.Errorf("OpenReplica(%s) = %v, want *store.ReplicaError", nothing, err)
		}
	}
}

// TestHealingDoesNotWaitForTheEndOfARound stops a scrub once it has read the pack that is damaged.
func TestHealingDoesNotWaitForTheEndOfARound(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 54)
	dir, copied := twoStores(t, frames)
	s := open(t, dir, store.Options{PackSize: smallPack})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	_, err := s.Scrub(ctx, store.Scrub{Healer: replicaOf(t, copied), Work: store.Work{Progress: func(string, int64, int64) { stop() }}})
	if !errors.Is(err, context.Canceled) || s.Stats().Quarantined != 1 {
		t.Fatalf("Scrub = %v, %+v", err, s.Stats())
	}
	storetest.Prove(t, s, ids)
	if lost := s.Lost(10); len(lost) != 0 {
		t.Errorf("lost are %v", lost)
	}
}

// TestALiveReplicaHeals reads from a folder whose own process collects and recompresses meanwhile.
func TestALiveReplicaHeals(t *testing.T) {
	ids, frames := storetest.Frames(t, 60, 55)
	dir, copied := twoStores(t, frames)
	other := open(t, copied, store.Options{PackSize: smallPack})
	ended := make(chan error, 1)
	go func() {
		var all error
		for level := 2; level < 8; level++ {
			_, err := other.Recompress(context.Background(), level, store.Work{})
			_, collectErr := other.Collect(context.Background(), needs(ids...), store.Work{})
			all = errors.Join(all, err, collectErr)
		}
		ended <- all
	}()
	s := open(t, dir, store.Options{PackSize: smallPack})
	for s.Stats().Quarantined == 0 || s.Stats().Lost > 0 { // what moves away while we look is found the next time
		scrub(t, s, store.Scrub{Healer: replicaOf(t, copied)})
	}
	storetest.Prove(t, s, ids)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	storetest.Prove(t, other, ids)
}
