package agent_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// The cable was out while the countdown ended, and a person cancelled meanwhile: the first that the PC hears of it is
// the answer to its mark. Nothing has been written yet, and the server has promised that nothing will be.
func TestATaskCancelledWhileTheServerWasAwayWritesNothing(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.server.CancelMarks.Store(true)
	p.order(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash })
	e, err := p.run(limit(t), address)
	if err != nil || e != job.EndPowerOff {
		t.Fatalf("cancelled deploy: %q, %v\n%s", e, err, p.log.String())
	}
	p.has("cancelled deploy debian@0")
	if r := last(p.server); r.State != job.TaskCancelled {
		t.Errorf("last report %+v", r)
	}
	untouched(t, p.disks[0])
}

// deployed is a disk that a PC was given a master on: it has an ARDOISE with that PC's key.
func deployed(t *testing.T, p *pc, hash string) (path, key string) {
	t.Helper()
	path = blank(t, 700<<20)
	other := newPC(t, path)
	other.server = p.server
	p.server.Look(func() { p.server.Keys, p.server.Hellos = nil, nil })
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	other.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 })
	if e, err := other.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("deploy: %q, %v\n%s", e, err, other.log.String())
	}
	p.server.Look(func() { key = p.server.Keys[0]; p.server.Keys, p.server.Hellos = nil, nil })
	return path, key
}

// Whoever puts a stick into a PC must not choose the key that a technician then approves on that PC's screen, nor make
// it look unfinished.
func TestAKeyOnAStickIsNotThisComputers(t *testing.T) {
	for name, c := range map[string]struct {
		stick job.Disk
		fixed bool // the PC has a disk of its own
		taken bool
	}{
		"a stick":                    {job.Disk{Bus: "usb", Removable: true}, true, false},
		"a USB disk":                 {job.Disk{Bus: "usb"}, true, false},
		"a card":                     {job.Disk{Bus: "mmc", Removable: true}, true, false},
		"a PC that has only USB":     {job.Disk{Bus: "usb"}, false, true},
		"its own disk":               {job.Disk{Bus: "sata"}, true, true},
		"a stick in a PC without it": {job.Disk{Bus: "usb", Removable: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t)
			_, hash := captured(t, p)
			path, key := deployed(t, p, hash)
			spoil(t, path, "ARDSLOT0MARK") // so that it looks unfinished, too
			p.disks = []string{path}
			p.attached = map[string]job.Disk{path: c.stick}
			if c.fixed {
				p.disks = append(p.disks, blank(t, 90<<20))
			}
			p.server.Close()
			address := p.server.Start("127.0.0.1:0")
			p.order(func(k *job.Task) { k.Nonce = "n2" })
			if _, err := p.run(limit(t), address); err != nil {
				t.Fatal(err)
			}
			if got := p.server.Keys[0] == key; got != c.taken {
				t.Errorf("the key on it was taken: %v, want %v", got, c.taken)
			}
			if got := p.server.Hellos[0].Interrupted != nil; got != c.taken {
				t.Errorf("the mark on it was taken: %v, want %v", got, c.taken)
			}
		})
	}
}

// The kernel may give a disk's name to another one while a person reads the countdown.
func TestADiskThatChangedPlacesSinceItWasChosenIsNotWritten(t *testing.T) {
	source := newPC(t)
	_, hash := captured(t, source)
	for name, change := range map[string]func(*testing.T, *pc){
		"another disk has its name": func(_ *testing.T, p *pc) {
			p.attached = map[string]job.Disk{p.disks[0]: {Bus: "virtio", Serial: "another"}}
		},
		"a second one has come that matches too": func(t *testing.T, p *pc) { p.disks = append(p.disks, blank(t, 90<<20)) },
		"it is of another size":                  func(t *testing.T, p *pc) { must(t, os.Truncate(p.disks[0], 91<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, blank(t, 90<<20))
			p.server.Manifests[hash] = bytes.Clone(source.server.Manifests[hash])
			for id, f := range source.server.Chunks {
				p.server.Chunks[id] = f
			}
			address := p.server.Start("127.0.0.1:0")
			t.Cleanup(p.server.Close)
			// The fourth look at the disks is the one after the countdown: keys, hello and choice come before.
			p.looks = map[int]func(){4: func() { change(t, p) }}
			p.order(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash })
			_, err := p.run(context.Background(), address)
			var f *agent.FaultError
			if !errors.As(err, &f) || f.Code != notices.DiskChanged && f.Code != notices.SeveralDisks {
				t.Errorf("got %v\n%s", err, p.log.String())
			}
			for _, path := range p.disks {
				untouched(t, path)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The master takes the place of the old ARDOISE, whose mark could not be read: what it said must not be told of the disk
// that was proven since.
func TestAProvenDiskIsNotToldUnfinished(t *testing.T) {
	p := newPC(t)
	_, hash := captured(t, p)
	path, _ := deployed(t, p, hash)
	spoil(t, path, "ARDSLOT0MARK")
	large := newPC(t, blank(t, 699<<20))
	large.server = p.server
	tool(t, "label: gpt\nstart=2048,size=1425408,type=L\n", "sfdisk", "-q", large.disks[0])
	tool(t, "", "mkfs.ext4", "-q", "-F", "-E", "offset=1048576", large.disks[0], "712704k")
	run := func(c *pc, change func(*job.Task)) {
		t.Helper()
		p.server.Look(func() { p.server.Keys, p.server.Hellos = nil, nil })
		p.server.Close()
		address := p.server.Start("127.0.0.1:0")
		c.order(change)
		if _, err := c.run(limit(t), address); err != nil {
			t.Fatalf("%v\n%s", err, c.log.String())
		}
	}
	run(large, func(k *job.Task) { k.Kind = job.KindCapture })
	hash = p.server.AddManifest(p.server.Publishes[1].Manifest)
	p.disks = []string{path}
	run(p, func(k *job.Task) {
		k.Kind, k.Manifest, k.Version, k.Nonce, k.Ending = job.KindDeploy, hash, 1, "n2", job.EndStay
		p.server.Order(*k)
		k.Kind, k.Nonce, k.Ending = job.KindInventory, "n3", job.EndPowerOff
	})
	if n := len(p.server.Hellos); n != 2 || p.server.Hellos[0].Interrupted == nil || p.server.Hellos[1].Interrupted != nil {
		t.Errorf("%d hellos, first %+v, last %+v", n, p.server.Hellos[0].Interrupted, p.server.Hellos[n-1].Interrupted)
	}
}
