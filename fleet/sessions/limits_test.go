package sessions

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // whatever this machine knows of time zones

	"github.com/ardoise/ardoise/imaging/multicast/session"
)

func TestHours(t *testing.T) {
	from, to, err := ParseHours("08:05-18:00")
	if err != nil || from != 8*time.Hour+5*time.Minute || to != 18*time.Hour {
		t.Errorf("08:05-18:00 is %v to %v, %v", from, to, err)
	}
	if _, to, err = ParseHours("22:00-24:00"); err != nil || to != 24*time.Hour {
		t.Errorf("22:00-24:00 ends at %v, %v", to, err)
	}
	for _, bad := range []string{"", "8-18", "08:00", "08:00-18:00 ", " 08:00-18:00", "8:00-18:00", "08:60-18:00", "24:00-08:00",
		"08:00-24:01", "08:00-08:00", "-8:00-18:00", "08:00-18:0x", "08:00-18:000", "+8:00-18:00"} {
		if from, to, err := ParseHours(bad); err == nil {
			t.Errorf("%q is %v to %v", bad, from, to)
		}
	}
}

func TestTheLimitOfTheHour(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	day := Limits{Total: 800, Lessons: 100, From: 8 * time.Hour, To: 18 * time.Hour}
	night := Limits{Total: 800, Lessons: 100, From: 22 * time.Hour, To: 6 * time.Hour}
	only := Limits{Lessons: 100, From: 8 * time.Hour, To: 18 * time.Hour}
	over := Limits{Total: 50, Lessons: 100, From: 8 * time.Hour, To: 18 * time.Hour}
	for _, tt := range []struct {
		limits Limits
		at     string // the 23rd of November 2026 is a Monday
		want   int64
	}{
		{day, "2026-11-23 07:59:59", 800}, {day, "2026-11-23 08:00:00", 100}, {day, "2026-11-27 17:59:59", 100},
		{day, "2026-11-23 18:00:00", 800}, {day, "2026-11-28 12:00:00", 800}, {day, "2026-11-29 12:00:00", 800},
		{night, "2026-11-23 23:00:00", 100}, {night, "2026-11-24 05:59:00", 100}, {night, "2026-11-24 06:00:00", 800},
		{night, "2026-11-28 05:00:00", 100}, {night, "2026-11-28 23:00:00", 800}, {night, "2026-11-23 05:00:00", 800},
		{only, "2026-11-23 12:00:00", 100}, {only, "2026-11-23 20:00:00", 0},
		{over, "2026-11-23 12:00:00", 50}, {over, "2026-11-23 20:00:00", 50},
		{Limits{Total: 7}, "2026-11-23 12:00:00", 7}, {Limits{}, "2026-11-23 12:00:00", 0},
	} {
		at, err := time.ParseInLocation(time.DateTime, tt.at, paris)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.limits.At(at); got != tt.want {
			t.Errorf("%+v at %s: %d, want %d", tt.limits, tt.at, got, tt.want)
		}
	}
	// A gigabit line carries 117.7 MB of payload a second, no more.
	if got := Payload(1_000_000_000); got < 117_000_000 || got > 120_000_000 {
		t.Errorf("1 Gb/s carries %d bytes of payload a second", got)
	}
}

func TestTheUplinkIsShared(t *testing.T) {
	const M = 1_000_000
	for name, tt := range map[string]struct {
		total       int64
		rates, want []int64
	}{
		"no limit":                             {0, []int64{5 * M, 50 * M}, []int64{0, 0}},
		"nobody":                               {100 * M, nil, nil},
		"one alone":                            {100 * M, []int64{1 * M}, []int64{100 * M}},
		"two busy ones":                        {100 * M, []int64{60 * M, 60 * M}, []int64{50 * M, 50 * M}},
		"one that is slow leaves the rest":     {100 * M, []int64{10 * M, 60 * M}, []int64{20 * M, 80 * M}},
		"one that begins may begin":            {100 * M, []int64{90 * M, 0}, []int64{95 * M, 5 * M}},
		"less than what one begins with":       {4 * M, []int64{0, 0}, []int64{2 * M, 2 * M}},
		"a limit of almost nothing is no zero": {1, []int64{0, 0}, []int64{1, 1}},
	} {
		if got := shares(tt.total, tt.rates); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Who begins beside others does not begin with all of the limit.
func TestASenderBeginsWithItsPart(t *testing.T) {
	const M = 1_000_000
	limit := int64(0)
	m := New(Options{Limit: func(time.Time) int64 { return limit }})
	if got := m.opening(time.Unix(0, 0)); got != 0 {
		t.Errorf("without a limit it begins with %d", got)
	}
	limit = 800 * M
	whole := Payload(limit)
	if got := m.opening(time.Unix(0, 0)); got != whole {
		t.Errorf("alone it begins with %d of %d", got, whole)
	}
	m.runs["over"] = &run{report: Report{Now: State{Sample: Sample{Rate: 90 * M}}}}
	if got := m.opening(time.Unix(0, 0)); got != whole {
		t.Errorf("beside one that is over it begins with %d of %d", got, whole)
	}
	m.runs["busy"] = &run{server: &session.Server{}, report: Report{Now: State{Sample: Sample{Rate: 90 * M}}}}
	if got := m.opening(time.Unix(0, 0)); got != leastShare {
		t.Errorf("beside one that takes nearly all it begins with %d", got)
	}
}
