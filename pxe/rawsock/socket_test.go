package rawsock_test

import (
	"errors"
	"net"
	"os"
	"testing"

	"github.com/ardoise/ardoise/pxe/rawsock"
)

// Who reads must be able to tell an orderly end from an interface that went away.
func TestReadingASocketThatWasClosedSaysSo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("raw sockets need root")
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	s, err := rawsock.Open(lo)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		for {
			if _, err := s.Read(make([]byte, 2048)); !errors.Is(err, rawsock.ErrFrame) && err != nil {
				ended <- err
				return
			}
		}
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading ended with %v", err)
	}
}
