package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
)

// wantLines compares what was printed, line by line.
func wantLines(t *testing.T, got *bytes.Buffer, want ...string) {
	t.Helper()
	if text := strings.Join(want, "\n") + "\n"; got.String() != text {
		t.Errorf("it says\n%s\nwant\n%s", got, text)
	}
	got.Reset()
}

func TestWhatASenderTells(t *testing.T) {
	var out bytes.Buffer
	began := time.Unix(1_800_000_000, 0)
	now := began
	l := &sentLines{w: &out, version: "room@1", now: func() time.Time { return now }}
	member := func(number uint32, state multicast.State, disk int64, loss float64, reason string) multicast.MemberStatus {
		return multicast.MemberStatus{Member: number, Name: fmt.Sprintf("pc%d", number), State: state, Disk: disk, Loss: loss, Reason: reason}
	}
	st := session.Status{Started: began, Packets: []uint64{10_000, 0}, Sender: multicast.Status{Rate: 99e6, Parity: 1, Demand: 120e6, Lacking: 3e6,
		Left: 35200 * time.Millisecond, Members: []multicast.MemberStatus{member(1, multicast.StateFast, 90e6, 0.001, ""),
			member(2, multicast.StateSlow, 38_400_000, 0.07, "7 % loss"), member(3, multicast.StateHTTPS, 0, 0.5, "no multicast\x1b[2J"),
			member(4, multicast.StateDone, 1e6, 0.9, "")}}}
	now = began.Add(2 * time.Second)
	if err := l.second(st); err != nil {
		t.Fatal(err)
	}
	wantLines(t, &out,
		"  7.2 MB/s on the wire  slowest disk 38.4 MB/s  worst loss 7.0 %  parity 1  to send 120.0 MB  lacking 3.0 MB  35s left  1 of 4 done",
		"          pc2: slow, 7 % loss", "          pc3: https, no multicast [2J")
	// What it says is what has left, not what is planned; who has failed and left is still of those who had joined.
	now = now.Add(time.Second)
	st.Packets = []uint64{12_000, 1000}
	st.Sender.Members = []multicast.MemberStatus{member(1, multicast.StateDone, 90e6, 0, ""), member(3, multicast.StateSilent, 0, 0, "no report")}
	if err := l.second(st); err != nil {
		t.Fatal(err)
	}
	wantLines(t, &out, "  4.3 MB/s on the wire  no disk writes  worst loss 0.0 %  parity 1  to send 120.0 MB  lacking 3.0 MB  35s left  1 of 4 done",
		"          pc3: silent, no report")
	st.Sender.First, st.Sender.Rounds, st.Rescued = 18e6, 2e6, 1000
	now = now.Add(time.Second)
	if err := l.last(st); err != nil {
		t.Fatal(err)
	}
	wantLines(t, &out, "room@1 sent to 1 of 4 computers: 20.0 MB on the wire, 2.0 MB of it repairs, 1.4 MB by HTTPS, in 4.0 s",
		"          not finished: pc2: it has left", "          not finished: pc3: silent, no report", "          not finished: pc4: it has left")
	l.json = true
	if err := l.last(st); err != nil {
		t.Fatal(err)
	}
	var said sentLine
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || !said.Summary || said.Joined != 4 || said.Done != 1 || said.Demand != 120e6 ||
		said.WireMBps < 4.70 || said.WireMBps > 4.71 || said.Left != 35.2 || said.Parity != 1 || len(said.Session.Sender.Members) != 2 {
		t.Errorf("in JSON it says %+v, %v", said, err)
	}
}

func TestWhatAReceiverTells(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_800_000_000, 0)
	var counts session.Summary
	l := &receivedLines{w: &out, version: "room@1", now: func() time.Time { return now }, began: now, counts: func() session.Summary { return counts }}
	second := func(p restore.Progress) {
		t.Helper()
		l.progress(p)
		now = now.Add(time.Second)
		if err := l.second(); err != nil {
			t.Fatal(err)
		}
	}
	// Packets have come, no block is complete yet: the wire's rate is told all the same.
	counts = session.Summary{PacketBytes: 11_400_000, Packets: 7900, Lost: 100}
	second(restore.Progress{Phase: restore.PhaseReceive, Total: 100e6})
	wantLines(t, &out, "receive     0 %   11.4 MB/s on the wire    0.0 MB/s by HTTPS    0.0 MB/s to the disk  1.2 % lost  0 repaired by parity  to come 100.0 MB  ? left")
	for n := range 3 {
		counts.PacketBytes += 5e6
		counts.Packets += 4000
		counts.RescuedBytes += 1_500_000
		counts.Repaired += 7
		second(restore.Progress{Phase: restore.PhaseReceive, Total: 100e6, Done: int64(n+1) * 10e6, Written: int64(n+1) * 8e6, Fetched: 1})
		if n < 2 {
			out.Reset()
		}
	}
	wantLines(t, &out, "receive    30 %    5.0 MB/s on the wire    1.5 MB/s by HTTPS    8.0 MB/s to the disk  0.0 % lost  21 repaired by parity  to come 70.0 MB  7s left")
	second(restore.Progress{Phase: restore.PhaseVerify, Total: 100e6, Done: 50e6, Written: 24e6})
	wantLines(t, &out, "verify     50 %    0.0 MB/s on the wire    0.0 MB/s by HTTPS    0.0 MB/s to the disk  0.0 % lost  21 repaired by parity  to come 50.0 MB  ? left")
	l.json = true
	second(restore.Progress{Phase: restore.PhaseVerify, Total: 100e6, Done: 75e6, Written: 24e6})
	var said receivedLine
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || said.Summary || said.Left != 1 || said.Demand != 25e6 || said.Repaired != 21 ||
		said.Phase != "verify" || said.Seconds != 6 {
		t.Errorf("in JSON it says %s, %v", &out, err)
	}
	out.Reset()
	if err := l.last(restore.Report{WrittenBytes: 24e6, ReadBytes: 200e6}, counts); err != nil {
		t.Fatal(err)
	}
	said = receivedLine{}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || !said.Summary || said.Session.Lost != 100 || said.Demand != 0 || said.ReadBytes != 200e6 {
		t.Errorf("at the end it says %s, %v", &out, err)
	}
}

func TestWhatHappensInASessionIsSaid(t *testing.T) {
	on := udp.Link{Name: "eth0", Network: netip.MustParsePrefix("10.9.0.7/24")}
	for _, code := range []string{wire.EventNoMulticast, wire.EventPolluted, wire.EventForged, wire.EventInsider, wire.EventUnreadable, wire.EventDisk,
		session.EventFlooded} {
		text := eventText(wire.Event{Code: code, Count: 12, Text: "(why)"}, on)
		if len(text) < 20 || strings.HasPrefix(text, code) || !strings.Contains(text, "(why)") {
			t.Errorf("%s is %q", code, text)
		}
		if network := code == wire.EventNoMulticast || code == session.EventFlooded; network && !strings.Contains(text, "10.9.0.0/24") {
			t.Errorf("%s names no network: %q", code, text)
		}
	}
	if got := eventText(wire.Event{Code: "news", Text: "of later"}, on); got != "news of later" {
		t.Errorf("what is not known is %q", got)
	}
	var out bytes.Buffer
	warnOf(&out, on)
	if out.Len() > 0 {
		t.Errorf("a good interface is warned of: %s", &out)
	}
	warnOf(&out, udp.Link{Name: "wlan0", Wireless: true, Half: true})
	if n := strings.Count(out.String(), "warning: wlan0 is "); n != 2 {
		t.Errorf("%d warnings: %s", n, &out)
	}
}

func TestWhyAReceiveEnded(t *testing.T) {
	gone := &lostSenderError{"10.0.0.1:7443", &restore.SourceError{Err: syscall.ECONNREFUSED}}
	damaged := &lostSenderError{"10.0.0.1:7443", &restore.SourceError{Err: &chunk.DamagedError{Reason: "frame checksum differs"}}}
	weak := &weakDriveError{"/dev/sda", "SMART: 12 reallocated", &restore.WriteError{Offset: 5120, Sector: 10, Err: syscall.EIO}}
	for _, c := range []struct {
		err  error
		exit int
		says string
		hint string
	}{
		{gone, 5, "10.0.0.1:7443 gives no more", "session send"},
		{damaged, 4, "frame checksum differs", "capture"},
		{weak, 5, "writing sector 10 (byte 5120): input/output error; /dev/sda says: SMART: 12 reallocated", "smartctl"},
	} {
		got := explain(c.err, notices.English)
		if got.exit != c.exit || !strings.Contains(got.error, c.says) || !strings.Contains(got.hint, c.hint) {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	file := t.TempDir() + "/disk.img"
	fault := &restore.WriteError{Err: syscall.ENOSPC}
	if err := withHealth(fault, file); !errors.Is(err, fault) || err.Error() != fault.Error() {
		t.Errorf("a file says something of its health: %v", err)
	}
	if _, ok := driveAt(file); ok {
		t.Error("a file is a drive")
	}
}

// A rate of the command line is of the wire, with everything that goes around a packet.
func TestRatesAreOfTheWire(t *testing.T) {
	got, err := parseRate("100")
	if err != nil || got < 11_950_000 || got > 11_965_000 {
		t.Errorf("100 Mb/s carry %d bytes of payload a second, %v", got, err)
	}
	if got, err := parseRate("auto"); got != 0 || err != nil {
		t.Errorf("auto is %d, %v", got, err)
	}
	for _, bad := range []string{"", "0", "-3", "fast", "1e9", "NaN"} {
		if got, err := parseRate(bad); err == nil {
			t.Errorf("%q is %d", bad, got)
		}
	}
}
