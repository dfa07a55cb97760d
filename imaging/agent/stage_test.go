package agent_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// inCache opens a disk and finds the partition of its cache.
func inCache(t *testing.T, path string, mode disk.Mode, f func(*disk.Disk, manifest.Partition)) {
	t.Helper()
	d, err := disk.Open(path, mode)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Cache == nil {
		t.Fatalf("no partition for a cache: %v", err)
	}
	f(d, *table.Cache)
}

// stored opens the cache of a disk.
func stored(t *testing.T, path string, f func(*cache.Cache)) {
	t.Helper()
	inCache(t, path, disk.Mode{Read: true}, func(d *disk.Disk, part manifest.Partition) {
		c, err := cache.Open(d, part)
		if err != nil {
			t.Fatal(err)
		}
		f(c)
	})
}

// covered says how much of a version the cache of a disk has, and which versions it is for.
func covered(t *testing.T, path string, encoded []byte) (covers cache.Coverage, kept []manifest.Hash) {
	t.Helper()
	m, _, err := manifest.Decode(strings.NewReader(string(encoded)), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	stored(t, path, func(c *cache.Cache) { covers, kept = c.Covers(m), c.Stats().Kept })
	return covers, kept
}

// checked counts what is damaged in the cache of a disk.
func checked(t *testing.T, path string) (lost int) {
	t.Helper()
	stored(t, path, func(c *cache.Cache) {
		var err error
		if lost, err = c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return lost
}

func TestAVersionIsPutInStore(t *testing.T) {
	p, hash := resettable(t)
	before := read(t, p.disks[0], inSuper) + read(t, p.disks[0], inESP)
	p.server.Look(func() { p.server.Locals = nil })
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindStage, hash })
	if r.State != job.TaskDone || r.Outcome.StoredBytes != 0 || r.Outcome.ReadBytes == 0 || r.Outcome.WrittenBytes == 0 {
		t.Errorf("the version that the disk holds: %+v", r.Outcome)
	}
	if c, kept := covered(t, p.disks[0], p.server.Manifests[hash]); !c.Complete() || len(kept) != 1 {
		t.Errorf("the cache has %+v, for %v", c, kept)
	}
	p.server.Look(func() { p.server.Keys = nil })
	p.server.Close()
	next := capturedFrom(t, p, referenceWith(t, noise(3, 1<<20)))
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindStage, next, 2 })
	if r.State != job.TaskDone || r.Outcome.StoredBytes < 1<<20 {
		t.Errorf("the next version: %+v", r.Outcome)
	}
	if c, kept := covered(t, p.disks[0], p.server.Manifests[next]); !c.Complete() || len(kept) != 2 || kept[0].String() != hash {
		t.Errorf("the cache has %+v, for %v", c, kept)
	}
	if read(t, p.disks[0], inSuper)+read(t, p.disks[0], inESP) != before {
		t.Error("the system was changed")
	}
	p.server.Look(func() {
		said := p.server.Locals[len(p.server.Locals)-1]
		if !said.Place || len(said.Cached) != 2 || said.Cached[0] != (job.Cached{Manifest: hash}) || said.Cached[1] != (job.Cached{Manifest: next}) {
			t.Errorf("the server is told %+v", said)
		}
	})
	// What has become unreadable meanwhile is found, and comes again.
	p.spoilCache()
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindStage, next, 2 })
	if r.State != job.TaskDone || r.Outcome.Code != "ok" {
		t.Errorf("staging what is damaged: %+v\n%s", r.Outcome, p.log.String())
	}
	p.has("cache: ")
	if lost := checked(t, p.disks[0]); lost != 0 {
		t.Errorf("%d frames of the cache are damaged still", lost)
	}
	// What is in store costs the network nothing.
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, next, 2 })
	if q := r.Outcome.Proof; r.State != job.TaskDone || q.FromNet != 0 || q.FromCache == 0 || r.Outcome.StoredBytes != 0 {
		t.Errorf("the deployment: %+v, proof %+v", r.Outcome, q)
	}
}

func TestAVersionIsPutInStoreByASession(t *testing.T) {
	t.Parallel() // it mostly waits
	old, c := newClassroom(t, 2), newClassroom(t, 1)
	p := c.pc(blank(t, target))
	prior := newPC(t, p.disks[0])
	prior.server = old.server
	address := old.server.Start("127.0.0.1:0")
	u := old.deploy(prior, address, "v1", func(k *job.Task) { k.Session = "" })
	<-u.done
	old.server.Close()
	c.begin(1)
	address = c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	u = c.deploy(p, address, "stage", func(k *job.Task) { k.Kind = job.KindStage })
	<-u.done
	r := c.report("stage")
	if u.err != nil || r.State != job.TaskDone || r.Session == nil || r.Session.State != job.ReceptionOver || r.Session.Multicast < 4<<20 {
		t.Fatalf("%v, %+v, session %+v\n%s", u.err, r, r.Session, p.log.String())
	}
	if has, _ := covered(t, p.disks[0], c.server.Manifests[c.hash]); !has.Complete() {
		t.Errorf("the cache has %+v", has)
	}
	// To switch to it costs the network nothing, though the whole room is ordered to, by a session.
	var before map[string]int
	c.server.Look(func() { before = maps.Clone(c.server.Requests) })
	u = c.deploy(p, address, "switch", nil)
	<-u.done
	r = c.report("switch")
	if u.err != nil || r.State != job.TaskDone || r.Session != nil || r.Outcome.StoredBytes != 0 {
		t.Fatalf("%v, %+v, session %+v\n%s", u.err, r, r.Session, p.log.String())
	}
	if q := r.Outcome.Proof; q.FromNet != 0 || q.FromCache == 0 || q.Written == 0 {
		t.Errorf("the proof is %+v", q)
	}
	c.server.Look(func() {
		for _, path := range []string{job.PathManifest + c.hash, job.PathChunks} {
			if n := c.server.Requests[path] - before[path]; n > 0 {
				t.Errorf("%s was asked for %d times", path, n)
			}
		}
	})
	same(t, c.source, p.disks[0])
	p.has("manifest " + c.hash[:16] + " and its chunks are in store: nobody is asked")
}

// A version that needs the room of the cache comes from the server: what is in store is written over while it is read.
func TestAVersionThatNeedsTheRoomOfTheCacheIsNotTakenFromIt(t *testing.T) {
	p, _ := resettable(t)
	p.server.Look(func() { p.server.Keys = nil })
	p.server.Close()
	large := referenceWith(t, noise(4, 1<<20))
	must(t, os.Truncate(large, 300<<20))
	tool(t, "", "sgdisk", "-e", "-d", "2", "-n", "2:71680:+200M", "-t", "2:8300", large)
	next := capturedFrom(t, p, large)
	for _, kind := range []job.Kind{job.KindStage, job.KindDeploy} {
		if r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = kind, next, 2 }); r.State != job.TaskDone {
			t.Fatalf("%s: %+v\n%s", kind, r.Outcome, p.log.String())
		}
	}
	if strings.Contains(p.log.String(), "nobody is asked") {
		t.Error("the deployment asks nobody")
	}
	inCache(t, p.disks[0], disk.Mode{Read: true}, func(_ *disk.Disk, part manifest.Partition) {
		if part.Start < 235<<20+disk.ArdoiseSize {
			t.Errorf("the cache is still at byte %d", part.Start)
		}
	})
}

func TestWithoutRoomNothingIsPutInStore(t *testing.T) {
	p := newPC(t, blank(t, 410<<20)) // ARDOISE fits, a cache does not
	_, hash := captured(t, p)
	p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash })
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindStage, hash })
	if r.State != job.TaskFailed || r.Outcome.Code != string(notices.NoCache) || !strings.Contains(r.Outcome.Detail, "no partition for it") {
		t.Errorf("%+v", r.Outcome)
	}
}

// The keys of the site may be replaced: a PC that comes by learns of it, and believes the next grant.
func TestAPCThatComesByIsPutRight(t *testing.T) {
	p, hash := resettable(t)
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		must(t, a.Trust().Store(disk.Trust{CA: "other", SigningKeys: []string{"gone"}}))
	})
	var key string
	p.server.Look(func() { key = p.server.Keys[0] })
	grant := p.server.Grant(job.StandingGrant{Computer: "S104-07", ComputerKey: key, Master: "debian", Version: 1, Manifest: hash,
		Policy: job.PolicyDemand, Level: job.LevelFull, Counter: 7})
	p.server.Local = func(string) job.LocalBoot { return job.LocalBoot{Grant: grant, Stage: []string{hash}} }
	p.server.Look(func() { p.server.Locals = nil })
	p.life(func(k *job.Task) { k.Kind = job.KindInventory })
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		have, err := a.Trust().Load()
		if err != nil || have.SigningKeys[0] != p.server.PublicKey() || len(have.CA) != 64 {
			t.Errorf("it trusts %+v, %v", have, err)
		}
		if e, err := a.Grant().Load(); err != nil || e == nil || string(e.Payload) != string(grant.Payload) {
			t.Errorf("its grant is %+v, %v", e, err)
		}
	})
	p.server.Look(func() {
		if n := len(p.server.Locals); n == 0 || p.server.Locals[n-1].Counter != 7 {
			t.Errorf("the server is told %+v", p.server.Locals)
		}
	})
	// A server that was put back to an older state cannot take the PC back with it.
	older := p.server.Grant(job.StandingGrant{ComputerKey: key, Manifest: hash, Policy: job.PolicyDemand, Counter: 6})
	p.server.Local = func(string) job.LocalBoot { return job.LocalBoot{Grant: older} }
	p.life(func(k *job.Task) { k.Kind = job.KindInventory })
	p.has("standing grant: standing grant 6 is older than grant 7")
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		if e, err := a.Grant().Load(); err != nil || e == nil || string(e.Payload) != string(grant.Payload) {
			t.Errorf("its grant is %+v, %v", e, err)
		}
	})
}

// What a pupil writes into the place of proofs makes no disk clean.
func TestAProofThatAPupilWrote(t *testing.T) {
	p, hash := independent(t)
	d := counting{t: t, source: "nvme", serial: "S1", step: by(1)}
	p.drive = d.state
	forged := job.Proof{ID: "forged", Manifest: hash, Ok: true, Level: job.LevelFull, Master: "debian", Version: 1}
	was := damage(t, p.disks[0], inSuper)
	d.state(job.Disk{Path: p.disks[0]})
	forged.Counters = d.state(job.Disk{Path: p.disks[0]}).Counter
	forged.Counters.Commands++ // for the forgery itself
	addProof(t, p.disks[0], forged)
	if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	holds(t, p.disks[0], was, inSuper)
	was = damage(t, p.disks[0], inSuper)
	spoil(t, p.disks[0], "ARDSLOT0PROOF")
	p.wish = job.WishReset
	if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	holds(t, p.disks[0], was, inSuper)
	if all := p.proofs(); len(all) != 1 || !all[0].Ok || !all[0].Offline || !strings.Contains(all[0].Doubt, "nothing on the disk said") {
		t.Errorf("%+v", all)
	}
}

// A countdown that is broken off leaves no proof behind.
func TestACancelledResetSaysNothingOfTheDisk(t *testing.T) {
	p, hash := resettable(t)
	n := len(p.proofs())
	p.server.CancelMarks.Store(true)
	damage(t, p.disks[0], inSuper)
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindReset, hash })
	if r.State != job.TaskCancelled || r.Outcome.Proof != nil || len(p.proofs()) != n {
		t.Errorf("%+v, proofs %+v", r.Outcome, p.proofs())
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("over"))
	p.wish, p.origin, p.kept = job.WishReset, agent.OriginDisk, "x"
	if _, err := p.run(ctx, nowhere(t)); err == nil {
		t.Error("a life that is over goes on")
	}
}

func TestADeploymentFillsTheCacheWhereTheRoomIsReset(t *testing.T) {
	for policy, fills := range map[job.Policy]bool{job.PolicyDemand: true, job.PolicyNever: false} {
		t.Run(string(policy), func(t *testing.T) {
			p := newPC(t, blank(t, 700<<20))
			_, hash := captured(t, p)
			p.server.Local = func(key string) job.LocalBoot {
				return job.LocalBoot{Stage: []string{hash}, Grant: p.server.Grant(job.StandingGrant{ComputerKey: key, Master: "debian",
					Version: 1, Manifest: hash, Policy: policy, Level: job.LevelQuick, Counter: 1})}
			}
			if r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash }); r.State != job.TaskDone {
				t.Fatalf("deploy: %+v\n%s", r.Outcome, p.log.String())
			}
			if !fills {
				inCache(t, p.disks[0], disk.Mode{Read: true}, func(d *disk.Disk, part manifest.Partition) {
					var none *cache.NoCacheError
					if c, err := cache.Open(d, part); !errors.As(err, &none) {
						t.Errorf("a cache that nobody wanted: %v, %v", c, err)
					}
				})
				return
			}
			if covers, kept := covered(t, p.disks[0], p.server.Manifests[hash]); !covers.Complete() || len(kept) != 1 {
				t.Errorf("the cache has %+v, for %v", covers, kept)
			}
			p.server.Look(func() {
				if said := p.server.Locals[len(p.server.Locals)-1]; len(said.Cached) != 1 || said.Cached[0] != (job.Cached{Manifest: hash}) {
					t.Errorf("the server is told %+v", said)
				}
			})
		})
	}
}

// A cache that has room for one version is for the one that runs, whichever that is: a deployment of the next one is no reason
// for a computer never to be reset without the server again.
func TestACacheOfOneVersionFollowsTheDeployments(t *testing.T) {
	p := newPC(t, blank(t, 460<<20)) // 64 MiB of cache
	var hashes []string
	p.server.Local = func(key string) job.LocalBoot {
		if len(hashes) == 0 {
			return job.LocalBoot{}
		}
		hash := hashes[len(hashes)-1]
		return job.LocalBoot{Stage: []string{hash}, Grant: p.server.Grant(job.StandingGrant{ComputerKey: key, Master: "debian",
			Version: 1, Manifest: hash, Policy: job.PolicyDemand, Level: job.LevelQuick, Counter: 1})}
	}
	for seed := range uint64(3) {
		if seed > 0 {
			p.server.Look(func() { p.server.Keys = nil })
			p.server.Close()
		}
		hash := capturedFrom(t, p, referenceWith(t, noise(seed, 31<<20)))
		hashes = append(hashes, hash)
		if r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, int(seed)+1 }); r.State != job.TaskDone {
			t.Fatalf("deploy: %+v\n%s", r.Outcome, p.log.String())
		}
		if covers, kept := covered(t, p.disks[0], p.server.Manifests[hash]); !covers.Complete() || kept[0].String() != hash {
			t.Fatalf("after deployment %d the cache has %+v, for %v\n%s", seed+1, covers, kept, p.log.String())
		}
	}
	// What is staged beside it has no room, and the version that runs stays.
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindStage, hashes[0], 1 })
	if r.State != job.TaskFailed || r.Outcome.Code != string(notices.NoCache) || !strings.Contains(r.Outcome.Detail, "full of versions that are kept") {
		t.Errorf("staging without room: %+v", r.Outcome)
	}
	if covers, kept := covered(t, p.disks[0], p.server.Manifests[hashes[2]]); !covers.Complete() || kept[0].String() != hashes[2] {
		t.Errorf("then the cache has %+v, for %v", covers, kept)
	}
}
