package session_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// failing is a disk that ends the run it belongs to before it says why, as imaging/restore's Receiver does.
type failing struct {
	*disk
	stop context.CancelCauseFunc
}

func (f failing) Take(context.Context, chunk.Frame) error {
	f.stop(f.fail)
	return f.fail
}

// The server is told which computer's disk refused a write, also where the fault ends the context of Run (restore does so:
// reception.fail), and the computer that has failed is still counted among those that had joined.
func TestADiskThatEndsItsOwnRunIsToldToTheServer(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 9)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 5e6})
	worn := newDisk(t, m)
	worn.fail = errors.New("sector 5 cannot be written")
	a := l.join("worn", server.url, m, worn, session.ClientOptions{Listen: l.listen(nil)})
	b := l.join("sound", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go b.run(context.Background())
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	encoded, _, err := a.Manifest(ctx)
	if err != nil {
		t.Fatal(err)
	}
	decoded, _, err := decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Run(ctx, decoded, failing{worn, stop})
	if err == nil {
		t.Error("it has ended well")
	}
	a.Close()
	told := false
	for _, e := range server.Status().Events {
		told = told || e.Code == wire.EventDisk && e.Computer == "worn" && e.Text == worn.fail.Error()
	}
	if !told {
		t.Errorf("the server has heard of %+v", server.Status().Events)
	}
	l.finish(b)
	l.ended(server)
}

func decode(encoded []byte) (*manifest.Manifest, manifest.Hash, error) {
	return manifest.Decode(bytes.NewReader(encoded), 0)
}
