package sessions

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
)

// mouth counts packets, or does not take them.
type mouth struct {
	sent   int
	err    error
	closed bool
	at     netip.AddrPort
}

func (m *mouth) Send(packets [][]byte) error {
	if m.err == nil {
		m.sent += len(packets)
	}
	return m.err
}
func (m *mouth) Source() netip.AddrPort { return m.at }
func (m *mouth) Close() error           { m.closed = true; return nil }

func TestOneInterfaceDoesNotStopTheOthers(t *testing.T) {
	now := time.Unix(0, 0)
	a, b := &mouth{at: netip.MustParseAddrPort("10.0.0.1:5")}, &mouth{}
	mouths := map[string]*mouth{"a": a, "b": b}
	dialled := 0
	f := &fan{group: netip.MustParseAddrPort("239.64.0.0:20480"), now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler),
		dial: func(iface string, _ netip.AddrPort) (session.PacketSender, error) {
			if mouths[iface] == nil {
				return nil, errors.New("no such interface")
			}
			dialled++
			return mouths[iface], nil
		}}
	send := func(want string, ok bool) {
		t.Helper()
		if err := f.Send([][]byte{{1}, {2}}); (err == nil) != ok {
			t.Errorf("%s: %v", want, err)
		}
	}
	send("nobody listens yet", true)
	if f.add("c") == nil {
		t.Error("an interface that does not exist is added")
	}
	for _, iface := range []string{"a", "b", "a"} {
		if err := f.add(iface); err != nil {
			t.Fatal(err)
		}
	}
	send("both take", true)
	if a.sent != 2 || b.sent != 2 || dialled != 2 {
		t.Fatalf("a took %d, b %d, %d were opened", a.sent, b.sent, dialled)
	}
	b.err = errors.New("no carrier")
	send("b does not take", true)
	b.err = nil
	send("b is left alone", true)
	if a.sent != 6 || b.sent != 2 {
		t.Errorf("a took %d, b %d", a.sent, b.sent)
	}
	now = now.Add(6 * time.Second)
	send("b is back", true)
	if a.sent != 8 || b.sent != 4 {
		t.Errorf("a took %d, b %d", a.sent, b.sent)
	}
	a.err, b.err = errors.New("x"), errors.New("y")
	send("none takes", false)
	send("both are left alone", false)
	if f.sourceOn("a") != a.at || f.sourceOn("z").IsValid() || f.Source().IsValid() {
		t.Error("the source of an interface is not its own")
	}
	if err := f.Close(); err != nil || !a.closed || !b.closed {
		t.Errorf("closing: %v", err)
	}
	if err := f.add("a"); err != nil || dialled != 2 {
		t.Errorf("a session that is over opens sockets: %v", err)
	}
}
