package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// step is one thing that happens to the only task of job 2 on the computer "pc", whose key is "k".
type step func(h *house)

func asks(h *house) { h.next("k") }
func writes(h *house) {
	h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Steps: []string{"scan", "write"}, Step: 1, Done: 1, Written: 1})
}
func scans(h *house) {
	h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Steps: []string{"scan", "write"}, Done: 1})
}
func writesMuch(h *house) {
	h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Steps: []string{"scan", "write"}, Step: 1, Done: 1, Written: 1 << 30})
}
func breaks(h *house) {
	r := h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Mark: &job.Mark{Task: "2-1", Phase: "break"}})
	if r.Cancel {
		h.report("k", job.Report{Task: "2-1", State: job.TaskCancelled, Outcome: &job.Outcome{Code: "cancelled"}})
	}
}
func marks(h *house) {
	h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Mark: &job.Mark{Task: "2-1", Master: "m", Version: 3, Phase: "data"}})
}
func dies(h *house) { h.next("k"); scans(h); writes(h) }
func ends(state string, o job.Outcome) step {
	return func(h *house) { h.report("k", job.Report{Task: "2-1", State: state, Outcome: &o}) }
}
func cancels(force bool) step {
	return func(h *house) {
		if _, err := h.Cancel(context.Background(), "2", "marie", force); err != nil {
			h.t.Logf("cancel: %v", err)
		}
	}
}
func waits(d time.Duration) step { return func(h *house) { h.now = h.now.Add(d) } }
func ticks(h *house)             { check(h.t, h.Tick(context.Background())) }
func ticksTwice(h *house) {
	ticks(h)
	h.now = h.now.Add(2 * time.Minute) // a daemon that was just started gives everybody a minute to speak up
	ticks(h)
}
func publishes(h *house) {
	_, err := h.BeginPublish(context.Background(), "k", "2-1", 0)
	check(h.t, err)
	check(h.t, h.Published(context.Background(), "k", "2-1", job.Published{Master: "m", Version: 1}))
}

var (
	proven = job.Outcome{Code: "ok", ProvenAt: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}
	before = &fleet.Proven{Master: "old", Version: 1}
	after  = &fleet.Proven{Master: "m", Version: 3}
)

// Every story is told twice: in one life of the daemon, and with a kill after each step. Both must end alike.
func TestWhatBecomesOfATask(t *testing.T) {
	tests := map[string]struct {
		kind    job.Kind
		steps   []step
		state   string
		outcome string
		runs    *fleet.Proven
		marked  bool
	}{
		"ordered and nothing else":                              {job.KindDeploy, nil, job.TaskWaiting, "", before, false},
		"handed out":                                            {job.KindDeploy, []step{asks}, job.TaskRunning, "", nil, false},
		"handed out twice after a power cut":                    {job.KindDeploy, []step{asks, writes, asks}, job.TaskRunning, "", nil, false},
		"proven":                                                {job.KindDeploy, []step{asks, writes, ends(job.TaskDone, proven)}, job.TaskDone, "ok", after, false},
		"proven after an interruption":                          {job.KindDeploy, []step{asks, marks, asks, writes, ends(job.TaskDone, proven)}, job.TaskDone, "ok", after, false},
		"done without a proof is not done":                      {job.KindDeploy, []step{asks, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskFailed, fleet.OutcomeUnproven, before, false},
		"done without a proof after writing":                    {job.KindDeploy, []step{asks, writes, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskFailed, fleet.OutcomeUnproven, nil, false},
		"failed before a write keeps what it ran":               {job.KindDeploy, []step{asks, scans, ends(job.TaskFailed, job.Outcome{Code: "no-disk"})}, job.TaskFailed, "no-disk", before, false},
		"failed after a write runs nothing":                     {job.KindDeploy, []step{asks, writes, ends(job.TaskFailed, job.Outcome{Code: "io"})}, job.TaskFailed, "io", nil, false},
		"failed after a write it tells of at the end":           {job.KindDeploy, []step{asks, ends(job.TaskFailed, job.Outcome{Code: "io", WrittenBytes: 4096})}, job.TaskFailed, "io", nil, false},
		"failed with its mark kept here":                        {job.KindDeploy, []step{asks, marks, ends(job.TaskFailed, job.Outcome{Code: "io"})}, job.TaskFailed, "io", nil, true},
		"failed without a word why":                             {job.KindDeploy, []step{asks, func(h *house) { h.report("k", job.Report{Task: "2-1", State: job.TaskFailed}) }}, job.TaskFailed, "unsaid", before, false},
		"cancelled while it waits":                              {job.KindDeploy, []step{cancels(false)}, job.TaskCancelled, fleet.OutcomeCancelled, before, false},
		"cancelled while it scans, and it agrees":               {job.KindDeploy, []step{asks, scans, cancels(false), ends(job.TaskCancelled, job.Outcome{Code: "cancelled"})}, job.TaskCancelled, "cancelled", before, false},
		"cancelled while it scans, and it restarts":             {job.KindDeploy, []step{asks, scans, cancels(false), asks}, job.TaskCancelled, fleet.OutcomeCancelled, nil, false},
		"cancelled when nothing was heard for long":             {job.KindDeploy, []step{asks, waits(2 * time.Minute), cancels(false)}, job.TaskCancelled, fleet.OutcomeCancelled, nil, false},
		"cancelled while it writes goes on":                     {job.KindDeploy, []step{asks, writes, cancels(false)}, job.TaskRunning, "", nil, false},
		"cancelled by force while it writes fails":              {job.KindDeploy, []step{asks, writes, cancels(true)}, job.TaskFailed, fleet.OutcomeCancelled, nil, false},
		"cancelled by the agent although it has written":        {job.KindDeploy, []step{asks, writes, ends(job.TaskCancelled, job.Outcome{})}, job.TaskFailed, "", nil, false},
		"expired while it waits":                                {job.KindDeploy, []step{waits(8 * 24 * time.Hour), asks}, job.TaskCancelled, fleet.OutcomeExpired, before, false},
		"begun before it expired":                               {job.KindDeploy, []step{asks, breaks, waits(8 * 24 * time.Hour), asks}, job.TaskRunning, "", nil, true},
		"handed out, but not begun when it expired":             {job.KindDeploy, []step{asks, scans, waits(8 * 24 * time.Hour), asks}, job.TaskCancelled, fleet.OutcomeExpired, nil, false},
		"handed out ten times without progress":                 {job.KindDeploy, repeat(asks, 11), job.TaskFailed, fleet.OutcomeNoProgress, nil, false},
		"handed out often, with progress":                       {job.KindDeploy, append(repeat(asks, 8), append([]step{writesMuch}, repeat(asks, 5)...)...), job.TaskRunning, "", nil, false},
		"dying in the same place each time":                     {job.KindDeploy, append([]step{asks, writesMuch}, repeat(dies, 10)...), job.TaskFailed, fleet.OutcomeNoProgress, nil, false},
		"cancelled before its first mark is kept":               {job.KindDeploy, []step{asks, scans, cancels(false), breaks}, job.TaskCancelled, "cancelled", before, false},
		"cancelled after its first mark goes on":                {job.KindDeploy, []step{asks, breaks, cancels(false), breaks}, job.TaskRunning, "", nil, true},
		"captured":                                              {job.KindCapture, []step{asks, publishes, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskDone, "ok", before, false},
		"captured, and cancelled before its last report":        {job.KindCapture, []step{asks, publishes, waits(2 * time.Minute), cancels(false)}, job.TaskDone, "ok", before, false},
		"captured, and then it fails":                           {job.KindCapture, []step{asks, publishes, ends(job.TaskFailed, job.Outcome{Code: "server-problem"})}, job.TaskDone, "ok", before, false},
		"a reset that waits":                                    {job.KindReset, nil, job.TaskWaiting, "", before, false},
		"a reset handed out":                                    {job.KindReset, []step{asks}, job.TaskRunning, "", nil, false},
		"a reset, proven":                                       {job.KindReset, []step{asks, writes, ends(job.TaskDone, proven)}, job.TaskDone, "ok", before, false},
		"a reset that finds nothing to write":                   {job.KindReset, []step{asks, scans, ends(job.TaskDone, proven)}, job.TaskDone, "ok", before, false},
		"a reset, interrupted, then proven":                     {job.KindReset, []step{asks, marks, asks, writes, ends(job.TaskDone, proven)}, job.TaskDone, "ok", before, false},
		"a reset that is done without a proof":                  {job.KindReset, []step{asks, writes, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskFailed, fleet.OutcomeUnproven, nil, false},
		"a reset that fails before it writes":                   {job.KindReset, []step{asks, scans, ends(job.TaskFailed, job.Outcome{Code: "no-disk"})}, job.TaskFailed, "no-disk", before, false},
		"a reset that fails while it writes":                    {job.KindReset, []step{asks, marks, ends(job.TaskFailed, job.Outcome{Code: "io"})}, job.TaskFailed, "io", nil, true},
		"a reset cancelled when nothing was heard for long":     {job.KindReset, []step{asks, waits(2 * time.Minute), cancels(false)}, job.TaskCancelled, fleet.OutcomeCancelled, before, false},
		"a reset that had not written when it expired":          {job.KindReset, []step{asks, scans, waits(8 * 24 * time.Hour), asks}, job.TaskCancelled, fleet.OutcomeExpired, before, false},
		"a reset that had its mark when it expired":             {job.KindReset, []step{asks, breaks, waits(8 * 24 * time.Hour), asks}, job.TaskRunning, "", nil, true},
		"a reset handed out ten times in vain":                  {job.KindReset, repeat(asks, 11), job.TaskFailed, fleet.OutcomeNoProgress, before, false},
		"a reset cancelled by force while it writes":            {job.KindReset, []step{asks, writes, cancels(true)}, job.TaskFailed, fleet.OutcomeCancelled, nil, false},
		"a reset that was taken, and whose computer stays away": {job.KindReset, []step{asks, scans, waits(8 * 24 * time.Hour), ticks, waits(2 * time.Minute), ticksTwice}, job.TaskCancelled, fleet.OutcomeExpired, before, false},
		"a reset that writes, and whose computer stays away":    {job.KindReset, []step{asks, breaks, waits(8 * 24 * time.Hour), ticks, waits(2 * time.Minute), ticksTwice}, job.TaskRunning, "", nil, true},
		"a reset that nobody asked for in time":                 {job.KindReset, []step{waits(8 * 24 * time.Hour), ticks}, job.TaskCancelled, fleet.OutcomeExpired, before, false},
		"a staged version":                                      {job.KindStage, []step{asks, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskDone, "ok", before, false},
		"a version that could not be staged":                    {job.KindStage, []step{asks, ends(job.TaskFailed, job.Outcome{Code: "no-cache"})}, job.TaskFailed, "no-cache", before, false},
		"a capture that published nothing":                      {job.KindCapture, []step{asks, ends(job.TaskDone, job.Outcome{Code: "ok"})}, job.TaskFailed, fleet.OutcomeNothing, before, false},
	}
	for name, tt := range tests {
		for _, killed := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", killed after each step"}[killed], func(t *testing.T) {
				t.Parallel()
				h := immortal(t)
				if killed {
					h = newHouse(t)
				}
				h.enrol("k", "pc", hello(1))
				h.runsOld()
				h.order(tt.kind, "pc")
				for _, s := range tt.steps {
					h.kill()
					s(h)
				}
				h.kill()
				got := h.state("2")
				code := ""
				if got.Outcome != nil {
					code = got.Outcome.Code
				}
				c := h.computer("pc")
				if got.State != tt.state || code != tt.outcome || c.Mark != nil != tt.marked {
					t.Errorf("the task is %s %q, the mark %+v; want %s %q, marked %v", got.State, code, c.Mark, tt.state, tt.outcome, tt.marked)
				}
				if d := cmp.Diff(plain(tt.runs), plain(c.Runs)); d != "" {
					t.Errorf("the computer runs (-want +got)\n%s", d)
				}
			})
		}
	}
}

func repeat(s step, n int) []step {
	var out []step
	for range n {
		out = append(out, s)
	}
	return out
}

// plain is what a computer runs, without moments.
func plain(p *fleet.Proven) any {
	if p == nil {
		return nil
	}
	return [2]any{p.Master, p.Version}
}

// runsOld lets the computer run old@1, by job 1.
func (h *house) runsOld() {
	h.t.Helper()
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "old", Version: 1,
		Manifest: "oldhash"})
	check(h.t, err)
	h.next("k")
	h.report("k", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven})
}

func TestEachHandOutHasANonceOfItsOwn(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.order(job.KindDeploy, "pc")
	seen := map[string]bool{}
	for range 5 {
		e := h.next("k")
		var task job.Task
		check(t, json.Unmarshal(e.Payload, &task))
		if seen[task.Nonce] || len(task.Nonce) != 32 {
			t.Errorf("nonce %q was used before or is short", task.Nonce)
		}
		seen[task.Nonce] = true
		if !bytes.HasPrefix(e.Signature, []byte(job.ContextTask)) || task.ComputerKey != "k" {
			t.Errorf("the envelope is signed as %.20q for key %q", e.Signature, task.ComputerKey)
		}
		h.kill()
	}
}

func TestReportsThatMeanNothing(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.enrol("k2", "pc2", hello(2))
	h.order(job.KindDeploy, "pc")
	ctx := context.Background()
	_, err := h.Report(ctx, "k", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven})
	wantCode(t, "a report on a task that was not handed out", err, fleet.CodeNoTask)
	h.next("k")
	_, err = h.Report(ctx, "k2", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven})
	wantCode(t, "a report by another computer", err, fleet.CodeNotYours)
	_, err = h.Report(ctx, "nobody", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven})
	wantCode(t, "a report by nobody", err, fleet.CodeNotEnrolled)
	_, err = h.Report(ctx, "k", job.Report{Task: "1-1", State: job.TaskWaiting})
	wantCode(t, "a report in no state", err, fleet.CodeBadOrder)
	if got := h.state("1"); got.State != job.TaskRunning {
		t.Errorf("after all that the task is %s", got.State)
	}
	h.report("k", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven})
	if r := h.report("k", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &proven}); r.Cancel {
		t.Error("a repeated last report is told to cancel")
	}
	if r := h.report("k", job.Report{Task: "1-1", State: job.TaskFailed}); !r.Cancel {
		t.Error("a report that contradicts the end is not told to cancel")
	}
}

// A second try to publish, after a crash between the library's commit and ours, must be told what the first one used.
func TestPublishingIsRememberedBeforeItHappens(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.order(job.KindCapture, "pc")
	h.next("k")
	first, err := h.BeginPublish(context.Background(), "k", "1-1", 4)
	check(t, err)
	h.kill()
	h.now = h.now.Add(time.Hour)
	second, err := h.BeginPublish(context.Background(), "k", "1-1", 5)
	check(t, err)
	if d := cmp.Diff(first, second); d != "" || first.After != 4 || first.Author != "marie" {
		t.Errorf("the second try differs (-first +second)\n%s", d)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	two := hello(2)
	two.Inventory.Disks = append(two.Inventory.Disks, job.Disk{Path: "/dev/sdb", Size: 2 << 30, SectorSize: 512, Bus: "sata"})
	h.enrol("k2", "two", two)
	none := hello(3)
	none.Inventory.Disks = nil
	h.enrol("k3", "none", none)
	h.hello("k4", hello(4))
	h.enrol("k5", "busy", hello(5))
	h.order(job.KindDeploy, "busy")
	deploy := func(computers ...string) fleet.Order {
		return fleet.Order{Kind: job.KindDeploy, Computers: computers, Master: "m", Version: 1, Manifest: "h"}
	}
	with := func(o fleet.Order, change func(*fleet.Order)) fleet.Order {
		change(&o)
		return o
	}
	tests := map[string]struct {
		order fleet.Order
		code  fleet.Code
	}{
		"a computer that does not exist":     {deploy("pc", "nope"), fleet.CodeNoComputer},
		"a computer that waits for approval": {deploy("pc-000004"), fleet.CodeNotEnrolled},
		"a busy computer among others":       {deploy("pc", "busy"), fleet.CodeBusy},
		"two disks and no rule":              {deploy("two"), fleet.CodeSeveralDisks},
		"no disk":                            {deploy("none"), fleet.CodeNoDisk},
		"a rule that fits no disk":           {with(deploy("two"), func(o *fleet.Order) { o.Disk.Bus = "nvme" }), fleet.CodeNoDisk},
		"no computers":                       {deploy(), fleet.CodeBadOrder},
		"no version":                         {with(deploy("pc"), func(o *fleet.Order) { o.Version = 0 }), fleet.CodeBadOrder},
		"no such kind":                       {with(deploy("pc"), func(o *fleet.Order) { o.Kind = "wipe-all" }), fleet.CodeBadOrder},
		"no such ending":                     {with(deploy("pc"), func(o *fleet.Order) { o.Ending = "explode" }), fleet.CodeBadOrder},
		"a countdown of a day":               {with(deploy("pc"), func(o *fleet.Order) { o.Countdown = 86400 }), fleet.CodeBadOrder},
		"a capture from two computers":       {with(deploy("pc", "two"), func(o *fleet.Order) { o.Kind = job.KindCapture }), fleet.CodeBadOrder},
		"an order that has expired":          {with(deploy("pc"), func(o *fleet.Order) { o.Within = -1 }), fleet.CodeBadOrder},
	}
	for name, tt := range tests {
		_, err := h.Give(context.Background(), tt.order)
		wantCode(t, name, err, tt.code)
	}
	if n := len(h.Jobs()); n != 1 {
		t.Errorf("%d jobs exist after the refusals, want 1", n)
	}
	j, err := h.Give(context.Background(), deploy("pc", "PC", mac(1)))
	if err != nil || len(j.Tasks) != 1 {
		t.Errorf("one computer named three times gets %d tasks, %v", len(j.Tasks), err)
	}
	if _, err := h.Give(context.Background(), with(deploy("two"), func(o *fleet.Order) { o.Disk.MinSize = 2 << 30 })); err != nil {
		t.Errorf("a rule that fits one of two disks: %v", err)
	}
}
