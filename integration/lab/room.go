package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// memory is where a room keeps the disks of its PCs: tmpfs, so that no real disk is measured.
const memory = "/dev/shm"

// RoomAddress is the server's address in a room, RoomNetwork the network that all stations are in.
const (
	RoomAddress = "10.78.0.1"
	RoomNetwork = "10.78.0.0/16"
)

// Cable is one port of a room's switch with what is plugged into it.
type Cable struct {
	Mbit  int // speed each way, in 10^6 bits a second as Ethernet counts them; 0: as fast as the machine can
	Queue int // bytes that the switch keeps for this port before it drops
}

// RoomOptions shape a room.
type RoomOptions struct {
	PCs    int
	Server Cable // with Mbit 0 one of the ports that a packet goes to makes the server wait, as its own card would
	PC     Cable // of every PC; Plug gives one another
	Apart  bool  // the server has a processor to itself, and the switch another: for figures of what a server spends
}

// Room is a switch with a server and PCs on it, each a network namespace in which programs of this machine run. There is
// no firmware and no virtual machine: it is for what happens on the network when a whole room receives at once.
//
//	netns ...-sw                                   netns ...-pc0
//	+------------------------------------+         +-----------------------------+
//	| br0, snooping                      |         | drops a share of what comes |
//	|  p-srv  <-- tbf 1 Gb/s --- veth ---|- srv    |                             |
//	|  p-pc0  --- tbf 100 Mb/s -- veth --|---------| eth0 10.78.1.1  tbf 100 Mb/s|
//	|  p-pc1  --- tbf 100 Mb/s ...       |         +-----------------------------+
//	+------------------------------------+
//
// Its methods may be called from several goroutines.
type Room struct {
	Dir  string // temporary folder
	Disk string // temporary folder in memory, for disks

	id string
	o  RoomOptions
}

// OpenRoom raises a room and sweeps what dead runs left. Close ends it.
func OpenRoom(ctx context.Context, o RoomOptions) (*Room, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root: run it through sudo")
	}
	if o.PCs < 0 || o.PCs > 250*250 {
		return nil, fmt.Errorf("a room of %d PCs has no addresses", o.PCs)
	}
	if err := Sweep(ctx); err != nil {
		return nil, err
	}
	r := &Room{id: newID(), o: o}
	r.Dir, r.Disk = filepath.Join(os.TempDir(), r.id), filepath.Join(memory, r.id)
	if err := r.raise(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// raise makes folders, switch and stations.
func (r *Room) raise(ctx context.Context) error {
	for _, dir := range []string{r.Dir, r.Disk} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := raiseBridge(ctx, r.Switch(), "1"); err != nil {
		return err
	}
	// What has left the server's card is no longer the server's. A bridge gives the last of a packet's ports the packet
	// itself, the others copies: it counts against the sender's socket until it has left that port's queue, and the room
	// gets everything at that port's speed, were it the slow one (observed). This way the bridge's own port is the last.
	if r.o.Server.Mbit > 0 {
		if _, err := command(ctx, "ip", "-n", r.Switch(), "link", "set", "br0", "promisc", "on"); err != nil {
			return err
		}
	}
	if _, err := r.Plug(ctx, "srv", RoomAddress, r.o.Server); err != nil {
		return err
	}
	if r.apart() {
		// Without this a packet is switched, queued and handed to the PC within the server's call that sends it, and its
		// program is charged for all of that: 0.1 to 0.3 of a processor at 1 Gb/s (observed).
		mask := fmt.Sprintf("%x", uint64(1)<<(runtime.NumCPU()-1))
		steer := "echo " + mask + " > /sys/class/net/p-srv/queues/rx-0/rps_cpus"
		if _, err := command(ctx, "ip", "netns", "exec", r.Switch(), "sh", "-c", steer); err != nil {
			return err
		}
	}
	for i := range r.o.PCs {
		if _, err := r.Plug(ctx, pcPort(i), PCAddress(i), r.o.PC); err != nil {
			return err
		}
	}
	return nil
}

// apart tells whether server and switch have their own processors: one that is alone they share.
func (r *Room) apart() bool { return r.o.Apart && runtime.NumCPU() > 1 && runtime.NumCPU() <= 32 }

// Switch is the name of the namespace of the switch.
func (r *Room) Switch() string { return r.id + "-sw" }

// Server is the name of the server's namespace.
func (r *Room) Server() string { return r.id + "-srv" }

// PC is the name of the namespace of a PC, counted from 0.
func (r *Room) PC(i int) string { return r.id + "-" + pcPort(i) }

// Station is the name of the namespace of what was plugged in by that name.
func (r *Room) Station(name string) string { return r.id + "-" + name }

// PCs is how many PCs the room has.
func (r *Room) PCs() int { return r.o.PCs }

// PCAddress is the address of a PC, counted from 0.
func PCAddress(i int) string { return fmt.Sprintf("10.78.%d.%d", 1+i/250, 1+i%250) }

func pcPort(i int) string { return fmt.Sprintf("pc%d", i) }

// Plug adds a station to the switch, with eth0 and an address of the room's network, and returns the name of its
// namespace.
func (r *Room) Plug(ctx context.Context, name, address string, c Cable) (string, error) {
	space := r.id + "-" + name
	if err := plugInto(ctx, r.Switch(), space, name, address+"/16"); err != nil {
		return "", err
	}
	// Two segments would count as one packet where packets are lost or queued; a driver that cannot segment has them cut
	// just before it (observed: veth carries 64 KiB through a bridge otherwise).
	for _, end := range [][2]string{{space, "eth0"}, {r.Switch(), "p-" + name}} {
		if _, err := command(ctx, "ip", "-n", end[0], "link", "set", end[1], "gso_max_segs", "1"); err != nil {
			return "", err
		}
	}
	return space, r.Shape(ctx, name, c)
}

// ShapePC gives a PC another cable.
func (r *Room) ShapePC(ctx context.Context, i int, c Cable) error { return r.Shape(ctx, pcPort(i), c) }

// Shape gives a station another cable: the switch's port towards it, and its own card.
//
// A token bucket that counts what Ethernet spends on a frame beside its bytes (check sum, preamble, gap: 24 bytes, IEEE
// 802.3) makes 100 Mb/s carry 11.96 MB/s of full UDP packets, as a real port does. The bucket holds two packets, so that
// no burst passes faster than the wire.
func (r *Room) Shape(ctx context.Context, name string, c Cable) error {
	for _, end := range []struct {
		space, device string
		queue         int
	}{
		{r.Switch(), "p-" + name, c.Queue},
		{r.id + "-" + name, "eth0", 1 << 20}, // a card makes its sender wait, it does not drop
	} {
		args := []string{"tc", "-n", end.space, "qdisc"}
		if c.Mbit == 0 {
			_, _ = command(ctx, append(args, "del", "dev", end.device, "root")...) // an error means that there was none
			continue
		}
		args = append(args, "replace", "dev", end.device, "root", "tbf", "rate", fmt.Sprintf("%dmbit", c.Mbit),
			"burst", "3100", "limit", fmt.Sprint(max(end.queue, 3100)), "overhead", "24")
		if _, err := command(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Close ends what still runs in the room and removes its namespaces and folders.
func (r *Room) Close() error {
	// Not the caller's context: it is often over when a room ends.
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	return errors.Join(removeNamespaces(ctx, r.id), os.RemoveAll(r.Dir), os.RemoveAll(r.Disk))
}

// MemoryFolder makes a folder in memory that the sweep of a later run removes if we cannot.
func MemoryFolder() (string, error) {
	dir := filepath.Join(memory, newID())
	return dir, os.Mkdir(dir, 0o700)
}
