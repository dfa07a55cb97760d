package session_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/session"
)

func TestARoomIsServedOnce(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 200, 1)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 3})
	var pcs []*pc
	for i := range 3 {
		p := l.join(fmt.Sprintf("pc%d", i), server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	l.finish(pcs...)
	l.ended(server)
	st := server.Status()
	t.Logf("%+v", st)
	for _, p := range pcs {
		t.Logf("%+v", p.summary)
		if p.summary.Frames != int64(len(m.ids)) {
			t.Errorf("%d frames were written, want %d", p.summary.Frames, len(m.ids))
		}
	}
}
