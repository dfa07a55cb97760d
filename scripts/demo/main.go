// Command demo raises a virtual school on this machine and has its PCs imaged before your eyes: `make demo`.
//
// A golden master is captured from build/golden.img into a new library; a switch, the school's own DHCP server and our
// daemon are raised in network namespaces; PCs with empty disks are switched on. Each boots over the network, shows a
// code, is approved, receives the master, restarts and starts its own system, which checks its own files. Only when
// that system has said so is the PC counted as done. The console is reached from this machine's browser; its map shows the
// virtual school.
//
// Ctrl-C ends it at any moment and leaves nothing behind but the logs in build/lab/demo.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/integration/lab"
)

// room is where the PCs of the demo are.
const room = "S101"

// options are the flags.
type options struct {
	pcs      int
	firmware lab.Firmware
	keep     bool
}

func main() {
	var o options
	flag.IntVar(&o.pcs, "pcs", 2, "how many PCs, 1 to 8")
	flag.Func("firmware", "bios, uefi or secureboot (default secureboot)", func(s string) error {
		o.firmware = lab.Firmware(s)
		return nil
	})
	flag.BoolVar(&o.keep, "keep", false, "leave the school up at the end, until Ctrl-C")
	flag.Parse()
	if o.firmware == "" {
		o.firmware = lab.SecureBoot
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, o))
}

// run holds the demo and returns its exit code.
func run(ctx context.Context, o options) int {
	if err := o.check(); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: make demo PCS=2 FIRMWARE=secureboot KEEP=1\n", err)
		return 2
	}
	school, err := lab.Open(ctx, lab.Options{Logs: filepath.Join("build", "lab", "demo")})
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: raising the school: %v\nhint: run make demo in the checkout, as root or through sudo\n", err)
		return 5
	}
	err = demo(ctx, school, o)
	if closing := school.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("tearing the school down: %w", closing))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Println("Ended; nothing is left but the logs in", school.Logs)
		if o.keep && err == nil {
			return 0
		}
		return 130
	case err != nil:
		fmt.Fprintf(os.Stderr, "error: %v\nhint: the logs of daemon, DHCP server and PCs are in %s\n", err, school.Logs)
		return 5
	}
	return 0
}

// check refuses what cannot work.
func (o options) check() error {
	switch o.firmware {
	case lab.BIOS, lab.UEFI, lab.SecureBoot:
	default:
		return fmt.Errorf("firmware %q: it is bios, uefi or secureboot", o.firmware)
	}
	if o.pcs < 1 || o.pcs > 8 {
		return fmt.Errorf("%d PCs: a school on one machine has 1 to 8", o.pcs)
	}
	return nil
}

// demo raises the rest of the school and follows its PCs to their end.
func demo(ctx context.Context, school *lab.School, o options) error {
	say("Capturing the golden master into a new library ...")
	out, err := school.Ardoise(ctx, "master", "capture", "golden", "--disk", filepath.Join("build", "golden.img"), "--data", school.Data)
	if err != nil {
		return err
	}
	say("%s", strings.TrimSpace(out))
	say("Raising the school: a switch, dnsmasq as the school's own DHCP server (%s), ardoise serve (%s).",
		lab.AddressDHCP, lab.AddressServer)
	if err := school.StartDaemon(ctx); err != nil {
		return err
	}
	link, err := showConsole(ctx, school)
	if err != nil {
		return err
	}
	pcs, err := addPCs(ctx, school, o)
	if err != nil {
		return err
	}
	accel, err := lab.Accelerator(ctx, o.firmware)
	if err != nil {
		return err
	}
	if accel != "kvm" {
		say("KVM cannot run these PCs here: they are emulated, and some fifty times slower than real ones.")
	}
	say("PCs with empty disks are switched on, %d of them, firmware %s. Serial ports are logged in %s.\n", o.pcs, o.firmware, school.Logs)
	board := newBoard(os.Stdout, pcs)
	var job string
	var approved sync.WaitGroup
	approved.Add(len(pcs))
	ordered := make(chan struct{})
	group, following := errgroup.WithContext(ctx)
	for _, pc := range pcs {
		group.Go(func() error {
			err := enrol(following, school, pc, board)
			approved.Done()
			if err != nil {
				return err
			}
			select {
			case <-ordered:
				return follow(following, pc, board)
			case <-following.Done():
				return following.Err()
			}
		})
	}
	group.Go(func() (err error) {
		approved.Wait()
		if following.Err() != nil {
			return following.Err()
		}
		// One order for the whole room: the master goes over the wire once, to all.
		job, err = school.DeployAll(following, "golden", pcs, "disk")
		close(ordered)
		return err
	})
	showing, done := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() { board.show(showing); close(finished) }()
	err = group.Wait()
	done()
	<-finished
	if err != nil {
		return err
	}
	board.summary()
	if err := told(ctx, school, job); err != nil {
		return err
	}
	if o.keep {
		keep(ctx, school, pcs, link)
	}
	return nil
}

// addPCs puts the PCs into the school. Their disks and network cards differ, as in a school.
func addPCs(ctx context.Context, school *lab.School, o options) ([]*lab.PC, error) {
	buses := []lab.Bus{lab.Virtio, lab.NVMe, lab.AHCI}
	var pcs []*lab.PC
	for i := range o.pcs {
		h := lab.Hardware{Name: fmt.Sprintf("pc%d", i+1), Firmware: o.firmware, Bus: buses[i%len(buses)]}
		if o.firmware == lab.BIOS && i%2 == 1 {
			h.NIC = "e1000" // OVMF has no driver for it, QEMU's BIOS ROM has
		}
		pc, err := school.AddPC(ctx, h)
		if err != nil {
			return nil, err
		}
		pcs = append(pcs, pc)
	}
	return pcs, nil
}

// enrol switches a PC on and approves it by its code.
func enrol(ctx context.Context, school *lab.School, pc *lab.PC, board *board) error {
	if err := pc.PowerOn(ctx); err != nil {
		return err
	}
	board.powered(pc)
	code, err := school.Enrol(ctx, pc)
	if err != nil {
		return err
	}
	if _, err := school.Order(ctx, "computer", "room", pc.Name, room); err != nil {
		return err
	}
	board.note(pc, "code "+code+" compared, approved; waits for the others")
	return nil
}

// follow takes one PC from its order to its own system.
func follow(ctx context.Context, pc *lab.PC, board *board) error {
	if _, err := pc.Wait(ctx, `^ardoise: done deploy golden@1`, lab.WorkLimit); err != nil {
		return err
	}
	line, err := pc.Wait(ctx, `GOLDEN MASTER OK`, lab.BootLimit)
	if err != nil {
		return err
	}
	board.runs(pc, "golden@1", line.At)
	return nil
}

// told says what the session of the room has put on the wire.
func told(ctx context.Context, school *lab.School, id string) error {
	job, err := school.Job(ctx, id)
	if err != nil || job.Session == nil { // a single PC has no session
		return err
	}
	s := job.Session
	say("\nOne session served %d of %d PCs: %.1f MB on the wire by multicast, %.1f MB of it repairs, and %.1f MB by HTTPS, for what PCs still lacked.",
		s.Done, len(job.Tasks), float64(s.Sent)/1e6, float64(s.Repairs)/1e6, float64(s.HTTPS)/1e6)
	return nil
}

// keep leaves the school up until Ctrl-C and says how to look at it.
func keep(ctx context.Context, school *lab.School, pcs []*lab.PC, link string) {
	say("\nThe school stays up until Ctrl-C. To look at it, as root:")
	if u, err := url.Parse(link); err == nil {
		say("  https://%s      # the console; from elsewhere by ssh -L %s:%s", u.Host, u.Port(), u.Host)
	}
	say("  %s computer list --data %s", school.Binary(), school.Data)
	say("  %s job list --data %s", school.Binary(), school.Data)
	for _, pc := range pcs {
		say("  tail -f %s      # serial port of %s", pc.SerialLog(), pc.Name)
	}
	say("  tail -f %s", filepath.Join(school.Logs, "daemon.log"))
	say("  ip netns exec %s tcpdump -ni br0      # everything on the switch", school.Switch())
	<-ctx.Done()
}

// say prints one line, after the empty lines that it begins with.
func say(format string, arguments ...any) {
	text := strings.TrimLeft(format, "\n")
	fmt.Print(format[:len(format)-len(text)])
	fmt.Println(time.Now().Format("15:04:05"), fmt.Sprintf(text, arguments...))
}
