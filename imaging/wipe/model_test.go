package wipe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

var errIO = errors.New("input/output error")

// medium is a disk in memory that belongs to a model of a drive.
type medium struct {
	b      []byte
	busy   func() bool                 // reads and writes fail
	drop   func(off int64, n int) bool // a write is acknowledged and forgotten
	fail   func(off int64, n int) bool
	unread func(off int64, n int) bool
	wrote  func(off int64, n int)
}

const size = 16 << 20

// used is a medium as a pupil leaves it: files, free space, a table.
func used() *medium {
	m := &medium{b: make([]byte, size)}
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(m.b[:size*3/4])
	copy(m.b[510:], []byte{0x55, 0xAA})
	_, _ = r.Read(m.b[size-34*512:])
	return m
}

func (m *medium) ReadAt(p []byte, off int64) (int, error) {
	if m.busy != nil && m.busy() || m.unread != nil && m.unread(off, len(p)) {
		return 0, errIO
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *medium) WriteAt(p []byte, off int64) (int, error) {
	if m.busy != nil && m.busy() || m.fail != nil && m.fail(off, len(p)) {
		return 0, errIO
	}
	if m.wrote != nil {
		m.wrote(off, len(p))
	}
	if m.drop != nil && m.drop(off, len(p)) {
		return len(p), nil
	}
	return copy(m.b[off:], p), nil
}

func (m *medium) Flush() error { return nil }
func (m *medium) Drop() error  { return nil }
func (m *medium) Size() int64  { return int64(len(m.b)) }

// spot tells whether a range holds the byte at off.
func spot(at int64) func(int64, int) bool {
	return func(off int64, n int) bool { return off <= at && at < off+int64(n) }
}

// erasing is how a model does what it reports.
type erasing func(b []byte)

func toZeros(b []byte) { clear(b) }
func toNoise(b []byte) { _, _ = rand.NewChaCha8([32]byte{9}).Read(b) }
func lie([]byte)       {}

func begun(context.Context) error { return nil }

// half leaves every other 8 KiB as it was.
func half(b []byte) {
	for i := 0; i < len(b); i += 16 << 10 {
		clear(b[i:][:8<<10])
	}
}

// nvmeModel keeps the pages of a controller as NVMe 2.0 has them.
type nvmeModel struct {
	disk       *medium
	controller []byte
	active     []uint32
	log        []byte
	polls      int // that a sanitize takes
	left       int
	erase      erasing
	fails      bool // a sanitize fails
	refuses    bool // it is not even begun
	silent     int  // questions that stay unanswered once it is begun
	stuck      bool // it goes on for ever, and its progress stays where it is
	locked     bool // failure mode
	formatted  []uint32
	took       int // commands that change something
}

func newNVMe(m *medium, sanicap uint32, oacs uint16, fna byte) *nvmeModel {
	n := &nvmeModel{disk: m, controller: make([]byte, 4096), active: []uint32{1}, log: make([]byte, 512), polls: 3, erase: toZeros}
	binary.LittleEndian.PutUint16(n.controller[256:], oacs)
	binary.LittleEndian.PutUint32(n.controller[328:], sanicap)
	binary.LittleEndian.PutUint32(n.controller[516:], 1)
	n.controller[524] = fna
	binary.LittleEndian.PutUint16(n.log, 0xFFFF)
	binary.LittleEndian.PutUint32(n.log[12:], 90)
	binary.LittleEndian.PutUint32(n.log[16:], 0xFFFFFFFF)
	m.busy = func() bool { return n.left > 0 || n.locked }
	return n
}

func (n *nvmeModel) status(s uint16) { binary.LittleEndian.PutUint16(n.log[2:], s) }

func (n *nvmeModel) begin(cdw uint32) {
	binary.LittleEndian.PutUint32(n.log[4:], cdw)
	binary.LittleEndian.PutUint16(n.log, 0)
	n.status(2)
	n.left, n.locked = n.polls, false
}

func (n *nvmeModel) Admin(c command.Admin, data []byte) (uint32, error) {
	switch {
	case c.Opcode == 0x06 && c.CDW[0] == 1:
		copy(data, n.controller)
	case c.Opcode == 0x06 && c.CDW[0] == 0:
		binary.LittleEndian.PutUint64(data, size/512)
		data[25], data[26], data[29] = 1, 0x11, 0x09
	case c.Opcode == 0x06 && c.CDW[0] == 2:
		for i, id := range n.active {
			binary.LittleEndian.PutUint32(data[4*i:], id)
		}
	case c.Opcode == 0x02 && c.CDW[0] == 127<<16|0x81:
		if n.left > 0 && n.silent > 0 {
			n.silent--
			return 0, errIO
		}
		if n.left > 0 && !n.stuck {
			if n.left--; n.left == 0 {
				n.end()
			} else {
				binary.LittleEndian.PutUint16(n.log, uint16(65536*(n.polls-n.left)/n.polls))
			}
		}
		copy(data, n.log)
	case c.Opcode == 0x84 && c.CDW[0]&7 == 1:
		n.locked = false
	case c.Opcode == 0x84:
		n.took++
		if n.refuses {
			return 0, &command.StatusError{Status: 0x0C}
		}
		n.begin(c.CDW[0])
	case c.Opcode == 0x80:
		n.took++
		n.formatted = append(n.formatted, c.CDW[0])
		if n.refuses {
			return 0, &command.StatusError{Status: 0x10A}
		}
		n.erase(n.disk.b)
	default:
		return 0, &command.StatusError{Status: 1}
	}
	return 0, nil
}

func (n *nvmeModel) end() {
	binary.LittleEndian.PutUint16(n.log, 0xFFFF)
	if n.fails {
		n.status(3)
		n.locked = true
		return
	}
	n.status(1 | 1<<8)
	n.erase(n.disk.b)
}

// ataModel keeps the registers of a drive as ACS-4 has them.
type ataModel struct {
	disk      *medium
	id        [256]uint16
	native    int64 // sectors
	password  string
	prepared  bool
	sanitized uint16 // of SANITIZE STATUS EXT
	left      int
	erase     erasing
	fails     bool
	took      []byte // commands that change something
}

func newATA(m *medium, word59, word128 uint16) *ataModel {
	a := &ataModel{disk: m, erase: toZeros}
	binary.LittleEndian.PutUint64(bytesOf(a.id[100:104]), 0)
	a.id[100], a.id[101] = uint16(size/512&0xFFFF), uint16(size/512>>16)
	a.id[59], a.id[128], a.id[82], a.id[83] = word59, word128, 1<<10|1<<1, 0x4000
	a.id[89], a.id[90] = 3, 0x8001
	a.native = size / 512
	m.busy = func() bool { return a.left > 0 || a.id[128]&4 != 0 }
	return a
}

func bytesOf(w []uint16) []byte {
	b := make([]byte, 2*len(w))
	for i, v := range w {
		binary.LittleEndian.PutUint16(b[2*i:], v)
	}
	return b
}

func (a *ataModel) identity() []byte {
	b := bytesOf(a.id[:])
	b[510] = 0xA5
	var sum byte
	for _, v := range b[:511] {
		sum += v
	}
	b[511] = -sum
	return b
}

func (a *ataModel) Do(t command.Taskfile, data []byte) (command.Registers, error) {
	refuse := func() (command.Registers, error) {
		r := command.Registers{Status: 0x51, Error: 4}
		return r, &command.AbortedError{Registers: r}
	}
	prepared := a.prepared
	a.prepared = false
	switch t.Command {
	case 0xEC:
		copy(data, a.identity())
		return command.Registers{Status: 0x50}, nil
	case 0x27:
		return command.Registers{Status: 0x50, LBA: uint64(a.native - 1)}, nil
	case 0xB4:
		return a.sanitize(t, refuse)
	case 0xF1:
		if a.id[128]&8 != 0 {
			return refuse()
		}
		a.took = append(a.took, t.Command)
		a.password, a.id[128] = string(data[2:34]), a.id[128]|2
	case 0xF3:
		a.prepared = true
	case 0xF4:
		a.took = append(a.took, t.Command)
		if !prepared || a.id[128]&8 != 0 || string(data[2:34]) != a.password || a.fails {
			return refuse()
		}
		a.erase(a.disk.b)
		a.password, a.id[128] = "", a.id[128]&^6
	case 0xF2:
		if string(data[2:34]) != a.password {
			return refuse()
		}
		a.id[128] &^= 4
	case 0xF6:
		if a.id[128]&4 != 0 || string(data[2:34]) != a.password {
			return refuse()
		}
		a.password, a.id[128] = "", a.id[128]&^2
	default:
		return refuse()
	}
	return command.Registers{Status: 0x50}, nil
}

func (a *ataModel) sanitize(t command.Taskfile, refuse func() (command.Registers, error)) (command.Registers, error) {
	keys := map[uint16]uint64{0x11: 0x43727970, 0x12: 0x426B4572, 0x14: 0x4F5700000000}
	switch {
	case t.Feature == 0:
		if a.left > 0 {
			if a.left--; a.left == 0 {
				a.sanitized = 0
				if !a.fails {
					a.sanitized = 1 << 15
					a.erase(a.disk.b)
				}
			}
		}
	case keys[t.Feature] == 0 || t.LBA != keys[t.Feature]:
		return refuse()
	default:
		a.took = append(a.took, t.Command)
		a.left, a.sanitized = 4, 1<<14
	}
	return command.Registers{Status: 0x50, Count: a.sanitized, LBA: uint64(0xFFFF / (a.left + 1))}, nil
}

// clock goes on with each look at it and each sleep.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { c.now = c.now.Add(time.Millisecond); return c.now }
func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return ctx.Err()
}

// wipe runs one, and checks what holds of each: nothing is changed before Begin, and only what is certified is certified.
func wipe(t *testing.T, m *medium, d Drive, method string, how ...func(*Options)) (job.WipeProof, error) {
	t.Helper()
	before, c, begun := bytes.Clone(m.b), &clock{now: time.Unix(1.8e9, 0)}, false
	o := Options{Target: m, Disk: job.Disk{Path: "/dev/model", Model: "Slate", Serial: "S1"}, Drive: d, Method: method,
		Random: rand.NewChaCha8([32]byte{3}), Now: c.read, Sleep: c.sleep,
		Begin: func(context.Context) error {
			if begun || !bytes.Equal(m.b, before) {
				t.Error("the disk is changed before the wipe has begun, or it begins twice")
			}
			begun = true
			return nil
		}}
	for _, f := range how {
		f(&o)
	}
	p, err := Run(context.Background(), o)
	if (err == nil) != (p.Refused == "") || err != nil && p.Refused != err.Error() {
		t.Errorf("refused %q, but the error is %v", p.Refused, err)
	}
	if err == nil && (p.Verified == 0 || p.Method == "" || p.Serial != "S1" || p.Size != size || !p.Ended.After(p.Started)) {
		t.Errorf("proof %+v", p)
	}
	if err == nil && (residue(m.b[:mib]) >= 0 || residue(m.b[size-mib:]) >= 0) {
		t.Error("something could still start from it")
	}
	var cannot *CannotError
	if errors.As(err, &cannot) && !bytes.Equal(m.b, before) {
		t.Error("it was changed although it could not be wiped")
	}
	return p, err
}
