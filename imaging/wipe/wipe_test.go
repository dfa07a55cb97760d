package wipe

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

func mustWipe(t *testing.T, m *medium, d Drive, method string, how ...func(*Options)) job.WipeProof {
	t.Helper()
	p, err := wipe(t, m, d, method, how...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// left tells whether anything of a used disk is still there.
func left(m *medium) int {
	old, n := used().b, 0
	for i := 0; i < len(old); i += block {
		if !uniform(old[i:i+block]) && bytes.Equal(old[i:i+block], m.b[i:i+block]) {
			n++
		}
	}
	return n
}

func TestAnNVMeDriveErasesItselfByTheBestThatItHas(t *testing.T) {
	for name, c := range map[string]struct {
		sanicap    uint32
		oacs       uint16
		fna        byte
		erase      erasing
		method, by string
	}{
		"block":          {3, 2, 4, toZeros, job.WipeSanitize, "NVMe Sanitize, block erase"},
		"crypto":         {1, 2, 4, toNoise, job.WipeSanitize, "NVMe Sanitize, crypto erase"},
		"format":         {0, 2, 0, toZeros, job.WipeSecureErase, "NVMe Format, user data erase"},
		"only overwrite": {4, 0, 0, toZeros, job.WipeOverwrite, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := used()
			n := newNVMe(m, c.sanicap, c.oacs, c.fna)
			n.erase = c.erase
			p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto)
			if p.Method != c.method || p.Reported != c.by || left(m) > 0 {
				t.Errorf("%+v, %d blocks left", p, left(m))
			}
			if c.by == "" && p.Verified != size {
				t.Errorf("%d of %d bytes verified", p.Verified, size)
			}
			for _, f := range n.formatted {
				if f != 0x1331&^0x1000|1<<9 && f != 1|1<<4|1<<5|1<<8|1<<9 {
					t.Errorf("the namespace gets another format: %#x", f)
				}
			}
		})
	}
}

func TestOtherNamespacesAreNeverErased(t *testing.T) {
	m := used()
	n := newNVMe(m, 3, 2, 3)
	n.controller[516] = 32
	n.active = []uint32{1, 2}
	p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto)
	if p.Method != job.WipeOverwrite || n.took != 0 {
		t.Errorf("%+v, %d commands", p, n.took)
	}
	_, err := wipe(t, used(), NVMe{n, 1}, job.WipeSanitize)
	var cannot *CannotError
	if !errors.As(err, &cannot) || !strings.Contains(err.Error(), "other namespaces") {
		t.Errorf("%v", err)
	}
	// One that is alone among 32 that could be is alone.
	m = used()
	n = newNVMe(m, 3, 2, 3)
	n.controller[516] = 32
	if p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto); p.Method != job.WipeSanitize {
		t.Errorf("%+v", p)
	}
}

func TestADriveThatLiesHasNoCertificate(t *testing.T) {
	for name, erase := range map[string]erasing{"does nothing": lie, "does half of it": half} {
		drives := map[string]func(*medium) Drive{
			"sanitize": func(m *medium) Drive { n := newNVMe(m, 3, 2, 4); n.erase = erase; return NVMe{n, 1} },
			"format":   func(m *medium) Drive { n := newNVMe(m, 0, 2, 4); n.erase = erase; return NVMe{n, 1} },
			"ATA sanitize": func(m *medium) Drive {
				a := newATA(m, 1<<15|1<<12, 0)
				a.erase = erase
				return ATA{a}
			},
			"ATA erase": func(m *medium) Drive { a := newATA(m, 0, 0x21); a.erase = erase; return ATA{a} },
		}
		for kind, drive := range drives {
			m := used()
			p, err := wipe(t, m, drive(m), job.WipeAuto)
			var lied *StillThereError
			if !errors.As(err, &lied) || lied.Blocks == 0 || p.Refused == "" || p.Reported != "" {
				t.Errorf("%s, %s: %v, %+v", kind, name, err, p)
			}
		}
	}
}

func TestAWipeThatADriveCannotEndGoesOnByTheNextWay(t *testing.T) {
	m := used()
	n := newNVMe(m, 3, 0, 0)
	n.fails = true
	p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto)
	if p.Method != job.WipeOverwrite || len(p.Notes) < 3 || n.locked {
		t.Errorf("%+v", p)
	}
	m = used()
	n = newNVMe(m, 3, 2, 4)
	n.fails = true
	p, err := wipe(t, m, NVMe{n, 1}, job.WipeSanitize)
	var failed *FailedError
	if !errors.As(err, &failed) || p.Method != "" || len(n.formatted) > 0 {
		t.Errorf("%v, %+v, %d formats", err, p, len(n.formatted))
	}
	m = used()
	n = newNVMe(m, 3, 2, 4)
	n.refuses = true
	if p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto); p.Method != job.WipeOverwrite {
		t.Errorf("%+v", p)
	}
}

func TestASanitizeThatWasGoingOnIsWaitedFor(t *testing.T) {
	for name, prepare := range map[string]func(*nvmeModel){
		"going on": func(*nvmeModel) {},
		"it fails": func(n *nvmeModel) { n.fails = true },
	} {
		m := used()
		n := newNVMe(m, 2, 0, 0)
		n.begin(2 | 8)
		prepare(n)
		asked := n.took
		p := mustWipe(t, m, NVMe{n, 1}, job.WipeAuto)
		if left(m) > 0 || len(p.Notes) == 0 || n.took == asked || (p.Method == job.WipeSanitize) == n.fails {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestADriveThatFallsSilentFailsTheWipe(t *testing.T) {
	m := used()
	n := newNVMe(m, 2, 0, 0)
	n.silent = maxSilence // and speaks then
	mustWipe(t, m, NVMe{n, 1}, job.WipeSanitize)
	m = used()
	n = newNVMe(m, 2, 0, 0)
	n.silent = 1 << 20
	_, err := wipe(t, m, NVMe{n, 1}, job.WipeSanitize)
	var failed *FailedError
	if !errors.As(err, &failed) {
		t.Errorf("%v", err)
	}
	m = used()
	n = newNVMe(m, 2, 0, 0)
	n.stuck = true
	_, err = wipe(t, m, NVMe{n, 1}, job.WipeSanitize)
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "nothing went on") {
		t.Errorf("%v", err)
	}
}

func TestAnATADriveErasesItselfByTheBestThatItHas(t *testing.T) {
	for name, c := range map[string]struct {
		word59, word128 uint16
		method, by      string
	}{
		"sanitize":           {1<<12 | 1<<13 | 1<<15, 0x21, job.WipeSanitize, "ATA sanitize, block erase"},
		"sanitize, crypto":   {1<<12 | 1<<13, 0x21, job.WipeSanitize, "ATA sanitize, crypto scramble"},
		"sanitize of a disk": {1<<12 | 1<<14, 0x21, job.WipeSanitize, "ATA sanitize, overwrite"},
		"enhanced":           {0, 0x21, job.WipeSecureErase, "ATA security erase unit, enhanced"},
		"normal":             {0, 0x01, job.WipeSecureErase, "ATA security erase unit, normal"},
		"nothing":            {0, 0, job.WipeOverwrite, ""},
		"frozen":             {0, 0x09, job.WipeOverwrite, ""},
	} {
		m := used()
		a := newATA(m, c.word59, c.word128)
		p := mustWipe(t, m, ATA{a}, job.WipeAuto)
		if p.Method != c.method || p.Reported != c.by || left(m) > 0 || a.id[128]&2 != 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestAFrozenDriveSaysWhatToDo(t *testing.T) {
	m := used()
	a := newATA(m, 0, 0x29)
	_, err := wipe(t, m, ATA{a}, job.WipeSecureErase)
	var cannot *CannotError
	if !errors.As(err, &cannot) || !strings.Contains(err.Error(), "sleep and wake") || len(a.took) > 0 {
		t.Errorf("%v, commands %x", err, a.took)
	}
}

func TestADriveThatLostItsPowerDuringAnEraseIsErased(t *testing.T) {
	ours := password + strings.Repeat("\x00", 32-len(password))
	m := used()
	a := newATA(m, 0, 0x01|2|4)
	a.password = ours
	p := mustWipe(t, m, ATA{a}, job.WipeAuto)
	if p.Method != job.WipeSecureErase || left(m) > 0 || a.id[128]&6 != 0 {
		t.Errorf("%+v", p)
	}
	// A lie is found out even so, by what is done once the drive can be written to.
	m = used()
	a = newATA(m, 0, 0x01|2|4)
	a.password, a.erase = ours, lie
	if _, err := wipe(t, m, ATA{a}, job.WipeAuto); err == nil {
		t.Error("a drive that was locked and lies has a certificate")
	}
	m = used()
	a = newATA(m, 0, 0x01|2|4)
	a.password = "somebody else's"
	p, err := wipe(t, m, ATA{a}, job.WipeAuto)
	if err == nil || left(m) < size/block/2 {
		t.Errorf("%+v", p)
	}
}

func TestAFailedEraseLeavesNoPassword(t *testing.T) {
	m := used()
	a := newATA(m, 0, 0x21)
	a.fails = true
	_, err := wipe(t, m, ATA{a}, job.WipeSecureErase)
	var failed *FailedError
	if !errors.As(err, &failed) || a.password != "" || a.id[128]&2 != 0 {
		t.Errorf("%v, password %q", err, a.password)
	}
}

func TestWhatADriveHidesIsSaid(t *testing.T) {
	m := used()
	a := newATA(m, 0, 0)
	a.native = size/512 + 2048
	p, err := wipe(t, m, ATA{a}, job.WipeAuto)
	var hidden *HiddenError
	if !errors.As(err, &hidden) || hidden.Bytes != mib || p.Hidden != mib || p.Verified != size {
		t.Errorf("%v, %+v", err, p)
	}
	a.native = 1 << 47 // nonsense
	if p := mustWipe(t, used(), ATA{a}, job.WipeOverwrite); p.Hidden != 0 {
		t.Errorf("%+v", p)
	}
}

func TestADiskThatDropsAnyOneWriteFails(t *testing.T) {
	count := 0
	m := used()
	m.wrote = func(int64, int) { count++ }
	mustWipe(t, m, nil, job.WipeAuto)
	caught := 0
	for lost := 1; lost <= count; lost++ {
		m, n := used(), 0
		m.drop = func(int64, int) bool { n++; return n == lost }
		p, err := wipe(t, m, nil, job.WipeAuto)
		var residual *ResidueError
		switch {
		case errors.As(err, &residual) && p.Refused != "":
			caught++
		case err != nil || residue(m.b) >= 0: // a place that is written again later may be lost the first time
			t.Errorf("write %d of %d was dropped: %v", lost, count, err)
		}
	}
	if caught < size*3/4/piece { // there was nothing behind that
		t.Errorf("%d of %d dropped writes were caught", caught, count)
	}
}

func TestADyingSectorIsNamedAndTheRestIsWiped(t *testing.T) {
	at := int64(5*mib + 7*block)
	m := used()
	m.fail, m.unread = spot(at), spot(at)
	p, err := wipe(t, m, nil, job.WipeOverwrite)
	var unwritten *UnwrittenError
	if !errors.As(err, &unwritten) || unwritten.Offset != at || unwritten.Count != 1 {
		t.Fatalf("%v", err)
	}
	if n := left(m); n != 1 || p.Verified != size-piece {
		t.Errorf("%d blocks left, %d bytes verified", n, p.Verified)
	}
	m = used()
	m.unread = spot(at)
	if _, err := wipe(t, m, nil, job.WipeOverwrite); err == nil || !strings.Contains(err.Error(), "reading back") {
		t.Errorf("a sector that cannot be read back: %v", err)
	}
	m = used()
	m.fail = func(off int64, n int) bool { return off+int64(n) > 6*mib }
	_, err = wipe(t, m, nil, job.WipeOverwrite)
	if !errors.As(err, &unwritten) || !unwritten.Gave || unwritten.Count != maxFaint {
		t.Errorf("a dying disk: %v", err)
	}
}

func TestNothingStartsFromADiskThatLostItsPower(t *testing.T) {
	for _, kind := range []string{"overwrite", "sanitize"} {
		m, writes := used(), 0
		var d Drive
		if kind == "sanitize" {
			d = NVMe{newNVMe(m, 2, 0, 0), 1}
		}
		m.wrote = func(off int64, n int) {
			if writes++; writes > 2 && (residue(m.b[:mib]) >= 0 || residue(m.b[size-mib:]) >= 0) && off < size-mib {
				t.Fatalf("%s: at write %d a table is still there", kind, writes)
			}
		}
		mustWipe(t, m, d, job.WipeAuto)
	}
}

func TestWhatIsNotBegunChangesNothing(t *testing.T) {
	m := used()
	before := bytes.Clone(m.b)
	n := newNVMe(m, 3, 2, 4)
	cancelled := errors.New("cancelled")
	_, err := wipe(t, m, NVMe{n, 1}, job.WipeAuto, func(o *Options) { o.Begin = func(context.Context) error { return cancelled } })
	if !errors.Is(err, cancelled) || !bytes.Equal(m.b, before) || n.took > 0 {
		t.Errorf("%v", err)
	}
	var cannot *CannotError
	for _, method := range []string{"degauss", job.WipeSanitize, job.WipeSecureErase} {
		if _, err := wipe(t, m, nil, method); !errors.As(err, &cannot) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := wipe(t, &medium{b: make([]byte, mib)}, nil, ""); !errors.As(err, &cannot) {
		t.Errorf("a disk of a MiB: %v", err)
	}
}

func TestAWipeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := used()
	m.wrote = func(off int64, _ int) {
		if off >= 8*mib && off < 12*mib {
			cancel()
		}
	}
	c := &clock{now: time.Unix(1.8e9, 0)}
	p, err := Run(ctx, Options{Target: m, Begin: begun, Now: c.read, Sleep: c.sleep})
	if !errors.Is(err, context.Canceled) || p.Refused == "" {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestProgressGrows(t *testing.T) {
	m := used()
	phases := map[string]int64{}
	mustWipe(t, m, NVMe{newNVMe(m, 2, 0, 0), 1}, job.WipeAuto, func(o *Options) {
		o.Progress = func(p Progress) {
			if p.Done < phases[p.Phase] || p.Done > p.Total {
				t.Errorf("%+v after %d", p, phases[p.Phase])
			}
			phases[p.Phase] = p.Done
		}
	})
	if len(phases) != 2 || phases[PhaseErase] == 0 {
		t.Errorf("%v", phases)
	}
}
