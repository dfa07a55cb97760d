package lab

import (
	"errors"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// Inside runs f with the network of a namespace of the school: sockets that f opens belong to it and stay so. f must not
// start goroutines that open sockets.
func Inside(namespace string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := enter("/run/netns/" + namespace)
		if err != nil {
			result <- err
			return
		}
		err = f()
		if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
			result <- errors.Join(err, fmt.Errorf("leaving %s: %w", namespace, back))
			return // the thread stays locked and ends, so that no other goroutine can wake up in a foreign namespace
		}
		_ = unix.Close(home) // it was opened for reading: nothing can be lost
		runtime.UnlockOSThread()
		result <- err
	}()
	return <-result
}

// enter moves the calling thread into a network namespace and returns a descriptor of the one it came from.
func enter(path string) (home int, err error) {
	home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening our own network namespace: %w", err)
	}
	space, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setns(space, unix.CLONE_NEWNET)
		_ = unix.Close(space) // as above
	}
	if err != nil {
		_ = unix.Close(home) // as above
		return -1, fmt.Errorf("entering %s: %w", path, err)
	}
	return home, nil
}

// DialIn opens a connection from inside a namespace of the school to an address of literal numbers.
func DialIn(namespace, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := Inside(namespace, func() error {
		var err error
		conn, err = net.Dial(network, address)
		return err
	})
	return conn, err
}
