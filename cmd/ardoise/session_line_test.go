package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

func TestALineOfASession(t *testing.T) {
	now := sessions.State{Running: true, Left: 35.2, Sample: sessions.Sample{Rate: 11_400_000, Loss: 0.003, Parity: 1, Demand: 120e6,
		Lacking: 3e6, Disk: 38_400_000}, Members: []sessions.Member{{Computer: "S104-01", State: "fast"},
		{Computer: "S104-07", State: "slow", Reason: "100 Mb/s link"}, {Computer: "S104-08\x1b[2J", State: "https", Reason: "no multicast"},
		{Computer: "S104-09", State: "fast", Reason: "disk 38 MB/s"}, {Computer: "S104-10", State: "done", Reason: "7 % loss"}}}
	r := &sessions.Report{ID: "12", Now: now, Joined: 16, Done: 2}
	want := "session  11.4 MB/s on the wire  slowest disk 38.4 MB/s  worst loss 0.3 %  parity 1  to send 120.0 MB  lacking 3.0 MB  35s left  2 of 16 done  " +
		"lags: S104-07 (100 Mb/s link, slow stream), S104-08\ufffd[2J (no multicast, by HTTPS), S104-09 (disk 38 MB/s)"
	if got := sessionLine(r); got != want {
		t.Errorf("the line is\n%s\nwant\n%s", got, want)
	}
	for range 5 {
		r.Now.Members = append(r.Now.Members, sessions.Member{Computer: "x", State: "fast", Reason: "7 % loss"})
	}
	if got := sessionLine(r); !strings.HasSuffix(got, "x (7 % loss) and 4 more") {
		t.Errorf("with many that lag it is %s", got)
	}
	waits := &sessions.Report{Now: sessions.State{Running: true, Waiting: true, Expected: 16, Members: now.Members}}
	if got := sessionLine(waits); got != "session  waits for more computers: 5 of 16 have joined" {
		t.Errorf("while it waits it is %s", got)
	}
	if got := sessionLine(nil) + sessionLine(&sessions.Report{}); got != "" {
		t.Errorf("without a session it is %s", got)
	}

	var out bytes.Buffer
	lines := &lineScreen{w: &out}
	for range 3 {
		lines.show(access.Job{Session: r})
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("the same state is printed %d times", n)
	}
	out.Reset()
	bars := &barScreen{w: &out, now: time.Now, width: func() int { return 40 }}
	bars.show(access.Job{Tasks: []access.Task{{Computer: "S104-01"}}, Session: r})
	bars.show(access.Job{Tasks: []access.Task{{Computer: "S104-01"}}})
	if bars.drawn != 1 || !strings.Contains(out.String(), "\x1b[3A") || strings.Contains(out.String(), "worst loss") {
		t.Errorf("the bars are not drawn over: %q", out.String())
	}
	if strings.Count(out.String(), "\x1b[J") == 0 {
		t.Error("the line of a session that is over stays")
	}

	out.Reset()
	r.Jobs, r.Started, r.Ended = []string{"12", "13"}, time.Unix(0, 0), time.Unix(61, 0)
	r.Sent, r.Repairs, r.HTTPS = 1e9, 1e7, 2e6
	r.Marks = []sessions.Mark{{At: 7, Kind: sessions.MarkDemoted, Computer: "S104-07", Text: "slow, 100 Mb/s link"},
		{At: 1, Kind: sessions.MarkJoin, Computer: "S104-01"}, {At: 2, Kind: sessions.MarkJoin, Computer: "S104-11", Text: "Wi-Fi"},
		{At: 3, Kind: wire.EventDisk, Computer: "S104-12", Text: "writing sector 9200"}, {At: 4, Kind: wire.EventInsider, Computer: "S104-13"}}
	showSession(&out, r)
	for _, want := range []string{"shared by jobs 12, 13", "2 of 16 computers done, 1.0 GB on the wire, 10.0 MB of it repairs, 2.0 MB by HTTPS, in 1m1s",
		"7 s  demoted", "S104-11  Wi-Fi", "disk       S104-12  writing sector 9200", "insider    S104-13"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "1 s  join") {
		t.Error("every join is listed")
	}
}

func TestFlagsOfSessions(t *testing.T) {
	good := multicastFlags{rate: 500, lessonRate: 50, lessons: "08:00-18:00", ttl: 1}
	if l, err := good.limits(); err != nil || l.Total != 500_000_000 || l.Lessons != 50_000_000 || l.To != 18*time.Hour {
		t.Errorf("limits are %+v, %v", l, err)
	}
	for name, bad := range map[string]multicastFlags{
		"a rate of nearly nothing": {rate: 0.5, lessons: "08:00-18:00", ttl: 1}, "a negative one": {lessonRate: -5, lessons: "08:00-18:00", ttl: 1},
		"no hours": {lessons: "8-18", ttl: 1}, "no reach": {lessons: "08:00-18:00"}, "too much": {lessons: "08:00-18:00", ttl: 256},
	} {
		if _, err := bad.limits(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
