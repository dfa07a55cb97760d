package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// everyCommand calls do with each command that people see.
func everyCommand(do func(c *cobra.Command)) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
				do(sub)
				walk(sub)
			}
		}
	}
	walk(newRoot(func() {}))
}

func TestEachCommandHasItsPlaceInTheHelp(t *testing.T) {
	nouns := 0
	everyCommand(func(c *cobra.Command) {
		if !c.Parent().HasParent() {
			nouns++
			if c.GroupID == "" {
				t.Errorf("%s has no group: add it to groups", c.Name())
			}
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.ToLower(c.Short[:1]) != c.Short[:1] {
			t.Errorf("%s says of itself %q", c.CommandPath(), c.Short)
		}
	})
	if nouns < 25 {
		t.Errorf("%d nouns were looked at", nouns)
	}
	for _, g := range groups() {
		for _, noun := range strings.Fields(g.nouns) {
			if c, _, err := newRoot(func() {}).Find([]string{noun}); err != nil || c.Name() != noun {
				t.Errorf("%s has %s, which is not there: %v", g.title, noun, err)
			}
		}
	}
}

func TestTheProgramSaysWhichItIs(t *testing.T) {
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, nil, &out, &complaints); code != 0 || complaints.Len() > 0 {
		t.Fatalf("exit %d: %s", code, complaints.String())
	}
	if said := out.String(); said != "ardoise "+version()+"\n" {
		t.Errorf("it says %q", said)
	}
}

func TestEachCommandPrintsJSON(t *testing.T) {
	files := []string{"ardoise serve", "ardoise computer export", "ardoise computer token", "ardoise helper add", "ardoise helper run"} // what they print is a log, or a file
	everyCommand(func(c *cobra.Command) {
		if has := c.Flags().Lookup("json") != nil; !c.HasSubCommands() && has == slices.Contains(files, c.CommandPath()) {
			t.Errorf("%s: --json %v", c.CommandPath(), has)
		}
	})
}

func TestTheDocumentsListEachCommand(t *testing.T) {
	const path = "../../docs/commands.md"
	want := commandPage(newRoot(func() {}))
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the program says (%v): `ardoise manual --page docs/commands.md` writes it", path, err)
	}
	dir := t.TempDir()
	if code, _, out := ardoise("manual", dir); code != 0 {
		t.Fatalf("manual = %d %s", code, out)
	}
	everyCommand(func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil || !bytes.Contains(page, []byte("NAME")) {
			t.Errorf("the manual of %s: %v", c.CommandPath(), err)
		}
		if !c.HasSubCommands() && !strings.Contains(want, c.CommandPath()+" ") && !strings.Contains(want, c.CommandPath()+"`") {
			t.Errorf("the page does not list %s", c.CommandPath())
		}
	})
	if page, err := os.ReadFile(filepath.Join(dir, "ardoise.1")); err != nil || !bytes.Contains(page, []byte("Exit codes")) {
		t.Errorf("the manual does not tell the exit codes: %v", err)
	}
}

func TestWordsThatAreMissingOrTooMany(t *testing.T) {
	for line, want := range map[string]string{
		"computer show":                 "error: COMPUTER is missing\nhint: usage: ardoise computer show COMPUTER",
		"computer rename x":             "error: NAME is missing\n",
		"computer rename":               "error: COMPUTER NAME is missing\n",
		"master promote":                "error: NAME@VERSION CHANNEL is missing\n",
		"computer list now":             "error: \"now\" is one word too many: `ardoise computer list` takes none\n",
		"computer show a b":             "error: \"b\" is one word too many\n",
		"deploy --room x":               "error: NAME[@VERSION] is missing\n",
		"frobnicate":                    "error: unknown command \"frobnicate\" for \"ardoise\"\n",
		"computer list --filtre x":      "error: unknown flag: --filtre\n",
		"master rollback":               "error: NAME is missing\n",
		"computer room S1":              "error: ROOM is missing\n",
		"request close":                 "error: ID is missing\n",
		"computer chainload pc perhaps": "error: chainload is on or off, not \"perhaps\"\n",
	} {
		if code, _, got := ardoise(strings.Fields(line)...); code != 2 || !strings.HasPrefix(got, want) {
			t.Errorf("ardoise %s: %d %q, want %q", line, code, got, want)
		}
	}
}

func TestADaemonThatDoesNotRunIsNoDiskThatIsMissing(t *testing.T) {
	err := &api.NotRunningError{Data: "/srv/x", Err: os.ErrNotExist}
	for l, want := range map[notices.Language]string{notices.English: "start one", notices.French: "démarrez-en un"} {
		if c := explain(err, l); c.exit != 5 || !strings.Contains(c.hint, want) {
			t.Errorf("%s: %+v", l, c)
		}
	}
}

// TestWhatAComputerDoesAfterwards: after a wipe there is no system to start, and who is switched off stays so.
func TestWhatAComputerDoesAfterwards(t *testing.T) {
	for noun, want := range map[string]string{"wipe": string(job.EndPowerOff), "shutdown": "", "deploy": string(job.EndDisk), "verify": string(job.EndDisk),
		"inventory": string(job.EndDisk), "stage": string(job.EndDisk), "capture": string(job.EndDisk)} {
		c, _, err := newRoot(func() {}).Find([]string{noun})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if f := c.Flags().Lookup("end"); f != nil {
			got = f.DefValue
		}
		if got != want {
			t.Errorf("%s ends with %q, want %q", noun, got, want)
		}
		if chooses := c.Flags().Lookup("serial") != nil; chooses == (noun == "shutdown" || noun == "inventory") {
			t.Errorf("%s chooses a disk: %v", noun, chooses)
		}
	}
}

func TestWordsAreCompleted(t *testing.T) {
	for line, want := range map[string]string{"wipe --method ": "secure-erase", "person invite x --role t": "technician", "deploy x --end p": "poweroff",
		"token make x --scope r": "reset", "request list --state ": "answered"} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		if code, out, _ := ardoise(args...); code != 0 || !strings.Contains(out, want+"\n") {
			t.Errorf("%q: %d %s", line, code, out)
		}
	}
}
