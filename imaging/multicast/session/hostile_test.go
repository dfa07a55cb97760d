package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

// groups remembers where a server sends to.
type groups struct {
	sync.Mutex
	l   *lab
	all []netip.AddrPort
}

func (g *groups) dial(group netip.AddrPort) (session.PacketSender, error) {
	g.Lock()
	g.all = append(g.all, group)
	g.Unlock()
	return g.l.dial(group)
}

// attack sends packets that mutate makes of what was heard to the fast group, from the server's side of the line, until
// the test ends. heard gets what one computer of the room hears.
func attack(l *lab, group netip.AddrPort, mutate func(n int, heard []byte) []byte) (heard tap, sent *atomic.Int64) {
	l.t.Helper()
	sender, err := l.dial(group)
	if err != nil {
		l.t.Fatal(err)
	}
	var mu sync.Mutex
	var last []byte
	sent = new(atomic.Int64)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			mu.Lock()
			sample := last
			mu.Unlock()
			if sample == nil {
				continue
			}
			var burst [][]byte
			for i := range udp.Burst {
				burst = append(burst, mutate(n*udp.Burst+i, bytes.Clone(sample)))
			}
			if sender.Send(burst) == nil {
				sent.Add(udp.Burst)
			}
		}
	}()
	l.t.Cleanup(func() {
		close(stop)
		<-done
		_ = sender.Close()
	})
	return func(packets [][]byte) [][]byte {
		if len(packets) > 0 {
			mu.Lock()
			last = bytes.Clone(packets[0])
			mu.Unlock()
		}
		return packets
	}, sent
}

func TestForgedPacketsAreCountedAndDropped(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 100, 20)
	g := &groups{l: l}
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Dial: g.dial, Expected: 2, Rate: 5e6})
	heard, sent := attack(l, g.all[0], func(n int, p []byte) []byte {
		switch n % 6 {
		case 0: // as it came
		case 1: // another content
			p[500] ^= 1
		case 2: // another block
			p[11] ^= 1
		case 3: // of another session
			p[4] ^= 1
		case 4: // cut short
			p = p[:700]
		case 5: // a sequence far ahead, which must not move the window
			p[16] = 0x7f
		}
		return p
	})
	open := func(ch wire.Channel) (session.PacketReceiver, error) { // for who hears the attacker
		ch.Source = netip.AddrPort{}
		return l.listen(heard)(ch)
	}
	near := l.join("near", server.url, m, newDisk(t, m), session.ClientOptions{Listen: open})
	shut := l.join("shut", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go near.run(context.Background())
	go shut.run(context.Background())
	l.finish(near, shut)
	if s := near.summary; near.disk.damaged > 0 || s.Polluted > 0 || s.Forged == 0 || s.Repeated == 0 || s.Foreign == 0 {
		t.Errorf("%d were sent: %+v", sent.Load(), s)
	}
	if near.heard(wire.EventForged) == 0 {
		t.Error("nobody was told of forged packets")
	}
	if s := shut.summary; s.Forged+s.Repeated+s.Foreign > 0 {
		t.Errorf("packets from another address were looked at: %+v", s)
	}
}

// TestAnInsiderCannotWrite changes every tenth symbol before it is sealed: what a member of the session could send.
func TestAnInsiderCannotWrite(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 60, 21)
	secret := bytes.Repeat([]byte{42}, 32)
	spoil := &spoiler{secret: secret, t: t}
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 10e6, Secret: secret,
		Dial: func(group netip.AddrPort) (session.PacketSender, error) {
			s, err := l.dial(group)
			return &spoiling{PacketSender: s, spoiler: spoil}, err
		}})
	var pcs []*pc
	for i := range 2 {
		p := l.join(fmt.Sprintf("pc%d", i), server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(losing(uint64(i), 0.01))})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	// The salt is told to members only; the insider is one.
	spoil.learn(t, server, m)
	l.finish(pcs...)
	l.ended(server)
	for _, p := range pcs {
		if p.summary.Polluted == 0 || p.summary.RescuedBytes == 0 || p.heard(wire.EventPolluted) == 0 {
			t.Errorf("%d symbols were spoilt: %+v", spoil.count.Load(), p.summary)
		}
	}
	if len(server.Status().Events) == 0 {
		t.Error("the server has heard of nothing")
	}
}

// spoiler opens the server's packets and seals others in their place.
type spoiler struct {
	t      testing.TB
	secret []byte
	mu     sync.Mutex
	number uint32
	salt   []byte
	count  atomic.Int64
}

// learn joins as the insider does.
func (s *spoiler) learn(t testing.TB, server *running, m *made) {
	joined := joinRaw(t, server, "insider", m.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.salt = joined.Session, joined.Salt
	leaveRaw(t, server, "insider")
}

type spoiling struct {
	session.PacketSender
	spoiler *spoiler
	n       int
}

// Send spoils a part of the packets that carry data.
func (s *spoiling) Send(packets [][]byte) error {
	s.spoiler.mu.Lock()
	number, salt := s.spoiler.number, s.spoiler.salt
	s.spoiler.mu.Unlock()
	for _, p := range packets {
		h, err := wire.Parse(p)
		if err != nil || salt == nil || h.Generation == 0 {
			continue
		}
		if s.n++; s.n%50 != 0 {
			continue
		}
		key, err := wire.DeriveKey(s.spoiler.secret, salt, number, h.Stream)
		if err != nil {
			return err
		}
		if _, _, err := wire.NewOpener(key, number, h.Stream).Open(p); err != nil {
			return err
		}
		p[wire.HeaderSize+int(h.Sequence%wire.SymbolSize)] ^= 0x55
		reseal(key, p, h)
		s.spoiler.count.Add(1)
	}
	return s.PacketSender.Send(packets)
}

func TestARestartedServerIsJoinedAgain(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 150, 22)
	options := session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 10e6}
	first := l.serve(options)
	relay := newRelay(t, first.url)
	var pcs []*pc
	for i := range 2 {
		p := l.join(fmt.Sprintf("pc%d", i), relay.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(losing(uint64(i), 0.01))})
		pcs = append(pcs, p)
		go p.run(context.Background())
	}
	for pcs[0].disk.lacks() > len(m.ids)*2/3 || pcs[1].disk.lacks() > len(m.ids)*2/3 {
		time.Sleep(10 * time.Millisecond)
	}
	first.kill()
	held := len(m.ids) - pcs[0].disk.lacks()
	second := l.serve(options)
	relay.to(second.url)
	l.finish(pcs...)
	l.ended(second)
	if st := second.Status(); st.Planned > len(m.ids)-held+40 || first.Number() == second.Number() {
		t.Errorf("the second server sent %d chunks although %d of %d were held", st.Planned, held, len(m.ids))
	}
	for _, p := range pcs {
		if p.summary.Rejoined == 0 || p.disk.taken != len(m.ids) {
			t.Errorf("%d chunks were written: %+v", p.disk.taken, p.summary)
		}
	}
}

func TestAServerThatComesLater(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 30, 26)
	relay := newRelay(t, "http://127.0.0.1:1") // nobody is there
	p := l.join("pc", relay.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go p.run(context.Background())
	time.Sleep(100 * time.Millisecond)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 20e6})
	relay.to(server.url)
	l.finish(p)
	l.ended(server)
}

func TestAServerThatStaysAwayIsGivenUp(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 100, 23)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 5e6})
	p := l.join("pc", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil), GiveUp: 2 * time.Second})
	go p.run(context.Background())
	for p.disk.lacks() == len(m.ids) {
		time.Sleep(10 * time.Millisecond)
	}
	server.kill()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("it waits for ever")
	}
	if _, ok := p.err.(*session.EndedError); !ok || p.summary.Left == 0 || p.summary.Reason == "" {
		t.Errorf("%v, %+v", p.err, p.summary)
	}
}

// A computer that is switched off in the middle holds nobody up.
func TestACancelledComputerHoldsNobodyUp(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 100, 24)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 2, Rate: 10e6})
	a := l.join("a", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	ctx, cancel := context.WithCancel(context.Background())
	b := l.join("b", server.url, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	b.disk.after = func(taken int) {
		if taken == 10 {
			cancel()
		}
	}
	go a.run(context.Background())
	go b.run(ctx)
	<-b.done
	if b.err != context.Canceled {
		t.Errorf("the cancelled one ended with %v", b.err)
	}
	taken := b.disk.lacks()
	b.Close()
	l.finish(a)
	l.ended(server)
	if b.disk.lacks() != taken {
		t.Error("chunks were handed on after Run had returned")
	}
}

func TestWrongManifestsAreNotTaken(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 20, 25)
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Rate: 5e6})
	unknown := *m
	unknown.hash = manifest.HashOf([]byte("another one"))
	p := l.join("pc", server.url, &unknown, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil)})
	go p.run(context.Background())
	<-p.done
	if refused, ok := p.err.(*session.RefusedError); !ok || refused.Status != 409 {
		t.Errorf("a manifest that the session does not send: %v", p.err)
	}
	wrong := m.Master
	wrong.Signature.Hash = unknown.hash
	if _, err := session.NewServer(session.ServerOptions{Masters: []session.Master{wrong}, Frames: store, Secret: make([]byte, 32),
		Random: bytes.NewReader(make([]byte, 100)), Now: time.Now, Log: quiet(t), Dial: l.dial}); err == nil {
		t.Error("a manifest with the signature of another is sent")
	}
	if _, err := session.NewServer(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Secret: make([]byte, 32),
		Random: bytes.NewReader(nil), Now: time.Now, Log: quiet(t), Dial: l.dial}); err == nil || err == io.EOF {
		t.Errorf("without randomness: %v", err)
	}
}
