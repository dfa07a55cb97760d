package room_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/integration/lab"
)

// Nobody in a room is like the others, and everybody who can be served is.
func TestEveryoneInABadRoomGetsTheMaster(t *testing.T) {
	const healthy, lossy, slow, doomed, deaf, late = 0, 1, 2, 3, 4, 5
	c := newClass(t, 6)
	for i := range 6 {
		if err := c.room.LosePC(t.Context(), i, 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.room.ShapePC(t.Context(), slow, lab.Cable{Mbit: 20, Queue: 256 << 10}); err != nil {
		t.Fatal(err)
	}
	if err := c.room.EatMulticast(t.Context(), deaf); err != nil {
		t.Fatal(err)
	}
	c.send(5)
	for i := range 5 {
		c.receive(i)
	}
	c.sent(0.4)
	c.pcs[doomed].Kill()
	c.receive(late)
	for _, i := range []int{healthy, lossy, slow, deaf, late} {
		c.wantMaster(i)
	}
	if said := strings.ToLower(c.pcs[deaf].said.String()); !strings.Contains(said, "multicast") || !strings.Contains(said, "https") {
		t.Errorf("the PC that multicast does not reach says nothing of it: %s", tail(said))
	} else if !strings.Contains(said, lab.RoomNetwork) {
		t.Errorf("it does not name the network: %s", tail(said))
	}
	if came, lost, err := c.room.Lost(t.Context(), lossy); err != nil || lost == 0 {
		t.Errorf("%d of %d packets were lost at a PC that should lose some, %v", lost, came, err)
	}
	c.wantProof(healthy, lossy, slow, deaf, late)
}

// A server that dies in the middle costs the time until it is back, nothing else: PCs keep what they have. What it sends then
// is encrypted with other keys, though the key file is the same.
func TestServerMayDieAndComeBack(t *testing.T) {
	c := newClass(t, 3)
	before := c.listen()
	const rate = "40" // Mb/s: no port overflows, so that what is sent is had
	c.send(3, "--rate", rate)
	for i := range 3 {
		c.receive(i)
	}
	c.written(0.4)
	c.server.Kill()
	for i := range 3 {
		if !c.pcs[i].Running() {
			t.Fatalf("PC %d gave up when the server died: %s", i, tail(c.pcs[i].said.String()))
		}
	}
	first := before()
	after := c.listen()
	counter, err := c.room.CountServer()
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	start, err := counter.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // as fast as anybody restarts it
	c.send(3, "--rate", rate)
	for i := range 3 {
		c.wantMaster(i)
	}
	// Two fifths are on every disk; to send all again would cost more than all of the files.
	if end, err := counter.Bytes(); err != nil || end-start > filesSize*3/4 {
		t.Errorf("%d bytes were sent after the restart, of %d bytes of files, %v", end-start, filesSize, err)
	}
	second := after()
	same, compared := 0, 0
	for what, sealed := range first {
		again, both := second[what]
		if !both {
			continue
		}
		compared++
		if again.symbol == sealed.symbol || again.session == sealed.session {
			same++
		}
	}
	if compared == 0 || same > 0 {
		t.Errorf("%d of %d packets with one place and one nonce are the same before and after the restart (%d and %d were heard)", same,
			compared, len(first), len(second))
	}
	c.wantProof(0, 1, 2)
}

// A disk that fails, fails alone: its PC says which sector, the server who has left, the others get their master.
func TestADiskFailsAlone(t *testing.T) {
	const sound, full = 0, 1
	c := newClass(t, 2)
	small := filepath.Join(c.room.Disk, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	if err := os.Symlink(filepath.Join(small, "disk.img"), c.disk(full)); err != nil {
		t.Fatal(err)
	}
	c.send(2)
	c.receive(full)
	c.receive(sound)
	c.wantEnd("the PC with the full disk", c.pcs[full], false)
	said := c.pcs[full].said.String()
	for _, want := range []string{"error: writing sector ", "no space left on device", "hint: "} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, tail(said))
		}
	}
	c.wantMaster(sound)
	c.wantProof(sound)
	if said := c.server.said.String(); !strings.Contains(said, "sent to 1 of 2 computers") || !strings.Contains(said, "not finished: ") {
		t.Errorf("the server does not say who has not finished: %s", tail(said))
	}
}

// A PC with another key learns that, and its disk stays as it was.
func TestAnotherKeyIsRefused(t *testing.T) {
	c := newClass(t, 2)
	c.send(1)
	other := c.key + "-other"
	c.writeKey(other, 2)
	before := bytes.Repeat([]byte("mine "), diskSize/5)
	if err := os.WriteFile(c.disk(1), before, 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := c.receiver(1, other)
	c.wantEnd("the PC with another key", stranger, false)
	if said := stranger.said.String(); !strings.Contains(said, "error:") || !strings.Contains(said, "hint:") {
		t.Errorf("it does not say what is wrong and what to do: %s", tail(said))
	}
	after, err := os.ReadFile(c.disk(1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Errorf("its disk was written, from byte %d", firstDifference(before, after))
	}
	c.receive(0)
	c.wantMaster(0)
	c.wantProof(0)
}

// Whoever is in the room may send to the group; nothing of it may reach a disk or end a session.
func TestForgedPacketsReachNoDisk(t *testing.T) {
	c := newClass(t, 2)
	for i := range 2 { // else the flood fills the port, and the port is what is tried
		if err := c.room.ShapePC(t.Context(), i, lab.Cable{Mbit: 1000, Queue: 512 << 10}); err != nil {
			t.Fatal(err)
		}
	}
	rogue, err := c.room.Plug(t.Context(), "rogue", "10.78.250.1", lab.Cable{Mbit: 1000, Queue: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	data := make(chan lab.Datagram, 1)
	forger := lab.NewForger()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	if _, err := c.room.WatchServer(ctx, wire.PacketSize, func(d lab.Datagram) bool {
		if d.To.IP.IsMulticast() {
			select {
			case data <- d:
			default:
			}
			forger.Learn(d)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	counter, err := c.room.CountServer()
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	before, err := counter.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	c.send(2, "--rate", "80")
	for i := range 2 {
		c.receive(i)
	}
	flooded := make(chan error, 1)
	var sent int64
	go func() {
		var genuine lab.Datagram
		select {
		case genuine = <-data:
		case <-ctx.Done():
			flooded <- ctx.Err()
			return
		}
		var err error
		sent, _, err = lab.Flood(ctx, rogue, genuine.From, genuine.To, 20_000, forger.Forge)
		flooded <- err
	}()
	for i := range 2 {
		c.wantMaster(i)
	}
	stop()
	if err := <-flooded; err != nil || sent < 10_000 {
		t.Errorf("the flood sent %d packets, %v: it was none", sent, err)
	}
	for i := range 2 {
		if said := c.pcs[i].said.String(); !strings.Contains(said, "wrong key") {
			t.Errorf("PC %d says nothing of forged packets: did they reach it? %s", i, tail(said))
		}
	}
	// Two PCs that gave up multicast would have cost twice as much
	if after, err := counter.Bytes(); err != nil || after-before > filesSize*7/4 {
		t.Errorf("the server has sent %d bytes for %d bytes of files, %v: the flood has driven PCs to HTTPS", after-before, filesSize, err)
	}
	c.wantProof(0, 1)
}
