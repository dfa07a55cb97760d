package screen

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

// Open returns a screen on every active console of this PC, as /sys/class/tty/console/active names them. The text
// screen is always drawn on tty1, also when only a serial line was given to the kernel. root is "/" but in tests.
func Open(root string, lang notices.Lang) *Screen {
	o := Options{Lang: lang}
	active, _ := os.ReadFile(filepath.Join(root, "sys/class/tty/console/active"))
	opened := map[string]bool{}
	for _, name := range append(strings.Fields(string(active)), "tty1") {
		text := strings.HasPrefix(name, "tty") && len(name) > 3 && name[3] >= '0' && name[3] <= '9'
		if text {
			name = "tty1" // tty0 is whichever screen is in front, at boot that is tty1
		}
		if opened[name] || strings.ContainsAny(name, "/.") {
			continue
		}
		opened[name] = true
		w := open(filepath.Join(root, "dev", name))
		switch {
		case w == nil:
		case text:
			o.Terminals = append(o.Terminals, w)
		default:
			o.Lines = append(o.Lines, w)
		}
	}
	return New(o)
}

func open(path string) io.Writer {
	// O_NOCTTY: a hang-up of the line must not signal the agent. A plain open of a serial port may wait for carrier:
	// O_NONBLOCK does not, and os.File keeps the writes from blocking a thread.
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return f
}
