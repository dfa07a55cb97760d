package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

func TestARoomIsServedOnce(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 1)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 3, Rate: 20e6})
	var pcs []*pc
	for i := range 3 {
		p := l.join(fmt.Sprintf("pc%d", i), server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	l.finish(pcs...)
	l.ended(server)
	for i, p := range pcs {
		if s := p.summary; s.Frames != int64(len(m.ids)) || s.Polluted+s.Absent+s.Forged+s.Foreign > 0 {
			t.Errorf("computer %d: %+v, want %d frames", i, s, len(m.ids))
		}
	}
	st := server.Status()
	if st.Generations != 2 || st.Planned != len(m.ids) || !st.Finished || len(st.Unreadable) > 0 {
		t.Errorf("status %+v", st)
	}
}

func TestLossIsRepairedForEveryone(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 2)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 4, Rate: 20e6})
	var pcs []*pc
	for i, chance := range []float64{0, 0.001, 0.02, 0.1} {
		d := newDisk(t, m)
		d.slow = time.Millisecond
		p := l.join(fmt.Sprintf("pc%d", i), server.url, m, d, session.ClientOptions{Listen: l.listen(losing(uint64(i), chance))})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	l.finish(pcs...)
	l.ended(server)
	if s := pcs[3].summary; s.Lost == 0 || s.Repaired+uint64(s.RescuedBytes) == 0 {
		t.Errorf("a computer that lost a tenth says %+v", s)
	}
	for i, p := range pcs {
		if p.disk.damaged > 0 || p.summary.Polluted > 0 {
			t.Errorf("computer %d: %d damaged frames, %+v", i, p.disk.damaged, p.summary)
		}
	}
}

func TestALateComputerGetsEverything(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 3)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 3e6, Linger: 5 * time.Second})
	first := newDisk(t, m)
	half := make(chan struct{})
	first.after = func(taken int) {
		if taken == len(m.ids)/2 {
			close(half)
		}
	}
	a := l.join("a", server.url, m, first, session.ClientOptions{Listen: l.listen(nil)})
	go a.run(context.Background())
	<-half
	b := l.join("b", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go b.run(context.Background())
	l.finish(a, b)
	if s := b.summary; s.PacketBytes == 0 {
		t.Errorf("the late one heard %d bytes of multicast: %+v", s.PacketBytes, s)
	}
}

// What the room holds is not sent, and what it finds out later that it misses comes in a generation of its own.
func TestOnlyWhatIsMissedIsSent(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 4)
	n := len(m.ids)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 10e6})
	var pcs []*pc
	var all []int
	for i := range n {
		all = append(all, i)
	}
	for i, missing := range [][]int{all[:20], all[10:30]} {
		d := newDisk(t, m).set(wire.Held, all...).set(wire.Missing, missing...).set(wire.Unknown, all[n-10:]...)
		p := l.join(fmt.Sprintf("pc%d", i), server.url, m, d, session.ClientOptions{Listen: l.listen(nil)})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	for pcs[0].disk.lacks() > 10 || pcs[1].disk.lacks() > 10 {
		time.Sleep(20 * time.Millisecond)
	}
	// The manifests, what both miss, what one does.
	if st := server.Status(); st.Generations != 3 || st.Planned != 30 {
		t.Errorf("%d chunks in %d generations, want 30 in 3", st.Planned, st.Generations)
	}
	pcs[0].disk.set(wire.Missing, all[n-10:]...)
	pcs[1].disk.set(wire.Held, all[n-10:]...)
	l.finish(pcs...)
	l.ended(server)
	if st := server.Status(); st.Planned != 40 || pcs[1].disk.taken != 20 {
		t.Errorf("%d chunks were sent, want 40; the second computer wrote %d, want 20", st.Planned, pcs[1].disk.taken)
	}
}

func TestMastersThatShareChunks(t *testing.T) {
	l, store := newLab(t), newStored()
	a, b := store.master(t, 60, 5), store.master(t, 100, 5) // b begins with the chunks of a
	server := l.serve(session.ServerOptions{Masters: []session.Master{a.Master, b.Master}, Frames: store, Expected: 2, Rate: 20e6})
	one := l.join("one", server.url, a, newDisk(t, a), session.ClientOptions{Listen: l.listen(nil)})
	two := l.join("two", server.url, b, newDisk(t, b), session.ClientOptions{Listen: l.listen(nil)})
	go one.run(context.Background())
	go two.run(context.Background())
	l.finish(one, two)
	if st := server.Status(); st.Planned != len(b.ids) {
		t.Errorf("%d chunks were sent, want %d: shared ones once", st.Planned, len(b.ids))
	}
}

func TestWithoutMulticastEverythingComesByHTTPS(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 6)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 20e6})
	wireless := l.join("wireless", server.url, m, newDisk(t, m), session.ClientOptions{})
	slow := newDisk(t, m)
	slow.slow = 1200 * time.Millisecond // so that 3 s pass before all has come
	deaf := l.join("deaf", server.url, m, slow, session.ClientOptions{
		Listen: l.listen(func([][]byte) [][]byte { return nil })})
	go wireless.run(context.Background())
	go deaf.run(context.Background())
	l.finish(wireless, deaf)
	for _, p := range []*pc{wireless, deaf} {
		if s := p.summary; s.Packets > 0 || s.RescuedBytes == 0 {
			t.Errorf("%+v", s)
		}
	}
	if deaf.heard(wire.EventNoMulticast) != 1 || wireless.heard(wire.EventNoMulticast) != 0 {
		t.Errorf("the notice was given %d and %d times", deaf.heard(wire.EventNoMulticast), wireless.heard(wire.EventNoMulticast))
	}
	l.ended(server)
	if st := server.Status(); len(st.Events) != 1 || st.Events[0].Computer != "deaf" {
		t.Errorf("the server has heard of %+v", st.Events)
	}
}

// A frame that the store cannot read costs its chunk alone, and the client says that it is left.
func TestAnUnreadableFrameIsLeft(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 7)
	store.broken[m.ids[20]] = true
	delete(store.frames, m.ids[30])
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 20e6})
	p := l.join("pc", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go p.run(context.Background())
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("not finished: %+v", server.Status())
	}
	var ended *session.EndedError
	if !errors.As(p.err, &ended) && p.err != nil || p.summary.Left != 2 || p.disk.lacks() != 2 || p.summary.Absent != 2 {
		t.Errorf("%v, %+v", p.err, p.summary)
	}
	if st := server.Status(); len(st.Unreadable) != 2 {
		t.Errorf("the server says %+v", st.Unreadable)
	}
	store.broken = nil
	got := 0
	err := p.Fetch(context.Background(), m.ids[20:25], func(f chunk.Frame) error {
		if f.ID != m.ids[20+got] {
			t.Errorf("chunk %s, want %s", f.ID, m.ids[20+got])
		}
		got++
		return nil
	})
	if err != nil || got != 5 {
		t.Errorf("%d frames came from the source, %v", got, err)
	}
	if err := p.Fetch(context.Background(), m.ids[29:32], func(chunk.Frame) error { return nil }); err == nil {
		t.Error("a frame that is not there came without an error")
	}
}

func TestAFrameThatChangedIsLeft(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 30, 8)
	other, err := chunk.NewCodec(19)
	if err != nil {
		t.Fatal(err)
	}
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: &recompressing{stored: store, codec: other},
		Expected: 1, Rate: 20e6})
	p := l.join("pc", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go p.run(context.Background())
	<-p.done
	if p.summary.Left == 0 || p.summary.Polluted > 0 || p.disk.damaged > 0 {
		t.Errorf("%v, %+v", p.err, p.summary)
	}
}

// recompressing is a store that keeps compressing its frames better.
type recompressing struct {
	*stored
	codec *chunk.Codec
}

func (r *recompressing) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	return r.stored.Fetch(ctx, ids, func(f chunk.Frame) error {
		content, err := r.codec.Open(make([]byte, 0, chunk.MaxSize+chunk.Spare), f)
		if err != nil {
			return err
		}
		return yield(r.codec.Seal(f.ID, content))
	})
}

func TestADiskThatFailsEndsTheRun(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 9)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 20e6})
	worn := newDisk(t, m)
	worn.fail = errors.New("sector 5 cannot be written")
	a := l.join("worn", server.url, m, worn, session.ClientOptions{Listen: l.listen(nil)})
	b := l.join("sound", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go a.run(context.Background())
	go b.run(context.Background())
	<-a.done
	if !errors.Is(a.err, worn.fail) {
		t.Errorf("the worn one ended with %v", a.err)
	}
	if st := server.Status(); len(st.Events) == 0 || st.Events[0].Code != wire.EventDisk || st.Events[0].Computer != "worn" {
		t.Errorf("the server has heard of %+v", st.Events)
	}
	a.Close()
	l.finish(b)
	l.ended(server)
}

func TestMemoryIsBoundedByASlowDisk(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 10)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 40e6})
	d := newDisk(t, m)
	d.slow = 100 * time.Millisecond // with 16 at once 40 MB/s at most, and less with a busy machine
	p := l.join("slow", server.url, m, d, session.ClientOptions{Listen: l.listen(losing(3, 0.01)), Memory: 8 << 20})
	go p.run(context.Background())
	l.finish(p)
	l.ended(server)
}

// A computer that counts down before it writes has the manifest, and data passes it that it cannot judge yet.
func TestDataThatComesBeforeTheDiskIsOpen(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 14)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2,
		HoldOff: 500 * time.Millisecond, Rate: 10e6})
	a := l.join("a", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	var waiting []*pc
	for i, memory := range []int64{0, 6 << 20} {
		p := l.join(fmt.Sprintf("waiting%d", i), server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil), Memory: memory})
		p.wait = func() {
			for a.disk.lacks() > len(m.ids)/4 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		waiting = append(waiting, p)
		go p.run(context.Background())
	}
	go a.run(context.Background())
	l.finish(append(waiting, a)...)
	l.ended(server)
}

func TestTheControlChannelRefuses(t *testing.T) {
	l, store := newLab(t), newStored()
	m, other := store.master(t, 30, 11), newStored().master(t, 10, 12)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Rate: 20e6})
	const join = `{"Manifest":"%s","Multicast":true}`
	tests := []struct {
		name, method, path, member string
		body                       []byte
		want                       int
	}{
		{"nobody", "POST", "/join", "", fmt.Appendf(nil, join, m.hash), http.StatusForbidden},
		{"a long name", "POST", "/join", strings.Repeat("x", 300), fmt.Appendf(nil, join, m.hash), http.StatusForbidden},
		{"another master", "POST", "/join", "a", fmt.Appendf(nil, join, other.hash), http.StatusConflict},
		{"no JSON", "POST", "/join", "a", []byte("hello"), http.StatusBadRequest},
		{"a long join", "POST", "/join", "a", make([]byte, 100_000), http.StatusBadRequest},
		{"a report of nobody", "POST", "/report", "a", []byte("{}"), http.StatusGone},
		{"symbols for nobody", "POST", "/symbols", "a", []byte("{}"), http.StatusGone},
		{"a member", "POST", "/join", "b", fmt.Appendf(nil, join, m.hash), http.StatusOK},
		{"a huge report", "POST", "/report", "b", make([]byte, wire.MaxReport+1), http.StatusBadRequest},
		{"a wrong report", "POST", "/report", "b", []byte(`{"Stream":9}`), http.StatusBadRequest},
		{"symbols of a generation to come", "POST", "/symbols", "b", []byte(`{"Generation":7}`), http.StatusConflict},
		{"a block that is not", "POST", "/symbols", "b", []byte(`{"Blocks":[{"Block":99}]}`), http.StatusBadRequest},
		{"symbols of the manifest", "POST", "/symbols", "b", []byte(`{"Blocks":[{"Block":0,"Symbols":"AA=="}]}`), http.StatusOK},
		{"no ids", "POST", "/frames", "b", nil, http.StatusBadRequest},
		{"half an id", "POST", "/frames", "b", make([]byte, 33), http.StatusBadRequest},
		{"a foreign chunk", "POST", "/frames", "b", other.ids[0][:], http.StatusForbidden},
		{"too many chunks", "POST", "/frames", "b", bytes.Repeat(m.ids[0][:], session.MaxIDs+1), http.StatusBadRequest},
		{"a chunk", "POST", "/frames", "b", m.ids[0][:], http.StatusOK},
		{"another manifest", "GET", "/manifest/" + other.hash.String(), "b", nil, http.StatusConflict},
		{"no hash", "GET", "/manifest/latest", "b", nil, http.StatusBadRequest},
		{"the manifest", "GET", "/manifest/" + m.hash.String(), "b", nil, http.StatusOK},
		{"the status", "GET", "/status", "b", nil, http.StatusOK},
		{"nothing", "GET", "/secret", "b", nil, http.StatusNotFound},
	}
	for _, test := range tests {
		req, err := http.NewRequest(test.method, server.url+test.path, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.member != "" {
			req.Header.Set(session.MemberHeader, test.member)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != test.want || resp.StatusCode >= 400 && len(answer) == 0 {
			t.Errorf("%s: %s, want %d: %s", test.name, resp.Status, test.want, answer)
		}
	}
	if st := server.Status(); strings.Contains(fmt.Sprintf("%+v", st), "[42 42 42") {
		t.Error("the status gives the secret away")
	}
}

// Who comes when nothing is sent any more still gets everything.
func TestAComputerThatComesAfterTheEnd(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 13)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 20e6})
	a := l.join("a", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go a.run(context.Background())
	l.finish(a)
	l.ended(server)
	b := l.join("b", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go b.run(context.Background())
	l.finish(b)
	if b.summary.Packets > 0 || b.summary.RescuedBytes == 0 {
		t.Errorf("%+v", b.summary)
	}
}
