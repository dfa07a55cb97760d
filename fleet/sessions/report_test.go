package sessions

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestATimelineIsBounded(t *testing.T) {
	r := Report{Started: time.Unix(1_800_000_000, 0)}
	const seconds = 100_000 // more than a day
	for i := range int64(seconds) {
		s := Sample{At: i, Rate: 1000, Demand: seconds - i}
		if i == 77_777 {
			s.Loss = 0.5
		}
		r.add(s)
	}
	if n := len(r.Samples); n > maxSamples || n < maxSamples/3 {
		t.Errorf("%d samples are kept", n)
	}
	worst := 0.0
	for i, s := range r.Samples {
		if s.Rate != 1000 || s.At != int64(i*r.Every) {
			t.Fatalf("sample %d of %d s each is %+v", i, r.Every, s)
		}
		worst = max(worst, s.Loss)
	}
	if worst != 0.5 {
		t.Error("the worst second is forgotten")
	}
	for i := range maxMarks + 5 {
		r.mark(r.Started.Add(time.Duration(i)*time.Second), MarkJoin, fmt.Sprint(i), "")
	}
	if len(r.Marks) != maxMarks || r.MarksLost != 5 {
		t.Errorf("%d marks are kept, %d lost", len(r.Marks), r.MarksLost)
	}
	doc, err := json.Marshal(r)
	if err != nil || len(doc) > 600_000 {
		t.Errorf("the report has %d bytes, %v", len(doc), err)
	}
	var back Report
	if err := json.Unmarshal(doc, &back); err != nil || len(back.Samples) != len(r.Samples) {
		t.Errorf("read again it has %d samples, %v", len(back.Samples), err)
	}
}

// seen is a status with members of the given states.
func seen(members ...multicast.MemberStatus) session.Status {
	return session.Status{Generations: 2, Packets: []uint64{10, 0}, Sender: multicast.Status{Members: members}}
}

// The disk that people are shown is the slowest of those that have still something to write.
func TestTheSlowestDiskIsShown(t *testing.T) {
	st := seen(multicast.MemberStatus{State: multicast.StateFast, Disk: 90e6}, multicast.MemberStatus{State: multicast.StateSlow, Disk: 38e6},
		multicast.MemberStatus{State: multicast.StateDone, Disk: 1e6}, multicast.MemberStatus{State: multicast.StateFast})
	if got := stateOf(st, 5, 7); got.Disk != 38e6 || got.Rate != 5 || got.At != 7 || got.Members[2].Disk != 1e6 {
		t.Errorf("the state is %+v", got)
	}
	if got := stateOf(seen(multicast.MemberStatus{State: multicast.StateFast}), 5, 7); got.Disk != 0 {
		t.Errorf("where nothing is known of disks it is %d", got.Disk)
	}
}

func TestWhatHappensToComputersIsMarked(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	r := &run{people: map[string]*person{}, told: map[string]bool{}, report: Report{Started: start}, server: &session.Server{}}
	for i, name := range []string{"a", "b"} {
		r.admit(Visitor{Computer: fmt.Sprint(i), Name: name}, Path{}, true, start)
	}
	at := func(second int, a, b multicast.State) {
		r.see(start.Add(time.Duration(second)*time.Second), seen(multicast.MemberStatus{Name: "a", State: a, Reason: "100 Mb/s link"},
			multicast.MemberStatus{Name: "b", State: b}))
	}
	at(1, multicast.StateFast, multicast.StateFast)
	at(2, multicast.StateSuspect, multicast.StateFast)
	at(3, multicast.StateSlow, multicast.StateDone)
	at(4, multicast.StateFast, multicast.StateDone)
	at(5, multicast.StateSilent, multicast.StateDone)
	r.see(start.Add(6*time.Second), seen(multicast.MemberStatus{Name: "stranger", State: multicast.StateDone}))
	want := []Mark{{0, MarkJoin, "a", ""}, {0, MarkJoin, "b", ""}, {3, MarkDemoted, "a", "slow, 100 Mb/s link"}, {3, MarkDone, "b", ""},
		{4, MarkPromoted, "a", "fast"}, {5, MarkSilent, "a", ""}}
	if fmt.Sprint(r.report.Marks) != fmt.Sprint(want) {
		t.Errorf("marks %v, want %v", r.report.Marks, want)
	}
	if r.report.Joined != 2 || r.report.Done != 1 || r.report.Now.Done != 1 {
		t.Errorf("%d joined, %d done, now %d", r.report.Joined, r.report.Done, r.report.Now.Done)
	}
	for i := range 100 {
		r.admit(Visitor{Computer: "0", Name: "a"}, Path{}, true, start.Add(time.Duration(i)*time.Second))
	}
	if len(r.report.Marks) > maxPersonMarks+2 || r.report.MarksLost == 0 {
		t.Errorf("one computer leaves %d marks", len(r.report.Marks))
	}
}

func TestRelatedMasters(t *testing.T) {
	master := func(chunks ...int) *manifest.Manifest {
		m := &manifest.Manifest{}
		for i, c := range chunks {
			m.Chunks.Append(manifest.Entry{ID: chunk.Of([]byte{byte(c)}), Length: 1000, Index: uint32(i),
				Pieces: []manifest.Piece{{Length: 1000, Offset: int64(i) * 1000}}})
		}
		return m
	}
	big := master(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	for name, tt := range map[string]struct {
		a, b *manifest.Manifest
		want bool
	}{
		"the same":                             {big, big, true},
		"a fifth of the smaller":               {big, master(1, 101, 102, 103, 104), true},
		"less than a fifth of it":              {big, master(1, 101, 102, 103, 104, 105), false},
		"a chunk that comes often counts once": {big, master(1, 1, 1, 1, 101, 102, 103, 104, 105), false},
		"as often on the other side":           {master(1, 1, 1, 1, 1, 1), master(1, 2, 3, 4, 5, 6), true},
		"nothing":                              {big, master(101), false},
		"an empty one":                         {big, master(), false},
	} {
		if Related(tt.a, tt.b) != tt.want || Related(tt.b, tt.a) != tt.want {
			t.Errorf("%s: related is not %v", name, tt.want)
		}
	}
}
