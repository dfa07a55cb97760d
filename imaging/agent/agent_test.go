package agent_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/screen"
	"github.com/ardoise/ardoise/imaging/agent/script"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/wipe"
	"github.com/ardoise/ardoise/masters/manifest"
)

var mac = net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}

// pc is a computer whose disks are image files.
type pc struct {
	t        *testing.T
	server   *agenttest.Server
	disks    []string
	firmware *variables
	unpacked []byte
	kept     string
	log      tape
	attached map[string]job.Disk // how a disk is attached, by path; default: virtio
	looked   int                 // how often the disks were looked at
	looks    map[int]func()      // what happens just before the disks are looked at for the n-th time
	lives    int
	wish     string
	origin   string
	network  agent.Network
	shell    func(context.Context) error
	drive    func(job.Disk) drive.State
	eraser   func(job.Disk) (wipe.Drive, func() error, error)
	air      agent.Air
	second   time.Duration // of countdowns and reports; default: 20 ms
}

type tape struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

type variables struct {
	mu   sync.Mutex
	vars map[string][]byte
}

func (v *variables) Get(name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b, ok := v.vars[name]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

func (v *variables) Set(name string, b []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.vars[name] = slices.Clone(b)
	return nil
}

func (v *variables) List() ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var names []string
	for n := range v.vars {
		names = append(names, n)
	}
	return names, nil
}

func (p *pc) list() ([]job.Disk, error) {
	p.looked++
	if happens := p.looks[p.looked]; happens != nil {
		happens()
	}
	var list []job.Disk
	for _, path := range p.disks {
		i, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		d := job.Disk{Bus: "virtio"}
		if a, ok := p.attached[path]; ok {
			d = a
		}
		d.Path, d.Size, d.SectorSize = path, i.Size(), 512
		list = append(list, d)
	}
	return list, nil
}

// run lives one life of the agent; each of its seconds takes a few milliseconds.
func (p *pc) run(ctx context.Context, address string) (job.Ending, error) {
	s := screen.New(screen.Options{Lang: notices.French, Lines: []io.Writer{&p.log}})
	o := agent.Options{Server: address, Fingerprint: p.server.Authority.Fingerprint(), MAC: mac, Version: "test", Screen: s, Wish: p.wish, Origin: p.origin,
		Pause: time.Millisecond, Second: cmp.Or(p.second, 20*time.Millisecond),
		PC: agent.PC{Air: p.air, Drive: p.drive, Eraser: p.eraser,
			Script: func(ctx context.Context, s script.Program) (script.Ended, error) {
				return script.Run(ctx, "/bin/sh", s)
			},
			Network: p.network, Shell: p.shell, Disks: p.list, Uptime: func() float64 { return 1 },
			Inventory: func(d []job.Disk) job.Inventory { return job.Inventory{Disks: d} },
			Kept:      func() string { return p.kept },
			Keep:      func(h string) error { p.kept = h; return nil },
			Unpack: func(r io.Reader) error {
				b, err := io.ReadAll(r)
				p.unpacked = b
				return err
			}}}
	if p.firmware != nil {
		o.PC.Firmware = p.firmware
	}
	ending, err := agent.Run(ctx, o)
	s.Flush(time.Second)
	return ending, err
}

func newPC(t *testing.T, disks ...string) *pc {
	return &pc{t: t, server: agenttest.New(), disks: disks}
}

func (p *pc) has(lines ...string) {
	p.t.Helper()
	for _, l := range lines {
		if !strings.Contains(p.log.String(), "ardoise: "+l) {
			p.t.Errorf("the serial line lacks %q:\n%s", l, p.log.String())
		}
	}
}

// order waits for the PC's hello, so that its key is known, and hands it the task.
func (p *pc) order(change func(*job.Task)) {
	go func() {
		for {
			var key string
			p.server.Look(func() {
				if n := len(p.server.Keys); n > 0 {
					key = p.server.Keys[n-1]
				}
			})
			if key != "" {
				t := job.Task{ID: "7/1", Job: "7", Kind: job.KindInventory, Computer: "S104-07", ComputerKey: key, Nonce: "n1", Master: "debian", Ending: job.EndPowerOff}
				change(&t)
				p.server.Order(t)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func blank(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func tool(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK=1")
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// reference is a small disk with an EFI system partition and an ext4 root.
func reference(t *testing.T) string { return referenceWith(t, nil) }

// referenceWith has one more file.
func referenceWith(t *testing.T, more []byte) string {
	t.Helper()
	path := blank(t, 80<<20)
	tool(t, "label: gpt\nstart=2048,size=69632,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nstart=71680,size=81920,type=L\n", "sfdisk", "-q", path)
	esp := path + "@@1M"
	tool(t, "", "mformat", "-i", esp, "-F", "-T", "69632", "-h", "255", "-s", "63")
	loader := filepath.Join(t.TempDir(), "shimx64.efi")
	if err := os.WriteFile(loader, bytes.Repeat([]byte("MZ shim "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "mmd", "-i", esp, "::EFI", "::EFI/debian", "::EFI/BOOT")
	tool(t, "", "mcopy", "-i", esp, loader, "::EFI/debian/shimx64.efi")
	tool(t, "", "mcopy", "-i", esp, loader, "::EFI/BOOT/BOOTX64.EFI")
	tree := t.TempDir()
	for i := range 30 {
		if err := os.WriteFile(filepath.Join(tree, strings.Repeat("f", i+1)), bytes.Repeat([]byte{byte(i), 'x'}, 2000*i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "more"), more, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "mkfs.ext4", "-q", "-F", "-d", tree, "-E", "offset=36700160", path, "40960k")
	return path
}

func last(s *agenttest.Server) (r job.Report) {
	s.Look(func() { r = s.Reports[len(s.Reports)-1] })
	return r
}

// captured captures a reference disk over the network and leaves manifest and frames ready for a deploy.
func captured(t *testing.T, p *pc) (path, hash string) {
	t.Helper()
	path = reference(t)
	return path, capturedFrom(t, p, path)
}

func capturedFrom(t *testing.T, p *pc, path string) (hash string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	src := newPC(t, path)
	src.server = p.server
	address := p.server.Start("127.0.0.1:0")
	t.Cleanup(p.server.Close)
	src.order(func(k *job.Task) { k.Kind = job.KindCapture })
	if e, err := src.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("capture: %q, %v\n%s", e, err, src.log.String())
	}
	src.has("step capture", "step publish done", "done capture m@1", "ending poweroff")
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("the capture changed the disk")
	}
	if r := last(p.server); r.State != job.TaskDone || r.Outcome.Code != "ok" || r.Outcome.NewBytes != 5 || len(r.Timings) != 3 {
		t.Errorf("last report %+v, outcome %+v", r, r.Outcome)
	}
	p.server.Chunks = p.server.Put
	p.server.Keys = nil
	return p.server.AddManifest(p.server.Publishes[len(p.server.Publishes)-1].Manifest)
}

func TestCaptureThenDeployThroughALostServer(t *testing.T) {
	target := blank(t, 700<<20)
	p := newPC(t, target)
	p.firmware = &variables{vars: map[string][]byte{}}
	p.server.StageTwo = []byte("the second stage")
	source, hash := captured(t, p)
	address := ""
	p.server.Look(func() { p.server.Keys = nil })
	p.server.Close()
	address = p.server.Start("127.0.0.1:0")
	p.server.Welcomes = []job.Welcome{{State: job.StatePending, Code: "042917"}, {State: job.StateAlarm, Code: "1", Reason: "another key"},
		{State: job.StateEnrolled, Computer: "S104-07"}}
	p.server.CutFrames.Store(3)
	p.order(func(k *job.Task) {
		k.Kind, k.Manifest, k.Version, k.Countdown, k.Ending = job.KindDeploy, hash, 1, 3, job.EndDisk
	})
	e, err := p.run(limit(t), address)
	if err != nil || e != job.EndDisk {
		t.Fatalf("deploy: %q, %v\n%s", e, err, p.log.String())
	}
	p.has("agent 1.0 s", "step stage2 done", "code 042917", "notice alarm wait", "enrolled S104-07", "notice countdown info", "phase verify",
		"step restore done", "done deploy debian@1 written=", "boot entry Boot0000", "ending disk", "notice ok info: Master debian@1 is installed")
	if string(p.unpacked) != "the second stage" {
		t.Errorf("unpacked %q", p.unpacked)
	}
	r := last(p.server)
	if r.State != job.TaskDone || r.Outcome.Code != "ok" || r.Outcome.ProvenAt.IsZero() || r.Outcome.WrittenBytes == 0 || len(r.Timings) != 6 {
		t.Errorf("last report %+v, outcome %+v", r, r.Outcome)
	}
	p.server.Look(func() {
		for _, r := range p.server.Reports {
			if restores := r.Steps[r.Step] == "restore"; restores && r.Total > 0 && r.Phase == "" || !restores && r.Phase != "" {
				t.Errorf("step %s of %d bytes is in phase %q", r.Steps[r.Step], r.Total, r.Phase)
			}
		}
	})
	same(t, source, target)
	if o, err := efi.ParseLoadOption(p.firmware.vars["Boot0000"]); err != nil || o.File() != `\EFI\debian\shimx64.efi` {
		t.Errorf("boot entry %+v, %v", o, err)
	}
	if !bytes.Equal(p.firmware.vars["BootNext"], []byte{0, 0}) {
		t.Errorf("BootNext is %x", p.firmware.vars["BootNext"])
	}
	p.again(hash)
}

// again starts the same PC once more: its key and stage two are kept, and a second deploy writes nothing.
func (p *pc) again(hash string) {
	t := p.t
	var key string
	p.server.Look(func() { key = p.server.Keys[0]; p.server.Keys = nil; p.server.Hellos = nil })
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) {
		k.Kind, k.Manifest, k.Version, k.Nonce, k.Ending = job.KindDeploy, hash, 1, "n2", job.EndPowerOff
	})
	p.unpacked = nil
	if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("second deploy: %q, %v", e, err)
	}
	if p.server.Keys[0] != key || p.server.Hellos[0].NewKey || !p.server.Hellos[0].WeakKey {
		t.Errorf("the key was not kept: %s, then %s, hello %+v", key, p.server.Keys[0], p.server.Hellos[0])
	}
	if r := last(p.server); r.Outcome.WrittenBytes != 0 || r.Outcome.StoredBytes != 0 {
		t.Errorf("the second deploy wrote %d bytes and fetched %d", r.Outcome.WrittenBytes, r.Outcome.StoredBytes)
	}
	if p.unpacked != nil {
		t.Error("stage two was fetched again")
	}
}

// same compares the two partitions where the file systems use them: by the tools of the file systems themselves.
func same(t *testing.T, source, target string) {
	t.Helper()
	for _, f := range []string{source, target} {
		tool(t, "", "sgdisk", "-v", f)
		tool(t, "", "mcopy", "-o", "-i", f+"@@1M", "::EFI/debian/shimx64.efi", f+".shim")
	}
	a, _ := os.ReadFile(source + ".shim")
	b, _ := os.ReadFile(target + ".shim")
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the loader differs")
	}
	root := blank(t, 40<<20)
	in, err := os.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, io.NewSectionReader(in, 36700160, 40<<20)); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	tool(t, "", "e2fsck", "-fn", root)
}

func TestTasksThatAreRefusedTouchNothing(t *testing.T) {
	source := newPC(t)
	_, hash := captured(t, source)
	for name, c := range map[string]struct {
		change func(*pc, *job.Task)
		code   notices.Code
	}{
		"for another computer": {func(_ *pc, k *job.Task) { k.ComputerKey = strings.Repeat("0", 64) }, notices.TaskNotOurs},
		"without a nonce":      {func(_ *pc, k *job.Task) { k.Nonce = "" }, notices.TaskReplayed},
		"of an unknown kind":   {func(_ *pc, k *job.Task) { k.Kind = "knit" }, notices.TaskUnknown},
		"altered manifest": {func(p *pc, k *job.Task) {
			p.server.Look(func() { p.server.Manifests[k.Manifest] = append(bytes.Clone(p.server.Manifests[k.Manifest]), 0) })
		}, notices.MasterAltered},
		"manifest signed by a stranger": {func(p *pc, k *job.Task) {
			stranger := agenttest.New()
			h, _ := manifest.ParseHash(k.Manifest)
			p.server.Bad[k.Manifest] = manifest.Signature{Key: stranger.PublicKey(), Signature: stranger.Sign(manifest.SignatureContext, h[:])}
		}, notices.MasterAltered},
		"manifest with a signature for something else": {func(p *pc, k *job.Task) {
			h, _ := manifest.ParseHash(k.Manifest)
			p.server.Bad[k.Manifest] = manifest.Signature{Key: p.server.PublicKey(), Signature: p.server.Sign(job.ContextTask, h[:])}
		}, notices.MasterAltered},
		"two disks match":    {func(p *pc, _ *job.Task) { p.disks = append(p.disks, blank(t, 90<<20)) }, notices.SeveralDisks},
		"no disk matches":    {func(_ *pc, k *job.Task) { k.Disk.Model = "SanDisk" }, notices.NoDisk},
		"disk is too small":  {func(p *pc, _ *job.Task) { p.disks = []string{blank(t, 60<<20)} }, notices.DiskTooSmall},
		"a chunk is missing": {func(p *pc, _ *job.Task) { p.server.Chunks = nil }, notices.MasterDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, blank(t, 90<<20))
			p.server.Manifests[hash] = bytes.Clone(source.server.Manifests[hash])
			for id, f := range source.server.Chunks {
				p.server.Chunks[id] = f
			}
			address := p.server.Start("127.0.0.1:0")
			t.Cleanup(p.server.Close)
			p.order(func(k *job.Task) {
				k.Kind, k.Manifest = job.KindDeploy, hash
				// The right signature first, so that a case may replace it.
				h, _ := manifest.ParseHash(hash)
				p.server.Look(func() {
					p.server.Bad[hash] = manifest.Signature{Key: p.server.PublicKey(), Signature: p.server.Sign(manifest.SignatureContext, h[:])}
				})
				c.change(p, k)
			})
			_, err := p.run(limit(t), address)
			var f *agent.FaultError
			if !errors.As(err, &f) || f.Code != c.code {
				t.Fatalf("got %v, want %s\n%s", err, c.code, p.log.String())
			}
			if c.code == notices.MasterDamaged {
				return // the disk was begun: that is what its mark is for
			}
			for _, path := range p.disks {
				untouched(t, path)
			}
			if c.code == notices.TaskNotOurs || c.code == notices.TaskReplayed {
				return // not our task: there is nothing to report
			}
			if r := last(p.server); r.State != job.TaskFailed || r.Outcome.Code != string(c.code) || r.Outcome.Detail == "" {
				t.Errorf("last report %+v, outcome %+v", r, r.Outcome)
			}
		})
	}
}

func TestReplayedAndForgedTasksAreRefused(t *testing.T) {
	for name, code := range map[string]notices.Code{"replayed": notices.TaskReplayed, "forged": notices.TaskUntrusted} {
		p := newPC(t)
		address := p.server.Start("127.0.0.1:0")
		p.order(func(k *job.Task) {
			k.Ending = job.EndStay
			e := p.server.Seal(*k)
			if name == "forged" {
				e.Payload = bytes.Replace(e.Payload, []byte("debian"), []byte("windows"), 1)
			}
			p.server.Tasks <- e
		})
		_, err := p.run(limit(t), address)
		p.server.Close()
		var f *agent.FaultError
		if !errors.As(err, &f) || f.Code != code {
			t.Errorf("%s: got %v, want %s", name, err, code)
		}
		if name == "replayed" {
			p.has("done inventory", "ending stay")
		}
	}
}

func TestCancelBeforeAnythingIsWritten(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.server.Cancel.Store(true)
	p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Countdown = job.KindDeploy, hash, 600 })
	e, err := p.run(limit(t), address)
	if err != nil || e != job.EndPowerOff {
		t.Fatalf("cancelled deploy: %q, %v", e, err)
	}
	p.has("cancelled deploy debian@0", "ending poweroff")
	if r := last(p.server); r.State != job.TaskCancelled || r.Outcome.Code != "cancelled" {
		t.Errorf("last report %+v, outcome %+v", r, r.Outcome)
	}
	untouched(t, p.disks[0])
}

func TestUnfinishedDiskIsToldWithTheHello(t *testing.T) {
	target := blank(t, 700<<20)
	p := newPC(t, target)
	_, hash := captured(t, p)
	all := p.server.Chunks
	p.server.Chunks = nil
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 })
	if _, err := p.run(limit(t), address); err == nil {
		t.Fatal("a deploy without chunks succeeds")
	}
	if d, err := disk.Open(target, disk.Mode{Read: true}); err != nil {
		t.Fatal(err)
	} else if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	key := p.server.Keys[0]
	p.server.Look(func() { p.server.Chunks, p.server.Keys, p.server.Hellos = all, nil, nil })
	p.server.Close()
	address = p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version, k.Nonce = job.KindDeploy, hash, 1, "n2" })
	if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("resumed deploy: %q, %v\n%s", e, err, p.log.String())
	}
	m := p.server.Hellos[0].Interrupted
	if m == nil || m.Manifest != hash || m.Version != 1 || m.Master != "debian" {
		t.Errorf("the hello tells of %+v", m)
	}
	if p.server.Keys[0] != key {
		t.Error("the PC came back with another key: the server would raise an alarm instead of resuming")
	}
	p.has("interrupted deploy debian@1 in phase")
}

func TestAMarkThatCannotBeReadStillStands(t *testing.T) {
	target := blank(t, 700<<20)
	p := newPC(t, target)
	_, hash := captured(t, p)
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 })
	if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("deploy: %q, %v", e, err)
	}
	spoil(t, target, "ARDSLOT0MARK")
	p.server.Look(func() { p.server.Hellos = nil })
	p.server.Close()
	address = p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) { k.Kind, k.Nonce = job.KindInventory, "n2" })
	if _, err := p.run(limit(t), address); err != nil {
		t.Fatal(err)
	}
	if m := p.server.Hellos[0].Interrupted; m == nil || m.Phase != "unknown" {
		t.Errorf("the hello tells of %+v, want a mark that stands", m)
	}
}

// spoil overwrites the first 4 KiB wherever the file has the given bytes, on a multiple of 4 KiB.
func spoil(t *testing.T, path, at string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	found, head := 0, make([]byte, len(at))
	for off := int64(0); off+4096 <= info.Size(); off += 4096 {
		if _, err := f.ReadAt(head, off); err != nil {
			t.Fatal(err)
		}
		if string(head) != at {
			continue
		}
		found++
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 4096), off); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Fatalf("%s holds no %q", path, at)
	}
}

func TestRogueServerEndsAtOnce(t *testing.T) {
	p := newPC(t)
	p.server.Leaf = agenttest.NewAuthority().Leaf(nil)
	address := p.server.Start("127.0.0.1:0")
	t.Cleanup(p.server.Close)
	_, err := p.run(limit(t), address)
	var f *agent.FaultError
	if !errors.As(err, &f) || f.Code != notices.ServerUnproven {
		t.Errorf("got %v", err)
	}
	if len(p.server.Hellos) != 0 {
		t.Error("the agent introduced itself to a rogue")
	}
}

func TestAlteredStageTwoIsNotUnpacked(t *testing.T) {
	p := newPC(t)
	p.server.StageTwo = []byte("not what was promised")
	p.server.Trust = &job.Trust{SigningKeys: []string{p.server.PublicKey()}, StageTwo: job.StageTwo{Hash: strings.Repeat("ab", 32), Size: 21}}
	address := p.server.Start("127.0.0.1:0")
	t.Cleanup(p.server.Close)
	_, err := p.run(limit(t), address)
	var f *agent.FaultError
	if !errors.As(err, &f) || f.Code != notices.StageTwoAltered || p.unpacked != nil {
		t.Errorf("got %v, unpacked %q", err, p.unpacked)
	}
}
