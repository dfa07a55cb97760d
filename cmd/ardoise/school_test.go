package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// schoolDaemon is a daemon with a console, and where that is.
func schoolDaemon(t *testing.T) (d *daemon, console string) {
	t.Helper()
	d = daemonAt(t, shortFolder(t), "--console", "127.0.0.1:0")
	seedMaster(t, d.data, "bureautique")
	d.start()
	found := regexp.MustCompile(`(?m)^ardoise: ready .* console=(https://127\.0\.0\.1:[0-9]+)$`).FindStringSubmatch(d.said())
	if found == nil {
		t.Fatalf("nothing says where the console is:\n%s", d.said())
	}
	return d, found[1]
}

// seedMaster puts a version that a channel points at into a data folder that nobody has open.
func seedMaster(t *testing.T, data, name string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, bytes.Repeat([]byte("ardoise "), 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	printed(t, 0, "master", "capture", name, "--disk", image, "--data", data)
	printed(t, 0, "master", "promote", name+"@1", "stable", "--data", data)
}

func TestASchoolIsRunFromTheCommandLine(t *testing.T) {
	d, _ := schoolDaemon(t)
	if !regexp.MustCompile(`(?m)^ardoise: first https://127\.0\.0\.1:[0-9]+/first/[A-Za-z0-9_-]{43}$`).MatchString(d.said()) {
		t.Errorf("no link for the first administrator:\n%s", d.said())
	}
	if s := order[access.Site](d, "site", "set", "zola", "--title", "Lycée Zola", "--network", "10.1.0.0/16"); s.Title != "Lycée Zola" {
		t.Errorf("the site is %+v", s)
	}
	if r := order[access.Room](d, "room", "set", "zola/S104"); r.Site != "zola" {
		t.Errorf("the room is %+v", r)
	}
	d.enrol(d.agent(), "pc1")
	order[access.Room](d, "computer", "room", "pc1", "zola/S104")
	if all := order[[]access.Computer](d, "computer", "tag", "pc1", "--add", "portable,old"); len(all) != 1 || len(all[0].Tags) != 2 {
		t.Errorf("tagged %+v", all)
	}
	order[access.Computer](d, "computer", "note", "pc1", "its fan is loud")
	for query, n := range map[string]int{"tag:portable": 1, "site:zola -tag:old": 0, "room:zola/S104": 1} {
		if all := order[[]access.Computer](d, "computer", "list", "--filter", query); len(all) != n {
			t.Errorf("%s matches %d computers, want %d", query, len(all), n)
		}
	}
	sheet := filepath.Join(t.TempDir(), "list.csv")
	out, _ := printed(t, 0, "computer", "export", "--data", d.data)
	if err := os.WriteFile(sheet, []byte(strings.ReplaceAll(out, "its fan is loud", "its fan was replaced")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := order[access.SheetReport](d, "computer", "import", sheet, "--dry-run"); r.Changed != 1 || r.Done {
		t.Errorf("a dry run: %+v", r)
	}
	if r := order[access.SheetReport](d, "computer", "import", sheet); r.Changed != 1 || !r.Done {
		t.Errorf("an import: %+v", r)
	}
	order[access.Filter](d, "filter", "save", "old ones", "tag:old")
	if all := order[[]access.Filter](d, "filter", "list"); len(all) != 1 || all[0].Query != "tag:old" {
		t.Errorf("filters %+v", all)
	}
	s := order[access.Schedule](d, "schedule", "set", "fridays", "--master", "bureautique@stable", "--room", "zola/S104", "--days", "fri", "--yes")
	if s.Next == nil || s.Order.Kind != job.KindDeploy {
		t.Errorf("the schedule is %+v", s)
	}
	if s = order[access.Schedule](d, "schedule", "pause", s.ID); !s.Paused {
		t.Errorf("paused, it is %+v", s)
	}
	told(t, 3, "", "zola", "site", "forget", "zola", "--data", d.data)
	if all := order[[]access.Window](d, "computer", "enrol-window", "open", "zola/S104", "--count", "3"); len(all) != 1 || all[0].Count != 3 {
		t.Errorf("windows %+v", all)
	}
	order[[]access.Window](d, "computer", "enrol-window", "close", "zola/S104")
	mail := filepath.Join(t.TempDir(), "post.json")
	if err := os.WriteFile(mail, []byte(`{"at":"07:00","language":"fr","hook":{"url":"https://127.0.0.1:1/x","secret":"quiet"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := order[access.PostState](d, "post", "set", mail); s.At != "07:00" || s.Hook == nil || s.Hook.Secret == "quiet" {
		t.Errorf("the post is %+v", s)
	}
	told(t, 5, "", "127.0.0.1", "post", "try", "--data", d.data)
	worksAreOrdered(t, d)
	peopleAreKept(t, d)
}

// worksAreOrdered orders what is no deployment.
func worksAreOrdered(t *testing.T, d *daemon) {
	t.Helper()
	told(t, 3, "", "", "wipe", "--computer", "pc1", "--data", d.data) // nobody typed the sentence's words
	for _, line := range [][]string{{"verify", "bureautique", "--room", "zola/S104"}, {"inventory", "--filter", "tag:old"},
		{"shutdown", "--site", "zola"}, {"wipe", "--computer", "pc1", "--method", "overwrite", "--yes"}} {
		j := order[access.Job](d, line...)
		if string(j.Kind) != line[0] || len(j.Tasks) != 1 {
			t.Errorf("%v ordered %+v", line, j)
		}
		order[access.Job](d, "job", "cancel", j.ID)
	}
	text := filepath.Join(t.TempDir(), "tidy.sh")
	if err := os.WriteFile(text, []byte("#!/bin/sh\ntrue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	order[access.Script](d, "script", "add", "tidy", text, "--limit", "1m")
	told(t, 3, "", "tidy", "script", "run", "tidy", "--computer", "pc1", "--data", d.data)
	order[access.Script](d, "script", "approve", "tidy") // there is nobody else
	if j := order[access.Job](d, "script", "run", "tidy", "--computer", "pc1"); j.Kind != job.KindScript || j.Script == nil || j.Script.Name != "tidy" {
		t.Errorf("the script is ordered as %+v", j)
	}
}

// peopleAreKept invites, changes and forgets people, and reads what was written of it.
func peopleAreKept(t *testing.T, d *daemon) {
	t.Helper()
	p := order[access.Invited](d, "person", "invite", "marie", "--role", "technician", "--site", "zola", "--name", "Marie Curie")
	if !p.Invited || len(p.Secret) < 40 || !strings.HasSuffix(p.Path, p.Secret) {
		t.Errorf("invited %+v", p)
	}
	told(t, 3, "", "marie", "site", "forget", "zola", "--data", d.data)
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"person", "password", "marie", "--data", d.data}, strings.NewReader("short\n"), &out, &complaints); code != 2 {
		t.Errorf("a short password: %d %s", code, complaints.String())
	}
	if code := run(t.Context(), []string{"person", "password", "marie", "--data", d.data}, strings.NewReader("quatre mots pour entrer\n"), &out, &complaints); code != 0 {
		t.Errorf("a password: %d %s", code, complaints.String())
	}
	if p := order[access.Person](d, "person", "role", "marie", "--role", "administrator"); p.Role != "administrator" || p.Invited {
		t.Errorf("changed to %+v", p)
	}
	told(t, 3, "", "marie", "person", "disable", "marie", "--data", d.data) // the last administrator
	token := order[access.Token](d, "token", "make", "robot", "--person", "marie", "--scope", "read,reset")
	if !strings.HasPrefix(token.Secret, "ard_") || len(token.Scopes) != 2 {
		t.Errorf("the token is %+v", token)
	}
	if all := order[[]access.Token](d, "token", "list"); len(all) != 1 || all[0].Secret != "" || all[0].Person != "marie" {
		t.Errorf("tokens %+v", all)
	}
	order[access.Token](d, "token", "forget", token.ID)
	if all := order[[]access.Request](d, "request", "list"); len(all) != 0 {
		t.Errorf("requests %+v", all)
	}
	entries := order[[]access.AuditEntry](d, "audit", "list", "--action", "person set")
	if len(entries) < 4 || entries[0].Result != "refused" || entries[0].Via != "socket" || entries[0].Who == "" {
		t.Errorf("the audit log says %+v", entries)
	}
	if state := order[access.AuditState](d, "audit", "verify"); state.Broken != 0 || state.Entries < 20 {
		t.Errorf("the audit log is %+v", state)
	}
}

// printed runs a command and returns what it printed.
func printed(t *testing.T, code int, args ...string) (out, complaints string) {
	t.Helper()
	var o, c bytes.Buffer
	if got := run(t.Context(), args, strings.NewReader(""), &o, &c); got != code {
		t.Fatalf("ardoise %s = %d, want %d: %s", strings.Join(args, " "), got, code, c.String())
	}
	return o.String(), c.String()
}

func TestShellsAreOfferedNames(t *testing.T) {
	d, _ := schoolDaemon(t)
	d.enrol(d.agent(), "pc1")
	order[access.Room](d, "room", "set", "S104")
	for line, want := range map[string]string{"computer show --data DATA p": "pc1", "deploy --data DATA bur": "bureautique@stable",
		"deploy --data DATA x --room S": "S104", "computer show --data /nowhere p": ":4"} {
		args := append([]string{"__complete"}, strings.Fields(strings.ReplaceAll(line, "DATA", d.data))...)
		if out, _ := printed(t, 0, args...); !strings.Contains(out, want) {
			t.Errorf("%s is completed to %q, want %s", line, out, want)
		}
	}
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	printed(t, 0, "manual", dir)
	for _, name := range []string{"ardoise", "ardoise-serve", "ardoise-person-invite", "ardoise-computer-enrol-window-open", "ardoise-wipe"} {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !bytes.Contains(page, []byte(".SH NAME")) || !bytes.HasPrefix(bytes.TrimSpace(bytes.SplitN(page, []byte(".TH"), 2)[1]), []byte(`"ARDOISE" "1" "Jan 1970"`)) {
			t.Errorf("%s: %v %.200s", name, err, page)
		}
	}
}

// The page of examples is what somebody copies first: each of its commands works, in their order.
func TestTheExamplesOfTheAPIWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n").FindAllSubmatch(page, -1)
	if len(examples) < 10 {
		t.Fatalf("the page has %d examples", len(examples))
	}
	d, console := schoolDaemon(t)
	d.enrol(d.agent(), "pc1")
	order[access.Room](d, "room", "set", "S104")
	order[access.Room](d, "computer", "room", "pc1", "S104")
	order[access.Invited](d, "person", "invite", "marie", "--role", "administrator", "--name", "Marie")
	token := order[access.Token](d, "token", "make", "examples", "--person", "marie", "--scope", "admin")
	dir := t.TempDir()
	examples = append(examples, [][]byte{nil, []byte(`curl -sS --fail --cacert "$CA" "$ARDOISE/healthz" | grep -x ok`)},
		[][]byte{nil, []byte(`test "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$CA" "$ARDOISE/metrics")" = 401`)},
		[][]byte{nil, []byte(`curl -sS --fail --cacert "$CA" -H "Authorization: Bearer $TOKEN" "$ARDOISE/metrics" | grep '^ardoise_computers{site="",state="enrolled"} 1$'`)})
	for _, e := range examples {
		c := exec.Command("bash", "-euo", "pipefail", "-c", string(e[1]))
		c.Dir = dir
		c.Env = append(os.Environ(), "ARDOISE="+console, "TOKEN="+token.Secret, "CA="+filepath.Join(d.data, "ca", "ca.pem"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s\n%v: %s", e[1], err, out)
		}
	}
}
