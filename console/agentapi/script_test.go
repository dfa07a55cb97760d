package agentapi_test

import (
	"net/http"
	"testing"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

func TestAScriptGoesToTheComputerWhoseTaskNamesIt(t *testing.T) {
	s := newSite(t)
	text := "echo licence key 1234\n"
	added, err := s.fleet.AddScript(t.Context(), fleet.Script{Name: "licence", Text: text, Limit: 60, By: "marie"})
	check(t, err)
	_, err = s.fleet.ApproveScript(t.Context(), added.Hash, "paul", false)
	check(t, err)
	one, two := s.agent(), s.agent()
	one.enrol(hello(1), "one")
	two.enrol(hello(2), "two")
	order := func(o fleet.Order) {
		t.Helper()
		o.By = "marie"
		_, err := s.fleet.Give(t.Context(), o)
		check(t, err)
	}
	order(fleet.Order{Kind: job.KindScript, Computers: []string{"one"}, Script: job.ScriptOrder{Hash: added.Hash}})
	order(fleet.Order{Kind: job.KindInventory, Computers: []string{"two"}})
	two.task()
	if status, p := one.problem(http.MethodGet, job.PathScript, nil); status != http.StatusConflict || p.Code != "no-task" {
		t.Errorf("before the task is handed out: %d %+v", status, p)
	}
	k := one.task()
	if k.Script.Hash != chunk.Of([]byte(text)).String() || k.Script.Limit != 60 || k.Script.Size != int64(len(text)) || k.Script.Writes {
		t.Errorf("the task says %+v", k.Script)
	}
	if status, b := one.call(http.MethodGet, job.PathScript, nil); status != http.StatusOK || string(b) != text {
		t.Errorf("the script = %d %q", status, b)
	}
	if status, p := two.problem(http.MethodGet, job.PathScript, nil); status != http.StatusConflict || p.Code != "no-task" {
		t.Errorf("another computer gets %d %+v", status, p)
	}
	if status, p := s.agent().problem(http.MethodGet, job.PathScript, nil); status != http.StatusForbidden {
		t.Errorf("a stranger gets %d %+v", status, p)
	}
	must[job.ReportReply](one, http.MethodPost, job.PathReport, job.Report{Task: k.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Output: "done\n"}})
	if status, p := one.problem(http.MethodGet, job.PathScript, nil); status != http.StatusConflict {
		t.Errorf("after its end: %d %+v", status, p)
	}
}
