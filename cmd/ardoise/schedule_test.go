package main

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/job"
)

// typed runs a command line with what a person types.
func typed(t *testing.T, stdin string, args ...string) (code int, out, complaints string) {
	t.Helper()
	var o, c bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &o, &c)
	return code, o.String(), c.String()
}

func TestAChangeOfAScheduleKeepsWhatWasNotSaid(t *testing.T) {
	d, _ := deployed(t)
	dialed, err := api.Dial(t.Context(), d.data)
	if err != nil {
		t.Fatal(err)
	}
	made, err := dialed.SetSchedule(t.Context(), access.Schedule{Name: "nights", Days: []string{"mon", "fri"}, At: "21:15", Until: "04:30", Paused: true,
		Order: access.ScheduledOrder{Kind: job.KindReset, Rooms: []string{"S104"}, Computers: []string{"pc1"}, Level: job.LevelQuick, Ending: job.EndPowerOff, Retries: 3,
			Wake: false, Countdown: 45, Disk: job.DiskRule{Bus: "sata"}}})
	if err != nil {
		t.Fatal(err)
	}
	set := func(args ...string) access.Schedule {
		t.Helper()
		return order[access.Schedule](d, append([]string{"schedule", "set", "--id", made.ID, "--yes"}, args...)...)
	}
	want := made
	for _, change := range []struct {
		args []string
		do   func()
	}{
		{nil, func() {}},
		{[]string{"--retries", "1"}, func() { want.Order.Retries = 1 }},
		{[]string{"weeknights"}, func() { want.Name = "weeknights" }},
		{[]string{"--until", "05:15", "--days", "tue"}, func() { want.Until, want.Days = "05:15", []string{"tue"} }},
		{[]string{"--computer", ""}, func() { want.Order.Computers = nil }},
		{[]string{"--level", "full", "--countdown", "5", "--wake"}, func() { want.Order.Level, want.Order.Countdown, want.Order.Wake = job.LevelFull, 5, true }},
		{[]string{"--bus", "nvme", "--min-size", "1000"}, func() { want.Order.Disk = job.DiskRule{Bus: "nvme", MinSize: 1000} }},
		{[]string{"--room", "", "--site", "-"}, func() { want.Order.Rooms, want.Order.Sites = nil, []string{""} }},
	} {
		change.do()
		got := set(change.args...)
		got.Next, want.Next, got.By = nil, nil, want.By
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after %q it is\n%+v, want\n%+v", change.args, got, want)
		}
		want = got
	}
	told(t, 3, "", "99", "schedule", "set", "--id", "99", "--retries", "1", "--data", d.data)
	told(t, 2, "", "NAME is missing", "schedule", "set", "--retries", "1", "--data", d.data)
	if all := order[[]access.Schedule](d, "schedule", "list"); len(all) != 1 {
		t.Errorf("there are %d schedules", len(all))
	}
}

// What erases disks each night asks once, by the words that name what is lost, before it is kept.
func TestAScheduleThatErasesAsksFirst(t *testing.T) {
	d, _ := deployed(t)
	kept := func() int { return len(order[[]access.Schedule](d, "schedule", "list")) }
	deploy := []string{"schedule", "set", "nights", "--master", "salle@2", "--room", "S104", "--data", d.data}
	for _, answer := range []string{"", "yes\n", "wipe 2\n", "wipe all\n", "reset 1\n"} {
		code, out, complaints := typed(t, answer, deploy...)
		if code != 3 || kept() != 0 || !strings.Contains(complaints, `Type "wipe 1" to go on`) || !strings.Contains(out, "salle@2") ||
			!strings.Contains(complaints, "From 22:00 to 05:00, each mon, tue, wed, thu, fri, without asking again, this wipes everything on their disks and puts salle@2 there: "+
				"the computers of S104 then (1 now, pc1)") {
			t.Errorf("answered %q: %d, %d kept\n%s%s", answer, code, kept(), out, complaints)
		}
	}
	if code, _, complaints := typed(t, "wipe 1\n", deploy...); code != 0 || kept() != 1 {
		t.Errorf("agreed: %d %s", code, complaints)
	}
	id := order[[]access.Schedule](d, "schedule", "list")[0].ID
	if code, _, complaints := typed(t, "", "schedule", "set", "--id", id, "--retries", "2", "--data", d.data); code != 3 || !strings.Contains(complaints, "wipe 1") {
		t.Errorf("a change of what erases: %d %s", code, complaints)
	}
	if code, _, complaints := typed(t, "", "schedule", "set", "nights", "--master", "salle@2", "--filter", "tag:portable", "--data", d.data); code != 3 || !strings.Contains(complaints, `Type "wipe all" to go on`) ||
		!strings.Contains(complaints, "tag:portable then (none now)") {
		t.Errorf("for nobody yet: %d %s", code, complaints)
	}
	if code, _, complaints := typed(t, "reset 1\n", "schedule", "set", "clean", "--kind", "reset", "--room", "S104", "--json", "--data", d.data); code != 0 {
		t.Errorf("a reset: %d %s", code, complaints)
	}
	order[access.Schedule](d, "schedule", "pause", id)
	paused := func() bool { return order[[]access.Schedule](d, "schedule", "list")[1].Paused } // by name
	for _, answer := range []string{"", "yes\n", "wipe 2\n"} {
		if code, out, complaints := typed(t, answer, "schedule", "resume", id, "--data", d.data); code != 3 || !paused() || !strings.Contains(complaints, `Type "wipe 1" to go on`) ||
			!strings.Contains(out, "salle@2") {
			t.Errorf("to go on, answered %q: %d, paused %v\n%s%s", answer, code, paused(), out, complaints)
		}
	}
	if code, _, complaints := typed(t, "wipe 1\n", "schedule", "resume", id, "--data", d.data); code != 0 || paused() {
		t.Errorf("agreed to go on: %d %s", code, complaints)
	}
	order[access.Schedule](d, "schedule", "pause", id)
	if x := order[access.Schedule](d, "schedule", "resume", id, "--yes"); x.Paused {
		t.Error("it does not go on without being asked")
	}
	for _, kind := range []string{"inventory", "verify", "shutdown"} {
		if code, _, complaints := typed(t, "", "schedule", "set", "look "+kind, "--kind", kind, "--room", "S104", "--data", d.data); code != 0 || strings.Contains(complaints, "Type") {
			t.Errorf("%s erases nothing: %d %s", kind, code, complaints)
		}
	}
}

func TestResetsAreOrderedAsDeploymentsAre(t *testing.T) {
	d, _ := deployed(t)
	first := order[access.Job](d, "reset", "--computer", "pc1", "--yes")
	j := order[access.Job](d, "reset", "--site", "-", "--retries", "2", "--within", "90m", "--instead", "--yes")
	if len(j.Tasks) != 1 || j.Retries != 2 || j.Kind != job.KindReset || j.Ending != job.EndDisk {
		t.Errorf("ordered for a site: %+v", j)
	}
	if lasts := j.Expires.Sub(j.Created).Minutes(); lasts < 89 || lasts > 91 {
		t.Errorf("it holds for %.1f minutes, want 90", lasts)
	}
	if first = order[access.Job](d, "job", "show", first.ID); first.State != job.TaskCancelled {
		t.Errorf("what gave way is %s", first.State)
	}
	order[access.Job](d, "job", "cancel", j.ID)
	for _, args := range [][]string{{"--filter", "room:S104"}, {"--room", "S104,S104", "--computer", "pc1"}} {
		j := order[access.Job](d, append([]string{"reset", "--yes"}, args...)...)
		if len(j.Tasks) != 1 {
			t.Errorf("%q orders %+v", args, j)
		}
		order[access.Job](d, "job", "cancel", j.ID)
	}
	for word, args := range map[string][]string{"--retries": {"salle", "--disk", "/nowhere", "--retries", "2"}, "--room": {"salle", "--disk", "/nowhere", "--room", ""},
		"--filter": {"salle", "--disk", "/nowhere", "--filter", ""}, "--end": {"salle", "--disk", "/nowhere", "--end", "stay"}, "--yes": {"--yes"},
		"computers with": {"salle", "--disk", "/nowhere", "--site", "zola"}} {
		told(t, 2, "", word, append([]string{"reset", "--data", d.data}, args...)...)
	}
}
