package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/storetest"
)

// deployed is a daemon with the computer pc1, which was proven to hold salle@1 and is in room S104.
func deployed(t *testing.T) (*daemon, *agent.Client) {
	t.Helper()
	d := newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 4, 31)
	putMaster(t, d.data, "salle", ids[:3], frames[:3])
	putMaster(t, d.data, "salle", ids[1:], frames[1:])
	d.start()
	a := d.agent()
	d.enrol(a, "pc1")
	order[access.Job](d, "deploy", "salle@1", "--computer", "pc1", "--yes")
	proven(t, a, receive(t, a))
	order[access.Room](d, "room", "set", "S104", "--reset", "demand", "--level", "quick", "--menu", "on")
	order[access.Room](d, "computer", "room", "pc1", "S104")
	return d, a
}

// proven reports a task done.
func proven(t *testing.T, a *agent.Client, task job.Task) {
	t.Helper()
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}

func TestAResetIsOrderedAndHandedOut(t *testing.T) {
	d, a := deployed(t)
	ordered := order[access.Job](d, "reset", "--computer", "pc1", "--quick", "--yes")
	if ordered.Kind != job.KindReset || len(ordered.Tasks) != 1 || ordered.Tasks[0].Target != "salle@1" || ordered.Level != job.LevelQuick {
		t.Errorf("ordered %+v", ordered)
	}
	d.kill()
	d.start()
	task := receive(t, a)
	if task.Kind != job.KindReset || task.Master != "salle" || task.Version != 1 || task.Level != job.LevelQuick || task.Countdown != 10 ||
		task.Disk.MinSize != 2<<30 {
		t.Errorf("the agent gets %+v", task)
	}
	proof := &job.Proof{ID: strings.Repeat("a1", 16), Ok: true, Level: job.LevelFull, Asked: job.LevelQuick, Doubt: "the journal is not clean",
		Read: 5_000_000, FromCache: 2_000_000, Seconds: 3}
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now(), ReadBytes: 5_000_000, Proof: proof}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range [][3]string{{"job", ordered.ID, "2.0 MB from its own cache, everything was read: the journal is not clean"},
		{"computer", "pc1", "1 clean, 0 not, 0 without the server; 1 of 1 quick ones read everything"},
		{"computer", "pc1", "1 times: the journal is not clean"}, {"computer", "pc1", "salle@1: full, 5.0 MB read, 0 B rewritten in 3 s"}} {
		if exit, out, complaints := ardoise(tt[0], "show", tt[1], "--data", d.data); exit != 0 || !strings.Contains(out, tt[2]) {
			t.Errorf("ardoise %s show = %d, without %q\n%s%s", tt[0], exit, tt[2], out, complaints)
		}
	}
	if c := order[access.Computer](d, "computer", "show", "pc1"); c.Runs == nil || c.Runs.Version != 1 || c.Room != "S104" ||
		!strings.HasPrefix(c.OfflineReset, "no, because") {
		t.Errorf("afterwards the computer is %+v", c)
	}
	room := order[access.Job](d, "reset", "--room", "s104", "--full", "--at", "23:59", "--end", "poweroff", "--wake", "--yes")
	if room.NotBefore == nil || room.Level != job.LevelFull || room.Ending != job.EndPowerOff {
		t.Errorf("ordered for tonight: %+v", room)
	}
	if list := order[[]access.Job](d, "job", "list"); list[0].NotBefore == nil {
		t.Errorf("the list says %+v", list[0])
	}
	for _, args := range [][]string{{"job", "list"}, {"job", "show", room.ID}} {
		exit, out, complaints := ardoise(append(args, "--data", d.data)...)
		if exit != 0 || !strings.Contains(out, "waits for "+room.NotBefore.Local().Format("2006-01-02 15:04")) {
			t.Errorf("ardoise %s = %d %s%s", strings.Join(args, " "), exit, out, complaints)
		}
	}
	staged := order[access.Job](d, "stage", "salle@2", "--room", "S104")
	if task := receive(t, a); task.Job != staged.ID || task.Kind != job.KindStage || task.Version != 2 {
		t.Errorf("the agent gets %+v, want the staging of salle@2 before tonight's reset", task)
	}
}

func TestAResetSaysWhatIsLostAndAsks(t *testing.T) {
	d, _ := deployed(t)
	for _, answer := range []string{"yes\n", "wipe 1\n", "", "reset 1\n"} {
		want := 3
		if answer == "reset 1\n" {
			want = 0
		}
		var out, complaints bytes.Buffer
		exit := run(t.Context(), []string{"reset", "--computer", "pc1", "--data", d.data}, strings.NewReader(answer), &out, &complaints)
		if exit != want || !strings.Contains(out.String(), "everything that was changed since ") || !strings.Contains(out.String(), "salle@1") {
			t.Errorf("answered %q: %d, want %d\n%s%s", answer, exit, want, out.String(), complaints.String())
		}
	}
	refusals := map[string]struct {
		exit int
		args []string
	}{
		"no such computer":      {3, []string{"reset", "--computer", "pc9", "--yes"}},
		"no such room":          {3, []string{"reset", "--room", "S999", "--yes"}},
		"no time":               {2, []string{"reset", "--computer", "pc1", "--at", "soon", "--yes"}},
		"both levels":           {2, []string{"reset", "--computer", "pc1", "--quick", "--full", "--yes"}},
		"no such policy":        {2, []string{"room", "set", "S104", "--reset", "weekly"}},
		"a menu that is maybe":  {2, []string{"room", "set", "S104", "--menu", "maybe"}},
		"no such master":        {3, []string{"room", "set", "S104", "--master", "gone@3"}},
		"a room that is needed": {3, []string{"room", "forget", "S104"}},
		"a stage of nothing":    {3, []string{"stage", "gone", "--room", "S104"}},
		"nobody":                {2, []string{"stage", "salle"}},
	}
	for name, tt := range refusals {
		exit, out, complaints := ardoise(append(tt.args, "--data", d.data)...)
		if exit != tt.exit || !strings.HasPrefix(complaints, "error: ") || strings.Count(complaints, "\n") != 2 {
			t.Errorf("%s: %d, want %d\n%s%s", name, exit, tt.exit, out, complaints)
		}
	}
}

func TestARoomIsWhatWasSaidOfIt(t *testing.T) {
	d, _ := deployed(t)
	phrase := filepath.Join(t.TempDir(), "phrase")
	if err := os.WriteFile(phrase, []byte("quatre mots sans rapport\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := order[access.Room](d, "room", "set", "S104", "--reset", "night", "--night", "03:15", "--lang", "en", "--master", "salle@2",
		"--passphrase-file", phrase, "--hostname", "{room}-{number}")
	d.kill()
	d.start()
	again := order[access.Room](d, "room", "show", "s104")
	if again.Policy != job.PolicyNight || again.Night != "03:15" || again.Lang != "en" || again.Master != "salle@2" || !again.Passphrase ||
		again.Level != job.LevelQuick || !again.Menu || again.Template.Hostname != "{room}-{number}" || len(again.Computers) != 1 {
		t.Errorf("after a restart the room is %+v, was %+v", again, r)
	}
	r = order[access.Room](d, "room", "set", "S104", "--passphrase-file", "-", "--master", "-", "--hostname", "-", "--reset", "never")
	if r.Passphrase || r.Master != "" || r.Template.Hostname != "" || r.Policy != job.PolicyNever {
		t.Errorf("taken back: %+v", r)
	}
	if err := os.WriteFile(phrase, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, _, complaints := ardoise("room", "set", "S104", "--passphrase-file", phrase, "--data", d.data); exit != 2 {
		t.Errorf("a passphrase of five characters: %d %s", exit, complaints)
	}
	order[access.Room](d, "computer", "room", "pc1", "-")
	if all := order[[]access.Room](d, "room", "list"); len(all) != 1 || len(all[0].Computers) != 0 {
		t.Errorf("the rooms are %+v", all)
	}
	order[access.Room](d, "room", "forget", "S104")
	for _, args := range [][]string{{"room", "list"}, {"computer", "show", "pc1"}} {
		if exit, out, complaints := ardoise(append(args, "--data", d.data)...); exit != 0 || strings.Contains(out, "S104 ") {
			t.Errorf("ardoise %s = %d %s%s", strings.Join(args, " "), exit, out, complaints)
		}
	}
}

func TestATokenIsPrintedOnce(t *testing.T) {
	d, _ := deployed(t)
	exit, out, complaints := ardoise("computer", "token", "pc1", "--data", d.data)
	var token job.RunningToken
	if err := json.Unmarshal([]byte(out), &token); exit != 0 || err != nil || token.Computer != "pc1" || len(token.Token) < 40 ||
		len(token.CA) != 64 || !strings.Contains(token.Server, ":") {
		t.Fatalf("the token is %d %s%s", exit, out, complaints)
	}
	shown := order[access.Computer](d, "computer", "show", "pc1")
	raw, err := json.Marshal(shown)
	if err != nil || shown.Token == nil || bytes.Contains(raw, []byte(token.Token)) {
		t.Errorf("the computer is shown as %s, %v", raw, err)
	}
	database, err := os.ReadFile(filepath.Join(d.data, databaseName))
	if err != nil || bytes.Contains(database, []byte(token.Token)) {
		t.Errorf("the database holds the token itself, %v", err)
	}
	if exit, out, complaints := ardoise("computer", "token", "pc1", "--revoke", "--data", d.data); exit != 0 {
		t.Errorf("revoking: %d %s%s", exit, out, complaints)
	}
	if shown := order[access.Computer](d, "computer", "show", "pc1"); shown.Token != nil {
		t.Error("a revoked token is shown")
	}
}

func TestTimesOfOrders(t *testing.T) {
	paris := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 22, 21, 0, 0, 0, paris)
	for in, want := range map[string]time.Time{
		"22:00":                time.Date(2026, 11, 22, 22, 0, 0, 0, paris),
		"20:59":                time.Date(2026, 11, 23, 20, 59, 0, 0, paris),
		"21:00":                time.Date(2026, 11, 23, 21, 0, 0, 0, paris),
		"2026-11-23T02:00":     time.Date(2026, 11, 23, 2, 0, 0, 0, paris),
		"2026-11-23 02:00":     time.Date(2026, 11, 23, 2, 0, 0, 0, paris),
		"2026-11-23T02:00:00Z": time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC),
		"":                     {},
	} {
		if got, err := timeOf(in, now); err != nil || !got.Equal(want) {
			t.Errorf("--at %q = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"soon", "25:00", "2026-13-01T00:00", "22h"} {
		if got, err := timeOf(in, now); err == nil {
			t.Errorf("--at %q = %v", in, got)
		}
	}
}

// A real master with a name of its own in it, a room with a pattern: what the agent gets carries the computer's name.
func TestAComputersOwnNameTravelsWithItsTask(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	must(t, "master", "capture", "debian", "--disk", schoolPC(t), "--data", d.data)
	d.start()
	a := d.agent()
	d.enrol(a, "S104-07")
	order[access.Room](d, "room", "set", "S104", "--hostname", "{room}-{number}")
	order[access.Room](d, "computer", "room", "S104-07", "S104")
	order[access.Job](d, "deploy", "debian", "--room", "S104", "--yes")
	task := receive(t, a)
	if !slices.ContainsFunc(task.Exceptions, func(x job.Exception) bool { return bytes.HasPrefix(x.Content, []byte("S104-07\n")) }) {
		t.Fatalf("the agent gets the exceptions %+v", task.Exceptions)
	}
	proven(t, a, task)
	order[access.Job](d, "reset", "--room", "S104", "--yes")
	if again := receive(t, a); len(again.Exceptions) != len(task.Exceptions) || again.Exceptions[0].Hash != task.Exceptions[0].Hash {
		t.Errorf("for its reset it gets %+v", again.Exceptions)
	}
}
