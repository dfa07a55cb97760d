package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/boot"
	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/inventory"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/screen"
	"github.com/ardoise/ardoise/imaging/agent/script"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/wipe"
)

const (
	restartAfter = 60 * time.Second
	flushLimit   = 2 * time.Second
	maxPackets   = 1 << 30 // bytes of a session that are held, whatever memory there is
	// stageTwoMark names the stage two that is unpacked: its hash.
	stageTwoMark = "/stage2.hash"
	// ofStageTwo is there when stage two is.
	ofStageTwo = "/usr/bin/busybox"
)

func main() {
	if os.Getpid() == 1 {
		supervise()
		return
	}
	os.Exit(boot.Status(live()))
}

// supervise is PID 1. It never returns: the end of PID 1 is a kernel panic.
func supervise() {
	mountErr := boot.Mount()
	p, _ := boot.ParseParameters(commandLine())
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/tmp"}
	ending, err := boot.Supervise("/proc/self/exe", []string{"ardoise-agent"}, env, nil)
	s := screen.Open("/", p.Lang)
	if mountErr != nil {
		s.Note("mount: %v", mountErr)
	}
	if err != nil {
		var crash *boot.CrashError
		if errors.As(err, &crash) {
			for line := range strings.Lines(crash.Words) {
				s.Note("crash: %s", strings.TrimRight(line, "\n"))
			}
		}
		s.Say(notices.Crashed, err)
		pause(s, p.Stay, notices.Crashed)
	}
	s.Flush(flushLimit)
	for {
		if err := boot.End(ending); err != nil {
			s.Say(notices.Unexpected, err)
		}
		time.Sleep(restartAfter)
	}
}

// pause leaves a fault on the screen: for a minute, counted, or for ever.
func pause(s *screen.Screen, stay bool, code notices.Code) {
	s.Note("stopped code=%s", code)
	if stay {
		s.Note("staying")
	}
	for stay {
		time.Sleep(time.Hour)
	}
	for left := restartAfter; left > 0; left -= time.Second {
		s.Restart(int(left / time.Second))
		time.Sleep(time.Second)
	}
	s.Note("ending %s", boot.Restart)
}

func commandLine() string {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return ""
	}
	return string(b)
}

// live is the agent proper. It returns how the PC is to end.
func live() job.Ending {
	p, err := boot.ParseParameters(commandLine())
	s := screen.Open("/", p.Lang)
	defer s.Flush(flushLimit)
	s.Say(notices.Starting)
	stop := func(code notices.Code, args ...any) job.Ending {
		s.Say(code, args...)
		pause(s, p.Stay, code)
		return boot.Restart
	}
	if err != nil {
		return stop(notices.NoParameters, err)
	}
	bound()
	ctx := context.Background()
	timings := []job.Timing{{Phase: "kernel", Seconds: boot.Uptime()}}
	drivers, err := boot.NewDrivers()
	if err != nil {
		return stop(notices.Unexpected, err)
	}
	if _, err := os.Stat(ofStageTwo); err == nil && p.StageTwo != "" && kept() == "" {
		if err := keep(p.StageTwo); err != nil {
			s.Note("stage two: %v", err)
		}
	}
	w := &wire{network: &boot.Network{MAC: p.MAC, Drivers: drivers}, screen: s}
	pc := agent.PC{
		Disks: disk.List, Unpack: unpack, Kept: kept, Keep: keep, Uptime: boot.Uptime, Network: w.up, Shell: boot.Shell,
		Inventory: w.inventory, Air: w.air(), Drive: drive.Look, Eraser: wipe.Open,
		Script: func(ctx context.Context, p script.Program) (script.Ended, error) {
			return script.Run(ctx, boot.ShellPath, p)
		},
	}
	if _, err := os.Stat("/sys/firmware/efi"); err == nil {
		pc.Firmware = efi.Firmware{Path: boot.EFIVars}
	}
	pc.Settle = func(ctx context.Context) { settle(ctx, s, drivers) }
	ending, err := agent.Run(ctx, agent.Options{Server: p.Server, Fingerprint: p.CA, MAC: p.MAC, Version: version(),
		Timings: timings, Screen: s, PC: pc, Wish: p.Wish, Origin: p.Origin})
	var fault *agent.FaultError
	switch {
	case errors.As(err, &fault):
		return stop(fault.Code, fault.Args...)
	case err != nil:
		return stop(notices.Unexpected, err)
	}
	return ending
}

// wire is how this PC reaches its network, once it does.
type wire struct {
	network *boot.Network
	screen  *screen.Screen

	mu   sync.Mutex
	link boot.Link
}

// up brings the network up and keeps it.
func (w *wire) up(ctx context.Context, tell func(notices.Code, ...any)) (net.HardwareAddr, error) {
	w.network.Tell = tell
	link, err := w.network.Up(ctx)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.link = link
	w.mu.Unlock()
	w.screen.Note("network %s %s %.1f s", link.Name, link.IP, boot.Uptime())
	go w.network.Keep(context.WithoutCancel(ctx), link)
	return link.MAC, nil
}

func (w *wire) on() boot.Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link
}

func (w *wire) inventory(disks []job.Disk) job.Inventory {
	return inventory.Reader{Boot: w.on().MAC}.Read(disks)
}

// air is how multicast reaches this PC: by the interface that reaches the server. A quarter of the RAM holds packets.
func (w *wire) air() agent.Air {
	total, _ := boot.Memory()
	return agent.Air{
		Link:   func() (udp.Link, error) { return udp.ChooseLink(w.on().Name) },
		Tagged: boot.Tagged,
		Quiet: func(name string) (func() error, error) {
			p, err := udp.DisablePause(name)
			if err != nil {
				return nil, err
			}
			return p.Restore, nil
		},
		Memory: min(total/4, maxPackets),
	}
}

// bound has Go collect garbage before a small PC runs out of memory: it keeps to three quarters of what is left now, since
// what stage two brings lies in memory, too.
func bound() {
	if _, available := boot.Memory(); available > 0 {
		debug.SetMemoryLimit(available / 4 * 3)
	}
}

func unpack(archive io.Reader) error {
	root, err := os.OpenRoot("/")
	if err != nil {
		return fmt.Errorf("opening the root: %w", err)
	}
	defer func() { _ = root.Close() }()
	return boot.Unpack(root, archive, boot.Limits{})
}

func kept() string {
	b, _ := os.ReadFile(stageTwoMark)
	return strings.TrimSpace(string(b))
}

func keep(hash string) error { return os.WriteFile(stageTwoMark, []byte(hash+"\n"), 0o644) }

// settle loads what stage two brought and waits for disks.
func settle(ctx context.Context, s *screen.Screen, drivers *boot.Drivers) {
	faults := drivers.Settle(ctx, func() int {
		disks, _ := disk.List()
		return len(disks)
	})
	if err := drivers.Load("efivarfs"); err != nil {
		faults = append(faults, err)
	}
	if _, err := boot.MountEFI(); err != nil {
		faults = append(faults, err)
	}
	for _, err := range faults {
		s.Note("driver: %v", err)
	}
	s.Note("settled %.1f s", boot.Uptime())
}

func version() string {
	if i, ok := debug.ReadBuildInfo(); ok {
		return i.Main.Version
	}
	return ""
}
