package fleet_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// ordered resets a computer, and returns why it was not handed its task; "" when it was.
func (h *house) ordered(key, computer string) string {
	h.t.Helper()
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{computer}})
	check(h.t, err)
	if got := h.task(key); got.ID != "" {
		if len(got.Exceptions) == 0 {
			h.t.Errorf("%s is to be reset without its name", computer)
		}
		h.report(key, job.Report{Task: got.ID, State: job.TaskDone, Outcome: &proven})
		return ""
	}
	last := h.Jobs()[0].Tasks[0]
	if last.State != job.TaskFailed || last.Outcome == nil || last.Outcome.Code != fleet.OutcomeNotOwn {
		h.t.Fatalf("the task of %s ended %s, %+v", computer, last.State, last.Outcome)
	}
	return last.Outcome.Detail
}

// A room of equal names is not a deployed room: two computers whose pattern gives one name are both told, and neither written.
func TestTwoComputersOfARoomAreNeverCalledTheSame(t *testing.T) {
	h := newHouse(t)
	h.personal = &names{}
	h.kill()
	for i, name := range []string{"old-07", "new-07", "x.07", "x-07", "S105-07"} {
		h.holding("k"+name, name, i+1, "debian", "aa")
	}
	template := func(pattern string) func(*fleet.Room) {
		return func(r *fleet.Room) { r.Template = fleet.Template{Hostname: pattern} }
	}
	h.room("S104", template("{room}-{number}"), "old-07", "new-07")
	h.room("S106", template("{name}"), "x.07", "x-07")
	h.room("S105", template("{room}-{number}"), "S105-07")
	if why := h.ordered("kold-07", "old-07"); !strings.Contains(why, "old-07 would be called S104-07 in its room, as new-07 would") {
		t.Errorf("said %q", why)
	}
	if why := h.ordered("kx-07", "x-07"); !strings.Contains(why, "as x.07 would") {
		t.Errorf("said %q", why)
	}
	if g := h.granted("kold-07"); g.Manifest != "" {
		t.Errorf("it is granted %+v", g)
	}
	if why := h.ordered("kS105-07", "S105-07"); why != "" {
		t.Errorf("alone in its room: %q", why)
	}
	_, err := h.Rename(context.Background(), "new-07", "new-08")
	check(t, err)
	for _, name := range []string{"old-07", "new-08"} {
		if why := h.ordered("k"+strings.Replace(name, "new-08", "new-07", 1), name); why != "" {
			t.Errorf("%s, once renamed: %q", name, why)
		}
	}
}

// unattend is an answer file as Windows reads it.
func unattend(name string) string {
	return "\ufeff" + `<?xml version="1.0" encoding="utf-8"?><unattend xmlns="urn:schemas-microsoft-com:unattend"><settings pass="specialize">` +
		`<component name="Microsoft-Windows-Shell-Setup"><ComputerName>` + name + `</ComputerName>` +
		`<RegisteredOwner>A &amp; B {serial}</RegisteredOwner></component></settings></unattend>`
}

// Windows' set-up stops at an answer file that it does not understand, and the computer does not start any more.
func TestAnswerFilesThatWindowsWouldStopAt(t *testing.T) {
	h := newHouse(t)
	h.personal = &names{}
	h.kill()
	h.holding("k1", "S104-07", 1, "win", "aa")
	h.holding("k2", "a-very-long-name-07", 2, "win", "aa")
	h.holding("k3", "S104.07", 3, "win", "aa")
	h.holding("k4", "S104_08", 4, "win", "aa")
	h.room("S104", func(*fleet.Room) {}, "S104-07", "a-very-long-name-07", "S104.07", "S104_08")
	set := func(file, text string) error {
		_, err := h.SetRoom(context.Background(), "S104", "anna", func(r *fleet.Room) {
			r.Template = fleet.Template{Answer: text, Path: file}
		})
		return err
	}
	for text, says := range map[string]string{
		"<a>Jeu & match</a>": "line 1",
		"<a>1 < 2</a>":       "line 1",
		"<a><b></a></b>":     "line 1",
		"<a>":                "unexpected EOF",
		"<a b=c/>":           "unquoted",
		"<a>&eacute;</a>":    "line 1",
		`<?xml version="1.0" encoding="utf-16"?><a/>`: "UTF-8",
		unattend("les postes"):                        `"les postes" is no name`,
		unattend("{name}-de-la-salle-S104"):           "1 to 15 letters",
		unattend("{number}"):                          "not only digits",
		unattend(" "):                                 "is no name",
	} {
		if err := set("", text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is taken: %v, want %q", text, err, says)
		}
		if err := set("setup.ini", text); err != nil {
			t.Errorf("a file that is no XML: %v", err)
		}
	}
	check(t, set("", unattend("{name}")))
	if why := h.ordered("k1", "S104-07"); why != "" {
		t.Errorf("it has no task: %q", why)
	}
	if why := h.ordered("k2", "a-very-long-name-07"); !strings.Contains(why, `"a-very-long-name-07" is no name`) {
		t.Errorf("said %q", why)
	}
	if why := h.ordered("k3", "S104.07"); !strings.Contains(why, `"S104.07" is no name`) {
		t.Errorf("said %q", why)
	}
	if why := h.ordered("k4", "S104_08"); why != "" {
		t.Errorf("a name with an underscore: %q", why)
	}
	check(t, set("", unattend("*")))
	if why := h.ordered("k2", "a-very-long-name-07"); why != "" {
		t.Errorf("Windows draws a name: %q", why)
	}
}
