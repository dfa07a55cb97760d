package multicast

import (
	"testing"
	"time"
)

// Who lags is told with the limit that is nearest to what it gets.
func TestWhyAMemberLags(t *testing.T) {
	s := NewSender(SenderOptions{})
	s.streams[0].rate = 30e6
	s.Join(time.Unix(1_800_000_000, 0), 1, Member{Multicast: true, Link: 100e6})
	m := s.members[1]
	for want, change := range map[string]func(){
		"":                             func() {},
		"100 Mb/s link":                func() { m.state = StateSuspect },
		"disk 38 MB/s":                 func() { m.state, m.buffer, m.disk = StateSlow, 10, 38_400_000 },
		"disk 9 MB/s":                  func() { m.buffer, m.disk = 10, 9_000_000 }, // it still holds the stream back
		"7 % loss":                     func() { m.base, m.sample.loss = 0.05, 0.071 },
		"60 % loss":                    func() { m.state, m.Link, m.sample.loss = StateSuspect, 1e9, 0.6 },
		"no report":                    func() { m.state = StateSilent },
		"no multicast":                 func() { m.state, m.cause = StateHTTPS, "no multicast" },
		"too slow for the fast stream": func() { m.state, m.cause, m.Link = StateHTTPS, slowCause, 1e9 },
	} {
		m.state, m.cause, m.group, m.buffer, m.disk, m.base, m.sample, m.Link = StateFast, "", groupNear, 100, 0, 0, sample{}, 100e6
		change()
		if got := s.reason(m); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	m.state = StateDone
	if got := s.reason(m); got != "" {
		t.Errorf("who is done lags: %q", got)
	}
}
