package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// independent is a PC with all that a reset without the server needs: a master in store, and a grant. The server is down.
func independent(t *testing.T) (p *pc, hash string) {
	t.Helper()
	p, hash = resettable(t)
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindStage, hash })
	if r.State != job.TaskDone {
		t.Fatalf("staging: %+v, outcome %+v\n%s", r, r.Outcome, p.log.String())
	}
	p.grant(func(*job.StandingGrant) {})
	p.server.Close()
	p.kept, p.wish, p.origin = "stage two", job.WishReset, agent.OriginDisk
	return p, hash
}

// grant lays a grant on the PC's disk.
func (p *pc) grant(change func(*job.StandingGrant)) {
	p.t.Helper()
	g := job.StandingGrant{Computer: "S104-07", ComputerKey: p.server.Keys[0], Master: "debian", Version: 1, Policy: job.PolicyDemand,
		Level: job.LevelFull, Counter: uint64(10 + p.lives)}
	for h := range p.server.Manifests {
		g.Manifest = h
	}
	p.lives++
	change(&g)
	p.lay(p.server.Grant(g))
}

func (p *pc) lay(e job.Envelope) {
	p.t.Helper()
	ours(p.t, p.disks[0], func(a *disk.Ardoise) {
		if err := a.Grant().Store(e); err != nil {
			p.t.Fatal(err)
		}
	})
}

// proofs are what the PC's disk keeps.
func (p *pc) proofs() (list []job.Proof) {
	p.t.Helper()
	ours(p.t, p.disks[0], func(a *disk.Ardoise) {
		var err error
		if list, err = a.Proofs().Load(); err != nil {
			p.t.Fatal(err)
		}
	})
	return list
}

// nowhere is an address that nobody listens on.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestAResetWithoutTheServer(t *testing.T) {
	p, hash := independent(t)
	p.network = func(ctx context.Context, _ func(notices.Code, ...any)) (net.HardwareAddr, error) {
		<-ctx.Done() // the cable is out
		return nil, ctx.Err()
	}
	was := damage(t, p.disks[0], inESP, inSuper, inLog)
	if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	holds(t, p.disks[0], was, inESP, inSuper, inLog)
	p.has("notice checking info", "notice reset-countdown info", "step repair done", "step read-back done", "done reset debian@1 written=",
		"notice reset-done info: This computer is clean", "the proof stays on the disk", "ending disk")
	all := p.proofs()
	q := all[len(all)-1]
	if !q.Ok || !q.Offline || q.Origin != "menu" || q.Clock != "pc" || q.FromNet != 0 || q.FromCache == 0 || q.Written == 0 || q.Manifest != hash || q.Task != "" {
		t.Errorf("the proof is %+v", q)
	}
	if strings.Contains(p.log.String(), "wait-cable") {
		t.Error("a cable that is not needed is waited for")
	}
	// The server hears of it with the next hello.
	p.network, p.wish, p.origin = nil, "", ""
	p.life(func(k *job.Task) { k.Kind = job.KindInventory })
	var told []job.Proof
	p.server.Look(func() { told = p.server.Hellos[0].Proofs })
	if len(told) == 0 || told[len(told)-1].ID != q.ID {
		t.Errorf("the server is told of %+v", told)
	}
}

func TestTheProofIsToldAtOnceWhereTheServerAnswers(t *testing.T) {
	p, _ := independent(t)
	p.second = 200 * time.Millisecond // 5 of them for the proof
	p.grant(func(g *job.StandingGrant) { g.Policy, g.Level = job.PolicyStart, job.LevelQuick })
	p.server.Look(func() { p.server.Hellos = nil })
	address := p.server.Start("127.0.0.1:0")
	if e, err := p.run(limit(t), address); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	p.has("notice reset-nothing info", "the server has 0 proofs")
	all := p.proofs()
	q := all[len(all)-1]
	p.server.Look(func() {
		if len(p.server.Hellos) != 1 || p.server.Hellos[0].Proofs[len(p.server.Hellos[0].Proofs)-1].ID != q.ID || len(p.server.Wishes) != 0 {
			t.Errorf("the server heard %+v, wishes %v", p.server.Hellos, p.server.Wishes)
		}
	})
	if q.Origin != "start" || q.Asked != job.LevelQuick || q.Level != job.LevelQuick {
		t.Errorf("the proof is %+v", q)
	}
}

// In a menu room a pupil's reset is where the server is met: what the PC starts from, and what it may be reset to, is put right then.
func TestAfterAResetTheServerPutsTheMenuRight(t *testing.T) {
	p, hash := independent(t)
	p.second = 200 * time.Millisecond
	menuRoom(p)
	boot := p.server.Local("")
	boot.Grant = p.server.Grant(job.StandingGrant{Computer: "S104-07", ComputerKey: p.server.Keys[0], Master: "debian", Version: 1, Manifest: hash,
		Policy: job.PolicyStart, Level: job.LevelFull, Counter: 1000})
	p.server.Local = func(string) job.LocalBoot { return boot }
	p.server.Look(func() { p.server.Locals = nil })
	address := p.server.Start("127.0.0.1:0")
	reset := func() {
		t.Helper()
		p.wish = job.WishReset
		if e, err := p.run(limit(t), address); err != nil || e != job.EndDisk {
			t.Fatalf("%q, %v\n%s", e, err, p.log.String())
		}
	}
	reset()
	if menu, own := menuThere(t, p); !menu || own != 1 {
		t.Fatalf("menu %v, %d exceptions\n%s", menu, own, p.log.String())
	}
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		if e, err := a.Grant().Load(); err != nil || e == nil || !bytes.Equal(e.Payload, boot.Grant.Payload) {
			t.Errorf("its grant is %+v, %v", e, err)
		}
	})
	p.server.Look(func() {
		if n := len(p.server.Locals); n == 0 || p.server.Locals[n-1].Counter != 1000 || p.server.Locals[n-1].NoMenu != "" {
			t.Errorf("the server is told %+v", p.server.Locals)
		}
	})
	// Somebody who is root changes a file that the PC starts from.
	spoil(t, p.disks[0], "stage1.img stage1.img stage1.img")
	stageOne := func() (same bool) {
		ours(t, p.disks[0], func(a *disk.Ardoise) {
			r, err := a.BootFile("stage1.img")
			if err != nil || r == nil {
				t.Fatalf("stage one: %v", err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			same = bytes.Equal(b, p.server.LocalFiles["stage1.img"])
		})
		return same
	}
	if stageOne() {
		t.Fatal("nothing was spoiled")
	}
	reset()
	if !stageOne() {
		t.Errorf("a stage that somebody changed stays\n%s", p.log.String())
	}
}

func TestWhatIsNotToBeBelievedIsNotDone(t *testing.T) {
	p, hash := independent(t)
	image := p.disks[0]
	stranger := agenttest.New()
	for name, c := range map[string]struct {
		change func(*pc)
		why    string
	}{
		"a grant of another computer": {func(p *pc) {
			p.grant(func(g *job.StandingGrant) { g.ComputerKey = strings.Repeat("0", 64) })
		}, "is for another computer"},
		"an altered grant": {func(p *pc) {
			e := p.server.Grant(job.StandingGrant{ComputerKey: p.server.Keys[0], Manifest: hash, Counter: 99, Policy: job.PolicyNever})
			e.Payload = []byte(strings.Replace(string(e.Payload), "never", "start", 1))
			p.lay(e)
		}, "is not to be believed"},
		"a grant of another site": {func(p *pc) {
			p.lay(stranger.Grant(job.StandingGrant{ComputerKey: p.server.Keys[0], Manifest: hash, Counter: 99, Policy: job.PolicyDemand}))
		}, "is not to be believed"},
		"a task in the place of a grant": {func(p *pc) {
			b, _ := json.Marshal(job.StandingGrant{ComputerKey: p.server.Keys[0], Manifest: hash, Counter: 99, Policy: job.PolicyDemand})
			p.lay(job.Envelope{Payload: b, Key: p.server.PublicKey(), Signature: p.server.Sign(job.ContextTask, b)})
		}, "is not to be believed"},
		"a room that is never reset": {func(p *pc) { p.grant(func(g *job.StandingGrant) { g.Policy = job.PolicyNever }) }, "are not reset"},
		"a grant to nothing":         {func(p *pc) { p.grant(func(g *job.StandingGrant) { g.Manifest = "" }) }, "allows no version"},
		"a master that is not in store": {func(p *pc) {
			p.grant(func(g *job.StandingGrant) { g.Manifest = strings.Repeat("ab", 32) })
		}, "not in store"},
		"a damaged grant": {func(p *pc) { spoil(p.t, p.disks[0], "ARDSLOT0GRANT") }, "no standing grant"},
		"a damaged key":   {func(p *pc) { spoil(p.t, p.disks[0], "ARDSLOT0KEY") }, "no key"},
		"no cache":        {func(p *pc) { spoil(p.t, p.disks[0], "ARDCACH1") }, "no cache"},
	} {
		t.Run(name, func(t *testing.T) {
			path := cloned(t, image)
			q := newPC(t, path)
			q.server, q.kept, q.wish, q.origin, q.lives = p.server, p.kept, p.wish, p.origin, 50
			c.change(q)
			damage(t, path, inESP)
			before := read(t, path, inESP)
			if e, err := q.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
				t.Fatalf("%q, %v\n%s", e, err, q.log.String())
			}
			if read(t, path, inESP) != before {
				t.Error("the disk was written to")
			}
			q.has("notice offline-no wait: A reset without a network is not possible: ", "notice wish-unheard wait", "ending disk")
			if !strings.Contains(q.log.String(), c.why) {
				t.Errorf("it does not say %q:\n%s", c.why, q.log.String())
			}
		})
	}
}

// cloned is a copy of an image file, holes and all.
func cloned(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "clone.img")
	tool(t, "", "cp", "--sparse=always", path, to)
	return to
}

func read(t *testing.T, path string, off int64) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 512)
	if _, err := io.ReadFull(io.NewSectionReader(f, off, 512), b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOneDiskAmongSeveralIsOurs(t *testing.T) {
	p, _ := independent(t)
	other := blank(t, 700<<20)
	p.disks = []string{other, p.disks[0]}
	was := damage(t, p.disks[1], inSuper)
	if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	holds(t, p.disks[1], was, inSuper)
	untouched(t, other)

	p.disks[0] = cloned(t, p.disks[1])
	damage(t, p.disks[1], inSuper)
	before := read(t, p.disks[1], inSuper)
	_, err := p.run(limit(t), nowhere(t))
	var f *agent.FaultError
	if !errors.As(err, &f) || f.Code != notices.SeveralOurs {
		t.Errorf("two disks that say they are ours: %v", err)
	}
	if read(t, p.disks[1], inSuper) != before {
		t.Error("the disk was written to")
	}
}

// A reset that was cut off is ended before anything else, whatever is chosen in the menu.
func TestAStandingMarkIsResumed(t *testing.T) {
	for name, mark := range map[string]func(*disk.Ardoise, string){
		"of a reset": func(a *disk.Ardoise, hash string) {
			must(t, a.Mark().Set(t.Context(), job.Mark{Kind: job.KindReset, Master: "debian", Version: 1, Manifest: hash, Phase: "data"}))
		},
		"that cannot be read": nil,
	} {
		t.Run(name, func(t *testing.T) {
			p, hash := independent(t)
			p.wish = job.WishInventory
			was := damage(t, p.disks[0], inESP, inSuper)
			if mark != nil {
				ours(t, p.disks[0], func(a *disk.Ardoise) { mark(a, hash) })
			} else {
				spoil(t, p.disks[0], "ARDSLOT0MARK")
			}
			if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
				t.Fatalf("%q, %v\n%s", e, err, p.log.String())
			}
			holds(t, p.disks[0], was, inESP, inSuper)
			p.has("notice resuming info: A job that was interrupted goes on where it was: debian@1", "done reset debian@1")
			ours(t, p.disks[0], func(a *disk.Ardoise) {
				if m, err := a.Mark().Load(); m != nil || err != nil {
					t.Errorf("the mark is %+v, %v", m, err)
				}
			})
		})
	}
}

// While a mark stands the disk is not started, however long the server is away.
func TestAnUnfinishedDiskWaitsForTheServer(t *testing.T) {
	p, hash := independent(t)
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		must(t, a.Mark().Set(t.Context(), job.Mark{Kind: job.KindDeploy, Master: "debian", Version: 2, Manifest: strings.Repeat("cd", 32), Phase: "data"}))
	})
	p.wish = job.WishRescue
	p.shell = func(context.Context) error { t.Error("a shell was opened"); return nil }
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second) // 150 of the test's seconds: 5 times its patience
	defer stop()
	if e, err := p.run(ctx, nowhere(t)); err == nil || e == job.EndDisk {
		t.Errorf("%q, %v", e, err)
	}
	p.has("notice unfinished wait: The disk of this computer is unfinished and waits for the server: what was interrupted was debian@2")
	p.server.Wish = func(key, wish string) (job.Task, error) {
		return job.Task{ID: "9/1", Kind: job.KindReset, ComputerKey: key, Nonce: "w1", Master: "debian", Version: 1, Manifest: hash, Ending: job.EndDisk}, nil
	}
	address := p.server.Start("127.0.0.1:0")
	if e, err := p.run(limit(t), address); err != nil || e != job.EndDisk {
		t.Errorf("%q, %v\n%s", e, err, p.log.String())
	}
	if r := last(p.server); r.State != job.TaskDone || r.Task != "9/1" {
		t.Errorf("last report %+v", r)
	}
}

// What the cache cannot give is known before anything is written: without the server the PC starts as it is.
func TestADamagedCacheBreaksNothing(t *testing.T) {
	p, _ := independent(t)
	is := damage(t, p.disks[0], inESP, inSuper)
	for _, b := range is {
		for i := range b {
			b[i] ^= 0x5A
		}
	}
	p.spoilCache()
	if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	p.has("notice cache-bad warning")
	if strings.Contains(p.log.String(), "notice unfinished") {
		t.Error("the disk is said to be unfinished")
	}
	holds(t, p.disks[0], is, inESP, inSuper)
}

// What the cache cannot give is asked of the server, by way of a task.
func TestADamagedCacheIsHelpedByTheServer(t *testing.T) {
	p, hash := independent(t)
	was := damage(t, p.disks[0], inESP, inSuper)
	p.spoilCache()
	p.server.Wish = func(key, wish string) (job.Task, error) {
		return job.Task{ID: "9/1", Kind: job.KindReset, ComputerKey: key, Nonce: "w1", Master: "debian", Version: 1, Manifest: hash, Ending: job.EndDisk}, nil
	}
	address := p.server.Start("127.0.0.1:0")
	if e, err := p.run(limit(t), address); err != nil || e != job.EndDisk {
		t.Fatalf("%q, %v\n%s", e, err, p.log.String())
	}
	holds(t, p.disks[0], was, inESP, inSuper)
	p.has("notice cache-bad warning", "done reset debian@1")
	r := last(p.server)
	if q := r.Outcome.Proof; q == nil || r.State != job.TaskDone || q.Offline || q.FromNet == 0 || q.Origin != "task" || p.server.Wishes[0] != job.WishReset {
		t.Errorf("proof %+v, wishes %v", q, p.server.Wishes)
	}
}

// spoilCache changes a byte of each chunk of the master that the cache holds; what describes the master is left as it is.
func (p *pc) spoilCache() {
	t := p.t
	t.Helper()
	inCache(t, p.disks[0], disk.Mode{Read: true, Write: true}, func(d *disk.Disk, part manifest.Partition) {
		b, spoiled := make([]byte, 4<<20), 0 // a segment
		for at := part.Start + 1<<20; at+(4<<20) <= part.End(); at += 4 << 20 {
			if _, err := d.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
			before := spoiled
			for off := 0; ; {
				f, n, err := chunk.Parse(b[off:])
				if err != nil {
					break
				}
				off += n
				if _, of := p.server.Chunks[f.ID]; of {
					b[off-1] ^= 0xFF
					spoiled++
				}
			}
			if spoiled == before {
				continue
			}
			if _, err := d.WriteAt(b, at); err != nil {
				t.Fatal(err)
			}
		}
		if spoiled == 0 {
			t.Fatal("no chunk of the cache was spoiled")
		}
	})
}

// The menu of a disk that is unfinished starts the agent by itself; that of one that is done, the system.
func TestAnUnfinishedDiskStartsTheAgent(t *testing.T) {
	p, hash := independent(t)
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		var list []disk.Content
		for _, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg", "vmlinuz", "stage1.img", "stage2.img", disk.MenuFile} {
			b := []byte("this is " + name)
			list = append(list, disk.Content{BootFile: job.BootFile{Name: name, Size: int64(len(b)), Hash: hashed(b)},
				Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }})
		}
		if _, err := a.Keep(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	})
	next := func() (n disk.Next) {
		ours(t, p.disks[0], func(a *disk.Ardoise) {
			var err error
			if n, err = a.Next(); err != nil {
				t.Fatal(err)
			}
		})
		return n
	}
	damage(t, p.disks[0], inSuper, inESP)
	p.spoilCache()
	p.server.Wish = func(key, _ string) (job.Task, error) {
		return job.Task{ID: "9/1", Kind: job.KindReset, ComputerKey: key, Nonce: "w1", Master: "debian", Version: 1, Manifest: hash, Ending: job.EndDisk}, nil
	}
	chunks := p.server.Chunks
	p.server.Chunks = nil // what the cache has not got either is found out when the work has begun
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if e, err := p.run(ctx, p.server.Start("127.0.0.1:0")); err == nil || e == job.EndDisk {
		t.Errorf("%q, %v\n%s", e, err, p.log.String())
	}
	if n := next(); n != disk.NextWork {
		t.Errorf("the next start of a disk that is unfinished is %q", n)
	}
	p.server.Close()
	p.server.Chunks = chunks
	p.wish = job.WishWork // what GRUB then asks for
	address := p.server.Start("127.0.0.1:0")
	if e, err := p.run(limit(t), address); err != nil || e != job.EndDisk {
		t.Errorf("%q, %v\n%s", e, err, p.log.String())
	}
	if n := next(); n != disk.NextDisk {
		t.Errorf("the next start of a disk that is done is %q", n)
	}
}

func TestWishesThatTheServerAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		wish   string
		answer func(key, wish string) (job.Task, error)
		ending job.Ending
		lines  []string
	}{
		"an inventory": {job.WishInventory, func(key, _ string) (job.Task, error) {
			return job.Task{ID: "9/1", Kind: job.KindInventory, ComputerKey: key, Nonce: "w1", Ending: job.EndPowerOff}, nil
		}, job.EndPowerOff, []string{"done inventory", "ending poweroff"}},
		"refused": {job.WishReinstall, func(string, string) (job.Task, error) {
			return job.Task{}, errors.New("computers of room S104 are never reset")
		}, job.EndDisk, []string{"notice wish-refused wait: The server refuses what was chosen in the menu: computers of room S104 are never reset", "ending disk"}},
		"a promise that is not kept": {job.WishReinstall, func(string, string) (job.Task, error) { return job.Task{}, nil },
			job.EndDisk, []string{"notice no-work info", "ending disk"}},
		"a server of before":   {job.WishReset, nil, job.EndDisk, []string{"notice wish-refused wait"}},
		"woken for nothing":    {job.WishWork, nil, job.EndDisk, []string{"notice no-work info: The server has no work for this computer", "ending disk"}},
		"not approved":         {job.WishReset, nil, job.EndDisk, []string{"code 042917", "notice wish-refused wait: The server refuses what was chosen in the menu: this computer is pending", "ending disk"}},
		"a rescue":             {job.WishRescue, func(string, string) (job.Task, error) { return job.Task{}, nil }, job.EndDisk, []string{"notice rescue wait"}},
		"a rescue, refused":    {job.WishRescue, func(string, string) (job.Task, error) { return job.Task{}, errors.New("no") }, job.EndDisk, []string{"notice wish-refused"}},
		"a rescue, unanswered": {job.WishRescue, nil, job.EndDisk, []string{"notice rescue wait"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, blank(t, 90<<20))
			p.wish, p.server.Wish = c.wish, c.answer
			shells := 0
			p.shell = func(context.Context) error { shells++; return nil }
			address := p.server.Start("127.0.0.1:0")
			t.Cleanup(p.server.Close)
			if name == "not approved" {
				p.server.Welcomes = []job.Welcome{{State: job.StatePending, Code: "042917"}}
			}
			if name == "a rescue, unanswered" {
				address = nowhere(t)
			}
			if e, err := p.run(limit(t), address); err != nil || e != c.ending {
				t.Fatalf("%q, %v\n%s", e, err, p.log.String())
			}
			p.has(c.lines...)
			if opened := strings.Contains(strings.Join(c.lines, " "), "notice rescue wait"); opened != (shells == 1) {
				t.Errorf("%d shells", shells)
			}
			untouched(t, p.disks[0])
		})
	}
}

// What is this computer's own is in the grant, and every reset without the server gives it back: names are not lost with the
// cable. A quick one that finds it writes nothing.
func TestAResetWithoutTheServerKeepsTheComputersName(t *testing.T) {
	p, hash := independent(t)
	m, _, err := manifest.Decode(bytes.NewReader(p.server.Manifests[hash]), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var at int64 // inside some file
	for _, e := range m.Chunks.All() {
		if meta := func(v manifest.Volume) bool { return v.Meta == e.Stream }; !slices.ContainsFunc(m.Volumes, meta) && e.Pieces[0].Length > 64 {
			at = e.Pieces[0].Offset + 3
		}
	}
	name := []byte("S104-07\n")
	own := []job.Exception{{Offset: at, Length: int64(len(name)), Hash: hashed(name), Content: name, Why: "etc/hostname"}}
	masters := read(t, p.disks[0], at)[:len(name)]
	for _, c := range []struct {
		why    string
		level  job.Level
		own    []job.Exception
		before func()
		writes bool
		want   string
		doubt  string
	}{
		{"the first time", job.LevelQuick, own, func() {}, true, string(name), "what is this computer's own"},
		{"a pupil changes the name", job.LevelFull, own, func() { damage(t, p.disks[0], at, inESP) }, true, string(name), ""},
		{"nothing was changed", job.LevelQuick, own, func() {}, false, string(name), ""},
		{"a pupil changes the name, quick", job.LevelQuick, own, func() { damage(t, p.disks[0], at) }, true, string(name), ""},
		// The name was written past the file system, whose record of the file is the master's.
		{"the room gives no names any more", job.LevelQuick, nil, func() {}, true, masters, "what is this computer's own"},
		{"and nothing was changed", job.LevelQuick, nil, func() {}, false, masters, ""},
	} {
		p.grant(func(g *job.StandingGrant) { g.Level, g.Exceptions = c.level, c.own })
		c.before()
		if e, err := p.run(limit(t), nowhere(t)); err != nil || e != job.EndDisk {
			t.Fatalf("%s: %q, %v\n%s", c.why, e, err, p.log.String())
		}
		if got := read(t, p.disks[0], at)[:len(name)]; got != c.want {
			t.Errorf("%s: the disk says %q, want %q", c.why, got, c.want)
		}
		all := p.proofs()
		if q := all[len(all)-1]; !q.Ok || !q.Offline || (q.Written > 0) != c.writes || (q.Exceptions != "") != (c.own != nil) ||
			!strings.HasPrefix(q.Doubt, c.doubt) || (c.doubt == "") != (q.Doubt == "") {
			t.Errorf("%s: the proof is %+v", c.why, q)
		}
	}
}
