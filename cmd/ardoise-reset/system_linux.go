package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/disk"
)

const efivars = "/sys/firmware/efi/efivars"

func tokenPath() string { return "/etc/ardoise/reset.json" }

// languages are the names that say in which language a person is spoken to, the strongest first.
func languages() []string {
	return []string{os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")}
}

// hold does nothing: a terminal stays open.
func hold(words) {}

// sealed tells that nothing here is: what a TPM seals for Linux is not bound to who starts it, as a rule.
func sealed() bool { return false }

// variables are firmware's, where this user may write them.
func variables() efi.Variables {
	if _, err := os.Stat(efivars); err != nil || os.Geteuid() != 0 {
		return nil
	}
	return efi.Firmware{Path: efivars}
}

// askMenu has the start menu on this computer's disk start the agent next.
func askMenu() (bool, error) { return disk.Sysfs{}.Ask(disk.NextWork) }

// restart asks systemd, which lets the person at the screen restart the computer.
func restart() error {
	ctx, done := context.WithTimeout(context.Background(), commandLimit)
	defer done()
	if out, err := exec.CommandContext(ctx, "systemctl", "reboot").CombinedOutput(); err != nil {
		return fmt.Errorf("restarting: %w: %s", err, out)
	}
	return nil
}
