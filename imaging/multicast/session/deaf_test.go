package session

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// A PC that needs five seconds to join a group has not been deaf for five seconds.
func TestTheClockOfSilenceStartsWithTheGroup(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := NewClient(ClientOptions{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Memory: 1 << 20,
		Listen: func(wire.Channel) (PacketReceiver, error) {
			now = now.Add(5 * time.Second)
			return nil, errors.New("no such group") // that it failed counts as well
		}})
	c.episode = &episode{recv: multicast.NewReceiver(now, multicast.ReceiverOptions{}, wire.Orders{}), expect: now,
		Joined: wire.Joined{Channels: []wire.Channel{{Group: netip.MustParseAddrPort("239.64.0.0:20480")}}}}
	now = now.Add(4 * time.Second)
	if c.isDeaf() {
		t.Error("deaf before the group was open")
	}
	c.tune()
	if c.isDeaf() {
		t.Error("deaf as soon as the group was open")
	}
	now = now.Add(deafAfter - time.Millisecond)
	if c.isDeaf() {
		t.Error("deaf too soon")
	}
	if now = now.Add(time.Millisecond); !c.isDeaf() {
		t.Error("not deaf after 3 s without a packet")
	}
}
