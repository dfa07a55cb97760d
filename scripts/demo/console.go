package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/integration/lab"
)

// consolePort is where the console is, in the school and, if it is free, on this machine.
const consolePort = 8443

// showConsole makes the room, and says where its map is.
func showConsole(ctx context.Context, school *lab.School) (link string, err error) {
	if _, err := school.Order(ctx, "room", "set", room, "--reset", "demand"); err != nil {
		return "", err
	}
	if link, err = console(ctx, school); err != nil {
		return "", fmt.Errorf("opening the console's door: %w", err)
	}
	say("The console: %s", link)
	say("It makes you its administrator; room %s fills on its map as the PCs come. The certificate is the school's own,", room)
	say("so your browser warns: that is right here. KEEP=1 leaves the school up at the end.")
	return link, nil
}

// console opens a door from this machine to the console in the school's network, and returns the link of the first
// administrator as a browser here reaches it.
func console(ctx context.Context, school *lab.School) (link string, err error) {
	secret, err := firstSecret(ctx, filepath.Join(school.Logs, "daemon.log"))
	if err != nil {
		return "", err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", consolePort))
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			go join(ctx, here, school.ServerSpace())
		}
	}()
	return fmt.Sprintf("https://%s/first/%s", l.Addr(), secret), nil
}

var firstLine = regexp.MustCompile(`(?m)^ardoise: first https://\S+/first/(\S+)$`)

// firstSecret reads from the daemon's log what makes its first administrator.
func firstSecret(ctx context.Context, log string) (string, error) {
	for range 100 {
		text, err := os.ReadFile(log)
		if err != nil {
			return "", err
		}
		if all := firstLine.FindAllSubmatch(text, -1); all != nil {
			return string(all[len(all)-1][1]), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return "", errors.New("the daemon prints no link for the first administrator")
}

// join copies between a browser here and the console there until one of them ends.
func join(ctx context.Context, here net.Conn, space string) {
	defer func() { _ = here.Close() }()
	there, err := dialIn(ctx, space)
	if err != nil {
		return // the browser sees a connection that ends
	}
	defer func() { _ = there.Close() }()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{here, there}, {there, here}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// dialIn connects to the console inside a network namespace (setns(2)). The thread stays in there, so it ends with the
// goroutine: it is never given back to others.
func dialIn(ctx context.Context, space string) (net.Conn, error) {
	type dialled struct {
		net.Conn
		error
	}
	out := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread()
		var d dialled
		var fd int
		if fd, d.error = unix.Open(filepath.Join("/run/netns", space), unix.O_RDONLY|unix.O_CLOEXEC, 0); d.error == nil {
			if d.error = unix.Setns(fd, unix.CLONE_NEWNET); d.error == nil {
				d.Conn, d.error = new(net.Dialer).DialContext(ctx, "tcp4", fmt.Sprintf("%s:%d", lab.AddressServer, consolePort))
			}
			d.error = errors.Join(d.error, unix.Close(fd))
		}
		out <- d
	}()
	d := <-out
	return d.Conn, d.error
}
