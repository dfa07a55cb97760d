package room_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/integration/lab"
)

const (
	masterName = "class"
	port       = "7443"
	limit      = 2 * time.Minute // for a whole session, which takes ten seconds on an idle machine
	diskSize   = 48 << 20
	filesSize  = 4 * fileSize // of the files on it, which cannot be compressed
	fileSize   = 8 << 20
)

// class is a room with a master that its PCs are to get.
type class struct {
	t     *testing.T
	room  *lab.Room
	image string // what the disks are to hold
	data  string
	key   string

	server *program
	pcs    map[int]*program
}

// program is one that runs in the room, with what it says.
type program struct {
	*lab.Process
	said lockedBuffer
}

// lockedBuffer may be read while a program writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binary is the program under test, as `make build` leaves it.
func binary(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	path, err := filepath.Abs("../../build/ardoise")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

// newClass raises a room of 100 Mb/s ports and captures a master for it.
func newClass(t *testing.T, pcs int) *class {
	t.Helper()
	ardoise := binary(t)
	room, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: pcs, Server: lab.Cable{Mbit: 1000, Queue: 1 << 20},
		PC: lab.Cable{Mbit: 100, Queue: 256 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := room.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &class{t: t, room: room, image: filepath.Join(room.Disk, "master.img"), data: filepath.Join(room.Disk, "data"),
		key: filepath.Join(room.Dir, "key"), pcs: map[int]*program{}}
	c.writeKey(c.key, 1)
	makeDisk(t, c.image)
	c.ardoise(ardoise, "master", "capture", masterName, "--disk", c.image, "--data", c.data)
	return c
}

// writeKey writes the key of a session.
func (c *class) writeKey(path string, seed byte) {
	c.t.Helper()
	key := make([]byte, 32)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(key) // it never returns an error
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// makeDisk makes a disk with a table and an ext4 volume whose files cannot be compressed.
func makeDisk(t *testing.T, path string) {
	t.Helper()
	tree := t.TempDir()
	noise := rand.NewChaCha8([32]byte{'n', 'o', 'i', 's', 'e'})
	content := make([]byte, fileSize)
	for i := range filesSize / fileSize {
		_, _ = noise.Read(content) // it never returns an error
		if err := os.WriteFile(filepath.Join(tree, fmt.Sprintf("file%d", i)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, diskSize); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"sh", "-c", "echo 2048,,83 | sfdisk -q --no-reread " + path},
		{"mke2fs", "-q", "-F", "-t", "ext4", "-E", "offset=1048576,lazy_itable_init=0", "-d", tree, path,
			fmt.Sprintf("%dk", diskSize>>10-1024)},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, out)
		}
	}
}

// ardoise runs the program to its end and wants it to do well.
func (c *class) ardoise(args ...string) string {
	c.t.Helper()
	out, err := exec.CommandContext(c.t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v: %s", strings.Join(args[1:3], " "), err, out)
	}
	return string(out)
}

// start runs the program in a namespace.
func (c *class) start(space string, args ...string) *program {
	c.t.Helper()
	p := &program{}
	var err error
	if p.Process, err = c.room.Run(space, &p.said, &p.said, append([]string{binary(c.t)}, args...)...); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// send starts the server, which waits for so many computers.
func (c *class) send(computers int, more ...string) {
	c.t.Helper()
	args := []string{"session", "send", masterName, "--data", c.data, "--interface", "eth0", "--listen", ":" + port,
		"--computers", fmt.Sprint(computers), "--linger", "5s", "--key", c.key}
	c.server = c.start(c.room.Server(), append(args, more...)...)
}

// disk is the disk of a PC.
func (c *class) disk(i int) string { return filepath.Join(c.room.Disk, fmt.Sprintf("pc%d.img", i)) }

// receive starts a PC with an empty disk.
func (c *class) receive(i int) {
	c.t.Helper()
	f, err := os.Create(c.disk(i))
	if err != nil {
		c.t.Fatal(err)
	}
	err = f.Truncate(diskSize)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.pcs[i] = c.receiver(i, c.key)
}

// receiver starts the program of a PC with a key.
func (c *class) receiver(i int, key string) *program {
	c.t.Helper()
	return c.start(c.room.PC(i), "session", "receive", "--disk", c.disk(i), "--interface", "eth0", "--server",
		lab.RoomAddress+":"+port, "--key", key)
}

// sent waits until the server has sent that share of the master.
func (c *class) sent(share float64) {
	c.t.Helper()
	counter, err := c.room.CountServer()
	if err != nil {
		c.t.Fatal(err)
	}
	defer counter.Close()
	start, err := counter.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	for ctx := c.timed(limit); ; time.Sleep(10 * time.Millisecond) {
		n, err := counter.Bytes()
		if err != nil {
			c.t.Fatal(err)
		}
		if float64(n-start) > share*diskSize {
			return
		}
		for i, pc := range c.pcs {
			if !pc.Running() {
				c.t.Fatalf("PC %d has ended already, with %v: %s", i, pc.Err(), tail(pc.said.String()))
			}
		}
		if ctx.Err() != nil || !c.server.Running() {
			c.t.Fatalf("the server has sent %d bytes only: %s", n-start, tail(c.server.said.String()))
		}
	}
}

// written waits until that share of the files is on the disk of every PC.
func (c *class) written(share float64) {
	c.t.Helper()
	for ctx := c.timed(limit); ; time.Sleep(10 * time.Millisecond) {
		least := int64(diskSize)
		for i, pc := range c.pcs {
			var info unix.Stat_t
			if err := unix.Stat(c.disk(i), &info); err != nil {
				c.t.Fatal(err)
			}
			if least = min(least, info.Blocks*512); !pc.Running() {
				c.t.Fatalf("PC %d has ended already, with %v: %s", i, pc.Err(), tail(pc.said.String()))
			}
		}
		if float64(least) > share*filesSize {
			return
		}
		if ctx.Err() != nil || !c.server.Running() {
			c.t.Fatalf("a PC has %d bytes on its disk only: %s", least, tail(c.server.said.String()))
		}
	}
}

// place is where a packet belongs, and its nonce.
type place struct {
	kind, stream, symbol uint8
	generation           uint16
	block                uint32
	sequence             uint64
}

// sealed is what a packet of a place looks like.
type sealed struct {
	session uint32
	symbol  string // encrypted
}

// listen hears what the server sends, until the function that it returns is called, which tells what was heard.
func (c *class) listen() func() map[place]sealed {
	c.t.Helper()
	heard := map[place]sealed{}
	ctx, stop := context.WithCancel(c.t.Context())
	done, err := c.room.WatchServer(ctx, wire.PacketSize, func(d lab.Datagram) bool {
		if h, err := wire.Parse(d.Payload); err == nil && d.To.IP.IsMulticast() && h.Kind != wire.KindProbe {
			heard[place{h.Kind, h.Stream, h.Symbol, h.Generation, h.Block, h.Sequence}] = sealed{h.Session, string(d.Payload[wire.HeaderSize:])}
		}
		return true
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return func() map[place]sealed {
		stop()
		<-done
		return heard
	}
}

func (c *class) timed(d time.Duration) context.Context {
	ctx, stop := context.WithTimeout(c.t.Context(), d)
	c.t.Cleanup(stop)
	return ctx
}

// wantEnd waits until a program has ended, well when well.
func (c *class) wantEnd(who string, p *program, well bool) {
	c.t.Helper()
	select {
	case <-p.Done():
	case <-c.timed(limit).Done():
		c.t.Errorf("%s did not end: %s", who, tail(p.said.String()))
		p.Kill()
		return
	}
	if err := p.Err(); (err == nil) != well {
		c.t.Errorf("%s ended with %v: %s", who, err, tail(p.said.String()))
	}
}

// wantMaster waits for a PC and wants its disk to be the master.
func (c *class) wantMaster(i int) {
	c.t.Helper()
	who := fmt.Sprintf("PC %d", i)
	c.wantEnd(who, c.pcs[i], true)
	got, err := os.ReadFile(c.disk(i))
	if err != nil {
		c.t.Fatal(err)
	}
	want, err := os.ReadFile(c.image)
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		c.t.Errorf("the disk of %s differs from the master's in byte %d of %d", who, firstDifference(got, want), len(want))
	}
}

// wantProof waits for the server, which has the library to itself, and wants `master verify` to say the same of disks.
func (c *class) wantProof(pcs ...int) {
	c.t.Helper()
	c.wantEnd("the server", c.server, true)
	for _, i := range pcs {
		out, err := exec.CommandContext(c.t.Context(), binary(c.t), "master", "verify", masterName, "--disk", c.disk(i), "--data",
			c.data).CombinedOutput()
		if err != nil {
			c.t.Errorf("verifying the disk of PC %d: %v: %s", i, err, tail(string(out)))
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// tail is the end of what a program said.
func tail(said string) string { return said[max(0, len(said)-2000):] }
