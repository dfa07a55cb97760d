package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// jumping seals packets of its own between the server's, with sequences that the server has not come to.
type jumping struct {
	session.PacketSender
	spoiler *spoiler
	ahead   func(n int) uint64 // how far, for the nth burst; 0: none
	n       int
}

// Send sends the server's packets behind one of the insider's.
func (j *jumping) Send(packets [][]byte) error {
	j.spoiler.mu.Lock()
	number, salt := j.spoiler.number, j.spoiler.salt
	j.spoiler.mu.Unlock()
	h, err := wire.Parse(packets[0])
	if salt == nil || err != nil {
		return j.PacketSender.Send(packets)
	}
	j.n++
	if ahead := j.ahead(j.n); ahead > 0 {
		key, err := wire.DeriveKey(j.spoiler.secret, salt, number, h.Stream)
		if err != nil {
			return err
		}
		p := make([]byte, wire.PacketSize)
		h.Generation, h.Sequence, h.Interval = 999, h.Sequence+ahead, h.Interval+1
		reseal(key, p, h)
		j.spoiler.count.Add(1)
		if err := j.PacketSender.Send([][]byte{p}); err != nil {
			return err
		}
	}
	return j.PacketSender.Send(packets)
}

// One packet of a member, with a sequence of the far future, must not end multicast for everybody.
func TestASequenceOfTheFutureStopsNobody(t *testing.T) {
	for name, ahead := range map[string]func(n int) uint64{
		"once, for ever":  func(n int) uint64 { return uint64(1) << 62 },
		"a little, often": func(n int) uint64 { return uint64(n%20/19) * 300_000 },
	} {
		t.Run(name, func(t *testing.T) {
			l, store := newLab(t), newStored()
			m := store.master(t, 80, 31)
			secret := bytes.Repeat([]byte{42}, 32)
			spoil := &spoiler{secret: secret, t: t}
			server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 10e6, Secret: secret,
				Dial: func(group netip.AddrPort) (session.PacketSender, error) {
					s, err := l.dial(group)
					return &jumping{PacketSender: s, spoiler: spoil, ahead: ahead}, err
				}})
			spoil.learn(t, server, m)
			p := l.join("pc", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
			go p.run(context.Background())
			l.finish(p)
			s := p.summary
			if spoil.count.Load() == 0 || s.RescuedBytes > s.FrameBytes/4 {
				t.Errorf("%d packets of the insider; %d of %d bytes came by HTTPS: %+v", spoil.count.Load(), s.RescuedBytes, s.FrameBytes, s)
			}
			if p.heard(wire.EventInsider) != 1 {
				t.Errorf("%d times told of the insider", p.heard(wire.EventInsider))
			}
		})
	}
}

// deadEar is a receiver that nothing reaches.
type deadEar struct {
	closed chan struct{}
	once   sync.Once
}

func (e *deadEar) Read() ([][]byte, error) { <-e.closed; return nil, net.ErrClosed }
func (e *deadEar) Drops() (uint64, error)  { return 0, nil }
func (e *deadEar) Close() error            { e.once.Do(func() { close(e.closed) }); return nil }

// mute is a sender that sends nothing.
type mute struct{}

func (mute) Send([][]byte) error    { return nil }
func (mute) Source() netip.AddrPort { return netip.AddrPort{} }
func (mute) Close() error           { return nil }

func muted(netip.AddrPort) (session.PacketSender, error) { return mute{}, nil }

// A client that is closed while its group is being joined ends all the same.
func TestCloseWhileTheGroupIsJoined(t *testing.T) {
	l, store := &lab{t: t}, newStored()
	m := store.master(t, 10, 32)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Dial: muted})
	joining, joined := make(chan struct{}), make(chan struct{})
	ear := &deadEar{closed: make(chan struct{})}
	p := l.join("pc", server.url, m, newDisk(t, m), session.ClientOptions{Listen: func(wire.Channel) (session.PacketReceiver, error) {
		close(joining)
		<-joined
		return ear, nil
	}})
	go p.run(context.Background())
	<-joining
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.Close()
	}()
	time.Sleep(200 * time.Millisecond) // Close is at work by then, or the test proves nothing
	close(joined)
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("Close does not return")
		_ = ear.Close()
	}
}

// status makes a request and returns how it was answered.
func status(t *testing.T, server *running, member, path string, body any) int {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, server.url+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(session.MemberHeader, member)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Who has left is no member: a report that was late must not make the session wait for it.
func TestWhoHasLeftIsNoMember(t *testing.T) {
	l, store := &lab{t: t}, newStored()
	m := store.master(t, 10, 33)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Dial: muted})
	joinRaw(t, server, "pc", m.hash)
	if got := status(t, server, "pc", "/report", wire.Report{Done: true}); got != http.StatusOK {
		t.Fatalf("a member's report: %d", got)
	}
	parity := wire.Ask{Blocks: []wire.BlockAsk{{Block: 0, Symbols: []byte{200}}}}
	if got := status(t, server, "pc", "/symbols", parity); got != http.StatusBadRequest {
		t.Errorf("asking for parity: %d", got)
	}
	leaveRaw(t, server, "pc")
	if members := server.Status().Sender.Members; len(members) != 1 {
		t.Errorf("who left done is not seen: %+v", members)
	}
	for _, path := range []string{"/report", "/symbols"} {
		if got := status(t, server, "pc", path, wire.Report{}); got != http.StatusGone {
			t.Errorf("%s after it has left: %d", path, got)
		}
	}
	joinRaw(t, server, "pc", m.hash)
	if got := status(t, server, "pc", "/report", wire.Report{}); got != http.StatusOK {
		t.Errorf("after it has joined again: %d", got)
	}
}
