package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestElection(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	us, lower, higher := netip.MustParseAddr("10.9.0.5"), netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.9")
	general := func(from netip.Addr) Query { return Query{Version: 2, From: from, Group: netip.IPv4Unspecified()} }
	e := newElection(us, start, Querier{})
	now := start
	expect := func(what string, after time.Duration, due bool, state QuerierState) {
		t.Helper()
		now = now.Add(after)
		if got := e.due(now); got != due || e.state() != state {
			t.Errorf("%s: due %v, state %+v", what, got, e.state())
		}
	}
	ours := QuerierState{Active: true}
	expect("while it listens", QueryListen-1, false, QuerierState{})
	expect("nobody was heard", 1, true, ours)
	if e.within() > hushFor {
		t.Errorf("hosts may answer the first query for %v, and the second comes after %v", e.within(), hushFor)
	}
	expect("the second query comes at once", hushFor, true, ours)
	expect("the third comes soon", QueryEvery/4, true, ours)
	if e.within() != queryWithin {
		t.Errorf("hosts have %v to answer a query like any other", e.within())
	}
	expect("then at the interval", QueryEvery-1, false, ours)
	expect("then at the interval", 1, true, ours)
	e.heard(general(us), now)
	e.heard(general(higher), now)
	e.heard(general(netip.IPv4Unspecified()), now)
	e.heard(Query{Version: 2, From: lower, Group: netip.MustParseAddr("239.64.0.4")}, now)
	expect("what does not make us give way", 0, false, ours)
	e.heard(general(lower), now)
	expect("a lower address", QueryEvery, false, QuerierState{Other: lower})
	e.heard(general(higher), now)
	expect("any other is enough while we are silent", QuerySilence-1, false, QuerierState{Other: higher})
	expect("silence", 1, true, ours)
	expect("the second query comes at once again", hushFor, true, ours)
}

// Whoever forges queries of many addresses does not fill a log.
func TestForgedQueriersAreNotNewsEachTime(t *testing.T) {
	a, b := QuerierState{Other: netip.MustParseAddr("10.9.0.1")}, QuerierState{Other: netip.MustParseAddr("10.9.0.9")}
	ours := QuerierState{Active: true}
	for name, tt := range map[string]struct {
		told, state QuerierState
		after       time.Duration
		want        bool
	}{
		"the same":                 {a, a, time.Hour, false},
		"another, soon":            {a, b, time.Second, false},
		"another, later":           {a, b, tellAgain, true},
		"we begin":                 {a, ours, 0, true},
		"we give way":              {ours, a, 0, true},
		"the first that was heard": {QuerierState{}, a, 1 << 62, true},
		"nobody was heard so far":  {QuerierState{}, QuerierState{}, 1 << 62, false},
	} {
		if got := tellNow(tt.told, tt.state, tt.after); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// driver is a network card's, as DisablePause sees it.
type driver struct {
	autoneg, rx, tx uint32
	fail            map[uint32]error
	set             int
}

func (d *driver) ioctl(_ string, cmd []byte) error {
	what := binary.NativeEndian.Uint32(cmd)
	if err := d.fail[what]; err != nil {
		return err
	}
	if what == unix.ETHTOOL_GPAUSEPARAM {
		for i, v := range []uint32{d.autoneg, d.rx, d.tx} {
			binary.NativeEndian.PutUint32(cmd[4+4*i:], v)
		}
		return nil
	}
	d.set++
	d.autoneg, d.rx, d.tx = binary.NativeEndian.Uint32(cmd[4:]), binary.NativeEndian.Uint32(cmd[8:]), binary.NativeEndian.Uint32(cmd[12:])
	return nil
}

func TestPauseFramesAreSwitchedOffAndBack(t *testing.T) {
	d := &driver{autoneg: 1, rx: 1, tx: 1}
	p, err := disablePause("eth0", d.ioctl)
	if err != nil || !p.Changed || p.Before != (PauseFrames{true, true, true}) || d.autoneg != 1 || d.rx != 0 || d.tx != 0 {
		t.Fatalf("%+v, %v: %+v", p, err, d)
	}
	for range 2 {
		if err := p.Restore(); err != nil || d.autoneg != 1 || d.rx != 1 || d.tx != 1 || d.set != 2 {
			t.Errorf("%v: %+v", err, d)
		}
	}
	d = &driver{autoneg: 1} // off already: the link is left alone
	if p, err := disablePause("eth0", d.ioctl); err != nil || p.Changed || p.Restore() != nil || d.set != 0 {
		t.Errorf("%+v, %v: %+v", p, err, d)
	}
	d = &driver{rx: 1, fail: map[uint32]error{unix.ETHTOOL_SPAUSEPARAM: unix.EINVAL}}
	if _, err := disablePause("eth0", d.ioctl); !errors.Is(err, ErrNoPause) {
		t.Errorf("a driver that refuses: %v", err)
	}
	d = &driver{rx: 1, fail: map[uint32]error{unix.ETHTOOL_GPAUSEPARAM: unix.EPERM}}
	if _, err := disablePause("eth0", d.ioctl); !errors.Is(err, unix.EPERM) || errors.Is(err, ErrNoPause) {
		t.Errorf("without rights: %v", err)
	}
}

func TestRunsOfOneSize(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes []int
		mode  Mode
		want  int
	}{
		"equal":               {[]int{9, 9, 9}, ModeGSO, 3},
		"a short end":         {[]int{9, 9, 8, 9}, ModeGSO, 3},
		"a longer one":        {[]int{8, 9, 9}, ModeGSO, 1},
		"an empty one":        {[]int{9, 0, 9}, ModeGSO, 1},
		"empty ones":          {[]int{0, 0}, ModeGSO, 1},
		"more than a burst":   {make([]int, 40), ModeBatch, Burst},
		"any sizes":           {[]int{1, 2, 0, 3}, ModeBatch, 4},
		"one by one":          {[]int{9, 9, 9}, ModeOneByOne, 1},
		"a burst of one size": {[]int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, ModeGSO, Burst},
	} {
		var packets [][]byte
		for _, n := range tt.sizes {
			packets = append(packets, make([]byte, n))
		}
		if got := run(packets, Burst, tt.mode); got != tt.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// Whatever sizes the kernel names, no byte is handed out twice or lost, and none beyond a buffer.
func FuzzCut(f *testing.F) {
	f.Add(4*MaxPayload, MaxPayload)
	f.Add(3*MaxPayload+7, MaxPayload)
	f.Add(100, 0)
	f.Add(0, 0)
	f.Add(9000, 3000)
	f.Add(65507, 1)
	f.Add(10, -1)
	f.Fuzz(func(t *testing.T, length, size int) {
		if length < 0 || length > joinedSize {
			return
		}
		b := &Batch{}
		refused := b.cut(make([]byte, length), size)
		got := 0
		for _, p := range b.packets {
			if got += len(p); len(p) > MaxPayload {
				t.Fatalf("%d bytes handed out", len(p))
			}
		}
		if refused == 0 && got != length || got > length || refused == 0 && len(b.packets) == 0 {
			t.Fatalf("%d bytes in parts of %d: %d bytes, %d refused", length, size, got, refused)
		}
	})
}

func FuzzParseProbe(f *testing.F) {
	tag := Tag{1, 2, 3}
	whole := append(make([]byte, 28), probeDatagram(tag, 5)...)
	whole[0], whole[9] = 0x45, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(whole[2:], uint16(len(whole)))
	f.Add(whole)
	f.Add(whole[:40])
	f.Add([]byte{0x4f, 0, 0, 60})
	other := append([]byte(nil), whole...)
	other[28+probeNumberAt] = ProbeCount
	f.Add(other)
	if n, ok := parseProbe(whole, tag); !ok || n != 5 {
		f.Fatalf("%d, %v", n, ok)
	}
	if _, ok := parseProbe(other, tag); ok {
		f.Fatal("a number beyond the last")
	}
	if _, ok := parseProbe(whole, Tag{}); ok {
		f.Fatal("another probe's tag")
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if n, ok := parseProbe(p, tag); n < 0 || n >= ProbeCount || !ok && n != 0 {
			t.Fatalf("%d, %v", n, ok)
		}
	})
}

func TestWiFiIsKnownBySysfs(t *testing.T) {
	root := t.TempDir()
	for name, entry := range map[string]string{"wlan0": "phy80211", "wlp2s0": "wireless", "eth0": "device"} {
		if err := os.MkdirAll(filepath.Join(root, name, entry), 0o700); err != nil {
			t.Fatal(err)
		}
		if got := wireless(root, name); got != (name != "eth0") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestKernelsThatSpoilBursts(t *testing.T) {
	for release, want := range map[string]bool{
		"6.12.107+deb13-amd64": false, "6.1.0-56-amd64": false, "6.18.44": false, "7.0.2-6-pve": true, "7.0.0-15-generic": true,
		"7.1.4": true, "7.1.5": false, "7.1-rc3": true, "7.2.0": false, "8.0.1": false, "": false, "Linux": false, "7": false,
	} {
		if got := spoilsGSO(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
	if r := kernelRelease(); !strings.Contains(r, ".") || strings.ContainsRune(r, 0) {
		t.Errorf("this kernel is %q", r)
	}
}
