package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/ardoise/ardoise/console/access"
)

func TestARoomIsArranged(t *testing.T) {
	d, _ := schoolDaemon(t)
	order[access.Room](d, "room", "set", "S104", "--title", "Langues", "--note", "key at the office", "--hours", "08:00-18:00")
	a := d.agent()
	d.enrol(a, "pc1")
	order[access.Room](d, "computer", "room", "pc1", "S104")
	arrange := func(args ...string) access.Room {
		t.Helper()
		return order[access.Room](d, append([]string{"room", "arrange", "S104"}, args...)...)
	}
	if r := arrange("pc1=3,7", "--teacher", "pc1"); !slices.Equal(r.Plan, []access.Place{{Computer: "pc1", X: 3, Y: 7}}) || r.Teacher != "pc1" {
		t.Errorf("arranged: %+v", r)
	}
	if r := arrange("--spare", "pc1", "--teacher", "-"); len(r.Plan) != 1 || r.Teacher != "" || !slices.Equal(r.Spares, []string{"pc1"}) {
		t.Errorf("said of its computers: %+v", r)
	}
	if r := arrange("--columns", "4", "--spare", ""); !slices.Equal(r.Plan, []access.Place{{Computer: "pc1"}}) || len(r.Spares) != 0 {
		t.Errorf("drawn anew: %+v", r)
	}
	for word, args := range map[string][]string{"pc1": {"pc1"}, "100,0": {"pc1=100,0"}, "=1,2": {"=1,2"}, "1,2,3": {"pc1=1,2,3"}, "-1,0": {"pc1=-1,0"}, "not both": {"pc1=1,1", "--columns", "2"},
		"--teacher": {}, "--columns is": {"--columns", "0"}} {
		told(t, 2, "", word, append([]string{"room", "arrange", "S104", "--data", d.data}, args...)...)
	}
	told(t, 3, "", "nobody", "room", "arrange", "S104", "nobody=1,1", "--data", d.data)
	told(t, 2, "", "--hours", "room", "set", "S104", "--hours", "morning", "--data", d.data)
	out, _ := printed(t, 0, "room", "show", "S104", "--data", d.data)
	for _, want := range []string{"Langues", "key at the office", "08:00 to 18:00"} {
		if !strings.Contains(out, want) {
			t.Errorf("room show does not say %s:\n%s", want, out)
		}
	}
	if r := order[access.Room](d, "room", "set", "S104", "--hours", "-", "--title", "-"); r.Hours != ([2]string{}) || r.Title != "" || r.Note == "" {
		t.Errorf("taken back: %+v", r)
	}
}

func TestRowsOfARoom(t *testing.T) {
	var names []string
	for i := range 201 {
		names = append(names, fmt.Sprint("pc", i))
	}
	rows, err := inRows(names, 3)
	if err != nil || rows[200] != (access.Place{Computer: "pc200", X: 2, Y: 66}) {
		t.Errorf("in rows of three: %v %v", rows[200], err)
	}
	if _, err := inRows(names, 2); err == nil {
		t.Error("a drawing has more than a hundred rows")
	}
}

func TestBrokenThingsAreReportedByCommand(t *testing.T) {
	d, console := schoolDaemon(t)
	order[access.Room](d, "room", "set", "S104")
	d.enrol(d.agent(), "pc1")
	order[access.Room](d, "computer", "room", "pc1", "S104")
	one := order[access.Request](d, "request", "add", "the mouse sticks", "--computer", "pc1")
	if one.Computer != "pc1" || one.Room != "S104" || one.State != "open" || one.Text != "the mouse sticks" {
		t.Errorf("reported: %+v", one)
	}
	order[access.Request](d, "request", "add", "no light", "--room", "S104")
	if all := order[[]access.Request](d, "request", "list", "--limit", "1"); len(all) != 1 || all[0].Text != "no light" {
		t.Errorf("the newest: %+v", all)
	}
	if all := order[[]access.Request](d, "request", "list", "--computer", "pc1"); len(all) != 1 || all[0].ID != one.ID {
		t.Errorf("of pc1: %+v", all)
	}
	told(t, 2, "", "--computer", "request", "add", "nowhere", "--data", d.data)
	told(t, 2, "", "--computer", "request", "add", "twice", "--computer", "pc1", "--room", "S104", "--data", d.data)
	told(t, 3, "", "nobody", "request", "add", "x", "--computer", "nobody", "--data", d.data)

	labels := order[[]label](d, "label", "print", "--room", "S104")
	if len(labels) != 1 || labels[0].Computer != "pc1" || labels[0].URL != console+access.LabelPath+labels[0].Code || len(labels[0].Code) < 20 {
		t.Errorf("the labels are %+v", labels)
	}
	if again := order[[]label](d, "label", "print", "pc1", "--url", "https://ardoise.school.example/"); again[0].Code != labels[0].Code ||
		again[0].URL != "https://ardoise.school.example"+access.LabelPath+labels[0].Code {
		t.Errorf("printed again: %+v", again)
	}
	out, _ := printed(t, 0, "label", "print", "--filter", "room:S104", "--data", d.data)
	if !strings.Contains(out, "pc1  S104\n"+labels[0].URL+"\n") || !strings.Contains(out, "█") || strings.Contains(out, "\x1b") {
		t.Errorf("a label is\n%s", out)
	}
	if anew := order[[]label](d, "label", "replace", "pc1"); len(anew) != 1 || anew[0].Code == labels[0].Code || !strings.HasSuffix(anew[0].URL, anew[0].Code) {
		t.Errorf("replaced: %+v", anew)
	} else if again := order[[]label](d, "label", "print", "pc1"); again[0].Code != anew[0].Code {
		t.Errorf("printed after it was replaced: %+v", again)
	}
	told(t, 2, "", "--room", "label", "replace", "--data", d.data)
	told(t, 2, "", "--room", "label", "print", "--data", d.data)
	told(t, 2, "", "https://", "label", "print", "pc1", "--url", "http://x", "--data", d.data)
	told(t, 3, "", "nobody", "label", "print", "nobody", "--data", d.data)
}

// What is printed is the code that the address makes, module by module, with its quiet zone.
func TestALabelsCodeIsDrawnAsItIs(t *testing.T) {
	const url = "https://ardoise.lycee-zola.example:8443/l/YWGVrr1OwTzEHLp15ALmow"
	code, err := qr.Encode(url, qr.Q)
	if err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []bool{false, true} {
		var b bytes.Buffer
		showLabel(&b, label{Computer: "pc1", Room: "S104", URL: url}, terminal)
		lines := strings.Split(b.String(), "\n")
		for y := -4; y < code.Size+4; y++ {
			line := lines[(y+4)/2]
			if strings.HasPrefix(line, "\x1b[30;107m") != terminal || strings.HasSuffix(line, "\x1b[0m") != terminal {
				t.Fatalf("line %d is %q", y, line)
			}
			row := []rune(strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m"))
			if len(row) != code.Size+8 {
				t.Fatalf("line %d has %d characters", y, len(row))
			}
			for x := -4; x < code.Size+4; x++ {
				half := strings.ContainsRune("█▀", row[x+4])
				if (y+4)%2 == 1 {
					half = strings.ContainsRune("█▄", row[x+4])
				}
				if dark := x >= 0 && y >= 0 && code.Black(x, y); half != dark {
					t.Fatalf("the module at %d, %d is wrong", x, y)
				}
			}
		}
	}
}

func TestLongListsComePageByPage(t *testing.T) {
	d, _ := schoolDaemon(t)
	d.enrol(d.agent(), "pc1")
	order[access.Room](d, "room", "set", "S104")
	order[access.Room](d, "computer", "room", "pc1", "S104")
	for range 3 {
		j := order[access.Job](d, "inventory", "--computer", "pc1")
		order[access.Job](d, "job", "cancel", j.ID)
	}
	all := order[[]access.Event](d, "event", "list")
	for limit, before := 2, int64(0); len(all) > 0; {
		args := []string{"event", "list", "--limit", fmt.Sprint(limit)}
		if before > 0 {
			args = append(args, "--before", fmt.Sprint(before))
		}
		page := order[[]access.Event](d, args...)
		if len(page) == 0 || len(page) > limit || page[len(page)-1].Number != all[len(all)-1].Number {
			t.Fatalf("a page is %+v, of %+v", page, all)
		}
		all, before = all[:len(all)-len(page)], page[0].Number
	}
	if some := order[[]access.Event](d, "event", "list", "--severity", "alarm", "--since", "1h"); len(some) != 0 {
		t.Errorf("alarms: %+v", some)
	}
	jobs := order[[]access.Job](d, "job", "list", "--limit", "1")
	older := order[[]access.Job](d, "job", "list", "--before", jobs[0].ID, "--kind", "inventory", "--state", "cancelled", "--room", "S104")
	if len(jobs) != 1 || len(older) != 2 || older[0].ID == jobs[0].ID || !slices.Equal(older[0].Rooms, []string{"S104"}) {
		t.Errorf("the newest job is %+v, then come %+v", jobs, older)
	}
	entries := order[[]access.AuditEntry](d, "audit", "list", "--limit", "2")
	if more := order[[]access.AuditEntry](d, "audit", "list", "--limit", "1", "--before", fmt.Sprint(entries[0].Number), "--since", "1h"); len(more) != 1 || more[0].Number != entries[1].Number {
		t.Errorf("after %+v comes %+v", entries, more)
	}
	if none := order[[]access.AuditEntry](d, "audit", "list", "--until", "2020-01-01"); len(none) != 0 {
		t.Errorf("before us %+v was done", none)
	}
	for word, args := range map[string][]string{"--since": {"event", "list", "--since", "yesterday"}, "--until": {"audit", "list", "--until", "-3h"}} {
		told(t, 2, "", word, append(args, "--data", d.data)...)
	}
	order[access.Invited](d, "person", "invite", "marie", "--role", "reader")
	if all := order[[]access.Login](d, "person", "session", "list", "marie"); len(all) != 0 {
		t.Errorf("who never logged in has %+v", all)
	}
	told(t, 3, "", "77", "person", "session", "end", "marie", "77", "--data", d.data)
	if c := order[access.Computer](d, "computer", "forget", "pc1"); c.Name != "pc1" {
		t.Errorf("forgotten: %+v", c)
	}
	told(t, 3, "", "pc1", "computer", "show", "pc1", "--data", d.data)
}
