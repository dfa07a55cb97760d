package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ShellPath is what stage two calls its shell.
const ShellPath = "/bin/sh"

// Shell gives the person in front of the PC a shell on its text screen and returns when it is left. What it is told on the
// keyboard is as the kernel's own layout has it, which is American.
func Shell(ctx context.Context) error {
	var console *os.File
	var err error
	for _, path := range []string{"/dev/tty1", "/dev/console"} {
		if console, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("opening the console: %w", err)
	}
	defer func() { _ = console.Close() }()
	c := exec.CommandContext(ctx, ShellPath, "-l")
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux", "PS1=ardoise# "}
	c.Stdin, c.Stdout, c.Stderr = console, console, console
	// A session of its own with the console as its terminal: else Ctrl-C and job control do nothing.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	_, _ = console.WriteString("\x1b[?25h\r\n")
	if err := c.Run(); err != nil {
		if _, left := err.(*exec.ExitError); left { // with whatever its last command returned
			return nil
		}
		return fmt.Errorf("running a shell: %w", err)
	}
	return nil
}
