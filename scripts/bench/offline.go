package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// Offline is one power-on with the server off and the cable in.
type Offline struct {
	Firmware lab.Firmware `json:"firmware"`
	Room     string       `json:"room"`           // menu: the PC starts from its own menu; network: it asks the network first
	End      float64      `json:"firmware_end"`   // seconds after power-on that the firmware started what it has chosen
	Menu     float64      `json:"menu,omitempty"` // the same of the menu
	Reset    float64      `json:"reset,omitempty"`
	Own      float64      `json:"own_system"` // the same of its own system; in menu rooms after a reset
}

// promisedMenu is how many seconds after the firmware's end the menu stands on the screen.
const promisedMenu = 10

// What PCs print at the points that are measured.
const (
	ownLoader = `GOLDEN MASTER GRUB`
	ownSystem = `GOLDEN MASTER OK`
)

var firmwareEnd = regexp.MustCompile(`BdsDxe: starting|Booting from Hard`)

// offlines deploys four PCs, switches the server off, and starts each of them: what a school has while its server is away.
func offlines(ctx context.Context, school *lab.School, result *Result) error {
	if _, err := school.Order(ctx, "room", "set", "Menu", "--reset", "demand", "--level", "quick", "--menu", "on"); err != nil {
		return err
	}
	type one struct {
		pc   *lab.PC
		room string
	}
	var all []one
	for _, firmware := range []lab.Firmware{lab.BIOS, lab.SecureBoot} {
		for _, room := range []string{"menu", "network"} {
			pc, err := furnish(ctx, school, firmware, room)
			if err != nil {
				return err
			}
			all = append(all, one{pc, room})
		}
	}
	school.Daemon().Kill()
	fmt.Printf("\n%-12s %-8s %14s %10s %12s %12s   %s\n", "firmware", "room", "firmware's end", "menu", "reset done", "own system",
		"points on the way, server off, cable in")
	for _, x := range all {
		o, err := offline(ctx, x.pc, x.room)
		if err != nil {
			return err
		}
		points := lab.PhaseLine(lab.Phases(x.pc.Lines()))
		fmt.Printf("%-12s %-8s %12.1f s %8.1f s %10.1f s %10.1f s   %s\n", o.Firmware, o.Room, o.End, o.Menu, o.Reset, o.Own, points)
		result.Offline = append(result.Offline, o)
		result.Phases = append(result.Phases, [2]string{x.pc.Name, points})
		if o.Menu-o.End > promisedMenu {
			result.Missed = append(result.Missed, fmt.Sprintf("%s: menu %.1f s after the firmware's end, promised %d s", x.pc.Name,
				o.Menu-o.End, promisedMenu))
		}
	}
	return nil
}

// furnish adds a PC with the golden master on its disk.
func furnish(ctx context.Context, school *lab.School, firmware lab.Firmware, room string) (*lab.PC, error) {
	pc, err := school.AddPC(ctx, lab.Hardware{Name: fmt.Sprintf("%s-%s", room, firmware), Firmware: firmware, DiskSize: 1 << 30})
	if err != nil {
		return nil, err
	}
	if err := pc.PowerOn(ctx); err != nil {
		return nil, err
	}
	defer pc.PowerCut()
	if _, err := school.Enrol(ctx, pc); err != nil {
		return nil, err
	}
	if room == "menu" {
		if _, err := school.Order(ctx, "computer", "room", pc.Name, "Menu"); err != nil {
			return nil, err
		}
	}
	job, err := school.Deploy(ctx, "golden", pc, "poweroff")
	if err != nil {
		return nil, err
	}
	if _, err := school.Done(ctx, job, lab.WorkLimit); err != nil {
		return nil, err
	}
	return pc, pc.WaitOff(ctx, 2*time.Minute)
}

// offline starts a PC and, where it shows the menu, resets it from there.
func offline(ctx context.Context, pc *lab.PC, room string) (Offline, error) {
	o := Offline{Firmware: pc.Firmware, Room: room}
	pc.DiskFirst = room == "menu" // of a BIOS: its set-up; under UEFI the agent has arranged the boot order
	if err := pc.PowerOn(ctx); err != nil {
		return o, err
	}
	defer pc.PowerCut()
	first := ownLoader
	if room == "menu" {
		first = `^ardoise: menu`
	}
	line, err := pc.Wait(ctx, first, 10*time.Minute)
	if err != nil {
		return o, err
	}
	for _, l := range pc.Lines() {
		if l.At <= line.At && firmwareEnd.MatchString(l.Text) {
			o.End = l.At.Seconds()
		}
	}
	if room == "menu" {
		o.Menu = line.At.Seconds()
		time.Sleep(1500 * time.Millisecond) // GRUB draws a moment after it says so
		for _, key := range []string{"down", "ret"} {
			if err := pc.Type(ctx, key); err != nil {
				return o, err
			}
			time.Sleep(500 * time.Millisecond)
		}
		done, err := pc.Wait(ctx, `^ardoise: done reset`, lab.WorkLimit)
		if err != nil {
			return o, err
		}
		o.Reset = done.At.Seconds()
	}
	own, err := pc.Wait(ctx, ownSystem, lab.BootLimit)
	o.Own = own.At.Seconds()
	return o, err
}
